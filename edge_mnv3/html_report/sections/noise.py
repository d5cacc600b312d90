"""Where the int8 file loses what the float file knows, and why."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.diagnose import DiagnoseResult, LayerNoise, RecipeFindings, TensorCost
from edge_mnv3.html_report.blocks import (
    Bar,
    Block,
    Cell,
    Curve,
    Facts,
    Line,
    Section,
    Table,
    Tick,
    absent,
    columns,
    ends,
    number,
    row,
    without_empty,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.sections.verdict import diagnose_command
from edge_mnv3.html_report.words import axis, decibels, percent, plain, share, short

KEY, TITLE = "error-along-the-graph", "Error along the graph"


def noise(gathered: Gathered) -> Section:
    """Signal to noise block by block and value by value, and the most expensive tensors with their causes."""
    result = gathered.diagnosis
    if result is None:
        text = "Where the error comes from was not measured."
        return absent(KEY, TITLE, text, diagnose_command(gathered))
    blocks: list[Block] = [Facts(rows=tuple(_facts(result)))]
    curve = _curve(result.layers)
    if curve is not None:
        blocks.append(curve)
    blocks += [_blocks(result.layers), _costs(result.costs, result.other_noise_percent)]
    if result.refused:
        blocks.append(_refused(result))
    if len(gathered.diagnoses) > 1:
        blocks.append(_others(gathered.diagnoses))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _facts(result: DiagnoseResult) -> Iterator[tuple[str, str]]:
    yield (
        "Logits",
        f"{decibels(result.snr_db)} signal to noise, {decibels(result.predicted_snr_db)} predicted",
    )
    if result.agreement_percent is not None:
        yield "Same answer", f"{percent(result.agreement_percent, 1)} of these images"
    yield "Images", f"{result.n} of {result.images}"
    kernels = "XNNPACK" if result.kernels == "xnnpack" else "built-in kernels; it does not load under XNNPACK"
    yield "Kernels", f"{kernels}, {result.runtime}"
    yield "Recipe", "; ".join(_recipe(result.recipe, "moved" if result.recipe_report is None else "refitted"))


def _recipe(recipe: RecipeFindings, of_biases: str) -> Iterator[str]:
    """What the recipe did; where none is known, biases were only seen to be others than the float file's."""
    yield f"channels equalized in {recipe.equalized_values} of {recipe.values} values"
    lowered = recipe.hard_swishes_as_table + recipe.hard_swishes_as_convolution
    if recipe.hard_swishes:
        yield f"{lowered} of {recipe.hard_swishes} hard-swishes lowered"
    if recipe.folded_squeeze_excites:
        yield f"{count(recipe.folded_squeeze_excites, 'squeeze-excite excitation')} folded away"
    yield f"biases {of_biases} in {recipe.corrected_operators} of {recipe.weighted_operators} operators"


def _curve(layers: Sequence[LayerNoise]) -> Curve | None:
    """Signal to noise of every value in the order of execution; a value without a figure breaks the line."""
    known = [layer.snr_db for layer in layers if layer.snr_db is not None]
    if len(known) < 2:
        return None
    low, high = ends([0.0, *known])
    last = max(1, len(layers) - 1)
    parts: list[list[str]] = [[]]
    for place, layer in enumerate(layers):
        if layer.snr_db is None:
            parts.append([])
        else:
            x, y = round(100 * place / last, 2), round(100 - share(layer.snr_db, low, high), 2)
            parts[-1].append(f"{x:g},{y:g}")
    lowest = min((layer for layer in layers if layer.snr_db is not None), key=lambda each: each.snr_db or 0.0)
    return Curve(
        caption="Signal to noise of each value of the int8 file as it runs, in the order of execution, "
        "in dB: the higher, the less error",
        alt=f"A line over {count(len(layers), 'value')}, from {decibels(known[0])} at the first to "
        f"{decibels(known[-1])} at the last; the lowest is {decibels(lowest.snr_db)} at {lowest.layer}.",
        lines=(Line(name="signal to noise", parts=tuple(" ".join(part) for part in parts if len(part) > 1)),),
        x_ticks=tuple(_block_ticks(layers)),
        y_ticks=axis(low, high, most=5, from_top=True),
        unit="dB",
    )


def _block_ticks(layers: Sequence[LayerNoise]) -> Iterator[Tick]:
    """About four names of blocks below the curve."""
    last = max(1, len(layers) - 1)
    for at_percent in (0, 33, 67):
        layer = layers[min(last, round(at_percent * last / 100))]
        yield Tick(at_percent=at_percent, text=layer.block)


def _blocks(layers: Sequence[LayerNoise]) -> Table:
    known = [layer.snr_db for layer in layers if layer.snr_db is not None]
    high = max([0.0, *known]) or 1.0
    rows = []
    for place, (name, group) in enumerate(itertools.groupby(layers, key=lambda layer: layer.block), start=1):
        members = list(group)
        noisy = [layer for layer in members if layer.snr_db is not None]
        lowest = min(noisy, key=lambda layer: layer.snr_db or 0.0, default=None)
        rows.append(
            row(
                number(place, name),
                _level(members[-1].snr_db, high),
                number(lowest.snr_db if lowest else None, decibels(lowest.snr_db if lowest else None)),
                lowest.layer if lowest else "",
            )
        )
    return Table(
        caption="Signal to noise block by block",
        columns=columns("Block", "#At its end", "#Lowest inside", "Where"),
        rows=tuple(rows),
    )


def _level(snr_db: float | None, high: float) -> Cell:
    bar = None if snr_db is None else Bar(start_percent=0, end_percent=share(snr_db, 0.0, high))
    return number(snr_db, decibels(snr_db), bar=bar)


def _costs(costs: Sequence[TensorCost], other_noise_percent: float) -> Table:
    most = max((cost.share_percent for cost in costs), default=1.0) or 1.0
    rows = [
        row(
            number(cost.rank, f"{cost.layer}{' weights' if cost.kind == 'weights' else ''}"),
            number(
                cost.share_percent,
                percent(cost.share_percent, 1),
                bar=Bar(start_percent=0, end_percent=share(cost.share_percent, 0, most)),
            ),
            number(cost.snr_db, decibels(cost.snr_db)),
            number(cost.cumulative_snr_db, decibels(cost.cumulative_snr_db)),
            "; ".join(cause.text for cause in cost.causes),
            "; ".join(cost.recipe_did),
            cost.suggestion,
        )
        for cost in costs
    ]
    return without_empty(
        Table(
            caption="The most expensive tensors: each alone in 8 bits, the rest in float. All other tensors "
            f"add noise of {short(other_noise_percent)} % of the signal",
            columns=columns("Tensor", "#Share", "#Alone", "#So far", "Cause", "Done", "To try"),
            rows=tuple(rows),
        )
    )


def _refused(result: DiagnoseResult) -> Table:
    rows = tuple(
        row(each.layer, each.op, "; ".join(cause.text for cause in each.causes)) for each in result.refused
    )
    caption = "Operators that XNNPACK refuses: phones do not load the file"
    return Table(caption=caption, columns=columns("Layer", "Operator", "Cause"), rows=rows)


def _others(diagnoses: Sequence[DiagnoseResult]) -> Table:
    rows = tuple(
        row(result.images, number(result.n, str(result.n)), number(result.snr_db, plain(result.snr_db)))
        for result in diagnoses
    )
    caption = "All diagnoses of this pair; the page shows the one on most images"
    return Table(caption=caption, columns=columns("Images", "#Number", "#Logits, dB"), rows=rows)
