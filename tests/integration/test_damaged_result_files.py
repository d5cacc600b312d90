"""Thousands of launches of LiteRT 2, log, result file, or both damaged: none gives a wrong figure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from device.benchmark_result import result_file
from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.measuring.launching import check_result_file
from log_damage import damage
from synthetic_logs import LogText

DAMAGED = 3_000
SEED = 20
RUNS_US = ((1000, 1010, 1003, 1001, 1150), (71_000, 70_100, 70_200), (20_480, 20_512, 20_497, 20_470))
WARMUP_US, INIT_US = (1500, 1110), 5757
LOGS = [LogText(build="litert2", times_us=us, warmup_us=WARMUP_US, init_us=INIT_US).text() for us in RUNS_US]
FILES = [result_file(us, WARMUP_US, INIT_US) for us in RUNS_US]


def figures(timings: LaunchTimings) -> tuple[float | None, ...]:
    """All that is quoted of a launch."""
    once = timings.unconfirmed
    shown = (timings.init_us, timings.first_inference_us, timings.warmup_avg_us, timings.avg_us)
    return (*shown, timings.median_us, timings.num_runs, once.min_us, once.max_us, once.p5_us, once.p95_us)


def damaged_file(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """One bit changed, bytes deleted, the end cut, another launch's file behind it, or in its place."""
    place = chance.randrange(len(content))
    changed = content[place] ^ 1 << chance.randrange(8)
    return chance.choice(
        (
            content[:place] + bytes([changed]) + content[place + 1 :],
            content[:place] + content[place + chance.choice((1, 2, 5)) :],
            content[:place],
            content + chance.choice(others),
            chance.choice(others),
        )
    )


def check_damaged(count: int) -> None:
    """What is taken is what a launch said of which the result file came back."""
    right = [figures(parse_benchmark_log(log, "", 0, expected_runs=None)) for log in LOGS]
    chance = random.Random(SEED)
    taken = 0
    for number in range(count):
        chosen = chance.randrange(len(LOGS))
        text, stderr, content = LOGS[chosen], "", FILES[chosen]
        if number % 3 != 0:
            damaged = damage(text, LOGS, chance)
            text, stderr = damaged.stdout, damaged.stderr
        if number % 3 != 1:
            content = damaged_file(content, FILES, chance)
        try:
            timings = parse_benchmark_log(text, stderr, 0, expected_runs=None)
            check_result_file(content, timings)
        except BenchmarkLogError:
            continue
        taken += 1
        # A log that was joined with another launch's may be that one, where the file is that one's too.
        of_file = [said for said, file in zip(right, FILES, strict=True) if file == content]
        assert figures(timings) in (of_file or [right[chosen]]), (text, stderr, content)
    assert 0.05 * count < taken < 0.4 * count  # most damage is seen; some hits what is not compared


def test_no_damaged_launch_gives_a_wrong_figure() -> None:
    check_damaged(DAMAGED)
