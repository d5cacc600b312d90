"""Reading the output of `benchmark_model`, on logs written in the formats of its builds."""

from __future__ import annotations

import functools
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings, UnconfirmedFigures
from edge_mnv3.core.results.delegation import Partitioning
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.printed_numbers import read_float, read_integer
from edge_mnv3_android_bench.benchmark_model.run_statistics import read_run_statistics
from examples_count import examples
from log_damage import damage
from synthetic_logs import BUILDS, Build, LogText, statistics_line

TIMES_US = (1000, 1010, 1003, 1001, 1150)
GOOD = LogText(times_us=TIMES_US).text()


def parse(text: str, *, runs: int | None = None) -> LaunchTimings:
    return parse_benchmark_log(text, "", 0, expected_runs=runs)


def refused(text: str, stderr: str = "", exit_code: int | None = 0) -> str:
    with pytest.raises(BenchmarkLogError) as caught:
        parse_benchmark_log(text, stderr, exit_code, expected_runs=None)
    return str(caught.value)


@pytest.mark.parametrize("build", BUILDS)
def test_every_build(build: Build) -> None:
    percentiles, first = build == "nightly", not build.startswith("1.")
    # 1.12 has no least time: it makes exactly the demanded warm-up runs.
    warmup = (1500,) if build == "1.12" else (1500, 1100)
    log = LogText(build=build, times_us=TIMES_US, warmup_us=warmup)
    assert parse(log.text(), runs=5) == LaunchTimings(
        num_runs=5,
        avg_us=1032.8,
        median_us=1003.0 if percentiles else None,
        warmup_runs=len(warmup),
        warmup_avg_us=1500.0 if build == "1.12" else 1300.0,
        first_inference_us=1500.0 if first else None,
        init_us=1356.0,
        unconfirmed=UnconfirmedFigures(
            min_us=1000.0,
            max_us=1150.0,
            std_us=58.0,  # 58.7, which the builds cut
            p5_us=1000.0 if percentiles else None,
            p95_us=1150.0 if percentiles else None,
            memory_mb=7.21484 if first else None,
            peak_memory_mb=None,
        ),
        delegate="unknown",
        partitionings=(),
        warnings=(),
    )


def test_scientific_notation() -> None:
    timings = parse(
        LogText(times_us=(1_440_000, 1_440_010), warmup_us=(2_000_001,), init_us=10_115_400).text()
    )
    assert (timings.avg_us, timings.warmup_avg_us) == (
        1_440_000.0,
        2_000_000.0,
    )  # as printed: 1.44e+06, 2e+06
    assert (timings.first_inference_us, timings.init_us, timings.median_us) == (
        2_000_001,
        10_115_400,
        1_440_010,
    )


def test_no_warmup_and_one_run() -> None:
    timings = parse(LogText(build="2.3", times_us=(195_442,), warmup_us=()).text(), runs=1)
    assert (timings.warmup_runs, timings.warmup_avg_us, timings.first_inference_us) == (0, None, None)
    assert (timings.num_runs, timings.avg_us, timings.unconfirmed.std_us) == (1, 195_442, 0)


def test_equal_runs() -> None:
    timings = parse(LogText(times_us=(7, 7, 7)).text())
    assert (timings.num_runs, timings.avg_us, timings.median_us, timings.unconfirmed.max_us) == (3, 7, 7, 7)


def test_merged_streams_with_carriage_returns() -> None:
    assert parse(GOOD.replace("\n", "\r\n")) == parse(GOOD)


def test_figures_on_stderr_as_tensorflow_1_wrote_them() -> None:
    log = LogText(build="1.13", times_us=TIMES_US).text()
    assert parse_benchmark_log("STARTING!\n", log, 0, expected_runs=5) == parse(log)


def test_log_of_the_android_app() -> None:
    log = "".join(f"05-30 15:16:44.857  3380  3380 I tflite  : {line}\n" for line in GOOD.splitlines())
    assert parse(log) == parse(GOOD)


def test_profile_totals_are_no_measurement() -> None:
    profile = "Timings (microseconds): count=1 curr=354\nMemory (bytes): count=0\n1 nodes observed\n"
    assert parse(GOOD + profile) == parse(GOOD)


def test_peak_memory() -> None:
    log = GOOD + "INFO: Overall peak memory footprint (MB) via periodic monitoring: 11.3359\n"
    assert parse(log).unconfirmed.peak_memory_mb == 11.3359


