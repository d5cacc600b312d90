"""Which launch comes next, and when enough is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_records import CONDITIONS, launch, launch_timings
from edge_mnv3.core.results.bench import LaunchRecord
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, Sweep
from edge_mnv3_android_bench.measuring.schedule import Cell, announcement, next_cells

COMMAND = LaunchCommand(
    folder="/f", program="/f/b", flags=(), cpus=(), other_cpus=(), temperature_file=None, limit_s=1.0
)


def cell(label: str = "a", launches: int = 5, *, acceptance: Acceptance | None = None) -> Cell:
    return Cell(
        label=label,
        conditions=CONDITIONS,
        command=COMMAND,
        min_launches=launches,
        acceptance=acceptance or Acceptance(),
    )


def few(label: str = "a", launches: int = 5) -> Cell:
    """As many launches as are asked for, however they vary."""
    return cell(label, launches, acceptance=Acceptance(variation=True))


def good(figure_us: float = 1000.0) -> LaunchRecord:
    return launch(launch_timings(figure_us))


def hot() -> LaunchRecord:
    return launch(launch_timings(2000.0), problems=("thermal status 3 after it, 0 is demanded",))


def refused(text: str = "death by SIGABRT") -> LaunchRecord:
    return launch(None, problems=(text,))


def order(cells: list[Cell], records: Iterator[LaunchRecord] | None = None) -> str:
    labels = ""
    for chosen in next_cells(cells):
        labels += chosen.label
        chosen.add(next(records) if records else good())
    return labels


def test_the_order_alternates() -> None:
    assert order([few("a", 4), few("b", 4), few("c", 4)]) == "abc" + "cba" + "abc" + "cba"


@given(cells=st.integers(1, 6), pairs=st.integers(1, 4))
def test_a_linear_drift_cancels(cells: int, pairs: int) -> None:
    labels = order([few(chr(97 + i), 2 * pairs) for i in range(cells)])
    means = [sum(t for t, label in enumerate(labels) if label == chr(97 + i)) for i in range(cells)]
    assert len(set(means)) == 1


def test_offending_launches_are_repeated() -> None:
    records = iter([good(), hot(), good(), hot(), good()])
    one = few(launches=3)
    assert order([one], records) == "aaaaa"
    result = one.result()
    assert (result.median_us, result.stable) == (1000.0, True)
    assert [bool(record.problems) for record in result.launches] == [False, True, False, True, False]


def test_it_is_given_up_after_twice_as_many_as_demanded() -> None:
    one = few(launches=3)
    assert len(order([one], iter([good(), hot()] * 50))) == 6 - 1  # three count after five
    hopeless = few(launches=3)
    assert len(order([hopeless], iter([hot()] * 50))) == 6
    assert hopeless.result().median_us is None


def test_the_same_failure_three_times_is_enough() -> None:
    one = few()
    assert len(order([one], iter([refused()] * 50))) == 3
    assert one.result().problems == ("0 launches count, 5 are demanded (launch 1: death by SIGABRT)",)
    several = few()
    assert len(order([several], iter([refused("a"), refused("b")] * 50))) == 10


def test_launches_go_on_until_the_interval_is_narrow() -> None:
    wide = [good(1000.0 + 20 * (n % 5)) for n in range(5)]
    one = cell()
    narrowed = iter([*wide, *[good(1040.0)] * 50])
    launches = len(order([one], narrowed))
    assert 5 < launches < 15
    result = one.result()
    assert (result.stable, result.median_us) == (True, 1040.0)
    assert not any(record.problems for record in result.launches)  # none is picked out


def test_noise_ends_with_what_was_observed() -> None:
    one = cell()
    assert len(order([one], iter([good(1000.0), good(1200.0)] * 50))) == 15
    result = one.result()
    assert (result.stable, result.median_us) == (False, None)
    assert result.observed is not None
    assert (result.observed.median_us, result.observed.min_us) == (1000.0, 1000.0)


def test_few_launches_go_on_to_five_unless_variation_is_accepted() -> None:
    assert len(order([cell(launches=1)])) == 5
    taken = few(launches=1)
    assert len(order([taken])) == 1
    assert taken.result().accepted


def test_one_that_is_done_is_passed_over() -> None:
    quick, slow = few("a", 1), few("b", 3)
    assert order([quick, slow]) == "abbb"


def test_replaying_the_launches_gives_the_same_state() -> None:
    records = [good(1000.0), hot(), good(1100.0), good(1000.0), refused()]
    first, second = few(launches=2), few(launches=2)
    for record in records:
        first.add(record)
    for record in records:
        second.add(record)
    assert (first.launches, first.is_done) == (second.launches, second.is_done)


@pytest.mark.parametrize("launches", [1, 2, 5])
def test_always_ends(launches: int) -> None:
    assert len(order([few(launches=launches)], iter([hot(), refused()] * 100))) == 2 * launches


@given(st.lists(st.booleans(), min_size=30, max_size=30))
def test_there_are_no_more_launches_than_were_announced(counting: list[bool]) -> None:
    """However hot or noisy the phone is."""
    made = cell()
    records = (good(1000.0 + 500 * (n % 3)) if counts else hot() for n, counts in enumerate(counting))
    assert len(order([made], records)) <= 24


def test_announcement() -> None:
    plan = MeasurementPlan(
        models=(Path("a"), Path("b")), binaries=("current",), protocol=PUBLISHED, log_folder=Path()
    )
    assert announcement(plan, 1) == "10 launches on the device, at most 48"
    few_launches = replace(plan, acceptance=Acceptance(variation=True))
    assert announcement(few_launches, 2) == "10 launches on each of 2 devices, at most 28"
    swept = replace(plan, sweep=Sweep(threads=(1, 2)))
    assert announcement(swept, 2) == "at most 96 launches on each of 2 devices"
    worst = iter([good(1000.0 + 500 * (n % 3)) for n in range(14)] + [hot()] * 9 + [good(1500.0)])
    assert len(order([cell()], worst)) == 24
