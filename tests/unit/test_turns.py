"""Files that this machine ran in turns: the interval of their ratios, and the verdict."""

from __future__ import annotations

import dataclasses
import random
import statistics

import pytest

from bench_records import host_result
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3_android_bench.comparison.turns import compare_in_turns, median_interval
from edge_mnv3_android_bench.measuring.plan import HostTurnsRequest


def in_turns(*blocks_us: float, path: str = "a.tflite") -> HostBenchResult:
    return host_result(blocks_us, rounds=len(blocks_us), model_path=path)


@pytest.mark.parametrize(("count", "left_out"), [(6, 0), (8, 0), (9, 1), (20, 5), (30, 9)])
def test_interval_by_order(count: int, left_out: int) -> None:
    """The ranks of the usual table for a 95 % interval of the median (Conover, table A3)."""
    values = [float(value) for value in range(count)]
    random.Random(1).shuffle(values)
    assert median_interval(values) == (left_out, count - 1 - left_out)


def test_five_values_have_no_interval() -> None:
    with pytest.raises(ArgumentError, match="six at least"):
        median_interval([1.0] * 5)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    """95.9 % for 20 values, of a skewed distribution too; 2,000 draws lie within two standard deviations."""
    chance = random.Random(7)
    held = 0
    for _ in range(2000):
        low, high = median_interval([chance.expovariate(1.0) for _ in range(20)])
        held += low <= 0.6931 <= high
    assert 0.95 <= held / 2000 <= 0.97


def test_drift_that_slows_both_is_no_difference() -> None:
    drift = [1000.0 * 1.1**number for number in range(10)]
    noise = [1.001, 0.999] * 5
    pairs = [drift, [block * change for block, change in zip(drift, noise, strict=True)]]
    result = compare_in_turns(*(in_turns(*blocks) for blocks in pairs))
    assert not result.differ
    assert "do not differ" in result.text
    slower = compare_in_turns(in_turns(*drift), in_turns(*(1.05 * block for block in drift), path="b.tflite"))
    assert slower.differ
    assert slower.ratio == pytest.approx(1.05)
    assert slower.text.startswith("B (b.tflite) is slower than A (a.tflite): +5.0 %")
    assert slower.median_a_us == statistics.median_high(drift)


@pytest.mark.parametrize(("faster_rounds", "differ"), [(4, True), (5, False), (6, False)])
def test_a_verdict_needs_more_than_the_interval(faster_rounds: int, differ: bool) -> None:
    """Of 20 fair rounds 4 or fewer lie on one side in 1.2 % of series, 5 or fewer in 4.1 %."""
    blocks = [1050.0] * (20 - faster_rounds) + [960.0] * faster_rounds
    result = compare_in_turns(in_turns(*([1000.0] * 20)), in_turns(*blocks))
    assert result.differ is differ
    assert (result.ratio_ci95[0] > 1) == (faster_rounds <= 5)
    words = {4: "B is slower than A: +5.0 %", 5: "more --runs may bring it", 6: "includes equality"}
    assert words[faster_rounds] in result.text


def test_a_wide_interval_shows_nothing() -> None:
    blocks = (1000.0, 1200.0, 900.0, 1300.0, 1100.0, 950.0, 1250.0, 1050.0)
    result = compare_in_turns(in_turns(*([1000.0] * 8)), in_turns(*blocks))
    assert not result.differ
    assert result.text.startswith("no difference between A and B is shown: +7.5 %")


def test_results_that_did_not_take_turns() -> None:
    one = host_result([1000.0] * 10)
    with pytest.raises(ArgumentError, match="rounds"):
        compare_in_turns(one, one)


def test_request_is_checked() -> None:
    with pytest.raises(ArgumentError, match="two at least"):
        HostTurnsRequest(models=["a.tflite"])
    with pytest.raises(ArgumentError, match="one for each round"):
        HostTurnsRequest(models=["a.tflite", "b.tflite"], num_runs=19)
    with pytest.raises(ArgumentError, match="rounds"):
        HostTurnsRequest(models=["a.tflite", "b.tflite"], rounds=5)


def test_json() -> None:
    a, b = in_turns(*([1000.0] * 6)), in_turns(*([1100.0] * 6))
    result = HostTurnsResult(results=(a, b), comparisons=(compare_in_turns(a, b),))
    assert from_json(HostTurnsResult, to_json(result)) == result
    assert dataclasses.asdict(a.conditions.protocol)["rounds"] == 6
