"""Protocols as data, and their command lines."""

from __future__ import annotations

from typing import Any

import pytest

from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError
from edge_mnv3_android_bench.measuring.protocols import (
    APP,
    PROTOCOLS,
    PUBLISHED,
    benchmark_flags,
    custom_protocol,
    read_known_flags,
)

HELP = """usage: ./benchmark_model <flags>
Flags:
\t--num_runs=50                   \tint32\texpected number of runs
\t--num_threads=1                 \tint32\tnumber of threads
\t--warmup_runs=1                 \tint32\tminimum number of runs
\t--graph=                        \tstring\tgraph file name, see also --min_secs=1
"""


def test_published_and_app() -> None:
    assert (PUBLISHED.settings.num_threads, PUBLISHED.cores, PUBLISHED.kernels) == (1, "big", "builtin")
    assert (APP.settings.num_threads, APP.cores, APP.kernels) == (4, "all", "xnnpack")
    assert (PUBLISHED.settings.num_runs, PUBLISHED.launches) == (50, 5)
    assert list(PROTOCOLS) == ["published", "app"]


def test_command_line() -> None:
    known = {"graph", "num_threads", "num_runs", "warmup_runs", "use_xnnpack", "enable_op_profiling"}
    known |= {"min_secs", "max_secs", "warmup_min_secs"}
    assert benchmark_flags(
        PUBLISHED.settings, graph="/data/m.tflite", known=known, extra=["--enable_op_profiling=true"]
    ) == [
        "--graph=/data/m.tflite",
        "--num_threads=1",
        "--num_runs=50",
        "--warmup_runs=1",
        "--min_secs=1",
        "--max_secs=150",
        "--warmup_min_secs=0.5",
        "--use_xnnpack=false",
        "--enable_op_profiling=true",
    ]


def test_litert_runs_xnnpack_without_being_asked() -> None:
    known = {"graph", "num_threads", "num_runs", "warmup_runs", "use_cpu", "use_gpu", "use_npu"}
    assert benchmark_flags(APP.settings, graph="m", known=known) == [
        "--graph=m",
        "--num_threads=4",
        "--num_runs=50",
        "--warmup_runs=1",
    ]
    with pytest.raises(BenchmarkBinaryError, match="LiteRT's, which has no flag for the built-in"):
        benchmark_flags(PUBLISHED.settings, graph="m", known=known)


def test_old_build_gets_only_flags_that_it_knows() -> None:
    known = read_known_flags(HELP)
    assert known == {"num_runs", "num_threads", "warmup_runs", "graph"}
    assert benchmark_flags(PUBLISHED.settings, graph="m", known=known) == [
        "--graph=m",
        "--num_threads=1",
        "--num_runs=50",
        "--warmup_runs=1",
    ]


@pytest.mark.parametrize(
    ("protocol", "extra", "lacking"),
    [(APP, [], "--use_xnnpack"), (PUBLISHED, ["--enable_op_profiling=true"], "--enable_op_profiling")],
)
def test_build_that_cannot_measure_so(protocol: Any, extra: list[str], lacking: str) -> None:
    with pytest.raises(BenchmarkBinaryError) as caught:
        benchmark_flags(protocol.settings, graph="m", known=read_known_flags(HELP), extra=extra)
    assert str(caught.value) == (
        f"benchmark binary: got a build without {lacking}, expected one that can measure by protocol "
        f"{protocol.name}; use another build or protocol"
    )


def test_custom() -> None:
    assert custom_protocol() is PUBLISHED
    assert custom_protocol(APP, num_threads=4) is APP
    changed = custom_protocol(num_threads=2, kernels="xnnpack", warmup_runs=0)
    assert (changed.name, changed.settings.num_threads, changed.kernels, changed.cores) == (
        "custom",
        2,
        "xnnpack",
        "big",
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"num_threads": 0}, "protocol, num_threads: got 0, expected at least 1"),
        ({"num_runs": 0}, "protocol, num_runs: got 0, expected at least 1"),
        ({"warmup_runs": -1}, "protocol, warmup_runs: got -1, expected at least 0"),
        ({"launches": 0}, "protocol, launches: got 0, expected at least 1"),
        ({"min_secs": -0.5}, "protocol, min_secs: got -0.5, expected seconds from 0 on"),
        ({"max_secs": 1.0}, "protocol, max_secs: got 1.0, expected more than 1"),
        ({"warmup_min_secs": float("nan")}, "protocol, warmup_min_secs: got nan, expected seconds from 0 on"),
        ({"kernels": "default"}, "protocol, kernels: got 'default', expected xnnpack or builtin"),
        ({"cores": "fast"}, "protocol, cores: got 'fast', expected little or mid or big or prime or all"),
    ],
)
def test_values_out_of_range(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        custom_protocol(**change)
    assert str(caught.value) == text
