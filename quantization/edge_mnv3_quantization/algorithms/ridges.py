"""Least squares with a ridge that is chosen on images that were not used for the fit.

Each half of the images tells how far the weights that fit the other half may move. Moved weights are compared
rounded to steps: where they are multiples of a step already, a small change may cost more than it gains.
A node has one ridge for all its output channels, and a part of the channels is enough to choose it; each
channel of a depthwise convolution has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import map_in_threads
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

    A depthwise convolution has C groups of one row each, which share no weights; other nodes have one group.

    Attributes:
        count: Number of samples.
        x: The means of x, (groups, taps).
        y: The means of y, (groups, rows).
        xx: The covariance of x, (groups, taps, taps).
        xy: The covariance of x and y, (groups, taps, rows).
        samples: x less its means, (groups, samples, taps), of one group with fewer samples than taps.
    """

    count: int
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


def joined(one: Moments, other: Moments) -> Moments:
    """Joins the moments of two sets of samples."""
    count = one.count + other.count
    share = other.count / count
    apart_x, apart_y = other.x - one.x, other.y - one.y
    between = share * (1 - share) * apart_x[:, :, np.newaxis]
    return Moments(
        count=count,
        x=one.x + share * apart_x,
        y=one.y + share * apart_y,
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


def best_ridges(rows: ChoosingRows, halves: Sequence[Moments], workers: int) -> Array:
    """Chooses the ridge of each group, (groups,), as a multiple of the mean variance of an input.

    Args:
        rows: The rows that choose.
        halves: The moments over each half of the images.
        workers: Threads; the result is the same for any number.

    Returns:
        The ridges; infinite where the weights are best left as they are.
    """
    pairs = [(halves[0], halves[1]), (halves[1], halves[0])]
    errors = map_in_threads(lambda pair: _errors(rows, *pair), pairs, workers)
    best = np.argmin(errors[0] + errors[1], axis=0)
    return np.asarray(np.array([np.inf, *_RIDGES])[best])


def best_change(weights: Array, moments: Moments, ridges: Array) -> Array:
    """Computes what to add to weights (groups, taps, rows) for the ridge of each group, (groups,)."""
    change = np.zeros_like(weights)
    fitted = np.flatnonzero(np.isfinite(ridges))
    if len(fitted):
        xx = moments.xx[fitted]
        taps = np.arange(xx.shape[1])
        variance = xx[:, taps, taps].mean(axis=1)
        slopes = moments.xy[fitted] - xx @ weights[fitted]
        xx[:, taps, taps] += (ridges[fitted] * variance + _TINY)[:, np.newaxis]
        change[fitted] = np.linalg.solve(xx, slopes)
    return change


def _errors(rows: ChoosingRows, fitted: Moments, tested: Moments) -> Array:
    """Computes the errors of the candidates on the half that they were not fitted to.

    Returns:
        The error, (1 + ridges, groups): first where the weights stay, then for each ridge.
    """
    slopes, test_slopes = (half.xy[..., rows.places] - half.xx @ rows.weights for half in (fitted, tested))
    values, vectors = _decomposed(fitted)
    within = vectors.transpose(0, 2, 1) @ slopes
    variance = np.einsum("gtt->g", fitted.xx) / fitted.xx.shape[1]
    errors = [_error(rows.stored - rows.weights, tested, test_slopes)]
    for ridge in _RIDGES:
        weight = values + (ridge * variance + _TINY)[:, np.newaxis]
        errors.append(_error(rows.moved(vectors @ (within / weight[:, :, np.newaxis])), tested, test_slopes))
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
