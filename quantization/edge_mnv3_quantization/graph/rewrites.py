"""Rewrites of a network that change no output in real numbers, and prepare it for int8."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping

import numpy as np

from edge_mnv3_quantization.graph.network import GATE_SHIFT, Array, Network, Node, Value
from edge_mnv3_quantization.graph.types import Quantization

HARD_SWISH_FACTOR = 1.0 / 6.0


def lower_hard_swish(network: Network, *, per_channel: Container[int] | None = None) -> Network:
    """Writes hard-swish, x · relu6(x + 3) / 6, as a gate and a product.

    XNNPACK takes no int8 HARD_SWISH, but it takes these. There are two kinds of gates. A `gate` node adds 3
    and clamps: XNNPACK makes one table of 256 entries of it and the product, so that it costs next to
    nothing. A depthwise 1×1 convolution of weights 1 and bias 3 lets a factor per channel through: when x is
    divided by it, the weights take it.

    Args:
        network: Any.
        per_channel: Values x whose gates are to be convolutions; None for all.
    """
    nodes: list[Node] = []
    values = dict(network.values)
    for node in network.nodes:
        if node.kind != "hard_swish":
            nodes.append(node)
            continue
        (x,) = node.inputs
        gate = max(values) + 1
        values[gate] = Value(name=f"{values[node.output].name}_gate", shape=values[x].shape)
        nodes.append(_gate(x, gate, values[x].channels, per_channel is None or x in per_channel))
        nodes.append(Node(kind="mul", inputs=(x, gate), output=node.output, factor=HARD_SWISH_FACTOR))
    return network.with_nodes(nodes, values)


def _gate(x: int, output: int, channels: int, per_channel: bool) -> Node:
    if not per_channel:
        return Node(kind="gate", inputs=(x,), output=output, clamp="relu6")
    return Node(
        kind="depthwise",
        inputs=(x,),
        output=output,
        weights=np.ones((1, 1, 1, channels)),
        bias=np.full(channels, GATE_SHIFT),
        clamp="relu6",
    )


def is_gate(node: Node) -> bool:
    """Whether a node is the gate of a lowered hard-swish, of either kind."""
    return node.kind == "gate" or (
        node.kind == "depthwise"
        and node.clamp == "relu6"
        and node.weights is not None
        and node.weights.size == node.weights.shape[-1]
    )


def hard_swish_inputs(network: Network) -> frozenset[int]:
    """Values x that only a lowered hard-swish takes: all below -3 give the same result, 0."""
    found = set()
    for node in network.nodes:
        if is_gate(node):
            (x,) = node.inputs
            takers = network.consumers(x)
            if len(takers) == 2 and any(
                t.kind == "mul" and set(t.inputs) == {x, node.output} for t in takers
            ):
                found.add(x)
    return frozenset(found)


def fold_constant_excitations(network: Network, gates: Mapping[int, Array]) -> Network:
    """Removes products with gates that are constant, whose values the next weights take.

    Args:
        network: Any.
        gates: Gate value to its constant, (C,).
    """
    nodes: list[Node] = []
    same: dict[int, int] = {}
    factors: dict[int, Array] = {}
    for node in network.nodes:
        inputs = tuple(same.get(value, value) for value in node.inputs)
        constant = [value for value in node.inputs if value in gates]
        if node.kind == "mul" and constant:
            (x,) = (value for value in inputs if value not in gates)
            same[node.output] = x
            factors[node.output] = node.factor * gates[constant[0]]
            continue
        taken = [factors[value] for value in node.inputs if value in factors]
        if taken and node.weights is not None:
            node = dataclasses.replace(node, weights=node.weights * taken[0])
        nodes.append(dataclasses.replace(node, inputs=inputs))
    return without_unused(network.with_nodes(nodes))


def centre_input(network: Network, quantization: Quantization) -> Network:
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


def logits_value(network: Network) -> int:
    """The last value with real numbers of any size: the softmax's input, or the output itself."""
    value = network.output
    while (last := network.producer(value)) is not None and last.kind in ("softmax", "reshape"):
        value = last.inputs[0]
    return value


def without_unused(network: Network) -> Network:
    """Leaves out the nodes that the output does not depend on."""
    return network.up_to(network.output)
