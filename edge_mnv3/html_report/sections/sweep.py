"""The grid of which the int8 file is a point: what accuracy costs, the Pareto front and its knee."""

from __future__ import annotations

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.results.sweep import Spread, SweepResult, SweepRow
from edge_mnv3.html_report.blocks import (
    Block,
    Dot,
    Notice,
    Scatter,
    Section,
    Table,
    Text,
    Tone,
    columns,
    ends,
    number,
    row,
    without_empty,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.words import (
    NONE,
    axis,
    percent,
    plain,
    share,
    short,
    signed,
    signed_between,
)

KEY, TITLE = "sweep", "Sweep and Pareto front"
_MARGIN = 0.08  # of the scales' width, on each side


def sweeps(gathered: Gathered) -> tuple[Section, ...]:
    """A section where there is a sweep; none else, for one file needs no grid."""
    if not gathered.sweeps:
        return ()
    blocks = [block for sweep in gathered.sweeps for block in _sweep(sweep, gathered)]
    return (Section(key=KEY, title=TITLE, blocks=tuple(blocks)),)


def _sweep(sweep: SweepResult, gathered: Gathered) -> list[Block]:
    mine = _mine(sweep, gathered)
    advice = sweep.recommendation
    blocks: list[Block] = [
        Text(text=f"This page is of {mine}, one of {count(len(sweep.points), 'point')} in {sweep.folder}."),
        Notice(
            tone="plain" if advice.row is None else "good",
            text=_sentence(advice.reason if advice.row is None else f"Recommended: {advice.reason}"),
        ),
    ]
    drawn = _drawn(sweep)
    if drawn is not None:
        blocks.append(drawn)
    blocks += [_rows(sweep), *_differences(sweep)]
    failed = tuple(row(point.name, point.failure) for point in sweep.points if point.failure is not None)
    if failed:
        blocks.append(Table(caption="Points that failed", columns=columns("Point", "Why"), rows=failed))
    blocks += [Notice(tone="unsure", text=_sentence(text)) for text in sweep.warnings]
    blocks.append(Text(text=f"How it was chosen: {advice.method}."))
    return blocks


def _mine(sweep: SweepResult, gathered: Gathered) -> str:
    """Names of the points whose file the page is about; equal files have several."""
    return listed([p.name for p in sweep.points if p.int8_sha256 == gathered.subject.int8_sha256])


def _sentence(text: str) -> str:
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def _quality(sweep: SweepResult, each: SweepRow) -> Spread | None:
    """What rows are compared by."""
    return each.snr_db if sweep.quality == "held_out_snr_db" else each.int8_percent


def _drawn(sweep: SweepResult) -> Scatter | None:
    """Each row that was measured, by its number in the table; the front joined."""
    known = []
    for place, each in enumerate(sweep.rows, start=1):
        quality = _quality(sweep, each)
        if each.cost is not None and quality is not None:
            known.append((place, each, each.cost.mean / 1e6, quality.mean))
    if len(known) < 2:
        return None
    left, right = _wider([cost for _, _, cost, _ in known])
    low, high = _wider([quality for _, _, _, quality in known])

    def at(cost: float, quality: float) -> tuple[float, float]:
        return share(cost, left, right), round(100 - share(quality, low, high), 2)

    front = sorted(((cost, quality) for _, each, cost, quality in known if each.on_front))
    dots = tuple(
        Dot(
            text=str(place),
            left_percent=at(cost, quality)[0],
            top_percent=at(cost, quality)[1],
            tone=_tone(sweep, each),
        )
        for place, each, cost, quality in known
    )
    unit = (
        "dB, signal to noise on held-out images"
        if sweep.quality == "held_out_snr_db"
        else "% on labelled images"
    )
    words = [
        f"{place} {each.name}: {short(cost)} million, {plain(quality, 2)}"
        for place, each, cost, quality in known
    ]
    return Scatter(
        caption="What accuracy costs: numbers are those of the table below, the line joins the Pareto front, "
        "the large point is recommended, hollow ones cannot be shipped",
        alt="; ".join(words),
        dots=dots,
        line=" ".join(f"{x:g},{y:g}" for x, y in (at(cost, quality) for cost, quality in front)),
        x_ticks=axis(left, right, most=5),
        y_ticks=axis(low, high, most=5, from_top=True),
        x_name=f"million {sweep.cost.kind.replace('_', ' ')} on {sweep.cost.processor} ({sweep.cost.method})",
        y_name=unit,
    )


def _tone(sweep: SweepResult, each: SweepRow) -> Tone:
    if each.name == sweep.recommendation.row:
        return "chosen"
    if each.ship_problems or each.failed:
        return "bad"
    return "good" if each.on_front else "plain"


def _wider(values: list[float]) -> tuple[float, float]:
    low, high = ends(values)
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _spread(spread: Spread | None, digits: int, factor: float = 1.0) -> str:
    if spread is None:
        return NONE
    more = "" if spread.sd is None else f" ± {plain(spread.sd * factor, digits)}"
    return f"{plain(spread.mean * factor, digits)}{more}"


def _cost(cost: Spread | None) -> str:
    """In millions, with four digits that count: small networks cost less than one."""
    if cost is None:
        return NONE
    return short(cost.mean / 1e6) + ("" if cost.sd is None else f" ± {short(cost.sd / 1e6)}")


def _rows(sweep: SweepResult) -> Table:
    rows = []
    for place, each in enumerate(sweep.rows, start=1):
        verdict = "front" if each.on_front else "dominated"
        if each.name == sweep.recommendation.row:
            verdict = "recommended"
        if each.ship_problems:
            verdict = f"not to be shipped: {listed(each.ship_problems)}"
        if each.failed:
            verdict += f"; failed: {listed(each.failed)}"
        interval = "" if each.ci95_points is None else f" ({signed_between(*each.ci95_points)})"
        difference = each.difference_points
        rows.append(
            row(
                number(place, f"{place} {each.name}"),
                number(each.cost.mean if each.cost else None, _cost(each.cost)),
                number(each.size_bytes.mean if each.size_bytes else None, _spread(each.size_bytes, 2, 1e-6)),
                number(each.snr_db.mean if each.snr_db else None, _spread(each.snr_db, 2)),
                number(each.int8_percent.mean, percent(each.int8_percent.mean)) if each.int8_percent else "",
                number(difference.mean, f"{signed(difference.mean)}{interval}") if difference else "",
                verdict,
            )
        )
    titles = ("Row", "#Cost, millions", "#Size, MB", "#Signal to noise, dB", "#int8", "#Points", "Verdict")
    caption = f"Rows of the sweep, calibrated on {sweep.calibration}; the cost is not a time"
    return without_empty(Table(caption=caption, columns=columns(*titles), rows=tuple(rows)))


def _differences(sweep: SweepResult) -> list[Block]:
    rows = tuple(
        row(
            each.row,
            each.other,
            number(each.difference, signed(each.difference)),
            signed_between(*each.ci95),
            "told apart" if each.told_apart else "may be equal",
        )
        for each in sweep.recommendation.differences
    )
    unit = "dB" if sweep.quality == "held_out_snr_db" else "points"
    titles = ("Row", "Against", f"#Difference, {unit}", "#95\N{NO-BREAK SPACE}% interval", "Verdict")
    caption = "Rows against the recommended one, on the same images"
    return [Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)] if rows else []
