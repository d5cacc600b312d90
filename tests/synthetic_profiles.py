"""Profiles of operators in the formats of `benchmark_model`'s builds, written from given times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table: type, name, time of a call in microseconds, calls in an inference."""

    op_type: str
    name: str
    time_us: int
    calls: int = 1


def tables(
    rows: Sequence[Row], *, csv: bool = False, start: bool = False, prefix: str = "", runs: int = 50
) -> str:
    """The tables of one group; the total leaves out `DelegateOpInvoke`, which is part of other rows."""
    total = sum(row.time_us * row.calls for row in rows if row.op_type != "DelegateOpInvoke")
    lines = []
    for title, shown in (("Run Order", rows), ("Top by Computation Time", sorted(rows, key=_cost)[:10])):
        lines += [_title(title), _head(csv, start), *_rows(shown, total, csv, start), ""]
    lines += [f"Number of nodes executed: {len(rows)}", _title("Summary by node type"), _sum_head(csv)]
    for op_type in dict.fromkeys(row.op_type for row in rows):
        members = [row for row in rows if row.op_type == op_type]
        time = sum(row.time_us * row.calls for row in members)
        calls = sum(row.calls for row in members)
        lines.append(_sum(op_type, len(members), time, 100 * time / total, calls, csv))
    statistics = f"count={runs} curr={total}(all same)" if runs > 1 else f"count=1 curr={total}"
    lines += [
        "",
        f"{prefix}Timings (microseconds): {statistics}",
        "Memory (bytes): count=0",
        f"{len(rows)} nodes observed",
        "",
        "",
    ]
    return "\n".join(lines)


def log_profile(*groups: str) -> str:
    """The part of a log that holds a profile, that of the start-up in front."""
    start_up = tables([Row("AllocateTensors", "AllocateTensors/0", 354)], runs=1)
    return (
        f"INFO: Profiling Info for Benchmark Initialization:\n{start_up}\n\n"
        f"INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n{''.join(groups)}"
    )


def _cost(row: Row) -> int:
    return -row.time_us


def _title(title: str) -> str:
    return f"{'=' * 30} {title} {'=' * 30}"


def _head(csv: bool, start: bool) -> str:
    names = ["node type", *(["start"] if start else [])]
    if csv:
        return ", ".join([*names, "first", "avg_ms", "%", "cdf%", "mem KB", "times called", "name"])
    names += ["first", "avg ms", "%", "cdf%", "mem KB", "times called", "Name"]
    return "".join(f"\t{f'[{name}]':>9}" for name in names)


def _sum_head(csv: bool) -> str:
    if csv:
        return "node type, count, avg_ms, avg %, cdf %, mem KB, times called"
    return "".join(
        f"\t{f'[{name}]':>9}"
        for name in ("Node type", "count", "avg ms", "avg %", "cdf %", "mem KB", "times called")
    )


def _rows(rows: Sequence[Row], total: int, csv: bool, start: bool) -> list[str]:
    lines = []
    passed = 0
    for row in rows:
        share = 100 * row.time_us * row.calls / total
        times = [*([passed / 1e3] if start else []), row.time_us / 1e3, row.time_us / 1e3]
        passed += row.time_us
        if csv:
            cells = [row.op_type, *(f"{time:g}" for time in times), f"{share:g}%", f"{share:g}%", "0"]
            lines.append(", ".join([*cells, str(row.calls), row.name]))
        else:
            cells = [f"{row.op_type:>24}", *(f"{time:9.3f}" for time in times)]
            cells += [f"{share:7.3f}%", f"{share:7.3f}%", f"{0:10.3f}", f"{row.calls:9}", row.name]
            lines.append("".join(f"\t{cell}" for cell in cells))
    return lines


def _sum(op_type: str, count: int, time_us: int, share: float, calls: int, csv: bool) -> str:
    if csv:
        return f"{op_type}, {count}, {time_us / 1e3:g}, {share:g}%, {share:g}%, 0, {calls}"
    cells = [f"{op_type:>24}", f"{count:9}", f"{time_us / 1e3:10.3f}", f"{share:10.3f}%", f"{share:10.3f}%"]
    return "".join(f"\t{cell}" for cell in [*cells, f"{0:10.3f}", f"{calls:9}"])
