"""Weights to int8 per output channel, and biases to int32, within what XNNPACK and int32 can hold."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.network import Array, Node
from edge_mnv3_quantization.graph.types import QuantizedWeights

LARGEST_STEP = 127
_LARGEST_BIAS = 2.0**30  # half of int32: the sum of products must fit as well
_SMALLEST_SCALE = 1e-30
_COUNTS = np.arange(LARGEST_STEP, LARGEST_STEP // 2, -1)  # candidates: steps of a row's largest weight
_TRIED = 24  # weights of a row by which candidates are chosen
_SAME = 1e-9  # of a row's mean square: errors that differ by less are equal
_SWEEPS = 3  # over the weights of a row
_RIDGE = 1e-3  # of the mean variance of an input
_CACHED = 1 << 15  # numbers that are worked on at once


def weight_scales(node: Node, input_scale: float) -> Array:
    """Smallest real value of one step of each output channel's weights, (O,).

    The largest weight is 127 steps, unless the bias would then need more than int32 in steps of input scale *
    weight scale: rows of almost nothing are given coarser steps, which costs them nothing that counts.
    """
    _, bias = node.weights_and_bias()
    least = np.maximum(np.abs(bias) / (_LARGEST_BIAS * input_scale), _SMALLEST_SCALE)
    return _single(np.maximum(np.abs(_rows(node)).max(axis=1) / LARGEST_STEP, least))


def quantize_weights(node: Node, input_scale: float, *, covariance: Array | None = None) -> QuantizedWeights:
    """Rounds a node's weights and bias to steps.

    A row's largest weight is between 64 and 127 of its steps, as many as make its errors smallest: weights
    that lie on steps already, as those of networks that were int8 before, are kept as they are.

    Args:
        node: A weighted one.
        input_scale: Of what it takes.
        covariance: Of the inputs of each row, (O, taps, taps), by which errors are weighed together; without
            it they count alike, and each weight gets its nearest step. Costs time with many taps.
    """
    _, bias = node.weights_and_bias()
    rows, least = _rows(node), weight_scales(node, input_scale)
    scales = _best_scales(rows, least)
    stored = _nearest(rows, scales)
    if covariance is not None:
        stored, scales = _weighed(rows, least, covariance)
    return QuantizedWeights(
        weights=_like(node, stored).astype(np.int8),
        scales=scales.astype(np.float32),
        bias=np.rint(bias / (scales * input_scale)).astype(np.int32),
    )


def _rows(node: Node) -> Array:
    """Weights as (O, taps)."""
    weights, bias = node.weights_and_bias()
    if node.kind == "depthwise":
        return np.asarray(weights.reshape(-1, len(bias)).T)
    return weights.reshape(len(bias), -1)


def _like(node: Node, rows: Array) -> Array:
    """The reverse of `_rows`."""
    weights, _ = node.weights_and_bias()
    return np.asarray((rows.T if node.kind == "depthwise" else rows).reshape(weights.shape))


def _single(scales: Array) -> Array:
    """Scales as the file can hold them."""
    return scales.astype(np.float32).astype(np.float64)


def _nearest(rows: Array, scales: Array) -> Array:
    return np.clip(np.rint(rows / scales[..., np.newaxis]), -LARGEST_STEP, LARGEST_STEP)


def _candidates(rows: Array, least: Array) -> Array:
    """(candidates, O), the finest first."""
    return _single(np.maximum(np.abs(rows).max(axis=1) / _COUNTS[:, np.newaxis], least))


def _best_scales(rows: Array, least: Array) -> Array:
    """The scales whose nearest steps are nearest; of equal ones the finest."""
    taps = np.unique(np.linspace(0, rows.shape[1] - 1, _TRIED).astype(int))
    candidates = _candidates(rows, least)
    chosen = _first_of_best(_errors(rows[:, taps], candidates), rows[:, taps])
    pair = np.stack([least, candidates[chosen, np.arange(len(rows))]])
    return np.asarray(pair[_first_of_best(_errors(rows, pair), rows), np.arange(len(rows))])


def _errors(rows: Array, candidates: Array) -> Array:
    """Mean squares of what is lost by each candidate, (candidates, O)."""
    errors = np.empty(candidates.shape)
    if len(rows) == 1 or _taps_last(rows) or rows.shape[1] > _TRIED:
        for part in _parts(len(rows), rows.shape[1] * len(candidates)):
            _, lost = _rounded(rows[part], candidates[:, part])
            errors[:, part] = np.square(lost, out=lost).mean(axis=2)
        return errors
    for part in _parts(len(rows), len(candidates)):  # in the same order of summing up, but faster
        scales = candidates[:, part]
        total = np.zeros(scales.shape)
        for tap in rows[part].T:
            lost = np.rint(tap / scales)
            np.minimum(np.maximum(lost, -LARGEST_STEP, out=lost), LARGEST_STEP, out=lost)
            np.subtract(np.multiply(lost, scales, out=lost), tap, out=lost)
            total += np.square(lost, out=lost)
        errors[:, part] = total / rows.shape[1]
    return errors


def _taps_last(rows: Array) -> bool:
    """Whether the taps of a row lie side by side in memory."""
    return abs(rows.strides[1]) <= abs(rows.strides[0])


def _parts(count: int, size: int) -> list[slice]:
    """Cuts `count` things of a size into parts that stay in a processor's cache.

    Unless there is but one, each part has at least two: NumPy sums up a single row in another order.
    """
    parts = max(min(count // 2, count * size // _CACHED), 1)
    ends = [count * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _rounded(rows: Array, scales: Array) -> tuple[Array, Array]:
    """Rounds rows (O, taps) with each of the scales (candidates, O).

    Returns:
        Nearest steps and what is lost, (candidates, O, taps) each. The taps lie in memory as those of the
        rows do: in which order they are summed up depends on it, and so do the last bits of sums.
    """
    shape = (len(scales), *rows.shape)
    wide = scales[:, :, np.newaxis]
    steps, lost = (_empty(shape, taps_last=_taps_last(rows)) for _ in range(2))
    np.divide(rows, wide, out=steps)
    np.rint(steps, out=steps)
    np.minimum(np.maximum(steps, -LARGEST_STEP, out=steps), LARGEST_STEP, out=steps)
    np.subtract(np.multiply(wide, steps, out=lost), rows, out=lost)
    return steps, lost


def _empty(shape: tuple[int, int, int], *, taps_last: bool) -> Array:
    candidates, outputs, taps = shape
    return np.empty(shape) if taps_last else np.empty((candidates, taps, outputs)).transpose(0, 2, 1)


def _first_of_best(errors: Array, rows: Array) -> npt.NDArray[np.intp]:
    enough = errors.min(axis=0) + _SAME * np.square(rows).mean(axis=1)
    return np.asarray(np.argmax(errors <= enough, axis=0))


def _weighed(rows: Array, least: Array, covariance: Array) -> tuple[Array, Array]:
    """Steps and scales with the smallest E[(e x)^2]: weight by weight, the others' errors are made up for."""
    taps = rows.shape[1]
    variances = np.einsum("ott->ot", covariance)
    ridge = _RIDGE * variances.mean(axis=1) + _SMALLEST_SCALE
    metric = covariance + ridge[:, np.newaxis, np.newaxis] * np.eye(taps)
    best, best_scales, lowest = np.zeros_like(rows), least, np.full(len(rows), np.inf)
    candidates = _candidates(rows, least)
    for part in _parts(len(candidates), rows.size):
        for stored, error, scales in zip(*_swept(rows, candidates[part], metric), strict=True):
            cost = np.einsum("ot,otu,ou->o", error, metric, error, optimize=True)
            better = cost < lowest * (1 - _SAME)
            lowest = np.where(better, cost, lowest)
            best = np.where(better[:, np.newaxis], stored, best)
            best_scales = np.where(better, scales, best_scales)
    return best, best_scales


def _swept(rows: Array, scales: Array, metric: Array) -> tuple[Array, Array, Array]:
    """Steps and what is lost with them, (candidates, O, taps) each, for scales (candidates, O); and these."""
    stored, error = _rounded(rows, scales)
    for _ in range(_SWEEPS):
        still = True
        for tap in range(rows.shape[1]):
            slope = np.einsum("ot,kot->ko", metric[:, tap], error)
            moved = stored[:, :, tap] - np.rint(slope / (metric[:, tap, tap] * scales))
            np.minimum(np.maximum(moved, -LARGEST_STEP, out=moved), LARGEST_STEP, out=moved)
            if (moved != stored[:, :, tap]).any():
                still = False
                stored[:, :, tap] = moved
                error[:, :, tap] = scales * moved - rows[:, tap]
        if still:
            break
    return stored, error, scales
