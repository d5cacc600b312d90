"""Ridges that are chosen on the other half of the images, and the change that follows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.ridges import (
    ChoosingRows,
    Moments,
    best_change,
    best_ridges,
    choosing_places,
    joined,
    moments_of,
)
from edge_mnv3_quantization.graph.network import Array

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
    np.testing.assert_array_equal(best_change(true_weights(10), joined(*halves), ridges), 0.0)


def test_groups_have_ridges_of_their_own() -> None:
    rng = np.random.default_rng(0)
    halves = []
    for _ in range(2):
        x = rng.normal(0.0, 1.0, (2, 300, 9))
        noise = rng.normal(0.0, np.array([0.01, 30.0])[:, None, None], (2, 300, 1))
        halves.append(moments_of(x, x.sum(axis=2, keepdims=True) + noise))
    ridges = best_ridges(choosing(np.full((2, 9, 1), 0.9)), halves, 1)
    assert ridges[0] < ridges[1]


def test_change_solves_the_ridge_regression() -> None:
    moments = drawn(300, 6, 0.1, 3)
    start = np.full((1, 6, 2), 0.2)
    change = best_change(start, moments, np.array([0.5]))
    xx, ridge = moments.xx[0], 0.5 * np.trace(moments.xx[0]) / 6
    gradient = xx @ (start + change)[0] - moments.xy[0] + ridge * change[0]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


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
