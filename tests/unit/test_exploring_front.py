"""The Pareto front and its knee, and whether two choices are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.exploring.front import (
    Candidate,
    dominates,
    knee,
    pareto_front,
    shown_front,
)
from edge_mnv3_quantization.exploring.told_apart import accuracy_difference, snr_difference
from edge_mnv3_quantization.validation.differences import paired_interval_points

# A coarse grid, on which equal costs and equal qualities are frequent.
CANDIDATES = st.lists(
    st.builds(Candidate, st.integers(1, 9).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=12
)


@given(CANDIDATES)
def test_nothing_dominates_the_front_and_it_dominates_all_else(candidates: list[Candidate]) -> None:
    front = pareto_front(candidates)
    assert front
    for place, candidate in enumerate(candidates):
        dominated = any(dominates(other, candidate) for other in candidates)
        assert (place in front) is not dominated
    costs = [candidates[place].cost for place in front]
    assert costs == sorted(costs)


@given(CANDIDATES, st.data())
def test_the_knee_is_on_the_front(candidates: list[Candidate], data: st.DataObject) -> None:
    front = pareto_front(candidates)
    apart = data.draw(st.floats(0, 4))
    shown = shown_front(front, lambda one, other: candidates[one].quality - candidates[other].quality > apart)
    assert shown[0] == front[0]
    assert set(shown) <= set(front)
    found = knee(candidates, shown)
    assert found.place in shown
    assert not any(dominates(other, candidates[found.place]) for other in candidates)
    assert 0 <= found.rise <= 1


@given(CANDIDATES, st.sampled_from([0.25, 2.0, 64.0]), st.sampled_from([-8.0, 0.0, 16.0]))
def test_units_do_not_matter(candidates: list[Candidate], factor: float, offset: float) -> None:
    moved = [Candidate(factor * one.cost + 5, factor * one.quality + offset) for one in candidates]
    shown = shown_front(pareto_front(candidates), lambda one, other: True)
    assert pareto_front(moved) == pareto_front(candidates)
    if len({candidates[place] for place in shown}) == len(shown):
        assert knee(moved, shown) == pytest.approx(knee(candidates, shown))


def test_the_knee_of_a_bent_front() -> None:
    bent = [Candidate(1.0, 10.0), Candidate(1.1, 14.0), Candidate(1.5, 15.0), Candidate(2.0, 15.5)]
    place, rise = knee(bent, pareto_front(bent))
    assert place == 1
    assert rise == pytest.approx(4 / 5.5 - 0.1)


@pytest.mark.parametrize(
    ("qualities", "place"),
    [
        ([10.0], 0),
        ([10.0, 11.0], 1),  # two have no knee
        ([10.0, 10.2, 12.0], 2),  # it bends the other way: each cost buys more than the one before
        ([10.0, 11.0, 12.0], 2),  # straight
        ([10.0, 11.5, 12.5, 13.0], 1),  # two are as far: the cheaper one
    ],
)
def test_no_knee_and_ties(qualities: list[float], place: int) -> None:
    candidates = [Candidate(1.0 + at, quality) for at, quality in enumerate(qualities)]
    assert knee(candidates, pareto_front(candidates)).place == place


def test_equal_choices_are_one_point() -> None:
    candidates = [Candidate(1.0, 2.0), Candidate(1.0, 2.0), Candidate(1.0, 1.0), Candidate(2.0, 2.0)]
    assert pareto_front(candidates) == [0, 1]
    assert knee(candidates, [0, 1]).place == 0


def test_half_the_error_on_every_image_is_told_for_sure() -> None:
    noise = np.random.default_rng(0).uniform(1e-4, 1e-3, (1, 60))
    found = snr_difference(noise / 4, noise)
    assert found.mean == pytest.approx(10 * np.log10(4))
    assert (found.low, found.high) == pytest.approx((found.mean, found.mean))
    assert found.told_apart


def test_the_same_noise_on_other_images_is_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.uniform(1e-4, 1e-3, (2, 1, 60))
    found = snr_difference(one, other)
    assert found.low < 0 < found.high
    assert not found.told_apart


def test_seeds_that_differ_widen_the_interval() -> None:
    noise = np.full((3, 50), 1e-3)
    gains = np.array([[2.0], [1.0], [0.5]])  # 3 dB better, as good, 3 dB worse
    found = snr_difference(noise / gains, noise)
    assert found.mean == pytest.approx(0, abs=1e-9)
    assert found.high == pytest.approx(4.303 * 10 * np.log10(2) / np.sqrt(3), rel=1e-3)
    assert not snr_difference(noise, noise).told_apart


def test_files_without_any_error_are_finite() -> None:
    nothing, some = np.zeros((1, 20)), np.full((1, 20), 1e-3)
    assert np.isfinite(snr_difference(nothing, some)).all()
    assert snr_difference(nothing, nothing).mean == 0


def test_accuracies_on_the_same_images() -> None:
    right, other = np.zeros((2, 1, 200), np.bool_)
    right[0, :120] = other[0, :80] = True
    found = accuracy_difference(right, other)
    assert found.mean == pytest.approx(20)
    low, high = paired_interval_points(0, 40, 200)
    assert found.high - found.low == pytest.approx(high - low)
    assert found.told_apart
    alike = accuracy_difference(right, right)
    assert alike.mean == 0
    assert (alike.low, alike.high) == pytest.approx(paired_interval_points(0, 0, 200))
