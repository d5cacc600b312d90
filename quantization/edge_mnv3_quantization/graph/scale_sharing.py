"""Moving factors between the channels of values and the weights around them, exact in real numbers.

Every value v may be replaced by v / s with a positive factor s per channel if the weights that give it are
divided by s and those that take it are multiplied by it. ReLU lets any factor through. So do a product with
a gate and a mean, whose results then carry the factor on; a sum needs one factor for both its inputs; a
concatenation joins its inputs' factors. ReLU6 lets none through: the outputs of gates keep the factor 1, as
do the network's input and output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from edge_mnv3.core.errors import ConversionError
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node

_EQUAL = 1e-9  # two factors that differ by rounding only


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How a value's factor follows from its group's: factor = ratio * factor of the group.

    Attributes:
        group: Number of the group; None for values whose factor is `ratio` itself.
        channels: First and last + 1 of the group's channels that the value has; None for all.
    """

    group: int | None
    ratio: float
    channels: tuple[int, int] | None = None


def ties(network: Network) -> dict[int, Tie]:
    """Groups the values whose factors depend on one another.

    Returns:
        For every value, its group and ratio.

    Raises:
        ConversionError: Fixed factors contradict one another, so that a product would keep a constant factor.
    """
    found: dict[int, Tie] = {network.input: Tie(group=None, ratio=1.0)}
    for node in network.nodes:
        if node.kind in WEIGHTED:
            free = node.clamp != "relu6"
            found[node.output] = Tie(group=node.output if free else None, ratio=1.0)
        elif node.kind in ("softmax", "hard_swish", "gate"):
            _fix(found, found[node.inputs[0]])
            found[node.output] = Tie(group=None, ratio=1.0)
        elif node.kind == "mul":
            one, other = (found[value] for value in node.inputs)
            if one.group is not None and other.group is not None:
                _fix(found, found[node.inputs[1]])
                one, other = (found[value] for value in node.inputs)
            group = one.group if one.group is not None else other.group
            found[node.output] = Tie(group=group, ratio=node.factor * one.ratio * other.ratio)
        elif node.kind == "concat":
            _join_channels(found, node, network)
        elif node.kind == "add":
            _join(found, *(found[value] for value in node.inputs))
            found[node.output] = found[node.inputs[0]]
        else:
            found[node.output] = found[node.inputs[0]]
    _fix(found, found[network.output])
    return found


def _join_channels(found: dict[int, Tie], node: Node, network: Network) -> None:
    """Makes the factors of what is concatenated those of the result's channels."""
    inputs = [found[value] for value in node.inputs]
    if all(
        tie.group == value and tie.channels is None for tie, value in zip(inputs, node.inputs, strict=True)
    ):
        found[node.output] = Tie(group=node.output, ratio=1.0)
        low = 0
        for value in node.inputs:
            high = low + network.values[value].channels
            found[value] = Tie(group=node.output, ratio=1.0, channels=(low, high))
            low = high
        return
    for tie in inputs:
        _fix(found, tie)
    found[node.output] = Tie(group=None, ratio=1.0)


def _fix(found: dict[int, Tie], tie: Tie) -> None:
    """Gives a group the factor that makes the tied value's factor 1."""
    if tie.group is None:
        if abs(tie.ratio - 1) > _EQUAL:
            raise ConversionError("rewriting the network", f"a fixed factor of {tie.ratio:g}", "1")
        return
    _replace(found, tie.group, Tie(group=None, ratio=1.0 / tie.ratio))


def _join(found: dict[int, Tie], one: Tie, other: Tie) -> None:
    """Makes two values' factors equal."""
    if one.group is None and other.group is None:
        if abs(one.ratio - other.ratio) > _EQUAL * one.ratio:
            raise ConversionError(
                "rewriting the network", f"factors {one.ratio:g}, {other.ratio:g}", "equal ones"
            )
    elif other.group is not None and other.group != one.group:
        _replace(found, other.group, Tie(group=one.group, ratio=one.ratio / other.ratio))
    elif one.group is not None and other.group != one.group:
        _replace(found, one.group, Tie(group=other.group, ratio=other.ratio / one.ratio))


def _replace(found: dict[int, Tie], group: int, by: Tie) -> None:
    for value, tie in found.items():
        if tie.group == group:
            found[value] = dataclasses.replace(tie, group=by.group, ratio=tie.ratio * by.ratio)


def value_factors(network: Network, groups: Mapping[int, Array]) -> dict[int, Array]:
    """Factors of all values, (C,) each, from those of the groups (1 where a group is missing)."""
    factors = {}
    for value, tie in ties(network).items():
        own = groups.get(tie.group) if tie.group is not None else None
        if own is None:
            own = np.ones(network.values[value].channels)
        elif tie.channels is not None:
            own = own[slice(*tie.channels)]
        factors[value] = tie.ratio * own
    return factors


def free_groups(network: Network) -> set[int]:
    """Groups whose factors change no weight by more than the scale of its whole row.

    Rows have scales of their own, and a row of a depthwise convolution takes one channel only: where nothing
    else takes a group's values, its weights lose nothing, whatever the factors are.
    """
    found = ties(network)
    mixed = {
        found[value].group
        for node in network.nodes
        if node.kind in ("conv", "dense")
        for value in node.inputs
    }
    return {tie.group for tie in found.values() if tie.group is not None} - mixed


def rescale(network: Network, groups: Mapping[int, Array]) -> Network:
    """Replaces every value v by v / s; the products' constant factors become 1.

    Args:
        network: Any.
        groups: Factors s > 0 of the groups that `ties` finds, (C,) each; 1 for a group that is missing.

    Returns:
        A network with the same output in real numbers.
    """
    factors = value_factors(network, groups)
    return network.with_nodes(_rescaled(node, factors) for node in network.nodes)


def _rescaled(node: Node, factors: Mapping[int, Array]) -> Node:
    if node.kind == "mul":
        return dataclasses.replace(node, factor=1.0)
    if node.kind not in WEIGHTED:
        return node
    weights, bias = node.weights_and_bias()
    taken, given = factors[node.inputs[0]], factors[node.output]
    if node.kind == "depthwise":
        weights = weights * (taken / given)
    else:
        weights = weights * taken / given.reshape(-1, *[1] * (weights.ndim - 1))
    return dataclasses.replace(node, weights=weights, bias=bias / given)
