"""Channels in which a hard-swish is the identity, and so takes an equalization scale after all.

From 3 on, hard-swish gives what it takes. A channel whose numbers are always that large may be divided by
an equalization scale, as long as it stays there: hard-swish of x / s is hard-swish of x, divided by s. In a
table such channels are often those that set the range: the first convolution of MobileNetV3 has some whose
numbers lie around 14, beside channels that end at 3. Divided, they leave the steps to the others, and it
costs nothing at run time.

`choose_linear_scales` chooses the scales by measured cost; `divide_channels` is exact in real numbers
wherever the channels stay linear.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

_LINEAR_FROM = HARD_SIGMOID_SHIFT
# Other images may have smaller numbers: what the smallest one is taken to be, as a share of that of the
# calibration images.
_MARGIN = 0.9
_LARGEST_ENDS = np.geomspace(1.0, 32.0, 41)  # the candidates for the largest number of a divided channel


def choose_linear_scales(
    network: Network, statistics: Mapping[int, ChannelStatistics], sensitivities: Mapping[int, Sensitivity]
) -> dict[int, Array]:
    """Chooses equalization scales of the linear channels of each hard-swish, for a table of it.

    Args:
        network: A network lowered per channel.
        statistics: The statistics of its values.
        sensitivities: What errors in them cost.

    Returns:
        The input of a hard-swish to its scales, (C,) >= 1, which are 1 for channels that are not linear;
        without hard-swishes that gain nothing.
    """
    chosen = {}
    for x in sorted(hard_swish_inputs(network)):
        known = statistics.get(x)
        values = divided_values(network, x)
        if known is None or values is None:
            continue
        most = np.maximum(_MARGIN * known.low / _LINEAR_FROM, 1.0)
        if (most > 1.0).any():
            members = [sensitivities[value] for value in sorted(values) if value in sensitivities]
            scales = _best_scales(members, most, np.maximum(known.high, 0.0))
            if (scales > 1.0).any():
                chosen[x] = scales
    return chosen


def _best_scales(members: Sequence[Sensitivity], most: Array, high: Array) -> Array:
    """Finds the scales up to `most` with which all members together cost least."""
    candidates = [np.ones(len(most))] + [np.clip(high / end, 1.0, most) for end in _LARGEST_ENDS]
    costs = [sum(best_range(member.divided(scales)).cost for member in members) for scales in candidates]
    return np.asarray(candidates[int(np.argmin(costs))])


def divided_values(network: Network, x: int) -> frozenset[int] | None:
    """Finds the values that are divided where the input x of a hard-swish is; None where it cannot be.

    They are x, its hard-swish, and what follows channel by channel up to the next weights.
    """
    made = network.producer(x)
    if made is None or made.weights is None or made.clamp != "none":
        return None
    values = {x}
    for node in network.nodes:
        taken = [value for value in node.inputs if value in values]
        if not taken or node.weights is not None or node.kind == "hard_sigmoid":
            continue
        if node.kind not in ("hard_swish", "mul", "mean") or len(taken) > 1:
            return None
        values.add(node.output)
    flattened = any(_is_flattened(network, node) for node in network.nodes if values & set(node.inputs))
    return None if flattened or values & set(network.outputs) else frozenset(values)


def _is_flattened(network: Network, node: Node) -> bool:
    return node.weights is not None and node.weights.shape[-1] != network.values[node.inputs[0]].channels


def divide_channels(network: Network, x: int, scales: Array) -> Network:
    """Divides the linear channels of the input of a hard-swish, in any form but that of the operator's int8.

    Args:
        network: A network in which the hard-swish is one node or lowered per channel.
        x: The input of the hard-swish.
        scales: The equalization scales, (C,) >= 1.

    Returns:
        The network, which remembers the scales.

    Raises:
        ValueError: There are not as many scales as channels, or these channels cannot be divided.
    """
    name = network.values[x].name
    if len(scales) != network.values[x].channels:
        raise ValueError(f"'{name}' has {network.values[x].channels} channels, and {len(scales)} scales")
    values = divided_values(network, x)
    if values is None:
        raise ValueError(f"the channels of '{name}' cannot be divided")
    known = {**network.linear_scales, name: tuple(scales.tolist())}
    nodes = [_divided(node, x, values, scales) for node in network.nodes]
    return dataclasses.replace(network.with_nodes(nodes), linear_scales=known)


def _divided(node: Node, x: int, values: frozenset[int], scales: Array) -> Node:
    if node.weights is None:
        return node
    weights, bias = node.weights_and_bias()
    if node.output == x:
        shaped = scales if node.kind == "depthwise" else scales.reshape(-1, *[1] * (weights.ndim - 1))
        weights, bias = weights / shaped, bias / scales
    if values & set(node.inputs):
        weights = weights * scales
    return dataclasses.replace(node, weights=weights, bias=bias)


def divided_sensitivities(
    network: Network, sensitivities: Mapping[int, Sensitivity], x: int, scales: Array
) -> dict[int, Sensitivity]:
    """Carries sensitivities over to a network whose channels were divided.

    Args:
        network: The network, before or after.
        sensitivities: What errors in its values cost, before.
        x: The input of the hard-swish.
        scales: The equalization scales, (C,).
    """
    values = divided_values(network, x) or frozenset()
    return {value: one.divided(scales) if value in values else one for value, one in sensitivities.items()}
