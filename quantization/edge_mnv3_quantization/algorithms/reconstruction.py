"""Weights and biases that make up for the errors of the values they take: least squares, node by node.

Rounding and clipping distort what a node is given, and so do the rounded weights before it. In the order of
execution, each weighted node's int8 inputs are collected over the calibration images, behind the nodes that
are done already, together with what the float network gives at the same place. The weights move so that they
predict the float result from the int8 inputs, as far as that holds for images that were not used: half of the
images choose how far, for the weights that fit the other half. The bias takes the rest of the mean error.

Sources: Nagel et al. 2019 (arXiv 1906.04721), section 4.2, for the bias; Hubara et al. 2021, "Accurate Post
Training Quantization With Small Calibration Sets" (PMLR 139), for layer-wise reconstruction of weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.algorithms.float_results import Floats, drawn_positions, float_results
from edge_mnv3_quantization.algorithms.im2col import im2col
from edge_mnv3_quantization.algorithms.int8_activations import Int8Activations, Stored
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

# The candidates for the ridge are multiples of the mean variance of an input; with the last the weights stay.
_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 1e12)
_TINY = 1e-30
_CHANNELS_AT_ONCE = 64  # so many channels of a depthwise convolution have real samples at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedNetwork:
    """A network whose values are quantized, and whose weights are still to be.

    Attributes:
        reference: The float network.
        network: The same network as it will be written.
        quantizations: How the input and every node's output are stored.
    """

    reference: Network
    network: Network
    quantizations: Mapping[int, Quantization]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """What one node is given and what it should give, at some positions of each of N images.

    Attributes:
        inputs: The node's inputs as stored, (N, positions, taps, C).
        quantization: How the inputs are stored.
        results: The float network's results, (N, positions, O).
    """

    inputs: Stored
    quantization: Quantization
    results: Floats

    def real_inputs(self, images: slice, channels: slice, order: tuple[int, ...]) -> Array:
        """Returns some inputs as real numbers, (samples, taps, C) with the axes in the given order."""
        stored = self.inputs[images, :, :, channels]
        stored = stored.reshape(-1, *stored.shape[2:]).transpose(order)
        real = np.ascontiguousarray(stored).astype(np.float64)
        real -= self.quantization.zero_point
        real *= self.quantization.scale
        return real


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Moments of the inputs x (taps) and float results y (rows) of one node.

    A depthwise convolution has C groups of one row each, which share no weights; other nodes have one group.

    Attributes:
        count: Number of samples.
        x: The means of x, (groups, taps).
        y: The means of y, (groups, rows).
        xx: The covariance of x, (groups, taps, taps).
        xy: The covariance of x and y, (groups, taps, rows).
    """

    count: int
    x: Array
    y: Array
    xx: Array
    xy: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class RefittedWeights(QuantizedWeights):
    """Weights that were refitted.

    Attributes:
        ridges: The ridge of each output channel, (O,), as a multiple of the mean variance of an input;
            infinite where the weights stayed and only the bias moved.
    """

    ridges: Array


