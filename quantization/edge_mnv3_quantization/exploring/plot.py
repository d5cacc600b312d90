"""A picture of a sweep: accuracy against cost, the front, and what is recommended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.results.sweep import SweepResult, SweepRow
from edge_mnv3_quantization.plotting import BLUE, DOTS_PER_INCH, GREY, ORANGE, figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (9.0, 6.0)
_UNITS = {
    "instructions": "million instructions of one inference, emulated",
    "modelled_cycles": "million modelled cycles of one inference",
}
_MARKERS = "osD^vP*X"


def plot_sweep(result: SweepResult, path: Path) -> None:
    """Draws the rows of a sweep that have a cost.

    Args:
        result: The result of `sweep`.
        path: A file name that ends in `.png` or `.svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_class()(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    rows = [row for row in result.rows if row.cost is not None and _quality(result, row) is not None]
    _draw_rows(result, rows, axes)
    _draw_front(result, rows, axes)
    axes.set_xlabel(f"{_UNITS[result.cost.kind]} ({result.cost.processor})")
    axes.set_ylabel(
        "signal to noise of the logits on held-out images, dB"
        if result.quality == "held_out_snr_db"
        else f"int8 accuracy on {result.data}, %"
    )
    axes.set_title(_title(result, rows), fontsize=10)
    axes.grid(color=GREY, alpha=0.25)
    axes.margins(x=0.13, y=0.08)
    figure.legend(frameon=False, loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _title(result: SweepResult, rows: list[SweepRow]) -> str:
    """What is recommended, what the bars are, and which rows have no place in the picture."""
    chosen = result.recommendation.row
    lines = ["nothing to recommend" if chosen is None else f"recommended: {chosen}"]
    if result.recommendation.differences:
        lines.append("bars: 95 % intervals of the difference from it, on the same images")
    absent = [row.name for row in result.rows if row not in rows]
    if absent:
        lines.append(f"not shown, without cost or accuracy: {', '.join(absent)}")
    return "\n".join(lines)


def _quality(result: SweepResult, row: SweepRow) -> float | None:
    value = row.snr_db if result.quality == "held_out_snr_db" else row.int8_percent
    return None if value is None else value.mean


def _places(result: SweepResult, rows: list[SweepRow]) -> list[tuple[float, float]]:
    return [(row.cost.mean / 1e6 if row.cost else 0.0, _quality(result, row) or 0.0) for row in rows]


def _draw_rows(result: SweepResult, rows: list[SweepRow], axes: Axes) -> None:
    """A marker for each row: its shape tells model and recipe, its bar what images leave open."""
    differences = {each.row: each for each in result.recommendation.differences}
    kinds = list(dict.fromkeys((row.model, row.recipe) for row in rows))
    several = len({model for model, _ in kinds}) > 1
    dark = "#333333"
    for kind, (model, recipe) in enumerate(kinds):
        members = [row for row in rows if (row.model, row.recipe) == (model, recipe)]
        marker, label = _MARKERS[kind % len(_MARKERS)], f"{model} {recipe}" if several else recipe
        axes.plot([], [], marker=marker, color=dark, linestyle="none", markersize=7, label=label)
        for row, (cost, quality) in zip(members, _places(result, members), strict=True):
            chosen = row.name == result.recommendation.row
            axes.plot(
                [cost],
                [quality],
                marker=marker,
                markersize=12 if chosen else 8,
                color=ORANGE if chosen else BLUE if row.on_front else GREY,
                linestyle="none",
                zorder=3,
            )
            difference = differences.get(row.name)
            if difference is not None:
                ends = [
                    [difference.difference - difference.ci95[0]],
                    [difference.ci95[1] - difference.difference],
                ]
                axes.errorbar([cost], [quality], ends, color=GREY, capsize=3, linewidth=1, zorder=2)
            axes.annotate(
                f"budget {row.name.rpartition(f'{row.recipe} ')[2]}"
                + (", do not ship" if row.ship_problems else ""),
                (cost, quality),
                xytext=(9, -12),
                textcoords="offset points",
                fontsize=9,
            )


def _draw_front(result: SweepResult, rows: list[SweepRow], axes: Axes) -> None:
    """The front as steps: what is to be had for a cost."""
    front = sorted(_places(result, [row for row in rows if row.on_front]))
    if front:
        axes.step(
            *zip(*front, strict=True), where="post", color=BLUE, linewidth=1.2, zorder=1, label="Pareto front"
        )
    shown = [row for row in rows if row.name in result.recommendation.shown]
    ends = sorted(_places(result, shown))
    if len(ends) > 1:
        chord = (ends[0], ends[-1])
        axes.plot(
            *zip(*chord, strict=True), color=ORANGE, linestyle=":", linewidth=1.2, label="chord of the knee"
        )
