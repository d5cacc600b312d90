"""Reading the closing block of LiteRT 2's `benchmark_model`."""

from __future__ import annotations

import pytest

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from synthetic_logs import LogText

GOOD = LogText(
    build="litert2", times_us=(1000, 1010, 1003, 1001, 1150), warmup_us=(1500, 1110), init_us=5757
).text()


def parse(text: str) -> LaunchTimings:
    return parse_benchmark_log(text, "", 0, expected_runs=5)


def test_figures_and_memory() -> None:
    timings = parse(GOOD)
    assert (timings.num_runs, timings.avg_us, timings.median_us) == (5, 1032.8, 1003.0)
    assert (timings.warmup_runs, timings.warmup_avg_us, timings.first_inference_us) == (2, 1305.0, 1500.0)
    assert timings.init_us == 5757.0
    assert (timings.unconfirmed.memory_mb, timings.unconfirmed.peak_memory_mb) == (7.07, 9.5)
    assert timings.warnings == ()


def test_the_closing_block_comes_from_another_logger() -> None:
    """Where the streams come apart, as on phones, it is in the other one."""
    lines = GOOD.splitlines(keepends=True)
    title = next(place for place, line in enumerate(lines) if "BENCHMARK RESULTS" in line) - 1
    figures, block = "".join(lines[:title]), "".join(lines[title:])
    assert parse_benchmark_log(figures, block, 0, expected_runs=5) == parse(GOOD)
    created = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    assert parse_benchmark_log(figures, created + block, 0, expected_runs=5).delegate == "XNNPACK"
    for out, err, problem in (
        (figures, block.replace("1.03 ms", "1.04 ms"), "which the closing block contradicts"),
        (figures, block * 2, "figures in both streams"),
        (figures, "", "no line of summary"),
        (figures + block, block, "doubled or out of order"),
        (block, figures, "figures in both streams"),
    ):
        with pytest.raises(BenchmarkLogError, match=problem):
            parse_benchmark_log(out, err, 0, expected_runs=5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "Inference (avg):      1.03 ms",
            "Inference (avg):      1.04 ms",
            "Inference (avg) 1032.8 us in 5 runs",
        ),
        ("ms (5 runs)", "ms (6 runs)", "Inference (avg) 1032.8 us in 5 runs"),
        ("avg=1032.8", "avg=1038.8", "Inference (avg) 1038.8 us in 5 runs"),
        ("Inference (max):      1.15 ms", "Inference (max):      1.25 ms", "Inference (max) 1150 us"),
        ("Model initialization: 5.76", "Model initialization: 5.86", "Model initialization 5757 us"),
        ("Warmup (first):       1.50 ms", "Warmup (first):       1.5x ms", "a damaged line"),
        ("Inference (min):      1.00 ms\n", "\n", "no line 'Inference (min)'"),
        ("======================================\n", "\n", "not whole"),
        ("========== BENCHMARK", "=====x==== BENCHMARK", "a damaged line"),
        ("in 5.757ms", "in 5.7x7ms", "a damaged line"),
    ],
)
def test_damage_is_refused(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    with pytest.raises(BenchmarkLogError) as caught:
        parse(GOOD.replace(old, new, 1))
    assert problem in str(caught.value)


def test_a_line_twice_is_refused() -> None:
    line = next(line for line in GOOD.splitlines(keepends=True) if "Inference (avg)" in line)
    with pytest.raises(BenchmarkLogError, match=r"Inference \(avg\) twice"):
        parse(GOOD.replace(line, line * 2))
