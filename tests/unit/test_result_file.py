"""The result file of a launch against its text: both must say the same."""

from __future__ import annotations

import base64
import math
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from device.benchmark_result import result_file
from edge_mnv3.cli import main
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.result_file import contradiction
from edge_mnv3_android_bench.device.sections import HEADING
from synthetic_logs import Build, LogText

RUNS, WARMUP, INIT = (1000, 1010, 1003, 1001, 1150), (1500, 1110), 5757
FILE = result_file(RUNS, WARMUP, INIT)


def log(build: Build = "litert2") -> str:
    return LogText(build=build, times_us=RUNS, warmup_us=WARMUP, init_us=INIT).text()


def timings(build: Build = "litert2") -> LaunchTimings:
    return parse_benchmark_log(log(build), "", 0, expected_runs=5)


@pytest.mark.parametrize("build", ["litert2", "nightly", "2.10"])
def test_text_and_file_of_one_launch(build: Build) -> None:
    assert contradiction(FILE, timings(build)) is None


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (result_file((1000, 1010, 1003, 1002, 1150), WARMUP, INIT), "average 1032.8, which the result file"),
        (
            result_file((1000, 1010, 1004, 1001, 1150), WARMUP, INIT),
            "median 1003, which the result file cont",
        ),
        (result_file(RUNS[:4], WARMUP, INIT), "number of runs 5, which the result file contradicts: 4"),
        (result_file(RUNS, (1500,), INIT), "number of warm-up runs 2, which the result file contradicts: 1"),
        (result_file(RUNS, WARMUP, 5758), "start-up 5757, which the result file contradicts: 5758"),
        (b"", "a result file without number of runs"),
        (b"\x12\x00\x22\x00", "a result file without number of runs"),
        (FILE[:-9], "a damaged result file (cut)"),
        (FILE + FILE, "a damaged result file (field 2)"),
        (b"\x0b", "a damaged result file (wire type 3)"),
        (
            FILE.replace(struct.pack("<f", 1.003), struct.pack("<f", math.nan)),
            "median 1003, which the res",
        ),
    ],
)
def test_what_differs_is_named(file: bytes, problem: str) -> None:
    got = contradiction(file, timings())
    assert got is not None
    assert got.startswith(problem)


def test_no_changed_bit_of_a_figure_passes() -> None:
    """Every bit of the file is changed: it is refused, or the change is in what is not compared."""
    passed, told = set(), timings()
    for place in range(8 * len(FILE)):
        changed = bytearray(FILE)
        changed[place // 8] ^= 1 << place % 8
        if contradiction(bytes(changed), told) is None:
            passed.add(place // 8)
    latencies = range(2, 52)  # behind key and length: ten of five bytes each, the value's lowest one second
    counts = range(len(FILE) - 9, len(FILE) - 5)
    assert passed & {*latencies} <= {*latencies[1::5]}
    assert not passed & {0, 1, *counts}


def test_logs_with_their_result_files(tmp_path: Path) -> None:
    """Of a user, and of this tool, whose raw log holds both."""
    (tmp_path / "a.txt").write_text(log())
    (tmp_path / "a.pb").write_bytes(FILE)
    (tmp_path / "b.pb").write_bytes(result_file((1001, *RUNS[1:]), WARMUP, INIT))
    sections = {"run": "", "exit": "0 \n", "stdout": log(), "stderr": "", "result": "", "after": ""}
    sections["result"] = base64.encodebytes((tmp_path / "b.pb").read_bytes()).decode()
    (tmp_path / "own.log").write_text(
        "# device X\n" + "".join(f"\n{HEADING}{name}\n{text}" for name, text in sections.items())
    )

    def bench(*arguments: str) -> tuple[int, str]:
        paths = (word if word[0] == "-" else str(tmp_path / word) for word in arguments)
        done = CliRunner().invoke(main, ["bench", *paths])
        return done.exit_code, done.stderr

    assert bench("--log", "a.txt", "--log-result", "a.pb") == (0, "")
    for arguments in (("--log", "a.txt", "--log-result", "b.pb"), ("--log", "own.log")):
        code, said = bench(*arguments)
        assert (code, "minimum 1000, which the result file contradicts: 1001" in said) == (1, True), said
    code, said = bench("--log", "a.txt", "--log", "a.txt", "--log-result", "a.pb")
    assert (code, "--log-result: got 1, expected 2, one for each log" in said) == (2, True), said
    code, said = bench("--log", "a.txt", "--log-result", "none.pb")
    assert (code, "none.pb: got no such file" in said) == (1, True), said
