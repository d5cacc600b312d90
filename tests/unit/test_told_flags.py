"""A log says which flags its launch was given: those of another launch are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3_android_bench.benchmark_model.told_flags import check_told_flags, told_flags

LOG = """INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [50]
INFO: Min runs duration (seconds): [1]
INFO: Num threads: [1]
INFO: Graph: [/data/local/tmp/edge-mnv3/a.tflite]
INFO: #threads used for CPU inference: [1]
INFO: Use xnnpack: [0]
INFO: Loaded model /data/local/tmp/edge-mnv3/a.tflite
"""
GRAPH = "/data/local/tmp/edge-mnv3/a.tflite"
FLAGS = [f"--graph={GRAPH}", "--num_runs=50", "--min_secs=1", "--num_threads=1", "--use_xnnpack=false"]


def test_the_log_of_the_command() -> None:
    check_told_flags(LOG, "", FLAGS)
    check_told_flags("", LOG.replace("INFO: ", ""), FLAGS)
    # TensorFlow 1.13 says nothing of its flags; what was not given is the build's business.
    check_told_flags("STARTING!\n", "", FLAGS)
    check_told_flags(LOG, "", FLAGS[:1])


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--graph=/data/local/tmp/edge-mnv3/b.tflite", f"--graph={GRAPH}"),
        ("--num_threads=4", "--num_threads=1"),
        ("--num_runs=51", "--num_runs=50"),
        ("--min_secs=1.5", "--min_secs=1"),
        ("--use_xnnpack=true", "--use_xnnpack=0"),
    ],
)
def test_the_log_of_another_launch_is_refused(flag: str, told: str) -> None:
    name = flag.partition("=")[0]
    flags = [flag if given.startswith(f"{name}=") else given for given in FLAGS]
    with pytest.raises(BenchmarkLogError) as caught:
        check_told_flags(LOG, "", flags)
    assert f"got the log of a launch with {told}, expected {flag}; another program" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "Loaded model other.tflite",
        "[litert/tools/benchmark_litert_model.cc:137] Loading model from: other.tflite",
    ],
)
def test_the_file_that_is_loaded_is_that_of_the_command(line: str) -> None:
    log = f"STARTING!\nINFO: {line}\n"
    check_told_flags(log, "", ["--graph=other.tflite"])
    with pytest.raises(BenchmarkLogError, match=r"a launch with --graph=other.tflite, expected --graph=mine"):
        check_told_flags(log, "", ["--graph=mine.tflite"])


def test_real_logs_tell_the_flags_of_their_command(test_data: Path) -> None:
    logs = sorted((test_data / "benchmark_logs").glob("*.txt"))
    told = 0
    for log in logs:
        text = log.read_text(encoding="utf-8", errors="replace")
        command = text.splitlines()[0].split("STARTING")[0].split()
        flags = [word for word in command if word.startswith("--") and "no_such" not in word]
        if flags and "badvalue" not in log.name:
            check_told_flags(text, "", flags)
            told += len(told_flags(text))
    assert told > 20
