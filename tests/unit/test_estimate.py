"""Where planned work is, and how long it will go on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edge_mnv3.core.estimate import Estimate, Position
from edge_mnv3.core.reporting import Phase


def planned(*phases: tuple[str, float]) -> Estimate:
    estimate = Estimate()
    estimate.plan([Phase(text, seconds) for text, seconds in phases])
    return estimate


def near(number: int | None, of: int, seconds: float) -> Any:
    return Position(number, of, cast(float, pytest.approx(seconds)))


def test_without_a_plan_nothing_is_foretold() -> None:
    estimate = Estimate()
    estimate.step("a", 0.0)
    assert estimate.position(5.0) == Position(None, 0, None)


def test_before_anything_is_seen_the_plan_counts() -> None:
    estimate = planned(("read", 10), ("fit", 50))
    estimate.step("read", 100.0)
    assert estimate.position(100.0) == Position(1, 2, 60.0)
    assert estimate.position(104.0) == Position(1, 2, 56.0)


def test_a_machine_of_half_the_speed_takes_twice_as_long() -> None:
    estimate = planned(("read", 1000), ("fit", 50))
    estimate.step("read", 0.0)
    estimate.step("fit", 2000.0)
    position = estimate.position(2000.0)
    assert position.number == 2
    # The plan is trusted for three seconds: (2000 + 3) / (1000 + 3) of 50 s.
    assert position.remaining_s == pytest.approx(50 * 2003 / 1003)


def test_the_pace_of_a_step_tells_its_end() -> None:
    estimate = planned(("read", 10), ("fit", 50))
    estimate.step("read", 0.0)
    estimate.progress(40, 200)
    # A fifth in 4 s, so that 16 s are left, then the other step as planned.
    assert estimate.position(4.0).remaining_s == pytest.approx(16 + 50)
    # As much done in a moment tells nothing yet.
    assert estimate.position(0.5).remaining_s == pytest.approx(9.5 + 50)


def test_a_step_that_is_overdue_has_no_end_but_the_others_have() -> None:
    estimate = planned(("read", 10), ("fit", 50))
    estimate.step("read", 0.0)
    assert estimate.position(30.0).remaining_s == pytest.approx(50)
    estimate.step("fit", 30.0)
    assert estimate.position(1000.0).remaining_s is None


def test_steps_that_are_left_out_are_done() -> None:
    estimate = planned(("read", 10), ("convert", 100), ("fit", 50))
    estimate.step("read", 0.0)
    estimate.step("fit", 10.0)
    assert estimate.position(10.0) == near(3, 3, 50)


def test_a_step_that_was_not_planned_stands_between_two_that_were() -> None:
    estimate = planned(("read", 10), ("fit", 50))
    estimate.step("download", 0.0)
    assert estimate.position(3.0) == Position(None, 2, 60.0)
    estimate.step("read", 5.0)
    estimate.step("again", 15.0)
    assert estimate.position(20.0) == near(None, 2, 50)
    estimate.step("fit", 20.0)
    assert estimate.position(20.0) == near(2, 2, 50)


def test_a_step_is_divided_into_its_parts() -> None:
    estimate = planned(("read", 10), ("quantize", 60), ("check", 5))
    estimate.step("read", 0.0)
    estimate.step("quantize", 10.0)
    # In the ratio of 1 to 3, whatever the unit: together they take what the whole was to take.
    estimate.plan([Phase("observe", 0.1), Phase("fit", 0.3)])
    estimate.step("observe", 10.0)
    assert estimate.position(10.0) == near(2, 3, 65)
    estimate.step("fit", 25.0)
    assert estimate.position(25.0) == near(2, 3, 50)
    estimate.step("check", 70.0)
    assert estimate.position(70.0) == near(3, 3, 5)


def test_a_step_is_divided_after_others_that_were_not_planned() -> None:
    estimate = planned(("point 1", 60), ("point 2", 60))
    estimate.step("point 1", 0.0)
    estimate.step("point 1: opening", 0.0)
    assert estimate.plan([Phase("point 1: read", 1), Phase("point 1: fit", 3)])
    estimate.step("point 1: read", 0.0)
    assert estimate.position(0.0) == near(1, 2, 120)
    estimate.step("point 1: fit", 15.0)
    assert estimate.position(15.0) == near(1, 2, 105)
    estimate.step("point 2", 60.0)
    estimate.step("point 2: opening", 60.0)
    assert estimate.plan([Phase("point 2: fit", 7)])
    estimate.step("point 2: fit", 60.0)
    assert estimate.position(60.0) == near(2, 2, 60)


def test_a_new_plan_after_the_last_step_of_the_old() -> None:
    estimate = planned(("read", 10))
    estimate.step("other work", 10.0)
    estimate.plan([Phase("second file", 20)])
    estimate.step("second file", 12.0)
    assert estimate.position(12.0) == near(1, 1, 20)


def test_an_unknown_total_is_no_share() -> None:
    estimate = planned(("read", 10))
    estimate.step("read", 0.0)
    estimate.progress(4000, 0)
    assert estimate.position(2.0).remaining_s == pytest.approx(8)
