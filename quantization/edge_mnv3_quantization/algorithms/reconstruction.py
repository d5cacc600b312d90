"""Weights and biases that make up for the errors of the values they take: least squares, node by node.

Rounding and clipping distort what a node is given, and so do the rounded weights before it. In the order of
execution, each weighted node's int8 inputs are collected over the calibration images, behind the nodes that
are done already, together with what the float network gives at the same place. The weights move so that they
predict the float result from the int8 inputs, as far as that holds for images that were not used: half of the
images choose how far, for the weights that fit the other half. The bias takes the rest of the mean error.

Where a block's result is added to what was around the block, the sum is predicted: the block makes up for the
errors of both, as far as its inputs tell of them.

Sources: Nagel et al. 2019 (arXiv 1906.04721), section 4.2, for the bias; Hubara et al. 2021, "Accurate Post
Training Quantization With Small Calibration Sets" (PMLR 139), for layer-wise reconstruction of weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.algorithms.channel_copies import movements
from edge_mnv3_quantization.algorithms.float_results import (
    LARGE_MAP_IMAGES,
    FloatResults,
    Floats,
    shortcut_of,
)
from edge_mnv3_quantization.algorithms.im2col import at_positions, im2col
from edge_mnv3_quantization.algorithms.int8_activations import Int8Activations, Stored
from edge_mnv3_quantization.algorithms.ridges import (
    ChoosingRows,
    Moments,
    best_change,
    best_ridges,
    choosing_places,
    joined,
    moments_of,
)
from edge_mnv3_quantization.algorithms.weight_quantization import (
    quantize_weights,
    weight_scales,
    without_copies,
)
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.borders import stored_border
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

_CHANNELS_AT_ONCE = 64  # so many channels of a depthwise convolution have real samples at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedNetwork:
    """A network whose values are quantized, and whose weights are still to be.

    Attributes:
        network: The network as it will be written.
        quantizations: How the input and every node's output are stored.
        scales: Equalization scales (C,) by which each value was divided; a missing value has 1.
    """

    network: Network
    quantizations: Mapping[int, Quantization]
    scales: Mapping[int, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """What one node is given and what it should give, at some positions of each of N images.

    Attributes:
        inputs: The node's inputs as stored, (N, positions, taps, C).
        quantization: How the inputs are stored.
        results: The float network's results, (N, positions, O).
        copied: Which inputs are copies of one another: those with equal numbers, (C,); None where none are.
    """

    inputs: Stored
    quantization: Quantization
    results: Floats
    copied: npt.NDArray[np.intp] | None = None

    def without_copies(self, inputs: Floats) -> Floats:
        """Replaces the copies of a channel, in inputs (samples, taps, C), by their mean."""
        if self.copied is None:
            return inputs
        _, channels, counts = np.unique(self.copied, return_inverse=True, return_counts=True)
        shares = np.zeros((len(channels), len(counts)), np.float32)
        shares[np.arange(len(channels)), channels] = 1 / counts[channels]
        return np.asarray(inputs @ shares)

    def real_inputs(self, images: slice, channels: slice, order: tuple[int, ...]) -> Floats:
        """Returns some inputs as real numbers, (samples, taps, C) with the axes in the given order."""
        stored = self.inputs[images, :, :, channels]
        stored = stored.reshape(-1, *stored.shape[2:]).transpose(order)
        return _real_numbers(stored, self.quantization)


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
    results: FloatResults,
    *,
    hessian_weighted: bool = True,
    reporter: Reporter = SILENT,
    workers: int | None = None,
) -> dict[int, QuantizedWeights]:
    """Quantizes the weights and biases of every weighted node.

    Args:
        quantized: The network.
        images: Images to fit the weights to, (N, H, W, 3) uint8.
        results: What the float network gives for these images, before equalization. Nodes with results are
            refitted; the weights of other nodes are rounded to nearest.
        hessian_weighted: Depthwise convolutions get Hessian-weighted rounding, which takes time; otherwise
            their weights are rounded to nearest, too.
        reporter: Its `progress` is told of (weighted nodes done, weighted nodes in all).
        workers: Threads; None for as many as there are cores. The result is the same for any number.
    """
    network, quantizations = quantized.network, quantized.quantizations
    workers = workers or available_cores()
    moved = movements(network, quantizations)
    weighted = [node for node in network.nodes if node.kind in WEIGHTED]
    # Images beyond the first ones run from the pixels to the first small map at once.
    parts = [images[:LARGE_MAP_IMAGES], images[LARGE_MAP_IMAGES:]]
    activations = [Int8Activations(network, quantizations, part, workers) for part in parts if len(part)]
    weights: dict[int, QuantizedWeights] = {}
    for done, node in enumerate(weighted, start=1):
        value = node.inputs[0]
        if node.output in results.positions:
            positions = results.positions[node.output]
            shape, zero = network.values[node.output].shape, stored_border(node, quantizations[value])
            places = (positions[:LARGE_MAP_IMAGES], positions[LARGE_MAP_IMAGES:])
            gathered = [
                im2col(node, one.stored(value, weights), shape, some, zero=zero)
                for one, some in zip(activations, places, strict=False)
                if len(some)
            ]
            wanted = results.numbers[node.output] / _float32(quantized.scales.get(node.output))
            around = shortcut_of(network, node)
            if around is not None and node.output in results.shortcuts:
                wanted += results.shortcuts[node.output] / _float32(quantized.scales.get(around))
                stored = np.concatenate(
                    [
                        at_positions(one.stored(around, weights), some)
                        for one, some in zip(activations, places, strict=False)
                        if len(some)
                    ]
                )
                wanted -= _real_numbers(stored, quantizations[around])
            if node.output in moved:
                wanted += _float32(moved[node.output])
            samples = _Samples(
                inputs=gathered[0] if len(gathered) == 1 else np.concatenate(gathered),
                quantization=quantizations[value],
                results=wanted,
                copied=node.copied_inputs,
            )
            weights[node.output] = _fitted(node, samples, workers, hessian_weighted=hessian_weighted)
        else:
            weights[node.output] = quantize_weights(node, quantizations[value].scale)
        reporter.progress(done, len(weighted))
    return weights


def _real_numbers(stored: Stored, quantization: Quantization) -> Floats:
    real: Floats = stored.astype(np.float32, order="C")
    real -= np.float32(quantization.zero_point)
    real *= np.float32(quantization.scale)
    return real


def refittable(network: Network) -> list[Node]:
    """Lists the nodes whose weights can be refitted: a hard-sigmoid's are constants of the function."""
    return [node for node in network.nodes if node.kind in WEIGHTED and not is_hard_sigmoid(node)]


