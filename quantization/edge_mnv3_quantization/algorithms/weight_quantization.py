"""Weights to int8 per output channel, and biases to int32, within what XNNPACK and int32 can hold."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.network import Array, Node
from edge_mnv3_quantization.graph.types import QuantizedWeights

LARGEST_STEP = 127
_LARGEST_BIAS = 2.0**30  # half of int32, for the sum of products must fit as well
_SMALLEST_SCALE = 1e-30
_COUNTS = np.arange(LARGEST_STEP, LARGEST_STEP // 2, -1)  # the numbers of steps a row's largest weight may be
_TRIED = 24  # how many weights of a row choose among the candidates
_SAME = 1e-9  # a share of a row's mean square: errors that differ by less are equal
_SWEEPS = 3  # the most sweeps over the weights of a row
_RIDGE = 1e-3  # a share of the mean variance of an input
_CACHED = 1 << 15  # how many numbers are worked on at once


def weight_scales(node: Node, input_scale: float) -> Array:
    """Computes the smallest quantization scale of each output channel's weights, (O,).

    The largest weight is 127 steps, unless the bias would then need more than int32 in steps of input scale *
    weight scale. Rows of tiny weights get a larger scale for that reason, and their errors do not count.
    """
    _, bias = node.weights_and_bias()
    least = np.maximum(np.abs(bias) / (_LARGEST_BIAS * input_scale), _SMALLEST_SCALE)
    return _single(np.maximum(np.abs(_rows(node)).max(axis=1) / LARGEST_STEP, least))


def quantize_weights(node: Node, input_scale: float, *, covariance: Array | None = None) -> QuantizedWeights:
    """Quantizes a node's weights and bias, rounded to nearest or by Hessian-weighted rounding.

    A row's largest weight is between 64 and 127 of its steps, as many as make its errors smallest. Weights
    that are multiples of a step already, like those of networks that were int8 before, stay as they are.

    Args:
        node: A weighted node.
        input_scale: The quantization scale of the node's input.
        covariance: The covariance of the inputs of each row, (O, taps, taps), which is the Hessian of the
            output's squared error: rounding then makes this error small, weight by weight, and takes time
            with many taps. With None, all errors count alike and weights are rounded to nearest.
    """
    _, bias = node.weights_and_bias()
    rows, least = _rows(node), weight_scales(node, input_scale)
    if node.copied_inputs is None:
        scales = _best_scales(rows, least)
        stored = _nearest(rows, scales)
    else:
        scales = _best_scales(_rows(without_copies(node)), least)
        stored = _nearest_sums(node, node.copied_inputs, scales)
    if covariance is not None:
        stored, scales = _weighed(rows, least, covariance)
    return QuantizedWeights(
        weights=_like(node, stored).astype(np.int8),
        scales=scales.astype(np.float32),
        bias=np.rint(bias / (scales * input_scale)).astype(np.int32),
    )


def _rows(node: Node) -> Array:
    """Reshapes a node's weights to (O, taps)."""
    weights, bias = node.weights_and_bias()
    if node.kind == "depthwise":
        return np.asarray(weights.reshape(-1, len(bias)).T)
    return weights.reshape(len(bias), -1)


def _like(node: Node, rows: Array) -> Array:
    """Reshapes rows (O, taps) to the shape of a node's weights."""
    weights, _ = node.weights_and_bias()
    return np.asarray((rows.T if node.kind == "depthwise" else rows).reshape(weights.shape))


def _single(scales: Array) -> Array:
    """Rounds scales to float32, as the file holds them."""
    return scales.astype(np.float32).astype(np.float64)


def _nearest(rows: Array, scales: Array) -> Array:
    return np.clip(np.rint(rows / scales[..., np.newaxis]), -LARGEST_STEP, LARGEST_STEP)


def without_copies(node: Node) -> Node:
    """Adds up a node's weights for the copies of each channel that it takes."""
    if node.copied_inputs is None:
        return node
    weights, _ = node.weights_and_bias()
    is_copy = np.equal.outer(node.copied_inputs, np.unique(node.copied_inputs))
    return dataclasses.replace(node, weights=weights @ is_copy.astype(np.float64), copied_inputs=None)