@pytest.mark.parametrize(
    ("line", "delegate", "partitioning"),
    [
        (
            "VERBOSE: Replacing 101 out of 121 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding "
            "20 partitions for subgraph 0 (main).",
            "XNNPACK",
            Partitioning(delegate="XNNPACK", replaced_nodes=101, nodes=121, partitions=20, subgraph=0),
        ),
        (
            "Replacing 58 out of 58 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 "
            "partitions for the whole graph.",
            "GPU",
            Partitioning(delegate="GPU", replaced_nodes=58, nodes=58, partitions=1, subgraph=0),
        ),
        (
            "Replacing 30 node(s) with delegate (Mine) node, yielding 1 partitions.",
            "Mine",
            Partitioning(delegate="Mine", replaced_nodes=30, nodes=None, partitions=1, subgraph=0),
        ),
        (
            "Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the "
            "delegate w/ 36 delegate kernels.",
            "XNNPACK",
            Partitioning(delegate="XNNPACK", replaced_nodes=None, nodes=None, partitions=36, subgraph=0),
        ),
        (
            "Explicitly applied GPU delegate, and the model graph will be completely executed by the "
            "delegate.",
            "GPU",
            Partitioning(delegate="GPU", replaced_nodes=None, nodes=None, partitions=1, subgraph=0),
        ),
        (  # as TensorFlow 2.3 and 2.4 printed it
            "Applied GPU delegate, and the model graph will be completely executed w/ the delegate.",
            "GPU",
            Partitioning(delegate="GPU", replaced_nodes=None, nodes=None, partitions=1, subgraph=0),
        ),
        ("Though GPU delegate is applied, the model graph is not.", "unknown", None),
        ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", "XNNPACK", None),
        ("Use xnnpack: [0]", "none", None),
        (
            "Replacing 9 out of 8 node(s) with delegate (A) node, yielding 1 partitions.",
            "unknown",
            None,
        ),
    ],
)
def test_delegates(line: str, delegate: str, partitioning: Partitioning | None) -> None:
    timings = parse_benchmark_log(GOOD, f"{line}\n", 0, expected_runs=5)
    assert timings.delegate == delegate
    assert timings.partitionings == ((partitioning,) if partitioning else ())
    assert timings.warnings == ()


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (
            "Though GPU delegate is explicitly applied, the model graph will not be executed by the "
            "delegate.",
            "the GPU delegate refused the whole graph: it ran on the CPU",
        ),
        (
            "WARN: NNAPI acceleration is unsupported on this platform.",
            "benchmark_model: NNAPI acceleration is unsupported on this platform.",
        ),
        (
            "GPU acceleration is unsupported on this platform.",
            "benchmark_model: GPU acceleration is unsupported on this platform.",
        ),
        (
            "ERROR: Following operations are not supported by GPU delegate:",
            "benchmark_model: Following operations are not supported by GPU delegate:",
        ),
        (
            "ERROR: Ignoring failed application of the default TensorFlow Lite delegate indexed at 0.",
            "benchmark_model: Ignoring failed application of the default TensorFlow Lite delegate indexed "
            "at 0.",
        ),
    ],
)
def test_a_delegate_that_fell_back_is_a_warning(line: str, warning: str) -> None:
    timings = parse_benchmark_log(GOOD, f"{line}\n{line}\n", 0, expected_runs=5)
    assert timings.warnings == (warning,)
    assert timings.avg_us == 1032.8


def test_unknown_flag_is_refused_although_the_program_ends_well() -> None:
    log = GOOD.replace(
        "INFO: STARTING!\n", "INFO: STARTING!\nWARN: Unconsumed cmdline flags: --use_xnpack=0\n"
    )
    assert refused(log) == (
        "output of benchmark_model: got flags that this build does not know: --use_xnpack=0, expected a "
        "build that takes all flags of the protocol; use another benchmark_model, or a protocol without them"
    )


@pytest.mark.parametrize(
    ("stdout", "stderr", "exit_code", "text"),
    [
        (GOOD, "", 139, "got death by SIGSEGV, expected exit code 0"),
        (GOOD, "", 190, "got exit code 190, expected exit code 0"),
        (
            "STARTING!\n",
            "ERROR: Could not open 'a'.\nBenchmarking failed.\n",
            1,
            "exit code 1: Could not open 'a'.",
        ),
        (GOOD + "Benchmarking failed.\n", "", None, "got 'Benchmarking failed.'"),
        ("STARTING!\n", "", 0, "got no line of session"),
        (GOOD, GOOD, 0, "got figures in both streams"),
        (GOOD + GOOD, "", 0, "got lines of figures doubled or out of order"),
        (GOOD.replace("\nINFO: Memory", " INFO: Memory"), "", 0, "got a damaged line"),
        (GOOD.partition("\nINFO: Memory")[0], "", 0, "got a summary without line break"),
        (GOOD.replace("min=", "mix="), "", 0, "statistics of the warm-up that are damaged"),
        (GOOD.replace("avg=1032.8", "avg=1032.80"), "", 0, "statistics of the measurement that are damaged"),
        (
            GOOD.replace("avg=1032.8", "avg=1033.8"),
            "",
            0,
            "averages 1300 and 1033.8, but in the summary 1300 and",
        ),
        (
            GOOD.replace("First inference: 1500", "First inference: 1510"),
            "",
            0,
            "first inferences: 1500 and 1510",
        ),
        (GOOD.replace("1.356ms", "1.366ms"), "", 0, "two different start-ups"),
        (GOOD.replace("INFO: count=2", "INFO: count=0"), "", 0, "statistics of the warm-up"),
        (LogText(times_us=(), min_runs=0).text(), "", 0, "got a measurement without a run"),
        (LogText(times_us=TIMES_US, min_runs=6).text(), "", 0, "got a measurement of 5 runs, expected 6"),
        (LogText(times_us=TIMES_US, min_runs=4, min_secs=0.004).text(), "", 0, "longer than was demanded"),
        (
            GOOD.replace(" p5=1000 median=1003 p95=1150", ""),
            "",
            0,
            "percentiles in one line of statistics only",
        ),
    ],
)
def test_refusals(stdout: str, stderr: str, exit_code: int | None, text: str) -> None:
    assert text in refused(stdout, stderr, exit_code)


