"""Weights and biases that make up for the errors of the values they take: least squares, node by node.

Rounding, clipping and the weights' own steps distort what a node is given. In the order of execution, each
weighted node's int8 inputs are collected over the calibration images, behind the nodes that are done already,
together with what the float network gives at the same place. The weights move so that they predict the float
result from the int8 inputs, as far as that holds for images that were not used: half of the images choose how
far, for the weights that fit the other half. The bias takes the rest of the mean error.

Sources: Nagel et al. 2019 (arXiv 1906.04721), section 4.2, for the bias; Hubara et al. 2021, "Accurate Post
Training Quantization With Small Calibration Sets" (PMLR 139), for layer-wise reconstruction of weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.patches import patches
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_gate
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_float, write_int8

_POSITIONS = 48  # of an image that are used, drawn at random
_DEPTHWISE_POSITIONS = 16  # likewise; a channel has few weights
# Candidates for the ridge, of the mean variance of an input; with the last the weights stay.
_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 1e12)
_TINY = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Of inputs x (taps) and float results y (rows) of one node, in groups that share no weights.

    Attributes:
        count: Number of samples.
        x: (groups, taps): means.
        y: (groups, rows): means.
        xx: (groups, taps, taps): covariance.
        xy: (groups, taps, rows): covariance.
    """

    count: int
    x: Array
    y: Array
    xx: Array
    xy: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class RefittedWeights(QuantizedWeights):
    """Weights that were fitted.

    Attributes:
        ridges: (O,): of each output channel, of the mean variance of an input; infinite where the weights
            stayed and only the bias moved.
    """

    ridges: Array


def reconstruct(
    reference: Network,
    network: Network,
    quantizations: Mapping[int, Quantization],
    images: Images,
    *,
    seed: int,
    refitted: Callable[[Node], bool],
    reporter: Reporter = SILENT,
) -> dict[int, QuantizedWeights]:
    """Returns the int8 weights and biases of every weighted node.

    Args:
        reference: The float network, rescaled as `network`.
        network: As it will be written.
        quantizations: Of all values.
        images: (N, H, W, 3) uint8.
        seed: Of the positions that are used.
        refitted: Whether a node's weights are; those of others are rounded as they are.
        reporter: Told of the weighted nodes done.
    """
    found: dict[int, QuantizedWeights] = {}
    rng = np.random.default_rng(seed)
    weighted = [node for node in network.nodes if node.kind in WEIGHTED]
    for done, node in enumerate(weighted, start=1):
        taken = quantizations[node.inputs[0]]
        if is_gate(node) or not refitted(node):  # a gate is a constant function
            found[node.output] = quantize_weights(node, taken.scale)
        else:
            inputs, results = _samples(reference, network, quantizations, found, node, images, rng)
            found[node.output] = _fitted(node, inputs, results, taken.scale, len(images))
        reporter.progress(done, len(weighted))
    return found


