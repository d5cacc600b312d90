"""Rewrites of a network that change no output in real numbers, and prepare it for int8."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping

import numpy as np

from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, Array, Network, Node, Value
from edge_mnv3_quantization.graph.tensor_names import HARD_SIGMOID_SUFFIX
from edge_mnv3_quantization.graph.types import Quantization

HARD_SWISH_FACTOR = 1.0 / 6.0


def lower_hard_swish(network: Network, *, per_channel: Container[int] | None = None) -> Network:
    """Writes hard-swish, x · relu6(x + 3) / 6, as a hard-sigmoid and a product.

    XNNPACK takes no int8 HARD_SWISH, but it takes these. There are two kinds of hard-sigmoids. A
    `hard_sigmoid` node adds 3 and clamps: XNNPACK makes one table of 256 entries of it and the product, so
    that it costs next to nothing. A depthwise 1×1 convolution of weights 1 and bias 3 lets an equalization
    scale per channel through: when x is divided by it, the weights take it.

    Args:
        network: Any network.
        per_channel: Values x whose hard-sigmoids are to be convolutions; None for all.
    """
    nodes: list[Node] = []
    values = dict(network.values)
    for node in network.nodes:
        if node.kind != "hard_swish":
            nodes.append(node)
            continue
        (x,) = node.inputs
        hard_sigmoid = max(values) + 1
        values[hard_sigmoid] = Value(
            name=f"{values[node.output].name}{HARD_SIGMOID_SUFFIX}", shape=values[x].shape
        )
        nodes.append(
            _hard_sigmoid(x, hard_sigmoid, values[x].channels, per_channel is None or x in per_channel)
        )
        nodes.append(Node(kind="mul", inputs=(x, hard_sigmoid), output=node.output, factor=HARD_SWISH_FACTOR))
    return network.with_nodes(nodes, values)


def _hard_sigmoid(x: int, output: int, channels: int, per_channel: bool) -> Node:
    if not per_channel:
        return Node(kind="hard_sigmoid", inputs=(x,), output=output, clamp="relu6")
    return Node(
        kind="depthwise",
        inputs=(x,),
        output=output,
        weights=np.ones((1, 1, 1, channels)),
        bias=np.full(channels, HARD_SIGMOID_SHIFT),
        clamp="relu6",
    )


def is_hard_sigmoid(node: Node) -> bool:
    """Whether a node is the hard-sigmoid of a lowered hard-swish, of either kind."""
    return node.kind == "hard_sigmoid" or (
        node.kind == "depthwise"
        and node.clamp == "relu6"
        and node.weights is not None
        and node.weights.size == node.weights.shape[-1]
    )


def hard_swish_inputs(network: Network) -> frozenset[int]:
    """Finds the values x that only a lowered hard-swish takes: all x below -3 give the same result, 0."""
    inputs = set()
    for node in network.nodes:
        if is_hard_sigmoid(node):
            (x,) = node.inputs
            takers = network.consumers(x)
            if len(takers) == 2 and any(
                taker.kind == "mul" and set(taker.inputs) == {x, node.output} for taker in takers
            ):
                inputs.add(x)
    return frozenset(inputs)


def fold_constant_excitations(network: Network, excitations: Mapping[int, Array]) -> Network:
    """Removes products with squeeze-excite excitations that are constant, whose values the next weights take.

    Args:
        network: Any network.
        excitations: The value of an excitation to its constant, (C,).
    """
    nodes: list[Node] = []
    same: dict[int, int] = {}
    factors: dict[int, Array] = {}
    for node in network.nodes:
        inputs = tuple(same.get(value, value) for value in node.inputs)
        constant = [value for value in node.inputs if value in excitations]
        if node.kind == "mul" and constant:
            (x,) = (value for value in inputs if value not in excitations)
            same[node.output] = x
            factors[node.output] = node.factor * excitations[constant[0]]
            continue
        taken = [factors[value] for value in node.inputs if value in factors]
        if taken and node.weights is not None:
            node = dataclasses.replace(node, weights=node.weights * taken[0])
        nodes.append(dataclasses.replace(node, inputs=inputs))
    return without_unused(network.with_nodes(nodes))


def centre_input(network: Network, quantization: Quantization) -> Network:
    """Moves the half step between real 0 and the input's zero point into the biases.

    The result is exact but for the zeros around the image, which then stand for half a step of the input.
    """
    shift = network.input_scale * (quantization.zero_point + 128) + network.input_offset
    nodes = []
    images = network.images()
    for node in network.nodes:
        if images & set(node.inputs) and node.output not in images:
            weights, bias = node.weights_and_bias()
            node = dataclasses.replace(node, bias=bias + shift * weights.reshape(len(bias), -1).sum(axis=1))
        nodes.append(node)
    return network.with_nodes(nodes)


def without_unused(network: Network) -> Network:
    """Leaves out the nodes that no output depends on."""
    return network.up_to(*network.outputs)
