"""Reading the tables of operator profiles that `benchmark_model` prints, or writes as CSV.

There is one group of tables for each subgraph, and in newer builds one for what delegates say of themselves.
A group has every operator in the order of running, the slowest ones again, sums by type, the total. They
repeat one another, so that a cut or damaged profile is refused. Columns are found by their headings: builds
before about TensorFlow 2.12 have one more, the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3_android_bench.benchmark_model.log_lines import split_log
from edge_mnv3_android_bench.benchmark_model.printed_numbers import rounding
from edge_mnv3_android_bench.benchmark_model.run_statistics import read_run_statistics

INTERNAL = -1  # the number of the group that is no subgraph's
_HALF_SHARE = 5e-6  # half of the last digit of a share in percent
_RUN_HEADING = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_INIT_HEADING = "Profiling Info for Benchmark Initialization:"
_GRAPH = re.compile(
    r"(?:Primary graph|Subgraph \(index: (\d+)(?:, name: [^)]*)?\))(?: \(name: [^)]*\))? profile:"
)
_INTERNAL = re.compile(r"Delegate internal: ?")
_TABLE = re.compile(r"=+ (Run Order|Top by [\w ]+|Summary by node type) =+")
_NODES = re.compile(r"Number of nodes executed: (\d+)", re.ASCII)
_OBSERVED = re.compile(r"(\d+) nodes observed", re.ASCII)
_TOTAL = re.compile(
    r"(?:Subgraph \(index: \d+(?:, name: [^)]*)?\) )?Timings \(microseconds\): (count=.*)", re.ASCII
)
_NUMBER = r"[\d.]+(?:e[+-]\d+)?"
_ROW = re.compile(  # three decimals, so that a type that ends with a number is not taken for a time
    rf"\s*(?P<type>\S.*?)\s+(?P<times>(?:\d+\.\d{{3}}\s+)+)(?P<share>{_NUMBER})%\s+{_NUMBER}%\s+-?{_NUMBER}\s+"
    r"(?P<calls>\d+)\s+(?P<name>\S.*)",
    re.ASCII,
)
_CSV_ROW = re.compile(
    rf"(?P<type>\S.*?), (?P<times>(?:{_NUMBER}, )+)(?P<share>{_NUMBER})%, {_NUMBER}%, -?{_NUMBER}, "
    r"(?P<calls>\d+), (?P<name>\S.*)",
    re.ASCII,
)
_SUM = re.compile(
    rf"\s*(?P<type>\S.*?)\s+(?P<count>\d+)\s+(?P<ms>{_NUMBER})\s+{_NUMBER}%\s+{_NUMBER}%\s+-?{_NUMBER}\s+\d+",
    re.ASCII,
)
_CSV_SUM = re.compile(
    rf"(?P<type>\S.*?), (?P<count>\d+), (?P<ms>{_NUMBER}), {_NUMBER}%, {_NUMBER}%, -?{_NUMBER}, \d+", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One operator of a table.

    Attributes:
        op_type: The type as printed.
        name: The name as printed: `[output, output]:index`, without index in TensorFlow 1; `Delegate/…` for a
            step of a delegate.
        calls: Times that it ran in an inference, rounded down.
        time_us: Time in an inference, all calls together.
        share_percent: Share of the group's total, as printed.
    """

    op_type: str
    name: str
    calls: int
    time_us: float
    share_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileGroup:
    """The tables of one subgraph, or of what delegates say of themselves.

    Attributes:
        subgraph: Its number; `INTERNAL` for delegates.
        total_us: Time of an inference.
        runs: Inferences that were profiled.
    """

    subgraph: int
    rows: tuple[ProfileRow, ...]
    total_us: float
    runs: int


@dataclass(slots=True)
class _Open:
    """A group while it is read."""

    subgraph: int
    rows: list[tuple[str, float, float, int, str]] = field(default_factory=list)  # type, ms, %, calls, name
    sums: dict[str, tuple[int, float]] = field(default_factory=dict)  # type to count and ms
    nodes: int | None = None
    total: tuple[int, float] | None = None


def read_profile_tables(text: str) -> tuple[ProfileGroup, ...]:
    """Reads the profile of the timed inferences; that of the start-up is passed over.

    Args:
        text: What the program printed, or the CSV file that it wrote.

    Raises:
        BenchmarkLogError: There is no profile, or it is cut, damaged or contradicts itself.
    """
    groups = list(_read_groups(_profile_lines(text)))
    if not groups:
        raise _refusal("no profile of operators", "use --enable_op_profiling=true")
    return tuple(groups)


def _refusal(got: str, next_step: str = "profile again") -> BenchmarkLogError:
    return BenchmarkLogError("profile of benchmark_model", got, next_step=next_step)


