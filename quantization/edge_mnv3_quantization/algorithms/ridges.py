"""Least squares with a ridge that is chosen on images that were not used for the fit.

Each half of the images tells how far the weights that fit the other half may move. Moved weights are compared
rounded to steps: where they are multiples of a step already, a small change may cost more than it gains.
A node has one ridge for all its output channels, and a part of the channels is enough to choose it; each
channel of a depthwise convolution has its own.

Weights that are fitted to noisy inputs give smaller numbers than the float network's, and layer after layer
the numbers would fade. A ridge keeps weights near to where they were, and so from making up for that.
Therefore they are first multiplied by the one gain that fits best, and the ridge keeps them near to that. The
largest ridge leaves the gain alone, and weights on their steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import map_in_threads
from edge_mnv3.core.results.recipe import ONLY_GAIN
from edge_mnv3_quantization.algorithms.weight_quantization import LARGEST_STEP
from edge_mnv3_quantization.graph.network import Array

Reals = npt.NDArray[np.floating[Any]]

# The candidates for the ridge are multiples of the mean variance of an input.
_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
_TINY = 1e-30
_CHOOSING_ROWS = 64  # the most output channels of a node that choose its ridge
_RANK = 1e-10  # directions with a smaller share of the largest variance are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Moments of the inputs x (taps) and float results y (rows) of one node.

    A depthwise convolution has C groups of one row each, which share no weights. So have nodes whose samples
    count differently in each row. Other nodes have one group.

    Attributes:
        count: Number of samples; where they count differently, the sum of their weights, (groups,).
        x: The means of x, (groups, taps).
        y: The means of y, (groups, rows).
        xx: The covariance of x, (groups, taps, taps).
        xy: The covariance of x and y, (groups, taps, rows).
        samples: x less its means, (groups, samples, taps), of one group with fewer samples than taps.
    """

    count: int | Array
    x: Array
    y: Array
    xx: Array
    xy: Array
    samples: Array | None = None


def moments_of(x: Reals, y: Reals) -> Moments:
    """Computes the moments of x (groups, samples, taps) and y (groups, samples, rows); overwrites both.

    Products are summed up in the numbers' own type: single precision is enough for them, as the ridge is.
    """
    x_mean, y_mean = (one.mean(axis=1, dtype=np.float64) for one in (x, y))
    x -= x_mean[:, np.newaxis].astype(x.dtype)
    y -= y_mean[:, np.newaxis].astype(y.dtype)
    count, taps = x.shape[1:]
    across = x.transpose(0, 2, 1)
    return Moments(
        count=count,
        x=x_mean,
        y=y_mean,
        xx=(across @ x).astype(np.float64) / count,
        xy=(across @ y).astype(np.float64) / count,
        samples=x.astype(np.float64) if len(x) == 1 and count < taps else None,
    )


def weighed_moments_of(x: Reals, y: Reals, weights: Reals) -> Moments:
    """Computes the moments of samples that count differently, each group's by weights of its own.

    Args:
        x: (groups, samples, taps), or (1, samples, taps) for all groups alike.
        y: (groups, samples, 1).
        weights: How much each sample counts, (groups, samples), positive.
    """
    # Less their plain means they are small enough for single precision.
    means = x.mean(axis=1, keepdims=True, dtype=np.float64)
    x = x - means.astype(x.dtype)
    parts = [_weighed(x[group % len(x)], y[group], weights[group]) for group in range(len(y))]
    x_mean, y_mean, xx, xy = (np.stack(each).astype(np.float64) for each in zip(*parts, strict=True))
    count = weights.sum(axis=1, dtype=np.float64)
    return Moments(count=count, x=x_mean + means[:, 0], y=y_mean, xx=xx, xy=xy)


def _weighed(x: Reals, y: Reals, weights: Reals) -> tuple[Reals, Reals, Reals, Reals]:
    roots = np.sqrt(weights / weights.sum())[:, np.newaxis]
    y_mean = np.square(roots).T @ y
    across, results = x * roots, (y - y_mean) * roots
    x_mean = across.T @ roots
    return x_mean[:, 0], y_mean[0], across.T @ across - x_mean * x_mean.T, across.T @ results


