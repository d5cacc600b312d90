"""The int8 range of every value, which weighs the cost of clipping against the cost of rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.algorithms.weight_quantization import weight_scales
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.types import Quantization

# The kernels of softmax and sigmoid allow no other.
PROBABILITY = Quantization(scale=1 / 256, zero_point=-128)
# Nor do those of tanh and of the normalization to length 1.
OF_LENGTH_1 = Quantization(scale=1 / 128, zero_point=0)
# The range ends where the hard-sigmoid is clamped.
HARD_SIGMOID = Quantization(scale=HARD_SIGMOID_CEILING / STEPS, zero_point=-128)
_AS_GIVEN = ("max", "pad")  # the kernels give numbers as they take them
_SMALLEST_SCALE = 1e-8
_MOST_MARGIN = 0.5  # the most that is added to a range, as a share of it
_MARGIN = 2.0  # the share that is added to a range, times the number of images
_ENOUGH_IMAGES = 100  # with so many images nothing is added
# XNNPACK refuses input scale * weight scale / output scale from 256 on, and the HARD_SWISH kernel refuses
# input scale / output scale from 128 on.
_LARGEST_RATIO = 127.0
# The kernel of MEAN rounds zero point * input scale / output scale to whole steps, and older ones cut
# off: up to half a step, or a whole one, would be added to all means. So it is whole, and this much more.
_ABOVE_WHOLE = 0.01
_ENDS = np.geomspace(0.02, 1.0, 100)  # candidates for an end of a range, as shares of the outermost number


class Range(NamedTuple):
    """A range of one value, low <= 0 < high, and its estimated cost in squared error of the logits."""

    low: float
    high: float
    cost: float


def best_range(sensitivity: Sensitivity) -> Range:
    """Finds the range with the smallest cost over all channels together."""
    rounding = float(sensitivity.rounding.sum()) / (12 * STEPS**2)
    high_ends, high_costs = _side(sensitivity.high)
    low_ends, low_costs = _side(sensitivity.low) if sensitivity.low else (np.zeros(1), np.zeros(1))
    costs = high_costs + low_costs[:, None] + rounding * np.square(high_ends + low_ends[:, None])
    low, high = np.unravel_index(int(costs.argmin()), costs.shape)
    return Range(-float(low_ends[low]), float(high_ends[high]), float(costs[low, high]))


def _side(tail: Tail) -> tuple[Array, Array]:
    """Lists the candidates for an end, (K,) >= 0, and the cost of clipping there, (K,)."""
    ends = float(tail.last().max()) * _ENDS
    return ends, tail.at(np.broadcast_to(ends, (len(tail.unit), len(ends)))).sum(axis=0)


def margin(images: int) -> float:
    """Computes the factor that widens ranges chosen on so many images: other images have larger numbers."""
    return 1.0 + float(np.clip(_MARGIN * (1 / images - 1 / _ENOUGH_IMAGES), 0.0, _MOST_MARGIN))


def choose_ranges(
    network: Network, sensitivities: Mapping[int, Sensitivity], *, widened: float = 1.0
) -> dict[int, Quantization]:
    """Chooses scale and zero point of the input and of every node's output.

    Args:
        network: The network, rescaled as it will be written.
        sensitivities: What errors in this network's values cost.
        widened: The factor for both ends of the best ranges (`margin`).
    """
    centre = int(np.rint(-network.input_offset / network.input_scale))
    quantizations = {network.input: Quantization(scale=network.input_scale, zero_point=centre - 128)}
    # The inputs of a concatenation have the range of its output.
    joined = {value: node.output for node in network.nodes if node.kind == "concat" for value in node.inputs}
    floors: dict[int, float] = {}
    for node in network.nodes:
        value = node.output
        if value in joined:
            floors[joined[value]] = max(floors.get(joined[value], 0.0), _floor(node, quantizations))
        elif node.kind == "concat":
            low, high, _ = best_range(sensitivities[value])
            joint = _quantization(widened * low, widened * high, floors[value])
            quantizations |= dict.fromkeys((value, *node.inputs), joint)
        elif node.kind in ("softmax", "logistic"):
            quantizations[value] = PROBABILITY
        elif node.kind in ("tanh", "l2_normalization"):
            quantizations[value] = OF_LENGTH_1
        elif node.kind == "hard_sigmoid":
            quantizations[value] = HARD_SIGMOID
        elif node.kind in _AS_GIVEN or value not in sensitivities:
            quantizations[value] = quantizations[node.inputs[0]]
        else:
            low, high, _ = best_range(sensitivities[value])
            chosen = _quantization(widened * low, widened * high, _floor(node, quantizations))
            if node.kind == "mean":
                least = _whole_steps(quantizations[node.inputs[0]], chosen.scale)
                chosen = _quantization(widened * low, widened * high, least)
            quantizations[value] = chosen
    return quantizations


def _whole_steps(given: Quantization, scale: float) -> float:
    """Finds the next larger scale of a mean in which the zero point of its input is whole steps."""
    zero = abs(given.zero_point) * given.scale
    steps = np.floor(zero / scale - _ABOVE_WHOLE)
    return scale if steps < 1 else float(zero / (steps + _ABOVE_WHOLE))


def _floor(node: Node, quantizations: Mapping[int, Quantization]) -> float:
    """Computes the smallest scale that XNNPACK accepts for a node's output."""
    scales = [quantizations[value].scale for value in node.inputs]
    if node.kind in WEIGHTED:
        return float(weight_scales(node, scales[0]).max()) * scales[0] / _LARGEST_RATIO
    return float(np.prod(scales) if node.kind == "mul" else max(scales)) / _LARGEST_RATIO


def _quantization(low: float, high: float, smallest_scale: float) -> Quantization:
    scale = float(np.float32(max((high - low) / STEPS, smallest_scale, _SMALLEST_SCALE)))
    return Quantization(scale=scale, zero_point=int(np.clip(np.rint(-128 - low / scale), -128, 127)))
