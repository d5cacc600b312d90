"""Ridges that are chosen on the other half of the images, and the change that follows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.ridges import (
    ChoosingRows,
    Moments,
    best_change,
    best_gains,
    best_ridges,
    choosing_places,
    joined,
    moments_of,
    weighed_moments_of,
)
from edge_mnv3_quantization.graph.network import Array

NO_GAIN = np.ones((1, 1, 1))
FINE = 1e-9  # steps so fine that rounding changes nothing


def choosing(weights: Array) -> ChoosingRows:
    return ChoosingRows(
        places=slice(None), weights=weights, stored=weights, least=np.full((len(weights), 1, 1), FINE)
    )


def drawn(samples: int, taps: int, noise: float, seed: int) -> Moments:
    """Two output channels: sums of the first two inputs, and noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 1.0, (1, samples, taps))
    y = x[..., :2] + x[..., 1::-1] + rng.normal(0.0, noise, (1, samples, 2))
    return moments_of(x, y)


def true_weights(taps: int) -> Array:
    weights = np.zeros((1, taps, 2))
    weights[0, :2] = 1.0
    return weights


@pytest.mark.parametrize("samples", [20, 200], ids=["fewer than taps", "more"])
def test_much_noise_wants_a_larger_ridge(samples: int) -> None:
    rows = choosing(true_weights(40) * 0.5)
    clean, noisy = (
        best_ridges(rows, [drawn(samples, 40, noise, seed) for seed in (1, 2)], 1)[0] for noise in (0.1, 10.0)
    )
    assert clean < noisy


def test_weights_on_steps_stay_where_a_change_would_be_rounded_away() -> None:
    halves = [drawn(400, 10, 0.5, seed) for seed in (1, 2)]
    rows = dataclasses.replace(choosing(true_weights(10)), least=np.full((1, 1, 1), 0.5))
    ridges = best_ridges(rows, halves, 1)
    assert np.isinf(ridges).all()
    np.testing.assert_array_equal(best_change(true_weights(10), joined(*halves), ridges, NO_GAIN), 0.0)


def clear_and_noisy(seed: int) -> Moments:
    """Two groups: weighed sums of nine inputs, which no gain gives, with little noise and with much."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 1.0, (2, 300, 9))
    noise = rng.normal(0.0, np.array([0.01, 30.0])[:, None, None], (2, 300, 1))
    return moments_of(x, x @ np.linspace(0.5, 1.5, 9)[:, np.newaxis] + noise)


def test_groups_have_ridges_of_their_own() -> None:
    halves = [clear_and_noisy(seed) for seed in (0, 1)]
    ridges = best_ridges(choosing(np.full((2, 9, 1), 0.9)), halves, 1)
    assert ridges[0] < ridges[1]


def test_change_solves_the_ridge_regression_around_the_best_gain() -> None:
    moments = drawn(300, 6, 0.1, 3)
    start = np.full((1, 6, 2), 0.2)
    gain = best_gains(start, moments.xx, moments.xy)
    change = best_change(start, moments, np.array([0.5]), gain)
    xx, ridge = moments.xx[0], 0.5 * np.trace(moments.xx[0]) / 6
    changed = (start + change)[0]
    gradient = xx @ changed - moments.xy[0] + ridge * (changed - gain[0] * start[0])
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_the_best_gain_leaves_the_smallest_error() -> None:
    moments = drawn(300, 6, 1.0, 3)
    start = np.random.default_rng(1).normal(size=(1, 6, 2))

    def error(gain: float) -> float:
        rows = gain * start[0]
        return float((rows * (moments.xx[0] @ rows - 2 * moments.xy[0])).sum())

    best = float(best_gains(start, moments.xx, moments.xy)[0, 0, 0])
    assert error(best) < min(error(best - 1e-3), error(best + 1e-3))


def test_weights_that_give_a_constant_have_no_gain() -> None:
    moments = drawn(300, 6, 1.0, 3)
    np.testing.assert_array_equal(best_gains(np.zeros((1, 6, 2)), moments.xx, moments.xy), 1.0)


def faded(seed: int) -> Moments:
    """More inputs than samples, and results a fifth larger than the weights give."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 1.0, (1, 30, 200))
    return moments_of(x, 1.2 * x @ on_steps() + rng.normal(0.0, 3.0, (1, 30, 4)))


