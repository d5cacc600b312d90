"""The fit of one node's weights and bias: least squares from what it takes in int8 to what it gives in float.

A node has the moments of its inputs once for all rows; a depthwise convolution has them for each channel, and
a node in front of an activation, in a second fit, for each row, for its samples count differently there
(`importance`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import map_in_threads
from edge_mnv3_quantization.algorithms.float_results import Floats
from edge_mnv3_quantization.algorithms.importance import Activation, has_enough_samples, importance
from edge_mnv3_quantization.algorithms.int8_activations import Stored
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
from edge_mnv3_quantization.algorithms.weight_quantization import (
    quantize_weights,
    weight_scales,
    without_copies,
)
from edge_mnv3_quantization.graph.network import Array, Node
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

_CHANNELS_AT_ONCE = 64  # so many channels of a depthwise convolution have real samples at the same time
_FEWEST_FOR_GAINS = 8  # images; gains of fewer do not hold for others
_ROWS_AT_ONCE = 32  # so many rows whose samples count differently have moments at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What one node is given and what it should give, at some positions of each of N images.

    Attributes:
        inputs: The node's inputs as stored, (N, positions, taps, C).
        quantization: How the inputs are stored.
        results: The float network's results, (N, positions, O).
        copied: Which inputs are copies of one another: those with equal numbers, (C,); None where none are.
        activation: What takes the results; None where that is no activation.
        scale: The equalization scale of the results, (O,) or (1,).
        offset: What copies of a channel add to the results, (O,) or (1,).
    """

    inputs: Stored
    quantization: Quantization
    results: Floats
    copied: npt.NDArray[np.intp] | None = None
    activation: Activation | None = None
    scale: Floats
    offset: Floats

    def without_copies(self, inputs: Floats) -> Floats:
        """Replaces the copies of a channel, in inputs (samples, taps, C), by their mean."""
        if self.copied is None:
            return inputs
        _, channels, counts = np.unique(self.copied, return_inverse=True, return_counts=True)
        shares = np.zeros((len(channels), len(counts)), np.float32)
        shares[np.arange(len(channels)), channels] = 1 / counts[channels]
        return np.asarray(inputs @ shares)

    @property
    def show_gains(self) -> bool:
        """Whether the images are enough to tell a gain."""
        return len(self.inputs) >= _FEWEST_FOR_GAINS

    @property
    def halves(self) -> list[slice]:
        """Every other image, from the first one and from the second one; one part of a single image."""
        return [slice(first, None, 2) for first in range(min(2, len(self.inputs)))]

    def real_inputs(self, images: slice, channels: slice, order: tuple[int, ...]) -> Floats:
        """Returns some inputs as real numbers, (samples, taps, C) with the axes in the given order."""
        stored = self.inputs[images, :, :, channels]
        stored = stored.reshape(-1, *stored.shape[2:]).transpose(order)
        return real_numbers(stored, self.quantization)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefittedWeights(QuantizedWeights):
    """Weights that were refitted.

    Attributes:
        ridges: The ridge of each output channel, (O,), as a multiple of the mean variance of an input;
            infinite where the weights stayed and only the bias moved.
    """

    ridges: Array


def fitted_weights(node: Node, samples: Samples, workers: int, *, hessian_weighted: bool) -> RefittedWeights:
    """Fits a node's weights and bias, and quantizes them.

    Args:
        node: A weighted node.
        samples: What it takes and what it should give.
        workers: Threads; the result is the same for any number.
        hessian_weighted: A depthwise convolution gets Hessian-weighted rounding.
    """
    # Copies hold nearly the same numbers: fitted one by one, their weights would fit the noise between them.
    single = without_copies(node)
    weights, _ = single.weights_and_bias()
    depthwise = node.kind == "depthwise"
    input_scale = samples.quantization.scale
    fit = _fit_together(single, samples, None, workers)
    counts = _importance(single, samples, fit)
    if counts is not None:
        fit = (
            _fit_together(single, samples, counts, workers)
            if depthwise
            else _fit_one_by_one(single, samples, counts, workers)
        )
    changed = (fit.rows.T if depthwise else fit.rows).reshape(weights.shape)
    quantized = quantize_weights(
        dataclasses.replace(node, weights=_spread(changed, node)),
        input_scale,
        covariance=fit.covariances if hessian_weighted else None,
    )
    given = fit.inputs
    if node.copied_inputs is not None:
        stored = samples.inputs.mean(axis=(0, 1), dtype=np.float64) - samples.quantization.zero_point
        given = input_scale * stored.reshape(1, -1)
    bias = fit.results - (_real_rows(quantized, depthwise) * given).sum(axis=1)
    steps = quantized.scales.astype(np.float64) * input_scale
    return RefittedWeights(
        weights=quantized.weights,
        scales=quantized.scales,
        bias=bias_steps(bias, steps),
        ridges=np.broadcast_to(fit.ridges, len(steps)),
    )


