"""The int8 range of every value: what is lost by clipping against what is lost by rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edge_mnv3_quantization.activations import Histogram
from edge_mnv3_quantization.network import GATE_SHIFT, WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.network_writer import Quantization
from edge_mnv3_quantization.noise import STEPS, output_gains
from edge_mnv3_quantization.rewrites import GATE_CEILING, gated_values
from edge_mnv3_quantization.weight_quantization import weight_scales

SOFTMAX = Quantization(scale=1 / 256, zero_point=-128)  # the kernels allow no other
GATE = Quantization(scale=GATE_CEILING / STEPS, zero_point=-128)
_SMALLEST_SCALE = 1e-8
_LARGEST_RATIO = 128.0  # XNNPACK refuses input scale * weight scale / output scale from 256 on
_ENDS = np.geomspace(0.02, 1.0, 120)  # candidates for an end of the range, of the outermost number
_ROUNDS = 4  # of choosing one end, then the other


def choose_ranges(network: Network, histograms: Mapping[int, Histogram]) -> dict[int, Quantization]:
    """Chooses scale and zero point of the input and of every node's output.

    Args:
        network: Rescaled as it will be written.
        histograms: Of this network.
    """
    gains = output_gains(network, histograms)
    gated = gated_values(network)
    centre = int(np.rint(-network.input_offset / network.input_scale))
    found = {network.input: Quantization(scale=network.input_scale, zero_point=centre - 128)}
    for node in network.nodes:
        value = node.output
        if node.kind == "softmax":
            found[value] = SOFTMAX
        elif node.kind == "gate":
            found[value] = GATE
        elif value not in histograms:
            found[value] = found[node.inputs[0]]
        else:
            low, high = _range(histograms[value], gains[value], value in gated)
            found[value] = _quantization(0.0 if node.clamp != "none" else low, high, _floor(node, found))
    return found


def _range(histogram: Histogram, gains: Array, gated: bool) -> tuple[float, float]:
    numbers, low_ends = histogram.centres, histogram.low
    if gated:  # all below -3 give 0
        floor = -GATE_SHIFT / histogram.factor
        numbers, low_ends = np.maximum(numbers, floor[:, None]), np.maximum(low_ends, floor)
    importance = gains / gains.sum() if gains.sum() > 0 else np.full(len(gains), 1 / len(gains))
    loss = _loss(numbers.reshape(-1), (histogram.shares * importance[:, None]).reshape(-1))
    lowest, highest = min(float(low_ends.min()), 0.0), max(float(histogram.high.max()), 0.0)
    low, high = lowest, highest
    for _ in range(_ROUNDS):
        kept_low = low
        high = min((highest * _ENDS).tolist(), key=lambda end: loss(kept_low, end))
        kept_high = high
        low = min((lowest * _ENDS).tolist(), key=lambda end: loss(end, kept_high))
    return low, high


def _loss(numbers: Array, shares: Array) -> Callable[[float, float], float]:
    """Mean square of the error as a function of the range's ends; sums are prepared once."""
    order = np.argsort(numbers)
    numbers, shares = numbers[order], shares[order]
    sums = [np.concatenate(([0.0], np.cumsum(shares * numbers**power))) for power in range(3)]

    def clipped(first: int, last: int, end: float) -> float:
        zeroth, one, two = (float(total[last] - total[first]) for total in sums)
        return two - 2 * end * one + end * end * zeroth

    def loss(low: float, high: float) -> float:
        below, above = np.searchsorted(numbers, low), np.searchsorted(numbers, high, side="right")
        rounding = ((high - low) / STEPS) ** 2 / 12
        return clipped(0, int(below), low) + clipped(int(above), len(numbers), high) + rounding

    return loss


def _floor(node: Node, found: Mapping[int, Quantization]) -> float:
    """Smallest scale that XNNPACK accepts for a node's output."""
    scales = [found[value].scale for value in node.inputs]
    if node.kind in WEIGHTED:
        return float(weight_scales(node, scales[0]).max()) * scales[0] / _LARGEST_RATIO
    return float(np.prod(scales) if node.kind == "mul" else max(scales)) / _LARGEST_RATIO


def _quantization(low: float, high: float, smallest_scale: float) -> Quantization:
    scale = float(np.float32(max((high - low) / STEPS, smallest_scale, _SMALLEST_SCALE)))
    return Quantization(scale=scale, zero_point=int(np.clip(np.rint(-128 - low / scale), -128, 127)))
