"""Pictures of results, by matplotlib, without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_mnv3.core.errors import MissingExtraError, OutputError
from edge_mnv3.core.results.diagnose import DiagnoseResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
_SIZE_INCHES = (12.0, 9.0)
_DOTS_PER_INCH = 120
_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9822b", "#8a8a8a"
_MOST_NAMES = 70  # how many slanted names fit side by side under an axis


def check_plot(path: Path) -> None:
    """Refuses a plot that could not be drawn, before any long work begins.

    Raises:
        OutputError: The file name says neither PNG nor SVG.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"plot {path}", f"a file of type '{path.suffix}'", " or ".join(SUFFIXES))
    _figure_class()


def plot_diagnosis(result: DiagnoseResult, path: Path) -> None:
    """Draws the signal-to-noise ratio along the graph and the cost of the most expensive tensors.

    Args:
        result: The result of `diagnose`.
        path: A file name that ends in `.png` or `.svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = _figure_class()(figsize=_SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.1, 1.0))
    _draw_layers(result, above)
    _draw_costs(result, below)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "a plot needs matplotlib, which is not installed", next_step="pip install 'edge-mnv3[plot]'"
        ) from error
    return Figure


def _draw_layers(result: DiagnoseResult, axes: Axes) -> None:
    known = [(place, layer.snr_db) for place, layer in enumerate(result.layers) if layer.snr_db is not None]
    axes.plot(*zip(*known, strict=True), color=_BLUE, marker=".", linewidth=1.2)
    expensive = {cost.tensor for cost in result.costs}
    marked = [(place, db) for place, db in known if result.layers[place].tensor in expensive]
    if marked:
        axes.scatter(
            *zip(*marked, strict=True), color=_ORANGE, zorder=3, label="among the most expensive tensors"
        )
        axes.legend(loc="upper right", frameon=False)
    starts: list[int] = []
    for place, layer in enumerate(result.layers):
        begins = place == 0 or layer.block != result.layers[place - 1].block
        if begins and (not starts or place - starts[-1] > len(result.layers) / _MOST_NAMES):
            starts.append(place)
    names = [result.layers[place].block for place in starts]
    axes.set_xticks(starts, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_ylabel("signal to noise, dB")
    logits = "" if result.snr_db is None else f", logits {result.snr_db:.1f} dB"
    axes.set_title(
        f"{Path(result.int8_path).name}, {result.kernels} kernels, {result.n} images{logits}", fontsize=10
    )
    axes.grid(axis="y", color=_GREY, alpha=0.3)
    axes.margins(x=0.01)


def _draw_costs(result: DiagnoseResult, axes: Axes) -> None:
    names = [f"{cost.layer} weights" if cost.kind == "weights" else cost.layer for cost in result.costs]
    places = list(range(len(names)))
    axes.barh(places, [cost.noise_percent for cost in result.costs], color=_ORANGE)
    for place, cost in zip(places, result.costs, strict=True):
        together = "" if cost.cumulative_snr_db is None else f"{cost.cumulative_snr_db:.1f} dB so far, "
        axes.annotate(
            f"{together}{cost.causes[0].kind.replace('_', ' ')}",
            (cost.noise_percent, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set_xlim(left=0)
    axes.set_xlabel("squared error of the logits with this tensor alone quantized, % of their signal")
