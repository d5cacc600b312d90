"""Real logs of `benchmark_model` to the figures printed there, and thousands of damaged ones."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3.core.results.delegation import Partitioning
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.op_profile import read_op_profile
from log_damage import damage
from synthetic_logs import BUILDS, LogText

pytestmark = pytest.mark.unmeasured

DAMAGED_LOGS = 20_000
SEED = 20
# An accepted log whose single figures were changed: half of all changes of one digit of a median leave it
# possible, and a log has some thirty figures, of which seven to ten stand once.
MOST_SINGLE_CHANGES = 0.01


class RealLog(NamedTuple):
    stdout: str
    stderr: str
    exit_code: int | None

    def parse(self, *, runs: int | None = None) -> LaunchTimings:
        return parse_benchmark_log(self.stdout, self.stderr, self.exit_code, expected_runs=runs)


def read_log(path: Path) -> RealLog:
    """Own runs begin with the command and hold both streams; published logs are one stream."""
    text = path.read_text(encoding="utf-8")
    if not text.startswith("$ "):
        return RealLog(text, "", None)
    stdout, _, rest = text.partition("--- stdout\n")[2].partition("--- stderr\n")
    stderr, _, exit_code = rest.rpartition("--- rc=")
    return RealLog(stdout, stderr, int(exit_code))


@pytest.fixture
def logs(test_data: Path) -> Path:
    return test_data / "benchmark_logs"


@pytest.mark.parametrize(
    ("name", "runs", "figures", "spread", "memory"),
    [
        # figures: runs, avg, median, warm-up runs, warm-up avg, first, init; spread: min, max, std, p5, p95
        (
            "android_aarch64_nightly_xnnpack",
            1000,
            (1000, 63743.2, 51891.0, 9, 58147.4, 87112.0, 119515.0),
            (49088.0, 686105.0, 60716.0, 49620.0, 68628.0),
            (55.4961, None),
        ),
        (
            "android_tf1.13_arm64",
            10,
            (15, 66767.6, None, 7, 76605.9, None, 9933.0),
            (66699.0, 66838.0, 39.0, None, None),
            (None, None),
        ),
        (
            "android_tf2.3_op_profile_excerpt",
            50,
            (50, 33209.4, None, 15, 34825.1, 49060.0, 855.0),
            (32641.0, 34005.0, 450.0, None, None),
            (None, 12.8672),
        ),
        (
            "raspberry_pi4_tf2.4_excerpt",
            50,
            (50, 55043.2, None, 9, 57758.2, 64791.0, 18777.0),
            (53077.0, 60727.0, 1562.0, None, None),
            (18.7227, None),
        ),
        (
            "linux_x86_64_default",
            50,
            (50, 181809.0, None, 3, 200525.0, 217698.0, 1356.0),
            (115514.0, 223965.0, 23966.0, None, None),
            (7.21484, None),
        ),
        (
            "linux_x86_64_onerun",
            1,
            (1, 195442.0, None, 0, None, None, 839.0),
            (195442.0, 195442.0, 0.0, None, None),
            (7.15625, None),
        ),
        (
            "linux_x86_64_peakmem",
            50,
            (50, 203663.0, None, 3, 186265.0, 182384.0, 4334.0),
            (144573.0, 378016.0, 35163.0, None, None),
            (7.09375, 11.3359),
        ),
        (
            "linux_x86_64_threads1_noxnn",
            50,
            (50, 204997.0, None, 3, 223580.0, 215880.0, 808.0),
            (146951.0, 378139.0, 38052.0, None, None),
            (7.11328, None),
        ),
        (
            "linux_x86_64_xnn_float",
            50,
            (50, 408464.0, None, 2, 430467.0, 424773.0, 17323.0),
            (262064.0, 627898.0, 79779.0, None, None),
            (13.375, None),
        ),
        (
            "linux_x86_64_litert2",
            50,
            (1054, 947.132, 942.0, 526, 949.861, 2125.0, 5757.0),
            (910.0, 1102.0, 23.0, 915.0, 991.0),
            (7.07, None),
        ),
        (
            "linux_x86_64_opprof",
            50,
            (50, 618983.0, None, 1, 693489.0, 693489.0, 4317.0),
            (394241.0, 757763.0, 100449.0, None, None),
            (9.17969, None),
        ),
        (
            "linux_x86_64_opprof_csv",
            50,
            (50, 585790.0, None, 1, 524872.0, 524872.0, 944.0),
            (384539.0, 733000.0, 98538.0, None, None),
            (9.25391, None),
        ),
    ],
)
def test_printed_figures(
    logs: Path,
    name: str,
    runs: int,
    figures: tuple[float | None, ...],
    spread: tuple[float | None, ...],
    memory: tuple[float | None, float | None],
) -> None:
    timings = read_log(logs / f"{name}.txt").parse(runs=runs)
    assert (timings.num_runs, timings.avg_us, timings.median_us) == figures[:3]
    assert (timings.warmup_runs, timings.warmup_avg_us) == figures[3:5]
    assert (timings.first_inference_us, timings.init_us) == figures[5:]
    once = timings.unconfirmed
    assert (once.min_us, once.max_us, once.std_us, once.p5_us, once.p95_us) == spread
    assert (once.memory_mb, once.peak_memory_mb) == memory
    assert all("NPU accelerator" in warning for warning in timings.warnings)


@pytest.mark.parametrize(
    ("name", "delegate", "partitioning"),
    [
        ("android_aarch64_nightly_xnnpack", "XNNPACK", (2168, 2168, 1)),
        ("linux_x86_64_xnn_float", "XNNPACK", (None, None, 36)),
        ("linux_x86_64_litert2", "XNNPACK", None),
        ("raspberry_pi4_tf2.4_excerpt", "XNNPACK", None),
        ("linux_x86_64_threads1_noxnn", "none", None),
        ("linux_x86_64_default", "unknown", None),
    ],
)
def test_printed_delegates(
    logs: Path, name: str, delegate: str, partitioning: tuple[int | None, int | None, int] | None
) -> None:
    timings = read_log(logs / f"{name}.txt").parse()
    assert timings.delegate == delegate
    expected: tuple[Partitioning, ...] = ()
    if partitioning:
        taken, nodes, partitions = partitioning
        expected = (
            Partitioning(
                delegate=delegate, replaced_nodes=taken, nodes=nodes, partitions=partitions, subgraph=0
            ),
        )
    assert timings.partitionings == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("badflag", "got flags that this build does not know: --no_such_flag=1"),
        ("badvalue", "got a flag that this build cannot read: Failed to parse flag 'num_threads'"),
        ("garbage", "exit code 1: Model provided has model identifier 'age / ', should be 'TFL3'"),
        ("missing", "exit code 1: Could not open 'nope.tflite'."),
        ("truncated", "got death by SIGSEGV, expected exit code 0"),
    ],
)
def test_real_failures(logs: Path, name: str, text: str) -> None:
    with pytest.raises(BenchmarkLogError) as caught:
        read_log(logs / f"linux_x86_64_{name}.txt").parse()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "total_us", "by_type", "slowest"),
    [
        (
            "opprof",
            618_907.0,
            # The sums printed there: 576.777, 37.033, 5.031, 0.028, 0.004, 0.004 ms
            {
                "CONV_2D": (33, 576_777),
                "DEPTHWISE_CONV_2D": (15, 37_033),
                "ADD": (10, 5_031),
                "AVERAGE_POOL_2D": (2, 28),
                "RESHAPE": (1, 4),
                "SOFTMAX": (1, 4),
            },
            (4, 44, 40, 42, 39, 22, 51, 47, 55, 49),
        ),
        (
            "opprof_csv",
            585_720.0,
            {
                "CONV_2D": (33, 545_265),
                "DEPTHWISE_CONV_2D": (15, 35_533),
                "ADD": (10, 4_851),
                "AVERAGE_POOL_2D": (2, 31),
                "RESHAPE": (1, 3),
                "SOFTMAX": (1, 4),
            },
            (4, 40, 42, 44, 39, 22, 37, 55, 53, 49),
        ),
    ],
)
def test_real_profiles_joined_with_the_real_graph(
    test_data: Path,
    logs: Path,
    name: str,
    total_us: float,
    by_type: dict[str, tuple[int, int]],
    slowest: tuple[int, ...],
) -> None:
    model = read_file(test_data / "models" / "v3-large-minimalistic_224_1.0_uint8.tflite")
    profile = read_op_profile(read_log(logs / f"linux_x86_64_{name}.txt").stdout, model.main_graph)
    assert (profile.runs, profile.total_us, profile.partitions) == (50, total_us, 0)
    assert [cost.graph_index for cost in profile.costs] == list(range(62))
    assert tuple(cost.graph_index for cost in profile.slowest()) == slowest
    for share in profile.by_type:
        count, printed_us = by_type[share.op_type]
        assert share.count == count
        # Sums are printed in whole microseconds of each operator, rounded down; rows to the nearest.
        assert abs(share.time_us - printed_us) <= 1.5 * count


@pytest.mark.parametrize("name", ["android_tf2.3_op_profile_excerpt", "raspberry_pi4_tf2.4_excerpt"])
def test_real_profiles_that_were_cut(logs: Path, name: str) -> None:
    with pytest.raises(BenchmarkLogError, match="a profile that was cut after the start-up"):
        read_op_profile(
            read_log(logs / f"{name}.txt").stdout, Graph(tensors=(), operators=(), inputs=(), outputs=())
        )


def written_logs() -> list[str]:
    """Three logs of each build, from one run up to fifty, some with a far outlier."""
    chance = random.Random(SEED)
    logs = []
    for build in BUILDS:
        for count in (1, 20, 50):
            base = chance.choice((900, 15_000, 70_000))
            times = [int(base * (1 + 0.3 * chance.random() ** 4)) for _ in range(count)]
            warmup = (int(1.2 * base),)
            init = chance.randrange(500, 90_000)
            logs.append(LogText(build=build, times_us=times, warmup_us=warmup, init_us=init).text())
    return logs


def confirmed(timings: LaunchTimings) -> tuple[float | None, ...]:
    """The figures that a log holds twice."""
    return (timings.avg_us, timings.warmup_avg_us, timings.first_inference_us, timings.init_us)


def all_figures(timings: LaunchTimings) -> tuple[object, ...]:
    once = timings.unconfirmed
    spread = (once.min_us, once.max_us, once.std_us, once.p5_us, once.p95_us)
    return (confirmed(timings), timings.num_runs, timings.median_us, timings.warmup_runs, spread)


def check_damaged(logs: list[str], count: int) -> None:
    """Damaged logs give figures of an undamaged one, or are refused.

    A digit that was changed in a figure that stands once may stay unseen (but see `benchmark_log`), one in a
    figure that stands twice may not.
    """
    true = [parse_benchmark_log(log, "", 0, expected_runs=None) for log in logs]
    right_confirmed = {confirmed(timings) for timings in true}
    right = {all_figures(timings) for timings in true}
    chance = random.Random(SEED)
    accepted = single_changes = 0
    for _ in range(count):
        damaged = damage(chance.choice(logs), logs, chance)
        try:
            timings = parse_benchmark_log(damaged.stdout, damaged.stderr, 0, expected_runs=None)
        except BenchmarkLogError:
            continue
        accepted += 1
        assert confirmed(timings) in right_confirmed, damaged
        if all_figures(timings) not in right:
            assert damaged.changes_digits, damaged
            single_changes += 1
            once = timings.unconfirmed
            if timings.median_us is not None and timings.num_runs > 1:
                assert (
                    abs(timings.median_us - timings.avg_us) <= 1.1 * once.std_us + 2
                )  # one for each rounding
    assert 0.1 * count < accepted < 0.4 * count  # most damage is seen; some hits lines without figures
    assert single_changes < MOST_SINGLE_CHANGES * count


def test_damaged_logs_never_give_a_wrong_figure() -> None:
    check_damaged(written_logs(), DAMAGED_LOGS)


def test_damaged_real_logs_never_give_a_wrong_figure(logs: Path) -> None:
    real = []
    for path in sorted(set(logs.iterdir()) - {logs / "linux_x86_64_litert2.txt"}):
        log = read_log(path)
        try:
            parse_benchmark_log(log.stdout, "", 0, expected_runs=None)
        except BenchmarkLogError:
            continue
        real.append(log.stdout)
    assert len(real) == 11
    check_damaged(real + written_logs(), DAMAGED_LOGS)


def test_damaged_logs_of_litert_give_figures_to_their_rounding(logs: Path) -> None:
    """Its closing block has two decimals of milliseconds: what it confirms is right to 10 us."""
    texts = [(logs / "linux_x86_64_litert2.txt").read_text(encoding="utf-8")]
    texts += [
        LogText(build="litert2", times_us=(base, base + 90, base - 70)).text() for base in (5000, 70_000)
    ]
    true = [parse_benchmark_log(text, "", 0, expected_runs=None) for text in texts]
    chance = random.Random(SEED)
    accepted = 0
    for _ in range(DAMAGED_LOGS // 4):
        damaged = damage(chance.choice(texts), texts, chance)
        try:
            timings = parse_benchmark_log(damaged.stdout, damaged.stderr, 0, expected_runs=None)
        except BenchmarkLogError:
            continue
        accepted += 1
        near = [one for one in true if confirmed(timings) == pytest.approx(confirmed(one), rel=0, abs=10.01)]
        assert near, damaged
        if timings.median_us not in {one.median_us for one in near}:
            assert damaged.changes_digits, damaged
    assert 0.1 * DAMAGED_LOGS / 4 < accepted < 0.5 * DAMAGED_LOGS / 4
