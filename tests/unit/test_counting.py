"""Counts that can be split and joined in any way, against the numbers themselves."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mnv3_quantization.calibration.activations import histogram
from edge_mnv3_quantization.calibration.counting import BINS, Counts, exact_sum, no_counts

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


def counted(some: list[Image]) -> Counts:
    counts = no_counts(sum(CHANNELS))
    for image in some:
        counts.add(image)
    return counts


def assert_same(one: Counts, other: Counts) -> None:
    for name in ("low", "high", "exponents", "counts", "sums", "squares"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 2), min_size=1, max_size=12), st.permutations(range(3)))
def test_any_split_merged_in_any_order_is_all_at_once(seed: int, places: list[int], turns: list[int]) -> None:
    some = images(seed, len(places))
    merged = no_counts(sum(CHANNELS))
    for turn in turns:
        merged.merge(counted([image for image, place in zip(some, places, strict=True) if place == turn]))
    assert_same(merged, counted(some))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_every_number_is_in_its_bin(seed: int, count: int) -> None:
    some = images(seed, count)
    counts = counted(some)
    numbers = np.concatenate([np.concatenate(image, axis=1) for image in some]).astype(np.float64)
    centres, found = counts.bins(0, sum(CHANNELS))
    assert found.sum(axis=1).tolist() == [len(numbers)] * sum(CHANNELS)
    for channel in range(sum(CHANNELS)):
        width = 2.0 ** counts.exponents[channel]
        sorted_numbers = np.sort(numbers[:, channel])
        low, high = sorted_numbers[0], sorted_numbers[-1]
        assert (counts.low[channel], counts.high[channel]) == (low, high)
        # Bins are as narrow as the range allows, or as float32 tells numbers apart.
        assert width <= max((high - low) / (BINS / 2 - 1), 2.0**-22 * max(abs(low), abs(high)), 2.0**-100)
        middles = np.repeat(centres[channel], found[channel])
        assert np.abs(middles - sorted_numbers).max() <= width / 2
        assert (np.diff(centres[channel]) >= 0).all()
        assert centres[channel].min() >= low
        assert centres[channel].max() <= high


def test_without_bins_ends_and_sums_are_the_same() -> None:
    some = images(3, 5)
    binned, plain = counted(some), no_counts(sum(CHANNELS), binned=False)
    for image in some:
        plain.add(image)
    assert (binned.binned, plain.binned) == (True, False)
    for name in ("low", "high", "sums", "squares"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(binned, name), err_msg=name)
    one, other = (histogram(counts, 0, 2, 5) for counts in (plain, binned))
    np.testing.assert_array_equal(one.mean, other.mean)
    assert one.shares.shape == (2, 0)


def test_sums_are_exact() -> None:
    some = images(3, 50)
    counts = counted(some)
    means = np.stack([np.concatenate(image, axis=1).astype(np.float64).mean(axis=0) for image in some])
    # 2^-71 an image is rounded off; the rest is the rounding of this test's own sum.
    np.testing.assert_allclose(exact_sum(counts.sums), means.sum(axis=0), rtol=1e-13, atol=1e-15)


def test_histogram_shows_ends_zeros_and_means() -> None:
    rng = np.random.default_rng(0)
    numbers = np.maximum(rng.normal(0, 1, (500, 4)), 0).astype(np.float32)
    counts = no_counts(4)
    counts.add([numbers])
    found = histogram(counts, 1, 3, 1)
    own = numbers[:, 1:3].astype(np.float64)
    np.testing.assert_array_equal(found.low, 0.0)
    np.testing.assert_array_equal(found.high, own.max(axis=0))
    assert found.spread() == own.max()
    # The zeros of ReLU are zeros, not half a bin.
    np.testing.assert_allclose((found.shares * (found.centres == 0)).sum(axis=1), (own == 0).mean(axis=0))
    np.testing.assert_allclose(found.mean, own.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.square, np.square(own).mean(axis=0), rtol=1e-6)
    for tail, end in itertools.product((0.01, 0.1), (0, 1)):
        wanted = np.sort(own, axis=0)[[int(tail * 500), -1 - int(tail * 500)][end]]
        # A bin's width; between neighbouring numbers there may be a gap besides.
        np.testing.assert_allclose(found.quantiles(tail)[end], wanted, atol=own.max() * (1 / 256 + 0.05))
    half = found.divided(np.array([2.0, 4.0]))
    np.testing.assert_allclose(half.high, own.max(axis=0) / [2, 4])
    np.testing.assert_allclose(half.low, 0.0)


def test_large_maps_are_thinned_but_their_ends_and_means_are_not() -> None:
    numbers = np.zeros((112 * 112, 1), np.float32)
    numbers[1] = 1000.0
    counts = no_counts(1)
    counts.add([numbers])
    assert 600 < counts.counts.sum() <= 784
    found = histogram(counts, 0, 1, 1)
    assert found.high.tolist() == [1000.0]
    np.testing.assert_allclose(found.mean, 1000 / 112**2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e9])
def test_numbers_that_cannot_be_counted_change_nothing(bad: float) -> None:
    counts = counted(images(1, 2))
    before = counts.copy()
    image = images(2, 1)[0]
    image[1][3, 1] = bad
    with pytest.raises(FloatingPointError):
        counts.add(image)
    assert_same(counts, before)