def on_steps() -> Array:
    return np.random.default_rng(0).integers(-127, 128, (1, 200, 4)).astype(np.float64) / 127


def test_a_gain_is_fitted_where_too_few_samples_are_there_for_weights() -> None:
    weights = on_steps()
    weights[:, 0] = 1.0
    rows = dataclasses.replace(choosing(weights), least=np.full((1, 1, 4), 1 / 127))
    halves = [faded(seed) for seed in (1, 2)]
    ridges = best_ridges(rows, halves, 1)
    assert np.isfinite(ridges).all()
    assert ridges.min() > 10
    both = joined(*halves)
    gains = best_gains(weights, both.xx, both.xy)
    gained = (weights + best_change(weights, both, ridges, gains)) / weights.max()
    np.testing.assert_allclose(gained[:, 0], 1.2, atol=0.1)
    np.testing.assert_allclose(gained / gained[:, :1], weights / weights.max(), atol=1e-3)


def test_a_ridge_may_keep_weights_near_to_themselves() -> None:
    weights = on_steps()
    rows = dataclasses.replace(choosing(weights), least=np.full((1, 1, 4), 1 / 127))
    assert best_ridges(rows, [faded(seed) for seed in (1, 2)], 1, gained=False).max() in (10.0, np.inf)


def test_groups_that_are_alike_share_ridge_and_gain() -> None:
    halves = [clear_and_noisy(seed) for seed in (0, 1)]
    rows = choosing(np.full((2, 9, 1), 0.9))
    ridges = best_ridges(rows, halves, 1, alike=True)
    assert ridges[0] == ridges[1]
    both = joined(*halves)
    assert best_gains(rows.weights, both.xx, both.xy, alike=True).shape == (1, 1, 1)


def test_halves_are_joined_by_what_their_samples_count() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(5.0, 1.0, (1, 40, 6)), rng.normal(-3.0, 1.0, (3, 40, 1))
    weights = rng.uniform(0.02, 2.0, (3, 40)) * np.repeat((1.0, 0.01), 20)
    halves = [
        weighed_moments_of(x[:, half], y[:, half], weights[:, half]) for half in (slice(20), slice(20, 40))
    ]
    both, whole = joined(*halves), weighed_moments_of(x, y, weights)
    for name in ("count", "x", "y", "xx", "xy"):
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name), atol=1e-12)


def test_weights_count_like_repeated_samples() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(5.0, 1.0, (1, 40, 6)), rng.normal(-3.0, 1.0, (3, 40, 1))
    counts = rng.integers(1, 5, (3, 40))
    of_weights = weighed_moments_of(x, y, counts.astype(np.float64))
    for row in range(3):
        repeated = np.repeat(np.arange(40), counts[row])
        whole = moments_of(x[:, repeated].copy(), y[row : row + 1, repeated].copy())
        for name in ("x", "y", "xx", "xy"):
            np.testing.assert_allclose(getattr(of_weights, name)[row], getattr(whole, name)[0], atol=1e-12)


@pytest.mark.parametrize("samples", [30, 300], ids=["fewer than taps", "more"])
def test_joined_moments_are_those_of_all_samples(samples: int) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(2.0, 1.0, (1, samples, 50)), rng.normal(-1.0, 1.0, (1, samples, 3))
    parts = [moments_of(x[:, part].copy(), y[:, part].copy()) for part in (slice(20), slice(20, None))]
    both, whole = joined(*parts), moments_of(x.copy(), y.copy())
    assert both.count == whole.count
    for name in ("x", "y", "xx", "xy"):
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name), atol=1e-12)


def test_few_rows_choose_for_many() -> None:
    assert len(range(1000)[choosing_places(1000)]) == 63
    assert len(range(64)[choosing_places(64)]) == 64
    assert len(range(3)[choosing_places(3)]) == 3