def reconstruct(
    quantized: QuantizedNetwork,
    images: Images,
    *,
    seed: int,
    refitted: Callable[[Node], bool],
    reporter: Reporter = SILENT,
    workers: int | None = None,
) -> dict[int, QuantizedWeights]:
    """Quantizes the weights and biases of every weighted node.

    Args:
        quantized: The network.
        images: Images to fit the weights to, (N, H, W, 3) uint8.
        seed: The seed of the positions that are used.
        refitted: Tells whether a node is refitted; the weights of other nodes are rounded to nearest.
        reporter: Its `progress` is told of (weighted nodes done, weighted nodes in all).
        workers: Threads; None for as many as there are cores. The result is the same for any number.
    """
    network, quantizations = quantized.network, quantized.quantizations
    workers = workers or available_cores()
    weighted = [node for node in network.nodes if node.kind in WEIGHTED]
    # The weights of a hard-sigmoid are constants of the function, and are not refitted.
    fitted = [node for node in weighted if not is_hard_sigmoid(node) and refitted(node)]
    positions = drawn_positions(network, fitted, len(images), seed)
    results = float_results(quantized.reference, positions, images, workers)
    activations = Int8Activations(network, quantizations, images, workers)
    weights: dict[int, QuantizedWeights] = {}
    for done, node in enumerate(weighted, start=1):
        value = node.inputs[0]
        if node.output in positions:
            stored = activations.stored(value, weights)
            samples = _Samples(
                inputs=im2col(
                    *(node, stored, network.values[node.output].shape, positions[node.output]),
                    zero=quantizations[value].zero_point,
                ),
                quantization=quantizations[value],
                results=results.pop(node.output),
            )
            weights[node.output] = _fitted(node, samples, workers)
        else:
            weights[node.output] = quantize_weights(node, quantizations[value].scale)
        reporter.progress(done, len(weighted))
    return weights


def _fitted(node: Node, samples: _Samples, workers: int) -> RefittedWeights:
    weights, _ = node.weights_and_bias()
    depthwise = node.kind == "depthwise"
    input_scale = samples.quantization.scale
    rows = _rows(weights, depthwise)
    parts = [slice(first, None, 2) for first in range(min(2, len(samples.inputs)))]
    halves = map_in_threads(lambda images: _moments(samples, images, depthwise), parts, workers)
    every, ridges = halves[0], np.array([np.inf])

    def rounded(changed: Array) -> Array:
        quantized = quantize_weights(dataclasses.replace(node, weights=_shaped(changed)), input_scale)
        return _real(quantized, depthwise)

    def _shaped(changed: Array) -> Array:
        return np.asarray((changed[:, :, 0].T if depthwise else changed[0].T).reshape(weights.shape))

    if len(halves) == 2:
        every = _joined(*halves)
        change, ridges = _change(rows, every, halves, rounded, workers)
        rows = rows + change
    quantized = quantize_weights(
        dataclasses.replace(node, weights=_shaped(rows)),
        input_scale,
        covariance=every.xx if depthwise else None,
    )
    bias = (every.y - np.einsum("gto,gt->go", _real(quantized, depthwise), every.x)).reshape(-1)
    steps = quantized.scales.astype(np.float64) * input_scale
    return RefittedWeights(
        weights=quantized.weights,
        scales=quantized.scales,
        bias=bias_steps(bias, steps),
        ridges=np.broadcast_to(ridges, len(steps)),
    )


def _rows(weights: Array, depthwise: bool) -> Array:
    """Reshapes weights to (groups, taps, rows)."""
    if depthwise:
        return np.asarray(weights.reshape(-1, weights.shape[-1]).T[:, :, np.newaxis])
    return np.asarray(weights.reshape(len(weights), -1).T[np.newaxis])


def _real(quantized: QuantizedWeights, depthwise: bool) -> Array:
    """Converts stored weights to real numbers, (groups, taps, rows)."""
    stored, scales = (
        _rows(quantized.weights.astype(np.float64), depthwise),
        quantized.scales.astype(np.float64),
    )
    return np.asarray(stored * (scales[:, None, None] if depthwise else scales))


