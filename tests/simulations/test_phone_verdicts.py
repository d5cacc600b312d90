"""How often verdicts over latencies are wrong, where the noise is drawn: seeds are fixed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest

from bench_records import device_result, result_of_launches
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3_android_bench.comparison.change_points import change_points
from edge_mnv3_android_bench.comparison.latencies import compare
from edge_mnv3_android_bench.measuring.throttling import drift

CHANCE = random.Random(3)
NOISES: list[Callable[[], float]] = [
    lambda: CHANCE.gauss(0, 1),
    lambda: CHANCE.expovariate(1) ** 2,  # outliers
    lambda: float(CHANCE.randrange(3)),  # ties
]


def launched(chance: random.Random, true_us: float) -> tuple[float, ...]:
    """Five launches whose noise has a deviation of 1.5 %."""
    return tuple(true_us * (1 + chance.gauss(0, 0.015)) for _ in range(5))


def test_verdicts_over_latencies() -> None:
    """Of equal builds hardly one in twenty is said to differ; 5 % are found in nine of ten pairs."""
    chance = random.Random(1)

    def result(true_us: float) -> DeviceBenchResult:
        measured = device_result(launched(chance, true_us))
        return dataclasses.replace(measured, stable=True, problems=(), median_us=true_us)

    def verdicts(ratio: float) -> list[bool]:
        return [compare(result(20_000.0), result(20_000.0 * ratio)).differ for _ in range(60)]

    assert sum(verdicts(1.0)) <= 3
    assert sum(verdicts(1.05)) >= 54


@pytest.mark.parametrize("deviation", [0.05, 0.2])
def test_verdicts_over_start_ups(deviation: float) -> None:
    """Of equal start-ups hardly one in twenty is said to differ, however much launches vary."""
    chance = random.Random(2)

    def launched() -> DeviceBenchResult:
        varied = [5000.0 * (1 + deviation * chance.expovariate(1)) for _ in range(5)]
        return result_of_launches(varied, [None] * 5, [None] * 5)

    verdicts = [compare(launched(), launched()).launch_figures[0].differ for _ in range(40)]
    assert sum(verdict is True for verdict in verdicts) <= 2


@pytest.mark.parametrize("noise", NOISES, ids=["normal", "outliers", "ties"])
@pytest.mark.parametrize("count", [6, 14])
def test_a_history_without_a_change_shows_none(count: int, noise: Callable[[], float]) -> None:
    """Of 100 histories 5 are to be cut on the average; 10 and more have a chance of 3 %."""
    cut = [bool(change_points([noise() for _ in range(count)])) for _ in range(100)]
    assert sum(cut) < 10


def test_drift_by_chance_is_rare() -> None:
    """Launches in random order: at most 1 % are said to become slower."""
    chance = random.Random(3)
    said = sum(
        drift([chance.gauss(20_000, 2_000) for _ in range(count)]) is not None
        for count in (5, 8, 15)
        for _ in range(1000)
    )
    assert said <= 30


def test_noise_is_seldom_a_step_or_a_drift() -> None:
    """At 2.5 %, in as many launches as are taken."""
    generator = random.Random(5)
    for count in (5, 10, 15):
        found = sum(drift([generator.gauss(1000, 25) for _ in range(count)]) is not None for _ in range(1000))
        assert found <= 15
