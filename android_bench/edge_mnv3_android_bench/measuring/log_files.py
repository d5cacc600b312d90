"""Logs of `benchmark_model` that somebody has: of launches of this tool, or of any other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge_mnv3.core.errors import BenchmarkLogError, EdgeMnv3Error, InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.bench_log import BenchLogResult, LogFailure, LoggedLaunch
from edge_mnv3_android_bench.benchmark_model.launch_lines import START
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.log_lines import LogLine, split_log
from edge_mnv3_android_bench.benchmark_model.told_flags import told_flag
from edge_mnv3_android_bench.measuring.launch_script import LaunchOutput, parse_launch_output
from edge_mnv3_android_bench.measuring.launching import check_result_file
from edge_mnv3_android_bench.measuring.plan import BenchLogRequest

_OWN_START = "# device "  # how the raw logs of this tool begin
# What makes a launch another measurement than usual, by flag: values that do not, and what it does.
_UNUSUAL = {
    "enable_op_profiling": "it ran with op profiling, which slows it: these are no latencies to quote",
    "use_profiler": "it ran with the profiler, which slows it: these are no latencies to quote",
    "run_delay": "it waits between runs, while clocks fall and caches grow cold",
    "run_frequency": "it waits between runs, while clocks fall and caches grow cold",
}
_USUAL = ("0", "false", "-1", "-1.0", "0.0")
_PROFILE = re.compile(
    r"(?:Operator-wise )?Profiling Info for (?:Benchmark Initialization|Regular Benchmark Runs):"
)
_LARGEST_BYTES = 64 << 20


def read_logs(request: BenchLogRequest) -> BenchLogResult:
    """Reads the figures of logs; one that gives none leaves the others alone, and is in `failures`."""
    launches, failures = [], []
    result_files: Sequence[AnyPath | None] = request.result_files or [None] * len(request.logs)
    for log, result_file in zip(request.logs, result_files, strict=True):
        path = Path(log)
        try:
            result = None if result_file is None else _content(Path(result_file), "result file")
            launches.append(_read(path, result))
        except EdgeMnv3Error as error:
            failures.append(LogFailure(log_path=str(path), error=str(error)))
    return BenchLogResult(launches=tuple(launches), failures=tuple(failures))


def _read(path: Path, result: bytes | None) -> LoggedLaunch:
    text = _text(path)
    output = _own_output(path, text) if text.startswith(_OWN_START) else None
    stdout, stderr = (output.stdout, output.stderr) if output else (text, "")
    try:
        timings = parse_benchmark_log(
            stdout, stderr, output.exit_code if output else None, expected_runs=None
        )
        check_result_file(output.result if output else result, timings)
    except BenchmarkLogError as error:
        next_step = "" if error.expected else "give all that one launch printed"
        raise BenchmarkLogError(f"log {path}", error.got, error.expected, next_step) from error
    lines = split_log(f"{stdout}\n{stderr}")
    flags = _told(path, lines)
    timings = replace(timings, warnings=(*timings.warnings, *_notes(flags, lines)))
    return LoggedLaunch(log_path=str(path), graph=flags.pop("graph", None), flags=flags, timings=timings)


def _notes(flags: Mapping[str, str], lines: Sequence[LogLine]) -> list[str]:
    """Says by what a launch measured something else than a plain latency."""
    unusual = {name for name in _UNUSUAL if flags.get(name, "0").lower() not in _USUAL}
    if any(_PROFILE.fullmatch(line.text.strip()) for line in lines) and "use_profiler" not in unusual:
        unusual.add("enable_op_profiling")
    return list(dict.fromkeys(words for name, words in _UNUSUAL.items() if name in unusual))


def _told(path: Path, lines: Sequence[LogLine]) -> dict[str, str]:
    """Reads the flags of a launch; a log with two values of one, or with two starts, is of two launches."""
    flags: dict[str, str] = {}
    for name, value in filter(None, (told_flag(line.text) for line in lines)):
        if flags.setdefault(name, value) != value:
            got = f"two values of --{name}: {flags[name]} and {value}"
            raise BenchmarkLogError(f"log {path}", got, "the log of one launch")
    starts = sum(line.text == START for line in lines)
    if starts > 1:
        raise BenchmarkLogError(f"log {path}", f"{starts} starts of the program", "the log of one launch")
    return flags


def _text(path: Path) -> str:
    data = _content(path, "log")
    if b"\0" in data[:4096]:
        raise InputFileError(f"log {path}", "a file that is no text", "what benchmark_model printed")
    return data.decode("utf-8", errors="replace")


def _content(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputFileError(f"{name} {path}", "more than 64 MB", "the output of one launch")
        return path.read_bytes()
    except OSError as error:
        raise InputFileError(f"{name} {path}", why_unreadable(path, error), "a file") from error


def _own_output(path: Path, text: str) -> LaunchOutput:
    output = parse_launch_output(text, ())
    if output is None or output.exit_code is None:
        got = (
            "a launch that was broken off" if output is None else "a launch that was ended at its time limit"
        )
        raise BenchmarkLogError(f"log {path}", got, "one that ran to its end")
    return output
