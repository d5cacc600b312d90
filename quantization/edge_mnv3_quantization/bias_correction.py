"""Biases that take back the mean error of every channel, node by node, on the real int8 kernels.

Rounding and clipping shift the means of channels, and the shifts add up through the network. In the order of
execution, each weighted node is run in int8 over calibration images behind the nodes that are corrected
already, and the difference to the float mean goes into its bias. The float numbers are clipped to the value's
int8 range first: what the range cuts off on purpose is no error of the bias.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction" (arXiv
1906.04721), section 4.2; here with measured means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from edge_mnv3.runtime import open_bytes
from edge_mnv3_quantization.activations import Histogram, Images
from edge_mnv3_quantization.network import WEIGHTED, Array, Network
from edge_mnv3_quantization.network_writer import Quantization, QuantizedWeights, write_int8

_LARGEST_BIAS = 2**30


def correct_biases(
    network: Network,
    histograms: Mapping[int, Histogram],
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    images: Images,
    *,
    on_node: Callable[[], None],
) -> dict[int, QuantizedWeights]:
    """Returns the weights with corrected biases.

    Args:
        network: As it will be written.
        histograms: Of this network in float, over the same images.
        quantizations: Of all values.
        weights: Of the weighted nodes.
        images: (N, H, W, 3) uint8.
        on_node: Called after each weighted node.
    """
    corrected = dict(weights)
    for node in network.nodes:
        if node.kind not in WEIGHTED:
            continue
        # The gate of a hard-swish has exact weights and its bias is a constant of the function.
        if node.clamp != "relu6" or node.kind == "conv":
            own = quantizations[node.output]
            low, high = (own.scale * (end - own.zero_point) for end in (-128, 127))
            error = histograms[node.output].clipped_mean(low, high) - _int8_mean(
                network.up_to(node.output), quantizations, corrected, images
            )
            old = corrected[node.output]
            steps = np.rint(error / (old.scales.astype(np.float64) * quantizations[node.inputs[0]].scale))
            bias = np.clip(old.bias + np.clip(steps, -_LARGEST_BIAS, _LARGEST_BIAS), -(2**31), 2**31 - 1)
            corrected[node.output] = dataclasses.replace(old, bias=bias.astype(np.int32))
        on_node()
    return corrected


def _int8_mean(
    part: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    images: Images,
) -> Array:
    own = quantizations[part.output]
    channels = part.values[part.output].channels
    total = np.zeros(channels)
    for output in run_int8(part, quantizations, weights, images):
        total += output.reshape(-1, channels).mean(axis=0, dtype=np.float64)
    mean: Array = own.scale * (total / len(images) - own.zero_point)
    return mean


def run_int8(
    network: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    images: Images,
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]:
    """The network's output, as stored, for each image, on XNNPACK's kernels."""
    model = open_bytes(write_int8(network, quantizations, weights, io="int8"))
    return [model.run_raw((image.astype(np.int16) - 128).astype(np.int8)[np.newaxis])[0] for image in images]
