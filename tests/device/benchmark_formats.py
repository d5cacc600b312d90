"""Lines and tables of `benchmark_model`, character by character as its builds print them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

NOTE = (
    "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the "
    "actual memory footprint of the model at runtime. Take the information at your discretion."
)


class ProfiledOp(NamedTuple):
    """One row of an op profile; durations in microseconds."""

    kind: str
    name: str
    first_us: int
    avg_us: float


class _Columns(NamedTuple):
    """The form of a profile's tables; arguments as in `profile_text`."""

    csv: bool
    with_start: bool

    @property
    def width(self) -> int:
        return 24 if self.with_start else 36


def count_line(runs: Sequence[int], *, percentiles: bool) -> str:
    """The line that sums up runs, given in microseconds."""
    if not runs:
        line = "count=0"
    elif min(runs) == max(runs):
        line = f"count={len(runs)} curr={runs[-1]}" + ("(all same)" if len(runs) > 1 else "")
    else:
        average = sum(runs) / len(runs)
        # The tool keeps whole squares and cuts the deviation to a whole number.
        deviation = int(math.sqrt(max(0.0, sum(run * run for run in runs) / len(runs) - average * average)))
        line = (
            f"count={len(runs)} first={runs[0]} curr={runs[-1]} min={min(runs)} max={max(runs)} "
            f"avg={average:g} std={deviation}"
        )
    if percentiles:
        ordered = sorted(runs)
        p5, median, p95 = (ordered[len(ordered) * at // 100] if ordered else 0 for at in (5, 50, 95))
        line += f" p5={p5} median={median} p95={p95}"
    return line


def average(runs: Sequence[int]) -> str:
    """An average as the summary shows it."""
    return f"{sum(runs) / len(runs):g}" if runs else "0"


def profile_text(ops: Sequence[ProfiledOp], runs: Sequence[int], *, csv: bool, with_start: bool) -> str:
    """The four parts of an op profile.

    Args:
        ops: Operators in the order in which they ran.
        runs: Durations of the whole, microseconds.
        csv: Comma-separated instead of columns.
        with_start: Whether there is a column for the start, as up to TFLite 2.6.
    """
    total_us = sum(op.avg_us for op in ops) or 1.0
    starts = [sum(op.avg_us for op in ops[:index]) for index in range(len(ops))]
    rows = list(zip(ops, starts, strict=True))
    by_time = sorted(rows, key=lambda row: -row[0].avg_us)[:10]
    columns = _Columns(csv=csv, with_start=with_start)
    parts = []
    for title, shown in (("Run Order", rows), ("Top by Computation Time", by_time)):
        parts.append(_heading(title))
        parts.append(_column_titles(columns))
        share = 0.0
        for op, start_us in shown:
            share += op.avg_us / total_us * 100
            parts.append(_row(op, start_us, total_us, share, columns))
        parts.append("")
    parts.append(f"Number of nodes executed: {len(ops)}")
    parts += _by_type(ops, total_us, columns)
    timings = count_line(runs, percentiles=False)
    parts += [
        "",
        f"Timings (microseconds): {timings}",
        "Memory (bytes): count=0",
        f"{len(ops)} nodes observed",
    ]
    return "\n".join(parts) + "\n\n\n"


def _heading(title: str) -> str:
    return f"{'=' * 30} {title} {'=' * 30}"


def _column_titles(columns: _Columns) -> str:
    width, with_start = columns.width, columns.with_start
    if columns.csv:
        return (
            f"node type, {'start, ' if with_start else ''}first, avg_ms, %, cdf%, mem KB, times called, name"
        )
    start = f"\t{'[start]':>17}" if with_start else ""
    return (
        f"\t{'[node type]':>{width}}{start}\t{'[first]':>9}\t{'[avg ms]':>9}\t{'[%]':>8}\t{'[cdf%]':>8}"
        f"\t{'[mem KB]':>10}\t[times called]\t[Name]"
    )


def _row(
    op: ProfiledOp,
    start_us: float,
    total_us: float,
    share_so_far: float,
    columns: _Columns,
) -> str:
    width, with_start = columns.width, columns.with_start
    share = op.avg_us / total_us * 100
    if columns.csv:
        start = f"{start_us / 1e3:g}, " if with_start else ""
        name = op.name.replace(",", "\t")
        times = f"{start}{op.first_us / 1e3:g}, {op.avg_us / 1e3:g}"
        return f"{op.kind}, {times}, {share:g}%, {share_so_far:g}%, 0, 1, {name}"
    start = f"\t{start_us / 1e3:17.3f}" if with_start else ""
    return (
        f"\t{op.kind:>{width}}{start}\t{op.first_us / 1e3:9.3f}\t{op.avg_us / 1e3:9.3f}\t{share:7.3f}%"
        f"\t{share_so_far:7.3f}%\t{0:10.3f}\t{1:9d}\t{op.name}"
    )


def _by_type(ops: Sequence[ProfiledOp], total_us: float, columns: _Columns) -> list[str]:
    width, csv = columns.width, columns.csv
    lines = [_heading("Summary by node type")]
    if csv:
        lines.append("node type, count, avg_ms, avg %, cdf %, mem KB, times called")
    else:
        lines.append(
            f"\t{'[Node type]':>{width}}\t{'[count]':>9}\t{'[avg ms]':>10}\t{'[avg %]':>11}\t{'[cdf %]':>11}"
            f"\t{'[mem KB]':>10}\t[times called]"
        )
    kinds = {op.kind for op in ops}
    groups = [(kind, [op.avg_us for op in ops if op.kind == kind]) for kind in kinds]
    share_so_far = 0.0
    for kind, durations in sorted(groups, key=lambda group: (-sum(group[1]), group[0])):
        # The tool cuts a type's sum to whole microseconds.
        spent_us = int(sum(durations))
        share = spent_us / total_us * 100
        share_so_far += share
        count = len(durations)
        if csv:
            lines.append(f"{kind}, {count}, {spent_us / 1e3:g}, {share:g}%, {share_so_far:g}%, 0, {count}")
        else:
            lines.append(
                f"\t{kind:>{width}}\t{count:9d}\t{spent_us / 1e3:10.3f}\t{share:10.3f}%"
                f"\t{share_so_far:10.3f}%\t{0:10.3f}\t{count:9d}"
            )
    return lines