def _float32(scale: Array | None) -> Floats:
    return np.ones(1, np.float32) if scale is None else scale.astype(np.float32)


def _fitted(node: Node, samples: _Samples, workers: int, *, hessian_weighted: bool) -> RefittedWeights:
    # Copies hold nearly the same numbers: fitted one by one, their weights would fit the noise between them.
    single = without_copies(node)
    weights, _ = single.weights_and_bias()
    depthwise = node.kind == "depthwise"
    input_scale = samples.quantization.scale
    rows = _rows(weights, depthwise)
    parts = [slice(first, None, 2) for first in range(min(2, len(samples.inputs)))]
    halves = map_in_threads(lambda images: _moments(samples, images, depthwise), parts, workers)
    every, ridges = halves[0], np.array([np.inf])

    def _shaped(changed: Array) -> Array:
        return np.asarray((changed[:, :, 0].T if depthwise else changed[0].T).reshape(weights.shape))

    if len(halves) == 2:
        every = joined(*halves)
        ridges = best_ridges(_choosing_rows(single, input_scale), halves, workers)
        rows = rows + best_change(rows, every, ridges)
    quantized = quantize_weights(
        dataclasses.replace(node, weights=_spread(_shaped(rows), node)),
        input_scale,
        covariance=every.xx if depthwise and hessian_weighted else None,
    )
    given = every.x
    if node.copied_inputs is not None:
        stored = samples.inputs.mean(axis=(0, 1), dtype=np.float64) - samples.quantization.zero_point
        given = samples.quantization.scale * stored.reshape(1, -1)
    bias = (every.y - np.einsum("gto,gt->go", _real(quantized, depthwise), given)).reshape(-1)
    steps = quantized.scales.astype(np.float64) * input_scale
    return RefittedWeights(
        weights=quantized.weights,
        scales=quantized.scales,
        bias=bias_steps(bias, steps),
        ridges=np.broadcast_to(ridges, len(steps)),
    )


def _spread(weights: Array, node: Node) -> Array:
    """Divides the weights of each channel among its copies."""
    if node.copied_inputs is None:
        return weights
    _, channels, counts = np.unique(node.copied_inputs, return_inverse=True, return_counts=True)
    return np.asarray(weights[..., channels] / counts[channels])


def _choosing_rows(node: Node, input_scale: float) -> ChoosingRows:
    depthwise = node.kind == "depthwise"
    weights, bias = node.weights_and_bias()
    places = slice(None)
    if not depthwise:
        places = choosing_places(len(bias))
        node = dataclasses.replace(node, weights=weights[places], bias=bias[places])
    least = weight_scales(node, input_scale)
    return ChoosingRows(
        places=places,
        weights=_rows(node.weights_and_bias()[0], depthwise),
        stored=_real(quantize_weights(node, input_scale), depthwise),
        least=least[:, np.newaxis, np.newaxis] if depthwise else least[np.newaxis, np.newaxis],
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


def _moments(samples: _Samples, images: slice, depthwise: bool) -> Moments:
    results = samples.results[images].copy()
    channels = results.shape[-1]
    if not depthwise:
        x = samples.real_inputs(images, slice(None), (0, 1, 2))
        x = samples.without_copies(x)
        return moments_of(x.reshape(1, len(x), -1), results.reshape(1, -1, channels))
    y = np.ascontiguousarray(results.reshape(-1, channels).T)[:, :, np.newaxis]
    parts = []
    for part in np.array_split(np.arange(channels), max(channels // _CHANNELS_AT_ONCE, 1)):
        some = slice(part[0], part[-1] + 1)
        parts.append(moments_of(samples.real_inputs(images, some, (2, 0, 1)), y[some]))
    return Moments(
        count=parts[0].count,
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        xx=np.concatenate([part.xx for part in parts]),
        xy=np.concatenate([part.xy for part in parts]),
    )


def bias_steps(bias: Array, steps: Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Rounds a bias (O,) to steps (O,), within half of int32, for the sum of products must fit as well."""
    return np.clip(np.rint(bias / steps), -(2.0**30), 2.0**30).astype(np.int32)