def test_other_number_of_runs_than_was_asked_for() -> None:
    with pytest.raises(BenchmarkLogError, match="got an announcement of 5 runs, expected 50 runs"):
        parse(GOOD, runs=50)


def test_more_runs_than_asked_for_fill_the_least_time() -> None:
    log = LogText(times_us=(400_000, 400_000, 400_001), min_runs=1)
    assert parse(log.text(), runs=1).num_runs == 3


@pytest.mark.parametrize(
    "line",
    [
        "count=1 curr=7(all same)",
        "count=2 curr=7",
        "count=2 first=7 curr=8 min=8 max=7 avg=7.5 std=0",
        "count=2 first=7 curr=9 min=7 max=9 avg=8.5 std=1",  # two runs have one mean
        "count=50 first=100 curr=100 min=90 max=110 avg=100 std=11",  # over half of the span
        "count=50 first=100 curr=100 min=90 max=610 avg=100 std=10",  # the largest run alone makes more
        "count=50 first=100 curr=100 min=90 max=110 avg=95 std=5 p5=90 median=109 p95=110",  # half the runs
        "count=50 first=100 curr=100 min=90 max=110 avg=100 std=1 p5=94 median=100 p95=101",  # Cantelli
        "count=50 first=100 curr=100 min=090 max=110 avg=100 std=5",
        "count=0 curr=3",
        "count=3",
    ],
)
def test_statistics_that_cannot_be_true(line: str) -> None:
    assert read_run_statistics(line) is None


@examples(150)
@example(times=[24_576, 24_576, 24_576, 57_345], percentiles=False)  # 32768.25, printed as 32768.2
@given(
    times=st.lists(st.integers(1, 3_000_000_000), max_size=70)
    | st.lists(st.integers(60_000, 60_010), max_size=70),
    percentiles=st.booleans(),
)
def test_true_statistics_are_read(times: list[int], percentiles: bool) -> None:
    read = read_run_statistics(statistics_line(times, percentiles=percentiles))
    assert read is not None
    assert (read.count, read.min, read.max) == (len(times), min(times, default=0), max(times, default=0))
    assert not percentiles or read.percentiles is not None


@examples(100)
@given(value=st.floats(0, 1e12) | st.floats(0, 2))
def test_printed_floats_are_read_back(value: float) -> None:
    text = f"{value:g}"
    assert read_float(text) == float(text)


@pytest.mark.parametrize(
    "text", ["", "1.50", "01", "-1", "1e6", "1.e+06", "nan", "inf", "1234567", "1_0", "٣"]
)
def test_floats_that_no_stream_prints(text: str) -> None:
    assert read_float(text) is None


@pytest.mark.parametrize("text", ["", "007", "-1", "1.0", "9" * 16, "1_0", "٣", " 1"])
def test_integers_that_no_stream_prints(text: str) -> None:
    assert read_integer(text) is None


DAMAGEABLE = [
    LogText(build=build, times_us=times, warmup_us=(1500,)).text()
    for build in BUILDS
    for times in (TIMES_US, (71_000, 70_100, 70_200))
]


@functools.cache
def right_readings() -> list[LaunchTimings]:
    return [parse(log) for log in DAMAGEABLE]


@examples(150)
@given(seed=st.integers(0, 2**32))
def test_damaged_logs_never_give_a_wrong_figure(seed: int) -> None:
    chance = random.Random(seed)
    damaged = damage(chance.choice(DAMAGEABLE), DAMAGEABLE, chance)
    try:
        timings = parse_benchmark_log(damaged.stdout, damaged.stderr, 0, expected_runs=None)
    except BenchmarkLogError:
        return
    right = right_readings()
    assert any(
        (timings.avg_us, timings.warmup_avg_us, timings.init_us)
        == (true.avg_us, true.warmup_avg_us, true.init_us)
        and timings.first_inference_us == true.first_inference_us
        for true in right
    ), damaged
    # A digit of the median, or of the number of runs, may change unseen; nothing else may change them.
    assert damaged.changes_digits or any(
        (timings.num_runs, timings.median_us) == (true.num_runs, true.median_us) for true in right
    ), damaged