class _Fit(NamedTuple):
    """Fitted rows.

    Attributes:
        rows: The weights, (O, taps).
        ridges: The ridge of each row, (O,), or (1,) for all.
        inputs: The means of the inputs, (O, taps), or (1, taps) for all rows.
        results: The means of the wanted results, (O,).
        covariances: The covariance of the inputs of each row, (O, taps, taps), of a depthwise convolution.
    """

    rows: Array
    ridges: Array
    inputs: Array
    results: Array
    covariances: Array | None = None


def _importance(node: Node, samples: Samples, fit: _Fit) -> Floats | None:
    """Tells how much errors count, at what a first fit gives; None where all count alike."""
    images, positions, channels = samples.results.shape
    if (
        samples.activation is None
        or samples.copied is not None
        or not has_enough_samples(node, images * positions)
    ):
        return None
    bias = fit.results - (fit.rows * fit.inputs).sum(axis=1)
    rows = fit.rows.astype(np.float32)
    given = np.empty((images * positions, channels), np.float32)
    if node.kind == "depthwise":
        for some in _channel_parts(channels):
            x = samples.real_inputs(slice(None), some, (0, 1, 2))
            given[:, some] = np.einsum("stc,ct->sc", x, rows[some])
    else:
        x = samples.real_inputs(slice(None), slice(None), (0, 1, 2))
        np.matmul(x.reshape(len(x), -1), rows.T, out=given)
    given += (bias - samples.offset).astype(np.float32)
    given *= samples.scale
    return importance(samples.activation, given.reshape(samples.results.shape))


def _fit_together(node: Node, samples: Samples, counts: Floats | None, workers: int) -> _Fit:
    """Fits rows that all have the same moments, or the channels of a depthwise convolution.

    Only a depthwise convolution's samples may count differently, by `counts`.
    """
    depthwise = node.kind == "depthwise"
    rows = _grouped(_rows(node), apart=depthwise)
    halves = map_in_threads(
        lambda images: _moments(samples, counts, images, depthwise), samples.halves, workers
    )
    every, ridges = halves[0], np.array([np.inf])
    if len(halves) == 2:
        every = joined(*halves)
        places = slice(None) if depthwise else choosing_places(rows.shape[2])
        choosing = _choosing_rows(node, samples.quantization.scale, places, apart=depthwise)
        ridges = best_ridges(choosing, halves, workers, gained=samples.show_gains)
        gains = best_gains(rows, every.xx, every.xy) if samples.show_gains else np.ones((1, 1, 1))
        rows = rows + best_change(rows, every, ridges, gains)
    return _Fit(
        rows=rows[:, :, 0] if depthwise else rows[0].T,
        ridges=ridges,
        inputs=every.x,
        results=every.y.reshape(-1),
        covariances=every.xx if depthwise else None,
    )


def _fit_one_by_one(node: Node, samples: Samples, counts: Floats, workers: int) -> _Fit:
    """Fits rows whose samples count differently: a part of them chooses the ridge and the gain of all."""
    rows = _grouped(_rows(node), apart=True)
    ridges, gains = np.array([np.inf]), np.ones((1, 1, 1))
    if len(samples.halves) == 2:
        places = choosing_places(len(rows))
        choosing = _choosing_rows(node, samples.quantization.scale, places, apart=True)
        halves = map_in_threads(
            lambda images: _weighed_moments(samples, counts, images, places), samples.halves, workers
        )
        every = joined(*halves)
        ridges = best_ridges(choosing, halves, workers, gained=samples.show_gains, alike=True)[:1]
        if samples.show_gains:
            gains = best_gains(choosing.weights, every.xx, every.xy, alike=True)

    def fitted(part: slice) -> tuple[Array, Array, Array]:
        moments = _weighed_moments(samples, counts, slice(None), part)
        some = rows[part]
        change = best_change(some, moments, np.broadcast_to(ridges, len(some)), gains)
        return (some + change)[:, :, 0], moments.x, moments.y[:, 0]

    parts = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(rows), _ROWS_AT_ONCE)]
    changed, inputs, results = (
        np.concatenate(one) for one in zip(*map_in_threads(fitted, parts, workers), strict=True)
    )
    return _Fit(rows=changed, ridges=ridges, inputs=inputs, results=results)