def _moments(samples: _Samples, images: slice, depthwise: bool) -> _Moments:
    results = samples.results[images].astype(np.float64)
    channels = results.shape[-1]
    if not depthwise:
        x = samples.real_inputs(images, slice(None), (0, 1, 2))
        return _moments_of(x.reshape(1, len(x), -1), results.reshape(1, -1, channels))
    y = np.ascontiguousarray(results.reshape(-1, channels).T)[:, :, np.newaxis]
    parts = []
    for part in np.array_split(np.arange(channels), max(channels // _CHANNELS_AT_ONCE, 1)):
        some = slice(part[0], part[-1] + 1)
        parts.append(_moments_of(samples.real_inputs(images, some, (2, 0, 1)), y[some]))
    return _Moments(
        count=parts[0].count,
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        xx=np.concatenate([part.xx for part in parts]),
        xy=np.concatenate([part.xy for part in parts]),
    )


def _moments_of(x: Array, y: Array) -> _Moments:
    """Computes the moments of x (groups, samples, taps) and y (groups, samples, rows); overwrites both."""
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    x -= x_mean[:, np.newaxis]
    y -= y_mean[:, np.newaxis]
    count = x.shape[1]
    across = x.transpose(0, 2, 1)
    return _Moments(count=count, x=x_mean, y=y_mean, xx=across @ x / count, xy=across @ y / count)


def _joined(one: _Moments, other: _Moments) -> _Moments:
    """Joins the moments of two sets of samples."""
    count = one.count + other.count
    share = other.count / count
    apart_x, apart_y = other.x - one.x, other.y - one.y
    between = share * (1 - share) * apart_x[:, :, np.newaxis]
    return _Moments(
        count=count,
        x=one.x + share * apart_x,
        y=one.y + share * apart_y,
        xx=one.xx + share * (other.xx - one.xx) + between * apart_x[:, np.newaxis, :],
        xy=one.xy + share * (other.xy - one.xy) + between * apart_y[:, np.newaxis, :],
    )


def _change(
    rows: Array, every: _Moments, halves: list[_Moments], rounded: Callable[[Array], Array], workers: int
) -> tuple[Array, Array]:
    """Chooses what to add to the weights, (groups, taps, rows), and the ridge of each group.

    The candidates are compared as they will be stored: where the weights are multiples of a step already, a
    small change may cost more than it gains. The ridge is infinite where nothing is added.
    """
    fits = map_in_threads(lambda moments: _decomposed(rows, moments), [*halves, every], workers)
    test_slopes = [half.xy - half.xx @ rows for half in halves]

    def error(candidate: tuple[int, float]) -> Array:
        """Computes the error, (groups,), on the half that the candidate was not fitted to."""
        half, ridge = candidate
        values, vectors, slopes = fits[half]
        change = rounded(rows + vectors @ _solution(values, slopes, ridge)) - rows
        squares = (change * (halves[1 - half].xx @ change)).sum(axis=(1, 2))
        return np.asarray(squares - 2 * (change * test_slopes[1 - half]).sum(axis=(1, 2)))

    candidates = [(half, ridge) for ridge in _RIDGES for half in (0, 1)]
    errors = np.stack(map_in_threads(error, candidates, workers)).reshape(len(_RIDGES), 2, len(rows))
    best = np.argmin(errors[:, 0] + errors[:, 1], axis=0)
    values, vectors, slopes = fits[2]
    ridges = np.asarray(_RIDGES)[best]
    change = np.asarray(vectors @ _solution(values, slopes, ridges[:, np.newaxis]))
    return change, np.where(best == len(_RIDGES) - 1, np.inf, ridges)


def _decomposed(rows: Array, moments: _Moments) -> tuple[Array, Array, Array]:
    """Computes the inputs' eigenvalues and eigenvectors, and the residual's covariance with them."""
    values, vectors = np.linalg.eigh(moments.xx)
    return values, vectors, vectors.transpose(0, 2, 1) @ (moments.xy - moments.xx @ rows)


def _solution(values: Array, slopes: Array, ridge: float | Array) -> Array:
    """Solves the ridge regression in the eigenvectors' coordinates."""
    values = np.maximum(values, 0.0)
    weight = ridge * values.mean(axis=1, keepdims=True) + values + _TINY
    return np.asarray(slopes / weight[:, :, np.newaxis])


def bias_steps(bias: Array, steps: Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Rounds a bias (O,) to steps (O,), within half of int32, for the sum of products must fit as well."""
    return np.clip(np.rint(bias / steps), -(2.0**30), 2.0**30).astype(np.int32)