def joined(one: Moments, other: Moments) -> Moments:
    """Joins the moments of two sets of samples."""
    count = one.count + other.count
    share = np.reshape(other.count / count, (-1, 1, 1))
    apart_x, apart_y = other.x - one.x, other.y - one.y
    between = share * (1 - share) * apart_x[:, :, np.newaxis]
    return Moments(
        count=count,
        x=one.x + share[:, 0] * apart_x,
        y=one.y + share[:, 0] * apart_y,
        xx=one.xx + share * (other.xx - one.xx) + between * apart_x[:, np.newaxis, :],
        xy=one.xy + share * (other.xy - one.xy) + between * apart_y[:, np.newaxis, :],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosingRows:
    """The rows of a node's weights that choose its ridge.

    Attributes:
        places: Which rows of the node they are.
        weights: The float weights, (groups, taps, rows).
        stored: The same as they are stored where nothing is added to them.
        least: The smallest scale of each row, (groups, 1, rows).
    """

    places: slice
    weights: Array
    stored: Array
    least: Array

    def moved(self, change: Array) -> Array:
        """Computes by how much the rows move where they are changed and rounded to nearest."""
        changed = self.weights + change
        scales = np.maximum(np.abs(changed).max(axis=1, keepdims=True) / LARGEST_STEP, self.least)
        stored = np.rint(changed / scales)
        stored *= scales
        stored -= self.weights
        return np.asarray(stored)


def choosing_places(rows: int) -> slice:
    """Chooses rows of a node, evenly spread, that choose its ridge."""
    return slice(None, None, -(-rows // _CHOOSING_ROWS))


def best_ridges(
    rows: ChoosingRows, halves: Sequence[Moments], workers: int, *, gained: bool = True, alike: bool = False
) -> Array:
    """Chooses the ridge of each group, (groups,), as a multiple of the mean variance of an input.

    Args:
        rows: The rows that choose.
        halves: The moments over each half of the images.
        workers: Threads; the result is the same for any number.
        gained: The ridge keeps weights near to `best_gains` times themselves.
        alike: All groups get the same ridge and gain.

    Returns:
        The ridges; infinite where the weights are best left as they are.
    """
    pairs = [(halves[0], halves[1]), (halves[1], halves[0])]
    errors = map_in_threads(lambda pair: _errors(rows, *pair, gained=gained, alike=alike), pairs, workers)
    total = errors[0] + errors[1]
    if alike:
        total = np.broadcast_to(total.sum(axis=1, keepdims=True), total.shape)
    return np.asarray(np.array([np.inf, *_candidates(gained=gained)])[np.argmin(total, axis=0)])


def _candidates(*, gained: bool) -> tuple[float, ...]:
    return (*_RIDGES, ONLY_GAIN) if gained else _RIDGES


def best_gains(weights: Array, xx: Array, xy: Array, *, alike: bool = False) -> Array:
    """Computes the gain of the rows of each group with the smallest mean squared error.

    Args:
        weights: (groups, taps, rows).
        xx: The covariance of the inputs, (groups, taps, taps).
        xy: The covariance of inputs and results, (groups, taps, rows).
        alike: All groups get the same gain.

    Returns:
        The gains, (groups, 1, 1), or (1, 1, 1) for all groups alike; 1 for rows that give a constant.
    """
    axes = (0, 1, 2) if alike else (1, 2)
    given = (weights * (xx @ weights)).sum(axis=axes, keepdims=True)
    wanted = (weights * xy).sum(axis=axes, keepdims=True)
    return np.asarray(np.divide(wanted, given, out=np.ones_like(given), where=given > _TINY))


def best_change(weights: Array, moments: Moments, ridges: Array, gains: Array) -> Array:
    """Computes what to add to weights (groups, taps, rows) for the ridge of each group, (groups,).

    The ridge keeps them near to the weights times their gains, (groups, 1, 1) or (1, 1, 1).
    """
    change = np.zeros_like(weights)
    fitted = np.flatnonzero(np.isfinite(ridges))
    if len(fitted):
        start, xx, xy = weights[fitted], moments.xx[fitted], moments.xy[fitted]
        gained = (gains[fitted] if len(gains) == len(weights) else gains) * start
        taps = np.arange(xx.shape[1])
        variance = xx[:, taps, taps].mean(axis=1)
        slopes = xy - xx @ gained
        xx[:, taps, taps] += (ridges[fitted] * variance + _TINY)[:, np.newaxis]
        change[fitted] = np.linalg.solve(xx, slopes) + gained - start
    return change


def _errors(rows: ChoosingRows, fitted: Moments, tested: Moments, *, gained: bool, alike: bool) -> Array:
    """Computes the errors of the candidates on the half that they were not fitted to.

    Returns:
        The error, (1 + ridges, groups): first where the weights stay, then for each ridge.
    """
    test_slopes = tested.xy[..., rows.places] - tested.xx @ rows.weights
    xy = fitted.xy[..., rows.places]
    start = rows.weights
    if gained:
        start = best_gains(rows.weights, fitted.xx, xy, alike=alike) * start
    values, vectors = _decomposed(fitted)
    within = vectors.transpose(0, 2, 1) @ (xy - fitted.xx @ start)
    variance = np.einsum("gtt->g", fitted.xx) / fitted.xx.shape[1]
    errors = [_error(rows.stored - rows.weights, tested, test_slopes)]
    for ridge in _candidates(gained=gained):
        weight = values + (ridge * variance + _TINY)[:, np.newaxis]
        change = vectors @ (within / weight[:, :, np.newaxis]) + start - rows.weights
        errors.append(_error(rows.moved(change), tested, test_slopes))
    return np.stack(errors)


def _error(change: Array, tested: Moments, slopes: Array) -> Array:
    """Computes by how much a change of the weights raises the mean squared error, (groups,)."""
    if tested.samples is None:
        squares = (change * (tested.xx @ change)).sum(axis=(1, 2))
    else:
        squares = np.square(tested.samples @ change).sum(axis=(1, 2)) / tested.count
    return np.asarray(squares - 2 * (change * slopes).sum(axis=(1, 2)))


def _decomposed(moments: Moments) -> tuple[Array, Array]:
    """Finds the directions in which the inputs vary.

    Returns:
        The variances, (groups, K), and the directions, (groups, taps, K).
    """
    if moments.samples is None:
        # Single precision tells variances far below the smallest ridge, in half of the time.
        values, vectors = np.linalg.eigh(moments.xx.astype(np.float32))
        return np.maximum(values, 0.0).astype(np.float64), vectors.astype(np.float64)
    samples = moments.samples
    values, within = np.linalg.eigh(samples @ samples.transpose(0, 2, 1) / moments.count)
    kept = values[0] > _RANK * max(float(values[0, -1]), _TINY)
    values, within = values[:, kept], within[:, :, kept]
    lengths = np.sqrt(moments.count * values)
    return values, samples.transpose(0, 2, 1) @ (within / lengths[:, np.newaxis])
