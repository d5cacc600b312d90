"""Logs that Android's `logcat` wrote, in each of its formats, and what else it had to say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.log_lines import split_log
from synthetic_logs import LogText

GOOD = LogText(times_us=(1000, 1010, 1003, 1001, 1150)).text()
TIME = "05-30 15:16:44.857"
CREATED = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
FORMATS: dict[str, Callable[[str], str]] = {
    "brief": lambda line: f"I/tflite  ( 1234): {line}",
    "tag": lambda line: f"I/tflite  : {line}",
    "process": lambda line: f"I( 1234) {line}  (tflite)",
    "time": lambda line: f"{TIME} I/tflite  ( 1234): {line}",
    "threadtime": lambda line: f"{TIME}  1234  1240 I tflite  : {line}",
    "long": lambda line: f"[ {TIME}  1234: 1240 I/tflite   ]\n{line}\n",
    "threadtime, year, zone, user": lambda line: f"2026-{TIME} +0100 shell  1234  1240 I tflite  : {line}",
    "threadtime, epoch": lambda line: f"1695823456.789  1234  1240 I tflite  : {line}",
    "threadtime, colours": lambda line: f"\x1b[38;5;40m{TIME}  1234  1240 I tflite  : {line}\x1b[0m",
    "brief, user": lambda line: f"I/tflite  (shell: 1234): {line}",
    "brief, CR LF": lambda line: f"I/tflite  ( 1234): {line}\r",
    "process, CR LF": lambda line: f"I( 1234) {line}  (tflite)\r",
    "LiteRT": lambda line: f"I/litert  ( 1234): {line}",
}


def parse(log: str) -> LaunchTimings:
    return parse_benchmark_log(log, "", 0, expected_runs=5)


def written(log: str, form: Callable[[str], str]) -> str:
    return "".join(f"{form(line)}\n" for line in log.splitlines())


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_the_figures_of_the_plain_log(name: str) -> None:
    log = written(GOOD, FORMATS[name])
    assert parse(f"--------- beginning of main\n{log}") == parse(GOOD)
    for damaged in (log.replace("avg=1032.8", "avg=1031.8"), log.replace("median=1003", "median=1x03")):
        with pytest.raises(BenchmarkLogError):
            parse(damaged)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("tag", "LiteRT")])
def test_other_programs_are_not_heard(name: str) -> None:
    """Other tags, and TensorFlow Lite in an app of another process."""
    others = [
        FORMATS[name]("count=7 first=1").replace("tflite", "SomeApp"),
        FORMATS[name](CREATED).replace("1234", "999"),
    ]
    log = written(GOOD, FORMATS[name])
    heard = parse(f"{others[0]}\n{others[1]}\n{log}{others[0]}\n{others[1]}\n")
    assert heard == parse(GOOD)
    assert parse(f"{FORMATS[name](CREATED)}\n{log}").delegate == "XNNPACK"


def test_figures_of_two_processes_are_of_no_launch() -> None:
    lines = [FORMATS["brief"](line) for line in GOOD.splitlines()]
    mixed = [*lines[:-5], *(line.replace("1234", "999") for line in lines[-5:])]
    with pytest.raises(BenchmarkLogError, match="figures of two processes"):
        parse("".join(f"{line}\n" for line in mixed))


def test_priorities_are_severities_where_the_build_names_none() -> None:
    (warned, told) = split_log("W/tflite  ( 12): slow\nE/tflite  ( 12): INFO: fine")
    assert (warned.severity, warned.text, warned.process) == ("WARN", "slow", "12")
    assert (told.severity, told.text, told.ended) == ("INFO", "fine", False)


def test_a_line_that_only_looks_like_logcat_is_kept() -> None:
    texts = ["I/O error: disk", "[ 12 ] done", "W (a) b", "E/x: y"]
    assert [line.text for line in split_log("\n".join(texts))] == texts