def _nearest_sums(node: Node, copied: npt.NDArray[np.intp], scales: Array) -> Array:
    """Rounds weights so that the sums over the copies of a channel are rounded to nearest, (O, taps).

    Copies hold nearly the same numbers, so that their weights act as one: rounded alike, each to nearest,
    their errors would add up.
    """
    weights, bias = node.weights_and_bias()
    steps = weights / scales.reshape(-1, *[1] * (weights.ndim - 1))
    stored = np.empty_like(steps)
    for channel in np.unique(copied):
        places = np.flatnonzero(copied == channel)
        sums = np.rint(np.cumsum(steps[..., places], axis=-1))
        stored[..., places] = np.diff(sums, axis=-1, prepend=0.0)
    return np.clip(stored, -LARGEST_STEP, LARGEST_STEP).reshape(len(bias), -1)


def _candidates(rows: Array, least: Array) -> Array:
    """Lists the scales to try, (candidates, O), the smallest first."""
    return _single(np.maximum(np.abs(rows).max(axis=1) / _COUNTS[:, np.newaxis], least))


def _best_scales(rows: Array, least: Array) -> Array:
    """Chooses the scales (O,) with which round-to-nearest loses least, and of equal ones the smallest."""
    taps = np.unique(np.linspace(0, rows.shape[1] - 1, _TRIED).astype(int))
    candidates = _candidates(rows, least)
    chosen = _first_of_best(_errors(rows[:, taps], candidates), rows[:, taps])
    pair = np.stack([least, candidates[chosen, np.arange(len(rows))]])
    return np.asarray(pair[_first_of_best(_errors(rows, pair), rows), np.arange(len(rows))])


def _errors(rows: Array, candidates: Array) -> Array:
    """Computes the mean squared rounding error of each row with each candidate, (candidates, O)."""
    errors = np.empty(candidates.shape)
    if len(rows) == 1 or _taps_last(rows) or rows.shape[1] > _TRIED:
        for part in _parts(len(rows), rows.shape[1] * len(candidates)):
            _, lost = _rounded(rows[part], candidates[:, part])
            errors[:, part] = np.square(lost, out=lost).mean(axis=2)
        return errors
    for part in _parts(len(rows), len(candidates)):  # sums up in the same order, but is faster
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
    """Cuts `count` rows of `size` numbers into parts that stay in a processor's cache.

    Each part has at least two rows unless there is only one row, for NumPy sums up a single row in another
    order.
    """
    parts = max(min(count // 2, count * size // _CACHED), 1)
    ends = [count * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _rounded(rows: Array, scales: Array) -> tuple[Array, Array]:
    """Rounds rows (O, taps) to nearest with each of the scales (candidates, O).

    Returns:
        The stored weights and their errors, (candidates, O, taps) each. The taps lie in memory in the same
        order as those of the rows: the order in which they are summed up depends on it, and so do the last
        bits of the sums.
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
    """Rounds rows with the covariance of their inputs as the Hessian, for the smallest E[(error · x)²].

    Each weight is rounded so that it makes up for the errors of the row's other weights.

    Returns:
        The stored weights, (O, taps), and the scales, (O,).
    """
    taps = rows.shape[1]
    variances = np.einsum("ott->ot", covariance)
    ridge = _RIDGE * variances.mean(axis=1) + _SMALLEST_SCALE
    metric = covariance + ridge[:, np.newaxis, np.newaxis] * np.eye(taps)
    best, best_scales, lowest = np.zeros_like(rows), least, np.full(len(rows), np.inf)
    candidates = _candidates(rows, least)
    for part in _parts(len(candidates), rows.size):
        for stored, error, scales in zip(*_swept(rows, candidates[part], metric), strict=True):
            cost = np.einsum("ot,ot->o", np.matmul(error[:, np.newaxis], metric)[:, 0], error)
            better = cost < lowest * (1 - _SAME)
            lowest = np.where(better, cost, lowest)
            best = np.where(better[:, np.newaxis], stored, best)
            best_scales = np.where(better, scales, best_scales)
    return best, best_scales


def _swept(rows: Array, scales: Array, metric: Array) -> tuple[Array, Array, Array]:
    """Sweeps over the weights of each row with each of the scales (candidates, O).

    Returns:
        The stored weights and their errors, (candidates, O, taps) each, and the scales.
    """
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
