"""The ranges that were chosen, and what else the recipe decided layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.recipe import ONLY_GAIN, RecipeReport, TensorRange
from edge_mnv3.html_report.blocks import (
    Bar,
    Block,
    Facts,
    Notice,
    Section,
    Table,
    absent,
    columns,
    number,
    row,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.sections.histograms import histograms
from edge_mnv3.html_report.sections.verdict import diagnose_command
from edge_mnv3.html_report.words import NONE, percent, plain, share, short

KEY, TITLE = "ranges", "Ranges and recipe"
_FORMS = {
    "table": "one table",
    "table_by_groups": "a table for each channel group",
    "per_channel": "channel by channel",
    "operator": "HARD_SWISH",
}


def ranges(gathered: Gathered) -> Section:
    """Of the recipe's report; a diagnosis has one too, without ranges."""
    report = gathered.quantize.recipe_report if gathered.quantize else None
    diagnosis = gathered.diagnosis
    if report is None and diagnosis is not None:
        report = diagnosis.recipe_report
    drawn = [] if diagnosis is None else list(histograms(diagnosis))
    if report is None and not drawn:
        text = "What the recipe did is not told: there is no quantize.json of this pair that says so."
        return absent(KEY, TITLE, text, "edge-mnv3 quantize --help")
    blocks: list[Block] = [] if report is None else [Facts(rows=tuple(_facts(report)))]
    blocks += drawn
    if not drawn:
        text = "No histograms: the numbers of the activation tensors were not counted."
        blocks.append(Notice(tone="plain", text=text, command=diagnose_command(gathered, diagnosis)))
    if report is not None:
        blocks += _of_recipe(report)
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _of_recipe(report: RecipeReport) -> Iterator[Block]:
    if report.ranges:
        yield _ranges(report.ranges)
    if report.hard_swishes:
        yield _hard_swishes(report)
    if report.refitted_layers:
        yield _refitted(report)
    if report.copied_layers:
        yield _copied(report)


def _facts(report: RecipeReport) -> Iterator[tuple[str, str]]:
    yield "Recipe", report.recipe
    measured = "all" if report.measured_images == report.images else str(report.measured_images)
    yield "Images", f"{report.images}; what errors cost was measured on {measured} of them"
    if report.equalization_exponent is not None:
        tried = ", ".join(
            f"{short(trial.logits_mse)} with {trial.exponent:g}" for trial in report.exponent_trials
        )
        yield (
            "Equalization exponent",
            f"{report.equalization_exponent:g}"
            + (f"; mean squared error of the logits {tried}" if tried else ""),
        )
    if report.folded_excitations:
        yield "Folded excitations", ", ".join(report.folded_excitations)
    if report.channel_groups:
        groups = "; ".join(
            f"{name}: {' + '.join(map(str, parts))}" for name, parts in report.channel_groups.items()
        )
        yield "Channel groups", groups


def _ranges(every: Sequence[TensorRange]) -> Table:
    most = max(max(abs(each.low), abs(each.high)) for each in every) or 1.0
    rows = tuple(
        row(
            number(place, each.layer),
            number(
                each.high - each.low,
                f"{short(each.low)} to {short(each.high)}",
                bar=Bar(start_percent=_place(each.low, most), end_percent=_place(each.high, most)),
            ),
            number(each.scale, short(each.scale)),
            number(each.zero_point, plain(each.zero_point, 0)),
        )
        for place, each in enumerate(every, start=1)
    )
    caption = (
        f"Ranges of {count(len(rows), 'value')} in the order of execution: each bar is what the 256 steps "
    )
    caption += (
        f"cover, from {short(-most)} to {short(most)} on a scale that is logarithmic on both sides of 0"
    )
    titles = ("Layer", "#Range", "#Step", "#Zero point")
    return Table(caption=caption, columns=columns(*titles), rows=rows, folded=len(rows) > 24)


def _place(value: float, most: float) -> float:
    """The place of a number on a scale from -most to most: logarithmic, but even about 0."""
    return share(math.asinh(value), -math.asinh(most), math.asinh(most))


def _hard_swishes(report: RecipeReport) -> Table:
    rows = tuple(
        row(
            each.layer,
            each.input_layer,
            _FORMS.get(each.form, each.form),
            number(each.groups, str(each.groups)),
        )
        for each in report.hard_swishes
    )
    titles = ("Hard-swish", "Of", "Written as", "#Groups")
    caption = f"What became of {count(len(rows), 'hard-swish', 'hard-swishes')}"
    return Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)


def _ridge(ridge: float | None) -> str:
    if ridge is None:
        return NONE
    return "gain alone" if ridge == ONLY_GAIN else short(ridge)


def _refitted(report: RecipeReport) -> Table:
    rows = tuple(
        row(
            each.layer,
            number(each.refitted_channels, f"{each.refitted_channels} of {each.channels}"),
            *(
                number(ridge, _ridge(ridge))
                for ridge in (each.smallest_ridge, each.median_ridge, each.largest_ridge)
            ),
        )
        for each in report.refitted_layers
    )
    titles = ("Layer", "#Channels with other weights", "#Least ridge", "#Median", "#Largest")
    caption = f"{count(len(rows), 'layer')} whose biases, and weights, were refitted"
    return Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)


def _copied(report: RecipeReport) -> Table:
    rows = tuple(
        row(
            each.layer,
            number(each.copied_channels, f"{each.copied_channels} of {each.channels}"),
            number(each.added_channels, str(each.added_channels)),
            number(each.most_copies, str(each.most_copies)),
        )
        for each in report.copied_layers
    )
    more = percent(report.copies_cost_percent, 1)
    caption = f"Channels that are computed several times; the modelled cost rises by {more}"
    titles = ("Layer", "#Copied channels", "#Added channels", "#Most copies")
    return Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)
