"""How the numbers of each activation tensor lie in the range that int8 has for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.diagnose import DiagnoseResult, LayerNoise, ValueHistogram
from edge_mnv3.html_report.blocks import Block, Histogram, Histograms, Table, Text, columns, number, row
from edge_mnv3.html_report.words import MINUS, percent, share, short

_SHOWN = 9  # how many are shown at once: rows of three, or of one on a phone


class _Counted(NamedTuple):
    """A tensor whose numbers were counted."""

    layer: LayerNoise
    histogram: ValueHistogram

    @property
    def lost_percent(self) -> float:
        """The share of the numbers that an end of the range changes, and that count."""
        return max(0.0, self.histogram.clipped_percent - self.histogram.harmless_percent)


def histograms(result: DiagnoseResult) -> Iterator[Block]:
    """Those tensors that matter most, then all of them, drawn and as a table; nothing of older results."""
    counted = [_Counted(layer, layer.histogram) for layer in result.layers if layer.histogram is not None]
    if not counted:
        return
    chosen = _chosen(result, counted)
    yield Text(
        text=f"How the numbers of the activation tensors lie in their int8 ranges, over {result.n} images. "
        "The shaded band is the chosen range; its two ends are written below it. Numbers outside of the band "
        "are clipped: int8 stores the end of the range instead. In front of a hard-swish it does no harm to "
        f"clip numbers below {MINUS}3, because hard-swish turns all of them into 0. Where a recipe equalized "
        "the channels, the numbers are shown divided by their channel's scale. All numbers are counted here; "
        "the causes above are of a sample of them, so that their shares may differ a little."
    )
    yield Histograms(
        caption=f"The {len(chosen)} tensors that matter most: the most expensive ones, then those that lose "
        "most numbers to clipping. Heights are logarithmic, so that rare numbers can be seen",
        histograms=tuple(_drawn(each, result) for each in chosen),
    )
    if len(counted) > len(chosen):
        yield Histograms(
            caption=f"Histograms of all {count(len(counted), 'activation tensor')}, in the order of "
            "execution",
            histograms=tuple(_drawn(each, result) for each in counted),
            folded=True,
        )
    yield _table(counted)


def _chosen(result: DiagnoseResult, counted: Sequence[_Counted]) -> list[_Counted]:
    """The most expensive values, then those of which most is clipped, in the order of what matters."""
    by_name = {each.layer.tensor: each for each in counted}
    expensive = [
        by_name[cost.tensor] for cost in result.costs if cost.kind == "value" and cost.tensor in by_name
    ]
    clipped = sorted(counted, key=lambda each: -each.lost_percent)
    return list({each.layer.tensor: each for each in (*expensive, *clipped)}.values())[:_SHOWN]


def _drawn(each: _Counted, result: DiagnoseResult) -> Histogram:
    found = each.histogram
    counts = (found.below, *found.counts, found.above) if found.below or found.above else found.counts
    first = found.bin_low - (found.bin_width if counts is not found.counts else 0.0)
    last = first + len(counts) * found.bin_width
    most = math.log1p(max(counts)) or 1.0
    low, high = _edges(found, first, last)
    return Histogram(
        title=each.layer.layer,
        group=each.layer.block,
        alt=_alt(each),
        bars=_path([100 * math.log1p(one) / most for one in counts]),
        low_percent=low,
        high_percent=high,
        low_text=short(found.range_low),
        high_text=short(found.range_high),
        lines=tuple(_lines(each, result)),
    )


def _edges(found: ValueHistogram, first: float, last: float) -> tuple[float, float]:
    """The places of the range's ends, which are ends of bins."""
    step = (found.range_high - found.range_low) / 255
    return share(found.range_low - step / 2, first, last), share(found.range_high + step / 2, first, last)


def _path(heights: Sequence[float]) -> str:
    """The bars as an SVG path, 100 units wide and high."""
    width = 100 / len(heights)
    drawn = []
    for place, height in enumerate(heights):
        if height:
            drawn.append(f"M{place * width:.4g} 100v{-height:.4g}h{width:.4g}V100z")
    return "".join(drawn)


def _lines(each: _Counted, result: DiagnoseResult) -> Iterator[str]:
    costs = (cost for cost in result.costs if cost.kind == "value" and cost.tensor == each.layer.tensor)
    for cost in costs:
        yield f"{percent(cost.share_percent, 1)} of the noise (rank {cost.rank})"
    yield _clipped(each)


def _clipped(each: _Counted) -> str:
    found = each.histogram
    if not found.clipped_percent:
        return "nothing clipped"
    text = f"{_share(found.clipped_percent)} clipped"
    if not found.harmless_percent:
        return text
    if not each.lost_percent:
        return f"{text}, without harm"
    return f"{text}, {_share(found.harmless_percent)} without harm"


def _share(value: float) -> str:
    """A share of which little is not nothing."""
    return f"less than {percent(0.01)}" if 0 < value < 0.005 else percent(value)


def _alt(each: _Counted) -> str:
    found = each.histogram
    return (
        f"Histogram of {each.layer.layer}: numbers from {short(found.smallest)} to {short(found.largest)}, "
        f"int8 range {short(found.range_low)} to {short(found.range_high)}, {_clipped(each)}."
    )


def _table(counted: Sequence[_Counted]) -> Table:
    rows = tuple(
        row(
            number(place, each.layer.layer),
            number(each.histogram.smallest, short(each.histogram.smallest)),
            number(each.histogram.largest, short(each.histogram.largest)),
            number(
                each.histogram.range_high - each.histogram.range_low,
                f"{short(each.histogram.range_low)} to {short(each.histogram.range_high)}",
            ),
            number(each.histogram.clipped_percent, _share(each.histogram.clipped_percent)),
            number(each.histogram.harmless_percent, _share(each.histogram.harmless_percent)),
        )
        for place, each in enumerate(counted, start=1)
    )
    titles = ("Tensor", "#Smallest", "#Largest", "#int8 range", "#Clipped", "#Of it harmless")
    caption = f"Numbers and int8 ranges of {count(len(rows), 'activation tensor')}, as a table"
    return Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)
