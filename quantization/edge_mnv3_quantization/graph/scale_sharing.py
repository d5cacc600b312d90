"""Equalization: dividing channels by scales that the weights around them take, exact in real numbers.

Every value v may be replaced by v / s with a positive equalization scale s per channel if the weights that
give it are divided by s and those that take it are multiplied by it. ReLU lets any scale through. So do a
product with an excitation or a hard-sigmoid, and a mean, whose results then carry the scale on; a sum needs
one scale for both its inputs; a concatenation joins its inputs' scales. Values whose scales depend on one
another are a scale-sharing group. ReLU6 lets no scale through: its outputs keep the scale 1, as do the
network's input and output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from edge_mnv3.core.errors import ConversionError
from edge_mnv3_quantization.graph.network import UNSCALED, WEIGHTED, Array, Network, Node

_EQUAL = 1e-9  # two scales that differ by rounding only


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SharedScale:
    """How a value's equalization scale follows from its group's: scale = ratio * scale of the group.

    Attributes:
        group: Number of the scale-sharing group; None for values whose scale is `ratio` itself.
        ratio: The value's scale over its group's.
        channels: First and last + 1 of the group's channels that the value has; None for all.
    """

    group: int | None
    ratio: float
    channels: tuple[int, int] | None = None


def shared_scales(network: Network) -> dict[int, SharedScale]:
    """Finds the scale-sharing group of every value.

    Raises:
        ConversionError: Fixed scales contradict one another, so that a product would keep a constant factor.
    """
    scales: dict[int, SharedScale] = {network.input: SharedScale(group=None, ratio=1.0)}
    for node in network.nodes:
        if node.kind in WEIGHTED:
            free = node.clamp != "relu6"
            scales[node.output] = SharedScale(group=node.output if free else None, ratio=1.0)
        elif node.kind in (*UNSCALED, "hard_swish", "hard_sigmoid"):
            _fix(scales, scales[node.inputs[0]])
            scales[node.output] = SharedScale(group=None, ratio=1.0)
        elif _mixes_channels(node, network):
            if scales[node.inputs[0]].group is not None:
                _fix(scales, scales[node.inputs[0]])
            scales[node.output] = scales[node.inputs[0]]  # one for all channels goes through
        elif node.kind == "mul":
            one, other = (scales[value] for value in node.inputs)
            if one.group is not None and other.group is not None:
                _fix(scales, scales[node.inputs[1]])
                one, other = (scales[value] for value in node.inputs)
            group = one.group if one.group is not None else other.group
            scales[node.output] = SharedScale(group=group, ratio=node.factor * one.ratio * other.ratio)
        elif node.kind == "concat":
            _join_channels(scales, node, network)
        elif node.kind == "add":
            _join(scales, *(scales[value] for value in node.inputs))
            scales[node.output] = scales[node.inputs[0]]
        else:
            scales[node.output] = scales[node.inputs[0]]
    for output in network.outputs:
        _fix(scales, scales[output])
    return scales


def _mixes_channels(node: Node, network: Network) -> bool:
    """Whether a reshape makes other channels of a map's."""
    given, result = (network.values[value].channels for value in (node.inputs[0], node.output))
    return node.kind == "reshape" and given != result


def _join_channels(scales: dict[int, SharedScale], node: Node, network: Network) -> None:
    """Makes the scales of what is concatenated those of the result's channels."""
    inputs = [scales[value] for value in node.inputs]
    if all(
        shared.group == value and shared.channels is None
        for shared, value in zip(inputs, node.inputs, strict=True)
    ):
        scales[node.output] = SharedScale(group=node.output, ratio=1.0)
        low = 0
        for value in node.inputs:
            high = low + network.values[value].channels
            scales[value] = SharedScale(group=node.output, ratio=1.0, channels=(low, high))
            low = high
        return
    for shared in inputs:
        _fix(scales, shared)
    scales[node.output] = SharedScale(group=None, ratio=1.0)


def _fix(scales: dict[int, SharedScale], shared: SharedScale) -> None:
    """Gives a group the scale that makes this value's scale 1."""
    if shared.group is None:
        if abs(shared.ratio - 1) > _EQUAL:
            raise ConversionError("rewriting the network", f"a fixed scale of {shared.ratio:g}", "1")
        return
    _replace(scales, shared.group, SharedScale(group=None, ratio=1.0 / shared.ratio))


def _join(scales: dict[int, SharedScale], one: SharedScale, other: SharedScale) -> None:
    """Makes two values' scales equal."""
    if one.group is None and other.group is None:
        if abs(one.ratio - other.ratio) > _EQUAL * one.ratio:
            raise ConversionError(
                "rewriting the network", f"scales {one.ratio:g}, {other.ratio:g}", "equal ones"
            )
    elif other.group is not None and other.group != one.group:
        _replace(scales, other.group, SharedScale(group=one.group, ratio=one.ratio / other.ratio))
    elif one.group is not None and other.group != one.group:
        _replace(scales, one.group, SharedScale(group=other.group, ratio=other.ratio / one.ratio))


def _replace(scales: dict[int, SharedScale], group: int, by: SharedScale) -> None:
    for value, shared in scales.items():
        if shared.group == group:
            scales[value] = dataclasses.replace(shared, group=by.group, ratio=shared.ratio * by.ratio)


def value_scales(network: Network, groups: Mapping[int, Array]) -> dict[int, Array]:
    """Derives the equalization scales of every value, (C,), from its group's; a missing group has 1."""
    scales = {}
    for value, shared in shared_scales(network).items():
        scale = groups.get(shared.group) if shared.group is not None else None
        if scale is None:
            scale = np.ones(network.values[value].channels)
        elif shared.channels is not None:
            scale = scale[slice(*shared.channels)]
        scales[value] = shared.ratio * scale
    return scales


def costless_groups(network: Network) -> set[int]:
    """Finds the scale-sharing groups whose scales make no weights harder to quantize.

    Every row of weights has a quantization scale of its own, and a row of a depthwise convolution takes one
    channel only: where nothing else takes a group's values, its equalization scales change whole rows, and
    the weights lose nothing, whatever these scales are.
    """
    scales = shared_scales(network)
    mixed = {
        scales[value].group
        for node in network.nodes
        if node.kind in ("conv", "dense")
        for value in node.inputs
    }
    return {shared.group for shared in scales.values() if shared.group is not None} - mixed


def rescale(network: Network, groups: Mapping[int, Array]) -> Network:
    """Replaces every value v by v / s; the products' constant factors become 1.

    Args:
        network: Any network.
        groups: Equalization scales s > 0 of the groups that `shared_scales` finds, (C,) each; a missing group
            has 1.

    Returns:
        A network with the same output in real numbers.
    """
    scales = value_scales(network, groups)
    return network.with_nodes(_rescaled(node, scales) for node in network.nodes)


def _rescaled(node: Node, scales: Mapping[int, Array]) -> Node:
    if node.kind == "mul":
        return dataclasses.replace(node, factor=1.0)
    if node.kind not in WEIGHTED:
        return node
    weights, bias = node.weights_and_bias()
    taken, given = scales[node.inputs[0]], scales[node.output]
    if node.kind == "depthwise":
        weights = weights * (taken / given)
    else:
        weights = weights * taken / given.reshape(-1, *[1] * (weights.ndim - 1))
    border = None if node.border is None else node.border / taken
    return dataclasses.replace(node, weights=weights, bias=bias / given, border=border)