def _spread(weights: Array, node: Node) -> Array:
    """Divides the weights of each channel among its copies."""
    if node.copied_inputs is None:
        return weights
    _, channels, counts = np.unique(node.copied_inputs, return_inverse=True, return_counts=True)
    return np.asarray(weights[..., channels] / counts[channels])


def _choosing_rows(node: Node, input_scale: float, places: slice, *, apart: bool) -> ChoosingRows:
    """Takes some rows of a node; rows that lie apart are the groups of the moments."""
    if node.kind != "depthwise":
        weights, bias = node.weights_and_bias()
        node = dataclasses.replace(node, weights=weights[places], bias=bias[places])
    stored = _real_rows(quantize_weights(node, input_scale), node.kind == "depthwise")
    return ChoosingRows(
        places=slice(None) if apart else places,
        weights=_grouped(_rows(node), apart=apart),
        stored=_grouped(stored, apart=apart),
        least=_grouped(weight_scales(node, input_scale)[:, np.newaxis], apart=apart),
    )


def _rows(node: Node) -> Array:
    """Reshapes a node's weights to (O, taps)."""
    weights, bias = node.weights_and_bias()
    return np.asarray(
        weights.reshape(-1, len(bias)).T if node.kind == "depthwise" else weights.reshape(len(bias), -1)
    )


def _grouped(rows: Array, *, apart: bool) -> Array:
    """Reshapes rows (O, taps) to (groups, taps, rows): each is a group of its own, or all are one."""
    return rows[:, :, np.newaxis] if apart else rows.T[np.newaxis]


def _real_rows(quantized: QuantizedWeights, depthwise: bool) -> Array:
    """Converts stored weights to real numbers, (O, taps)."""
    stored = quantized.weights.astype(np.float64)
    rows = stored.reshape(-1, stored.shape[-1]).T if depthwise else stored.reshape(len(stored), -1)
    return np.asarray(rows * quantized.scales.astype(np.float64)[:, np.newaxis])


def _channel_parts(channels: int) -> list[slice]:
    parts = np.array_split(np.arange(channels), max(channels // _CHANNELS_AT_ONCE, 1))
    return [slice(part[0], part[-1] + 1) for part in parts]


def _moments(samples: Samples, counts: Floats | None, images: slice, depthwise: bool) -> Moments:
    results = samples.results[images].copy()
    channels = results.shape[-1]
    if not depthwise:
        x = samples.without_copies(samples.real_inputs(images, slice(None), (0, 1, 2)))
        return moments_of(x.reshape(1, len(x), -1), results.reshape(1, -1, channels))
    y = _by_channel(results)[:, :, np.newaxis]
    weights = None if counts is None else _by_channel(counts[images])
    parts = []
    for some in _channel_parts(channels):
        x = samples.real_inputs(images, some, (2, 0, 1))
        one = moments_of(x, y[some]) if weights is None else weighed_moments_of(x, y[some], weights[some])
        parts.append(one)
    return Moments(
        count=parts[0].count if weights is None else weights.sum(axis=1, dtype=np.float64),
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        xx=np.concatenate([part.xx for part in parts]),
        xy=np.concatenate([part.xy for part in parts]),
    )


def _weighed_moments(samples: Samples, counts: Floats, images: slice, rows: slice) -> Moments:
    """The moments of some rows, whose samples count by weights like the results."""
    x = samples.real_inputs(images, slice(None), (0, 1, 2))
    y, weights = (_by_channel(numbers[images][..., rows]) for numbers in (samples.results, counts))
    return weighed_moments_of(x.reshape(1, len(x), -1), y[:, :, np.newaxis], weights)


def _by_channel(numbers: Floats) -> Floats:
    """Reshapes (images, positions, C) to (C, samples)."""
    return np.ascontiguousarray(numbers.reshape(-1, numbers.shape[-1]).T)


def real_numbers(stored: Stored, quantization: Quantization) -> Floats:
    """Converts int8 numbers to real ones."""
    real: Floats = stored.astype(np.float32, order="C")
    real -= np.float32(quantization.zero_point)
    real *= np.float32(quantization.scale)
    return real


def bias_steps(bias: Array, steps: Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Rounds a bias (O,) to steps (O,), within half of int32, for the sum of products must fit as well."""
    return np.clip(np.rint(bias / steps), -(2.0**30), 2.0**30).astype(np.int32)
