"""The recipe `accurate`: a full-integer file that keeps the float file's answers and runs whole on XNNPACK.

Post-training, on unlabelled images, deterministic. In order:

1. hard-swish is lowered to a gate and a product, the pixels' scaling moves into the input's zero point;
2. squeeze-excite gates that are constant over the calibration images move into the weights that follow;
3. every group of values is equalized (`equalization`), as strongly as the logits of the images tell;
4. every value gets a range that weighs clipping against rounding (`ranges`);
5. the mean errors of all channels are taken back by the biases (`bias_correction`).

The file is written through the schema that LiteRT ships, not by TensorFlow's converter: its scales, zero
points, weights and biases are exactly those that were computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.errors import ConversionError
from edge_mnv3_quantization.activations import Histogram, Images, run_float
from edge_mnv3_quantization.bias_correction import correct_biases, run_int8
from edge_mnv3_quantization.equalization import group_factors
from edge_mnv3_quantization.network import WEIGHTED, Array, Network
from edge_mnv3_quantization.network_writer import Quantization, QuantizedWeights, write_int8
from edge_mnv3_quantization.ranges import choose_ranges
from edge_mnv3_quantization.rewrites import fold_constant_gates, foldable_gates
from edge_mnv3_quantization.scaling import rescale, value_factors
from edge_mnv3_quantization.statistics import Statistics, collect, observed_network
from edge_mnv3_quantization.stock import IoType
from edge_mnv3_quantization.weight_quantization import quantize_weights

_CONSTANT = 1e-3  # spread of a gate, which goes from 0 to 6, that counts as none
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the equalization; 0 is none
_COMPARED_IMAGES = 64


class _Quantized(NamedTuple):
    """A network with all that its int8 file holds; the biases allow for the input's zero point."""

    network: Network
    histograms: Mapping[int, Histogram]
    quantizations: Mapping[int, Quantization]
    weights: Mapping[int, QuantizedWeights]


def quantize_accurate(
    float_model: bytes,
    images: Images,
    *,
    io: IoType = "uint8",
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
) -> bytes:
    """Quantizes a float file to int8.

    Args:
        float_model: A float32 `.tflite` file of the MobileNetV3 family from TensorFlow's converter.
        images: Calibration images, (N, H, W, 3) uint8 with N >= 1.
        io: dtype of the result's input and output.
        on_image: Called with (units of work done, units in all).
        statistics: Of this network over these images, or some of them: those are not run in float again.

    Returns:
        The int8 file's bytes: weights int8 per channel, activations int8 per tensor, biases int32.

    Raises:
        ConversionError: The file holds an operator that this recipe cannot rewrite.
        CalibrationDataError: The statistics are of another network or count other images.
    """
    network = observed_network(float_model)
    weighted = sum(node.kind in WEIGHTED for node in network.nodes)
    observed = len(images) - (len(statistics.images) if statistics else 0)
    total = observed + len(_STRENGTHS) + weighted
    report = on_image or (lambda done, total: None)

    statistics = collect(
        network,
        images,
        start=statistics,
        on_image=lambda done, _: report(done, total),
    )
    histograms = statistics.histograms(network)
    network = _fold_gates(network, histograms)
    weighted_left = sum(node.kind in WEIGHTED for node in network.nodes)
    done = observed + weighted - weighted_left

    factors = group_factors(network, histograms)
    compared = images[:_COMPARED_IMAGES]
    logits = _logits(network)
    wanted = np.stack([outputs[0] for outputs in run_float(network, [logits], compared)])
    best: tuple[float, _Quantized] | None = None
    for strength in _STRENGTHS:
        candidate = _quantized(network, histograms, {g: f**strength for g, f in factors.items()})
        error = _logits_error(candidate, logits, wanted, compared)
        if best is None or error < best[0]:
            best = error, candidate
        done += 1
        report(done, total)
    if best is None or not np.isfinite(best[0]):
        raise ConversionError("quantization with recipe accurate", "no finite answer", "finite weights")
    chosen = best[1]

    def on_node() -> None:
        nonlocal done
        done += 1
        report(done, total)

    weights = correct_biases(
        chosen.network,
        chosen.histograms,
        chosen.quantizations,
        chosen.weights,
        images,
        on_node=on_node,
    )
    return write_int8(chosen.network, chosen.quantizations, weights, io=io)


def _fold_gates(network: Network, histograms: Mapping[int, Histogram]) -> Network:
    constant = {
        value: histograms[value].mean
        for value in foldable_gates(network)
        if histograms[value].spread() < _CONSTANT
    }
    return fold_constant_gates(network, constant)


def _quantized(
    network: Network, histograms: Mapping[int, Histogram], factors: Mapping[int, Array]
) -> _Quantized:
    divided = {
        value: histograms[value].divided(factor)
        for value, factor in value_factors(network, factors).items()
        if value in histograms
    }
    network = rescale(network, factors)
    quantizations = choose_ranges(network, divided)
    network = _centre_input(network, quantizations[network.input])
    weights = {
        node.output: quantize_weights(node, quantizations[node.inputs[0]].scale)
        for node in network.nodes
        if node.kind in WEIGHTED
    }
    return _Quantized(network, divided, quantizations, weights)


def _centre_input(network: Network, quantization: Quantization) -> Network:
    """Moves the half step between real 0 and the input's zero point into the biases.

    Exact but for the zeros around the image, which then stand for half a step of the input.
    """
    shift = network.input_scale * (quantization.zero_point + 128) + network.input_offset
    nodes = []
    for node in network.nodes:
        if network.input in node.inputs:
            weights, bias = node.weights_and_bias()
            node = dataclasses.replace(node, bias=bias + shift * weights.reshape(len(bias), -1).sum(axis=1))
        nodes.append(node)
    return network.with_nodes(nodes)


def _logits(network: Network) -> int:
    """The last value with real numbers of any size: the softmax's input, or the output itself."""
    last = network.producer(network.output)
    while last is not None and last.kind in ("softmax", "reshape"):
        value = last.inputs[0]
        last = network.producer(value)
        if last is None or last.kind not in ("softmax", "reshape"):
            return value
    return network.output


def _logits_error(
    candidate: _Quantized, logits: int, wanted: npt.NDArray[np.float32], images: Images
) -> float:
    """Mean square of the difference between int8 and float."""
    own = candidate.quantizations[logits]
    stored = run_int8(candidate.network.up_to(logits), candidate.quantizations, candidate.weights, images)
    got = own.scale * (np.stack(stored).reshape(wanted.shape).astype(np.float64) - own.zero_point)
    return float(np.square(got - wanted).mean())
