"""A picture of a diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3_quantization.plotting import BLUE, DOTS_PER_INCH, GREY, ORANGE, figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (12.0, 9.0)
_MOST_NAMES = 70  # how many slanted names fit side by side under an axis


def plot_diagnosis(result: DiagnoseResult, path: Path) -> None:
    """Draws the signal-to-noise ratio along the graph and the cost of the most expensive tensors.

    Args:
        result: The result of `diagnose`.
        path: A file name that ends in `.png` or `.svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_class()(figsize=_SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.1, 1.0))
    _draw_layers(result, above)
    _draw_costs(result, below)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _draw_layers(result: DiagnoseResult, axes: Axes) -> None:
    known = [(place, layer.snr_db) for place, layer in enumerate(result.layers) if layer.snr_db is not None]
    axes.plot(*zip(*known, strict=True), color=BLUE, marker=".", linewidth=1.2)
    expensive = {cost.tensor for cost in result.costs}
    marked = [(place, db) for place, db in known if result.layers[place].tensor in expensive]
    if marked:
        axes.scatter(
            *zip(*marked, strict=True), color=ORANGE, zorder=3, label="among the most expensive tensors"
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
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.margins(x=0.01)


def _draw_costs(result: DiagnoseResult, axes: Axes) -> None:
    names = [f"{cost.layer} weights" if cost.kind == "weights" else cost.layer for cost in result.costs]
    places = list(range(len(names)))
    axes.barh(places, [cost.noise_percent for cost in result.costs], color=ORANGE)
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
