"""The phases of recipes as users see them."""

from __future__ import annotations

import pytest

from edge_mnv3.core.reporting import SILENT
from edge_mnv3_quantization.recipes.config import RECIPES, TRIAL_IMAGES
from edge_mnv3_quantization.recipes.expected import expected_s
from edge_mnv3_quantization.recipes.work import Work
from recording_reporter import RecordingReporter


def test_phases_are_steps_with_progress_of_their_own() -> None:
    reporter = RecordingReporter()
    work = Work({"observe": 1.0, "quantize_weights": 2.0}, reporter)
    with work.phase("observe"):
        work.progress(3, 7)
    with work.phase("quantize_weights"):
        work.progress(1, 54)
    assert reporter.plans == [["running the float network on the images", "quantizing weights"]]
    assert reporter.steps == reporter.plans[0]
    assert reporter.done_and_total == [(3, 7), (1, 54)]
    assert work.phases_s.keys() == {"observe", "quantize_weights"}


def test_repeated_work_is_counted_through() -> None:
    reporter = RecordingReporter()
    work = Work({}, reporter)
    with work.phase("choose_exponent", repeats=3):
        for _ in range(3):
            for done in (1, 2):
                work.progress(done, 2)
    assert reporter.done_and_total == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_phase_that_is_expected_takes_time(recipe: str) -> None:
    many = expected_s(RECIPES[recipe], 2 * TRIAL_IMAGES)
    more = expected_s(RECIPES[recipe], 20 * TRIAL_IMAGES)
    assert min(many.values()) > 0
    assert many.keys() == more.keys()
    assert sum(more.values()) > sum(many.values())


def test_what_is_left_out_takes_none() -> None:
    config = RECIPES["accurate"]
    assert expected_s(config, 200, synthetic=True)["choose_exponent"] == 0
    assert expected_s(config, 2 * TRIAL_IMAGES - 1)["choose_exponent"] == 0
    assert expected_s(config, 200, observed=200)["observe"] == 0
    assert Work(expected_s(config, 200), SILENT).phases_s == {}
