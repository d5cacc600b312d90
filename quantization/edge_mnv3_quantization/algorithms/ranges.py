"""The int8 range of every value: what is lost by clipping against what is lost by rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.algorithms.weight_quantization import weight_scales
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.types import Quantization

SOFTMAX = Quantization(scale=1 / 256, zero_point=-128)  # the kernels allow no other
HARD_SIGMOID = Quantization(
    scale=HARD_SIGMOID_CEILING / STEPS, zero_point=-128
)  # saturation is the hard-sigmoid's own clamp
_SMALLEST_SCALE = 1e-8
_MOST_MARGIN, _MARGIN = 0.5, 2.0  # shares: at most, and divided by the number of images
_ENOUGH_IMAGES = 100  # for no margin at all
# XNNPACK refuses input scale * weight scale / output scale from 256 on, the HARD_SWISH kernel input scale /
# output scale from 128 on.
_LARGEST_RATIO = 127.0
_ENDS = np.geomspace(0.02, 1.0, 100)  # candidates for an end of the range, of the outermost number


class Range(NamedTuple):
    """A range of one value, low <= 0 < high, and its estimated cost in squared error of the logits."""

    low: float
    high: float
    cost: float


def best_range(sensitivity: Sensitivity) -> Range:
    """The range that costs least, for numbers as they are, of all channels together."""
    rounding = float(sensitivity.rounding.sum()) / (12 * STEPS**2)
    high_ends, high_costs = _side(sensitivity.high)
    low_ends, low_costs = _side(sensitivity.low) if sensitivity.low else (np.zeros(1), np.zeros(1))
    costs = high_costs + low_costs[:, None] + rounding * np.square(high_ends + low_ends[:, None])
    low, high = np.unravel_index(int(costs.argmin()), costs.shape)
    return Range(-float(low_ends[low]), float(high_ends[high]), float(costs[low, high]))


def _side(tail: Tail) -> tuple[Array, Array]:
    """Candidates (K,) >= 0 and what clipping there costs."""
    ends = float(tail.last().max()) * _ENDS
    return ends, tail.at(np.broadcast_to(ends, (len(tail.unit), len(ends)))).sum(axis=0)


def margin(images: int) -> float:
    """By how much ranges are wider than so many images ask for: further ones have larger numbers."""
    return 1.0 + float(np.clip(_MARGIN * (1 / images - 1 / _ENOUGH_IMAGES), 0.0, _MOST_MARGIN))


def choose_ranges(
    network: Network, sensitivities: Mapping[int, Sensitivity], *, widened: float = 1.0
) -> dict[int, Quantization]:
    """Chooses scale and zero point of the input and of every node's output.

    Args:
        network: Rescaled as it will be written.
        sensitivities: What errors in this network's values cost.
        widened: Both ends of the best ranges are multiplied by it (`margin`).
    """
    centre = int(np.rint(-network.input_offset / network.input_scale))
    found = {network.input: Quantization(scale=network.input_scale, zero_point=centre - 128)}
    # What is concatenated has the result's range.
    joined = {value: node.output for node in network.nodes if node.kind == "concat" for value in node.inputs}
    floors: dict[int, float] = {}
    for node in network.nodes:
        value = node.output
        if value in joined:
            floors[joined[value]] = max(floors.get(joined[value], 0.0), _floor(node, found))
        elif node.kind == "concat":
            low, high, _ = best_range(sensitivities[value])
            own = _quantization(widened * low, widened * high, floors[value])
            found |= dict.fromkeys((value, *node.inputs), own)
        elif node.kind == "softmax":
            found[value] = SOFTMAX
        elif node.kind == "hard_sigmoid":
            found[value] = HARD_SIGMOID
        elif value not in sensitivities:
            found[value] = found[node.inputs[0]]
        else:
            low, high, _ = best_range(sensitivities[value])
            found[value] = _quantization(widened * low, widened * high, _floor(node, found))
    return found


def _floor(node: Node, found: Mapping[int, Quantization]) -> float:
    """Smallest scale that XNNPACK accepts for a node's output."""
    scales = [found[value].scale for value in node.inputs]
    if node.kind in WEIGHTED:
        return float(weight_scales(node, scales[0]).max()) * scales[0] / _LARGEST_RATIO
    return float(np.prod(scales) if node.kind == "mul" else max(scales)) / _LARGEST_RATIO


def _quantization(low: float, high: float, smallest_scale: float) -> Quantization:
    scale = float(np.float32(max((high - low) / STEPS, smallest_scale, _SMALLEST_SCALE)))
    return Quantization(scale=scale, zero_point=int(np.clip(np.rint(-128 - low / scale), -128, 127)))
