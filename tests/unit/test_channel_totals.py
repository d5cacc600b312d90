"""Totals that can be split and joined in any way, against the numbers themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals, exact_sum, no_totals
from examples_count import examples

Image = list[npt.NDArray[np.float32]]
CHANNELS = (2, 3)


def images(seed: int, count: int) -> list[Image]:
    """Two values each, 2 and 3 channels, whose sizes and places differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        scales = 10.0 ** rng.integers(-9, 6, sum(CHANNELS))
        shifts = rng.choice([0.0, 0.0, 1.0, -30.0, 1e4], sum(CHANNELS))
        numbers = rng.normal(0, scales, (7, sum(CHANNELS))) + shifts
        numbers[:, rng.integers(sum(CHANNELS))] = rng.choice([0.0, -2.5, 1e-30])
        made.append([part.astype(np.float32) for part in np.split(numbers, [CHANNELS[0]], axis=1)])
    return made


def totalled(some: list[Image]) -> ChannelTotals:
    totals = no_totals(sum(CHANNELS))
    for image in some:
        totals.add(image)
    return totals


def assert_same(one: ChannelTotals, other: ChannelTotals) -> None:
    for name in ("low", "high", "sums", "squares"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@examples(60)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 2), min_size=1, max_size=12), st.permutations(range(3)))
def test_any_split_merged_in_any_order_is_all_at_once(seed: int, places: list[int], turns: list[int]) -> None:
    some = images(seed, len(places))
    merged = no_totals(sum(CHANNELS))
    for turn in turns:
        merged.merge(totalled([image for image, place in zip(some, places, strict=True) if place == turn]))
    assert_same(merged, totalled(some))


def test_ends_are_those_of_the_numbers() -> None:
    some = images(4, 6)
    totals = totalled(some)
    numbers = np.concatenate([np.concatenate(image, axis=1) for image in some])
    np.testing.assert_array_equal(totals.low, numbers.min(axis=0))
    np.testing.assert_array_equal(totals.high, numbers.max(axis=0))


def test_sums_are_exact() -> None:
    some = images(3, 50)
    totals = totalled(some)
    numbers = [np.concatenate(image, axis=1) for image in some]
    means = np.stack([one.astype(np.float64).mean(axis=0) for one in numbers])
    # 2^-71 an image is rounded off; the rest is the rounding of this test's own sum.
    np.testing.assert_allclose(exact_sum(totals.sums), means.sum(axis=0), rtol=1e-13, atol=1e-15)
    mean_squares = np.stack([np.square(one).astype(np.float64).mean(axis=0) for one in numbers])
    np.testing.assert_allclose(exact_sum(totals.squares), mean_squares.sum(axis=0), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e9])
def test_numbers_that_cannot_be_added_change_nothing(bad: float) -> None:
    totals = totalled(images(1, 2))
    before = totals.copy()
    image = images(2, 1)[0]
    image[1][3, 1] = bad
    with pytest.raises(FloatingPointError):
        totals.add(image)
    assert_same(totals, before)


def test_adding_to_a_copy_leaves_the_original() -> None:
    totals = totalled(images(1, 2))
    totals.copy().add(images(2, 1)[0])
    assert_same(totals, totalled(images(1, 2)))