def _profile_lines(text: str) -> list[str]:
    lines = [line.text for line in split_log(text)]
    starts = [number for number, line in enumerate(lines) if line == _RUN_HEADING]
    if len(starts) > 1:
        raise _refusal("two profiles")
    if starts:
        return lines[starts[0] + 1 :]
    if _INIT_HEADING in lines:
        raise _refusal("a profile that was cut after the start-up")
    return lines  # TensorFlow 1 profiles the runs alone, without a heading


def _read_groups(lines: Sequence[str]) -> Iterator[ProfileGroup]:
    group, table, columns, csv = _Open(0), "", 0, False
    for line in lines:
        heading, graph = _TABLE.fullmatch(line), _GRAPH.fullmatch(line)
        if heading:
            table, columns = heading[1], 0
        elif graph or _INTERNAL.fullmatch(line):
            group, table = _Open(int(graph[1] or 0) if graph else INTERNAL), ""
        elif not line.strip():
            table = ""
        elif match := _NODES.fullmatch(line):
            group.nodes = int(match[1])
        elif match := _TOTAL.fullmatch(line):
            group.total = _total(match[1])
        elif match := _OBSERVED.fullmatch(line):
            yield _close(group, int(match[1]))
            group = _Open(0)
        elif table and not columns:
            csv = line.startswith("node type,")
            columns = _time_columns(line)
        elif table == "Run Order":
            group.rows.append(_row(line, columns, csv))
        elif table == "Summary by node type":
            _add_sum(group, line, csv)
    if group.rows:
        raise _refusal("a profile that was cut")


def _time_columns(heading: str) -> int:
    """The number of columns of times in front of the share: first and average, in old builds also start."""
    return 3 if "start" in heading else 2


def _row(line: str, columns: int, csv: bool) -> tuple[str, float, float, int, str]:
    match = (_CSV_ROW if csv else _ROW).fullmatch(line)
    times = match["times"].replace(",", " ").split() if match else []
    if match is None or len(times) != columns:
        raise _refusal(f"a damaged row {line.strip()[:80]!r}")
    average_ms, share = _number(times[-1]), _number(match["share"])
    return match["type"], average_ms, share, int(match["calls"]), match["name"].strip()


def _add_sum(group: _Open, line: str, csv: bool) -> None:
    match = (_CSV_SUM if csv else _SUM).fullmatch(line)
    if match is None or match["type"] in group.sums:
        raise _refusal(f"a damaged sum {line.strip()[:80]!r}")
    group.sums[match["type"]] = int(match["count"]), _number(match["ms"])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _refusal(f"a damaged number {text!r}") from error


def _total(text: str) -> tuple[int, float]:
    statistics = read_run_statistics(text)
    if statistics is None:
        raise _refusal(f"a damaged total {text[:80]!r}")
    return statistics.count, statistics.avg


def _close(group: _Open, observed: int) -> ProfileGroup:
    """Holds the tables of a group against one another."""
    if group.total is None or group.nodes is None or not group.sums:
        raise _refusal("a profile that was cut")
    runs, total_us = group.total
    counts = (len(group.rows), group.nodes, observed, sum(count for count, _ in group.sums.values()))
    if len(set(counts)) > 1:
        raise _refusal(f"{counts[0]} rows, but {', '.join(map(str, counts[1:]))} nodes in the sums")
    rows = tuple(_settle(row, total_us) for row in group.rows)
    for op_type, (count, ms) in group.sums.items():
        members = [row for row in rows if row.op_type == op_type]
        # Sums are of whole microseconds rounded down, rows are printed to the nearest.
        slack = sum(1.5 + 0.5 * row.calls for row in members) + rounding(1e3 * ms)
        if (
            len(members) != count
            or abs(sum(row.time_us for row in members) - 1e3 * ms) > slack + 1e-5 * total_us
        ):
            raise _refusal(f"rows of {op_type} that do not make its sum of {ms:g} ms")
    return ProfileGroup(subgraph=group.subgraph, rows=rows, total_us=total_us, runs=runs)


def _settle(row: tuple[str, float, float, int, str], total_us: float) -> ProfileRow:
    """Makes the time of an inference: the average of a call by the number of calls.

    The number is rounded down, so that of an operator which does not run the same number of times in every
    inference only the share tells.
    """
    op_type, average_ms, share, calls, name = row
    time_us, by_share_us = 1e3 * average_ms * calls, share * total_us / 100
    slack = 0.5 * calls + (_HALF_SHARE + rounding(share) / 100) * total_us + 1
    if abs(time_us - by_share_us) > slack:
        if not time_us < by_share_us <= time_us + 1e3 * average_ms + slack:
            raise _refusal(f"{op_type} {name[:60]} with {average_ms:g} ms, but a share of {share:g} %")
        time_us = by_share_us
    return ProfileRow(op_type=op_type, name=name, calls=calls, time_us=time_us, share_percent=share)
