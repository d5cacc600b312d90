"""Reading the output of `benchmark_model`, of every build from TensorFlow 1.12 to LiteRT 2.

A log that is accepted has, in this order and once each: the session's start-up, the announcement and the
statistics of the warm-up, those of the measurement, the summary. The summary repeats both averages, the
start-up and, in TensorFlow 2, the first inference; they must be equal to the last printed digit. Anything
else is refused: a missing, doubled or disordered line, one that is not whole, a figure in a form that is
never printed, figures that cannot be true together, an exit code other than 0, an unknown flag.

So another average, start-up or first inference than was printed can only come of damage that changes both
copies alike. The median, the number of runs and the `UnconfirmedFigures` stand once. Of them, a changed digit
is found only where the result contradicts the rest: the number of runs must be the demanded one, or not reach
the demanded seconds before its last run; the median cannot be further from the average than about one
standard deviation. Damage to anything but their digits is found.

LiteRT 2 has a block of results in place of the summary, as `litert_results` says, with figures to 10 µs.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings, UnconfirmedFigures
from edge_mnv3_android_bench.benchmark_model import litert_results
from edge_mnv3_android_bench.benchmark_model.delegation import read_delegation
from edge_mnv3_android_bench.benchmark_model.launch_lines import lines_of_launch
from edge_mnv3_android_bench.benchmark_model.log_lines import LogLine, split_log
from edge_mnv3_android_bench.benchmark_model.printed_numbers import (
    print_float,
    read_float,
    read_integer,
    rounding,
)
from edge_mnv3_android_bench.benchmark_model.run_statistics import RunStatistics, read_run_statistics

_SESSION = re.compile(r"Initialized session in (\S+?)ms\.?")
_ANNOUNCEMENT = re.compile(
    r"Running benchmark for (?:at least )?(\d+) iterations"
    r"(?: and at least (-?[\d.e+-]+) seconds(?: but terminate if exceeding [\d.e+-]+ seconds\.)?)? ?",
    re.ASCII,
)
_SUMMARY = re.compile(
    r"Inference timings in us: Init: (?P<init>\S+), First inference: (?P<first>\S+), "
    r"Warmup \(avg\): (?P<warmup>\S+), Inference \(avg\): (?P<inference>\S+)"
    r"|Average inference timings in us: Warmup: (?P<old_warmup>\S+), Init: (?P<old_init>\S+), "
    r"(?:no stats|Inference): (?P<old_inference>\S+)"
)
# A line that holds one of these must be whole; each kind stands at its place in `_ORDER`.
_MARKS = {
    "session": "Initialized session",
    "announcement": "Running benchmark",
    "statistics": "count=",
    "summary": "timings in us",
    "results": "BENCHMARK RESULTS",
}
_ORDER = ("session", "announcement", "statistics", "announcement", "statistics", "summary")
_LITERT_ORDER = (*_ORDER[:-1], "results")
_PROFILE_TOTALS = ("Timings (microseconds):", "Memory (bytes):")  # they follow the summary
_MEMORY = re.compile(r"Memory footprint delta from the start of the tool \(MB\): init=(\S+) overall=(\S+)")
_OLD_PEAK = re.compile(r"Peak memory footprint \(MB\): init=(\S+) overall=(\S+)")
_PEAK = re.compile(r"Overall peak memory footprint \(MB\) via periodic monitoring: (\S+)")
_FAILED = "Benchmarking failed."
_REASON = re.compile(r"fail|could not|cannot|should be|unable|abort|disallowed", re.IGNORECASE)


class _Announcement(NamedTuple):
    min_runs: int
    min_secs: float


def parse_benchmark_log(
    stdout: str,
    stderr: str,
    exit_code: int | None,
    *,
    expected_runs: int | None,
) -> LaunchTimings:
    """Reads the figures of one launch.

    Args:
        stdout: All that it wrote there; where the two streams came merged, all that came.
        stderr: All that it wrote there.
        exit_code: 128 + n for a death by signal n; None where it is not known.
        expected_runs: Timed inferences that were asked for; None where that is not known.

    Raises:
        BenchmarkLogError: The program failed, or the figures are not there beyond doubt.
    """
    out, err = split_log(stdout), split_log(stderr)
    _check_run(out + err, exit_code)
    keys = _key_lines(out, err)
    session, warmup_told, warmup, told, measured, summary = (line.text for line in keys.lines)
    launch = lines_of_launch(keys.stream, keys.other, keys.places)
    lines = launch.all
    warmup_runs = _check_runs(warmup_told, warmup, "warm-up")
    runs = _check_runs(told, measured, "measurement")
    if (runs.percentiles is None) != (warmup_runs.percentiles is None):
        raise _refusal("percentiles in one line of statistics only")
    if runs.count == 0 or runs.avg == 0:
        raise _refusal("a measurement without a run", "at least one timed inference")
    if expected_runs is not None and _announcement(told).min_runs != expected_runs:
        raise _refusal(f"an announcement of {_announcement(told).min_runs} runs", f"{expected_runs} runs")
    if litert_results.is_title(summary):
        init_us, first_us = _check_results(lines, session, warmup_runs, runs)
    else:
        init_us, first_us = _check_summary(summary, session, warmup_runs, runs)
    delegation = read_delegation(launch)
    return LaunchTimings(
        num_runs=runs.count,
        avg_us=float(runs.avg_text),
        median_us=float(runs.percentiles[1]) if runs.percentiles else None,
        warmup_runs=warmup_runs.count,
        warmup_avg_us=float(warmup_runs.avg_text) if warmup_runs.count else None,
        first_inference_us=first_us,
        init_us=init_us,
        unconfirmed=_unconfirmed(runs, lines),
        delegate=delegation.delegate,
        partitionings=delegation.partitionings,
        warnings=delegation.warnings,
    )


def _refusal(got: str, expected: str = "", next_step: str = "") -> BenchmarkLogError:
    return BenchmarkLogError(
        "output of benchmark_model",
        got,
        expected,
        next_step or "the raw log tells what happened",
    )


def _check_run(lines: Sequence[LogLine], exit_code: int | None) -> None:
    """Refuses what did not run as demanded, with the reason that it printed."""
    for line in lines:
        if "Unconsumed cmdline flags" in line.text:
            flags = line.text.partition("flags:")[2].strip()
            raise _refusal(
                f"flags that this build does not know: {flags}",
                "a build that takes all flags of the protocol",
                "use another benchmark_model, or a protocol without them",
            )
        if line.text.startswith("Failed to parse flag"):
            raise _refusal(f"a flag that this build cannot read: {line.text}")
        if line.text == _FAILED and not exit_code:
            raise _refusal(f"{_FAILED!r}")
    if exit_code:
        reasons = [line.text for line in lines if _is_reason(line)]
        reason = f": {' / '.join(reasons[:3])}" if reasons else ""
        raise _refusal(f"{_describe_exit(exit_code)}{reason}", "exit code 0")


def _is_reason(line: LogLine) -> bool:
    return line.severity in ("ERROR", "FATAL") or _REASON.search(line.text) is not None


def _describe_exit(exit_code: int) -> str:
    if exit_code > 128:
        try:
            return f"death by {signal.Signals(exit_code - 128).name}"
        except ValueError:
            return f"exit code {exit_code}"
    return f"exit code {exit_code}"


class _Keys(NamedTuple):
    """The six lines with the figures, the stream that they are in, and their places there.

    LiteRT's last one may be in the other stream.
    """

    stream: list[LogLine]
    other: list[LogLine]
    places: list[int]
    lines: list[LogLine]


def _key_lines(out: list[LogLine], err: list[LogLine]) -> _Keys:
    """Finds the lines with the figures, all in one stream (TensorFlow 1 wrote them to stderr).

    LiteRT's logger writes the closing block to stderr, the lines before it come from TensorFlow Lite's tool.
    """
    marked, marked_err = _marked(out), _marked(err)
    stream, other, closing = out, err, list[tuple[str, int]]()
    if not marked:
        stream, other, marked = err, out, marked_err
    elif [kind for kind, _ in marked_err] == [_LITERT_ORDER[-1]]:
        closing = marked_err
    elif marked_err:
        raise _refusal("figures in both streams", "all of them in one")
    kinds = [kind for kind, _ in (*marked, *closing)]
    order = _LITERT_ORDER if "results" in kinds else _ORDER
    if kinds != list(order):
        missing = [kind for kind in dict.fromkeys(order) if kinds.count(kind) < order.count(kind)]
        got = f"no line of {missing[0]}" if missing else "lines of figures doubled or out of order"
        raise _refusal(got, "start-up, warm-up, measurement and summary, once each and in this order")
    places = [place for _, place in marked]
    lines = [*(stream[place] for place in places), *(other[place] for _, place in closing)]
    if not all(line.ended for line in lines):
        raise _refusal("a summary without line break", "a log that ends with one")
    if len({line.process for line in lines}) > 1:
        raise _refusal("figures of two processes", "the log of one launch")
    return _Keys(stream, other, places, lines)


def _marked(stream: list[LogLine]) -> list[tuple[str, int]]:
    marked: list[tuple[str, int]] = []
    for place, line in enumerate(stream):
        kinds = [kind for kind, mark in _MARKS.items() if mark in line.text]
        if not kinds:
            continue
        if marked and marked[-1][0] == "summary" and line.text.startswith(_PROFILE_TOTALS):
            continue
        if len(kinds) > 1:
            raise _refusal(f"two lines in one: {line.text[:80]!r}")
        marked.append((kinds[0], place))
    return marked


def _announcement(line: str) -> _Announcement:
    match = _ANNOUNCEMENT.fullmatch(line)
    runs = read_integer(match[1]) if match else None
    seconds_text = (match[2] if match else None) or "0"
    seconds = read_float(seconds_text.removeprefix("-"))
    if runs is None or seconds is None:
        raise _refusal(f"a damaged announcement {line[:80]!r}")
    return _Announcement(runs, -seconds if seconds_text.startswith("-") else seconds)


def _check_runs(told: str, line: str, name: str) -> RunStatistics:
    """Reads a line of statistics and holds its number of runs against what was announced."""
    least = _announcement(told)
    runs = read_run_statistics(line)
    if runs is None:
        raise _refusal(f"statistics of the {name} that are damaged or cannot be true: {line[:120]!r}")
    if runs.count < least.min_runs:
        raise _refusal(
            f"a {name} of {runs.count} runs",
            f"{least.min_runs}",
            "let it run longer (max_secs), or ask for fewer runs",
        )
    # A further run begins only while the demanded seconds are not over.
    before_last_us = runs.count * (runs.avg - rounding(runs.avg)) - runs.curr
    if runs.count > least.min_runs and before_last_us > max(least.min_secs, 0.0) * 1e6 * (1 + 1e-6) + 1:
        raise _refusal(f"a {name} of {runs.count} runs, which take longer than was demanded")
    return runs


def _check_summary(
    summary: str, session: str, warmup: RunStatistics, runs: RunStatistics
) -> tuple[float, float | None]:
    """Holds the summary against the lines before it; gives start-up and first inference."""
    match, start = _SUMMARY.fullmatch(summary), _SESSION.fullmatch(session)
    if match is None or start is None:
        raise _refusal(f"a damaged line {(summary if match is None else session)[:120]!r}")
    old = match["old_init"] is not None
    init = read_integer(match["old_init"] if old else match["init"])
    if init is None or print_float(init / 1e3) != start[1]:
        raise _refusal(f"two different start-ups: {session!r} and {summary!r}")
    averages = (match["old_warmup"], match["old_inference"]) if old else (match["warmup"], match["inference"])
    if averages != (warmup.avg_text, runs.avg_text):
        lines = f"{warmup.avg_text} and {runs.avg_text}"
        raise _refusal(f"averages {lines}, but in the summary {averages[0]} and {averages[1]}")
    if old:
        return float(init), None
    first = read_integer(match["first"])
    if first != warmup.first:
        raise _refusal(f"two different first inferences: {warmup.first} and {match['first']}")
    return float(init), float(first) if warmup.count else None


def _check_results(
    lines: Sequence[LogLine], session: str, warmup: RunStatistics, runs: RunStatistics
) -> tuple[float, float | None]:
    """Holds LiteRT's closing block against the lines before it; gives start-up and first inference."""
    start = _SESSION.fullmatch(session)
    init_ms = read_float(start[1]) if start else None
    if init_ms is None:
        raise _refusal(f"a damaged line {session[:120]!r}")
    block = litert_results.read_block([line.text for line in lines])
    if block is None:
        raise _refusal("a block of results that is not whole", "one, to its last line")
    problem = litert_results.contradiction(block, init_ms * 1e3, warmup, runs)
    if problem is not None:
        raise _refusal(problem)
    return round(init_ms * 1e3, 3), float(warmup.first) if warmup.count else None


def _unconfirmed(runs: RunStatistics, lines: Sequence[LogLine]) -> UnconfirmedFigures:
    memory = [read_float(match[2]) for line in lines if (match := _MEMORY.fullmatch(line.text))]
    peaks = [
        read_float(match[match.re.groups])
        for line in lines
        if (match := _PEAK.fullmatch(line.text) or _OLD_PEAK.fullmatch(line.text))
    ]
    block = litert_results.read_block([line.text for line in lines])
    if block is not None:
        footprint_mb, peak_mb = litert_results.read_memory(block)
        memory += [footprint_mb] if footprint_mb is not None else []
        peaks += [peak_mb] if peak_mb is not None else []
    return UnconfirmedFigures(
        min_us=float(runs.min),
        max_us=float(runs.max),
        std_us=float(runs.std),
        p5_us=float(runs.percentiles[0]) if runs.percentiles else None,
        p95_us=float(runs.percentiles[2]) if runs.percentiles else None,
        memory_mb=memory[0] if len(memory) == 1 else None,
        peak_memory_mb=peaks[0] if len(peaks) == 1 else None,
    )