def _samples(
    reference: Network,
    network: Network,
    quantizations: Mapping[int, Quantization],
    done: Mapping[int, QuantizedWeights],
    node: Node,
    images: Images,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """The int8 inputs' real numbers, (images, positions, taps, C), and float results, (.., .., O)."""
    part = reference.up_to(node.output)
    before_clamp = dataclasses.replace(part.nodes[-1], clamp="none")
    float_model = open_bytes(write_float(part.with_nodes((*part.nodes[:-1], before_clamp)), [node.output]))
    value = node.inputs[0]
    int8_model = None
    if value != network.input:
        int8_model = open_bytes(write_int8(network.up_to(value), quantizations, done, io="int8"))
    own = quantizations[value]
    inputs, results = [], []
    for image in images:
        pixels = image[np.newaxis].astype(np.float32)
        wanted = float_model.run_raw(
            pixels * np.float32(reference.input_scale) + np.float32(reference.input_offset)
        )[0]
        stored = (image.astype(np.int16) - 128).astype(np.int8)[np.newaxis]
        if int8_model:
            stored = int8_model.run_raw(stored)[0]
        wanted = wanted.reshape(-1, wanted.shape[-1])
        chosen = np.arange(len(wanted))
        most = _DEPTHWISE_POSITIONS if node.kind == "depthwise" else _POSITIONS
        if len(chosen) > most:
            chosen = np.sort(rng.choice(chosen, most, replace=False))
        given = own.scale * (stored.astype(np.float64) - own.zero_point)
        inputs.append(patches(node, given, network.values[node.output].shape, chosen))
        results.append(wanted[chosen].astype(np.float64))
    return np.stack(inputs), np.stack(results)


def _fitted(node: Node, inputs: Array, results: Array, input_scale: float, images: int) -> RefittedWeights:
    weights, _ = node.weights_and_bias()
    depthwise = node.kind == "depthwise"
    rows = _rows(weights, depthwise)
    halves = [_moments(inputs[i::2], results[i::2], depthwise) for i in range(min(2, images))]
    every, ridges = halves[0], np.array([np.inf])

    def rounded(changed: Array) -> Array:
        quantized = quantize_weights(dataclasses.replace(node, weights=_shaped(changed)), input_scale)
        return _real(quantized, depthwise)

    def _shaped(changed: Array) -> Array:
        return np.asarray((changed[:, :, 0].T if depthwise else changed[0].T).reshape(weights.shape))

    if len(halves) == 2:
        every = _joined(*halves)
        change, ridges = _change(rows, every, halves, rounded)
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
    """Weights as (groups, taps, rows)."""
    if depthwise:
        return np.asarray(weights.reshape(-1, weights.shape[-1]).T[:, :, np.newaxis])
    return np.asarray(weights.reshape(len(weights), -1).T[np.newaxis])


def _real(quantized: QuantizedWeights, depthwise: bool) -> Array:
    """Stored weights as real numbers, (groups, taps, rows)."""
    stored, scales = (
        _rows(quantized.weights.astype(np.float64), depthwise),
        quantized.scales.astype(np.float64),
    )
    return np.asarray(stored * (scales[:, None, None] if depthwise else scales))


def _moments(inputs: Array, results: Array, depthwise: bool) -> _Moments:
    taps, channels = inputs.shape[2:]
    if depthwise:
        x = np.ascontiguousarray(inputs.reshape(-1, taps, channels).transpose(2, 0, 1))
        y = np.ascontiguousarray(results.reshape(-1, channels).T)[:, :, np.newaxis]
    else:
        x = inputs.reshape(1, -1, taps * channels)
        y = results.reshape(1, -1, results.shape[-1])
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    x, y = x - x_mean[:, np.newaxis], y - y_mean[:, np.newaxis]
    count = x.shape[1]
    across = x.transpose(0, 2, 1)
    return _Moments(count=count, x=x_mean, y=y_mean, xx=across @ x / count, xy=across @ y / count)


def _joined(one: _Moments, other: _Moments) -> _Moments:
    """Of the samples of both."""
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
    rows: Array, every: _Moments, halves: list[_Moments], rounded: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """What to add to the weights (groups, taps, rows), and the ridge of each group, infinite for nothing.

    The candidates are compared as they will be stored: where the weights lie on int8 steps already, moving
    them a little may cost more than it gains.
    """
    errors = np.zeros((len(_RIDGES), len(rows)))
    for fit, test in (halves, halves[::-1]):
        values, vectors, slopes = _decomposed(rows, fit)
        test_slopes = test.xy - test.xx @ rows
        for index, ridge in enumerate(_RIDGES):
            step = rounded(rows + vectors @ _step(values, slopes, ridge)) - rows
            errors[index] += (step * (test.xx @ step)).sum(axis=(1, 2)) - 2 * (step * test_slopes).sum(
                axis=(1, 2)
            )
    best = np.argmin(errors, axis=0)
    values, vectors, slopes = _decomposed(rows, every)
    ridges = np.asarray(_RIDGES)[best]
    change = np.asarray(vectors @ _step(values, slopes, ridges[:, np.newaxis]))
    return change, np.where(best == len(_RIDGES) - 1, np.inf, ridges)


def _decomposed(rows: Array, moments: _Moments) -> tuple[Array, Array, Array]:
    """Eigenvalues and eigenvectors of the inputs' covariance, and the residual's covariance with them."""
    values, vectors = np.linalg.eigh(moments.xx)
    return values, vectors, vectors.transpose(0, 2, 1) @ (moments.xy - moments.xx @ rows)


def _step(values: Array, slopes: Array, ridge: float | Array) -> Array:
    """The ridge regression's weights in the eigenvectors' coordinates."""
    values = np.maximum(values, 0.0)
    weight = ridge * values.mean(axis=1, keepdims=True) + values + _TINY
    return np.asarray(slopes / weight[:, :, np.newaxis])


def bias_steps(bias: Array, steps: Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """A bias (O,) in steps (O,), within half of int32: the sum of products must fit as well."""
    return np.clip(np.rint(bias / steps), -(2.0**30), 2.0**30).astype(np.int32)


def run_int8(
    network: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    images: Images,
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]:
    """The network's output, as stored, for each image, on XNNPACK's kernels."""
    model = open_bytes(write_int8(network, quantizations, weights, io="int8"))
    return [model.run_raw((image.astype(np.int16) - 128).astype(np.int8)[np.newaxis])[0] for image in images]
