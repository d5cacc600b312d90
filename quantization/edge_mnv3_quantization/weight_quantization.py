"""Weights to int8 per output channel, and biases to int32, within what XNNPACK and int32 can hold."""

from __future__ import annotations

import numpy as np

from edge_mnv3_quantization.network import Array, Node
from edge_mnv3_quantization.network_writer import QuantizedWeights

LARGEST_STEP = 127
_LARGEST_BIAS = 2.0**30  # half of int32: the sum of products must fit as well
_SMALLEST_SCALE = 1e-30


def weight_scales(node: Node, input_scale: float) -> Array:
    """Real value of one step of each output channel's weights, (O,).

    The largest weight is 127 steps, unless the bias would then need more than int32 in steps of input scale *
    weight scale: rows of almost nothing are given coarser steps, which costs them nothing that counts.
    """
    weights, bias = node.weights_and_bias()
    axes = (0, 1, 2) if node.kind == "depthwise" else tuple(range(1, weights.ndim))
    largest = np.abs(weights).max(axis=axes)
    scales: Array = np.maximum.reduce(
        [
            largest / LARGEST_STEP,
            np.abs(bias) / (_LARGEST_BIAS * input_scale),
            np.full(len(bias), _SMALLEST_SCALE),
        ]
    )
    return scales.astype(np.float32).astype(np.float64)


def quantize_weights(node: Node, input_scale: float) -> QuantizedWeights:
    """Rounds a node's weights and bias to their nearest steps."""
    weights, bias = node.weights_and_bias()
    scales = weight_scales(node, input_scale)
    per_channel = scales if node.kind == "depthwise" else scales.reshape(-1, *[1] * (weights.ndim - 1))
    return QuantizedWeights(
        weights=np.clip(np.rint(weights / per_channel), -LARGEST_STEP, LARGEST_STEP).astype(np.int8),
        scales=scales.astype(np.float32),
        bias=np.rint(bias / (scales * input_scale)).astype(np.int32),
    )
