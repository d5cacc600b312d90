"""Random networks of the family's blocks, small enough to run in a millisecond."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float

SIDE = 6
NARROW = 5  # the channel whose numbers lie in a short range
# float32 in the runtime, a few dozen summands of size 1: rounding stays far below this.
TOLERANCE = 1e-5


class Builder:
    """Makes networks of the family's blocks with random weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values = {0: Value(name="image", shape=(1, SIDE, SIDE, 3))}
        self.nodes: list[Node] = []

    def add(self, node: Node, shape: tuple[int, ...]) -> int:
        self.values[node.output] = Value(name=f"value {node.output}", shape=shape)
        self.nodes.append(node)
        return node.output

    def conv(self, x: int, channels: int, **options: Any) -> int:
        _, rows, columns, given = self.values[x].shape
        weights = self.rng.normal(0, 1 / np.sqrt(given), (channels, 1, 1, given))
        return self.weighted("conv", x, weights, (1, rows, columns, channels), **options)

    def depthwise(self, x: int, **options: Any) -> int:
        shape = self.values[x].shape
        return self.weighted("depthwise", x, self.rng.normal(0, 0.4, (1, 3, 3, shape[-1])), shape, **options)

    def weighted(self, kind: Any, x: int, weights: Array, shape: tuple[int, ...], **options: Any) -> int:
        bias = self.rng.normal(0, 0.3, shape[-1])
        node = Node(kind=kind, inputs=(x,), output=len(self.values), weights=weights, bias=bias, **options)
        return self.add(node, shape)

    def scale_last(self, sizes: Array, *, weights_only: bool = False) -> None:
        """Multiplies the output channels of the node that was added last."""
        node = self.nodes.pop()
        weights, bias = node.weights_and_bias()
        shaped = sizes if node.kind == "depthwise" else sizes.reshape(-1, *[1] * (weights.ndim - 1))
        bias = bias if weights_only else bias * sizes
        self.nodes.append(dataclasses.replace(node, weights=weights * shaped, bias=bias))

    def plain(self, kind: Any, inputs: tuple[int, ...], shape: tuple[int, ...], factor: float = 1.0) -> int:
        node = Node(kind=kind, inputs=inputs, output=len(self.values), factor=factor)
        return self.add(node, shape)

    def activation(self, x: int) -> int:
        return self.plain("hard_swish", (x,), self.values[x].shape)

    def squeeze_excite(self, x: int, factor: float = 1 / 6) -> int:
        channels = self.values[x].channels
        excitation = self.plain("mean", (x,), (1, 1, 1, channels))
        excitation = self.conv(self.conv(excitation, 4, clamp="relu"), channels, clamp="relu6")
        return self.plain("mul", (x, excitation), self.values[x].shape, factor)

    def finish(self, x: int) -> Network:
        x = self.plain("mean", (x,), (1, 1, 1, self.values[x].channels))
        x = self.conv(self.activation(self.conv(x, 7)), 5)
        x = self.plain("reshape", (x,), (1, 5))
        x = self.plain("softmax", (x,), (1, 5))
        return Network(values=self.values, nodes=tuple(self.nodes), input=0, outputs=(x,))


def random_network(seed: int, *, hard: bool, excite: bool, shortcut: bool) -> Network:
    builder = Builder(seed)
    x = builder.conv(0, 4)
    x = builder.activation(x) if hard else builder.conv(x, 4, clamp="relu")
    y = builder.conv(x, 8, clamp="none" if hard else "relu")
    y = builder.activation(y) if hard else y
    y = builder.depthwise(y, clamp="none" if hard else "relu")
    y = builder.activation(y) if hard else y
    y = builder.squeeze_excite(y) if excite else y
    y = builder.conv(y, 4)
    return builder.finish(builder.plain("add", (x, y), builder.values[x].shape) if shortcut else y)


def wide_network(channels: int = 48, excite: bool = True) -> Network:
    """Pixels to -2..2; channels of very different size between the convolution and the depthwise one."""
    builder = Builder(3)
    x = builder.conv(0, 4)
    y = builder.conv(x, channels)
    sizes = np.random.default_rng(0).permutation(np.geomspace(0.01, 3.0, channels))
    builder.scale_last(sizes)
    y = builder.depthwise(builder.activation(y))
    builder.scale_last(1 / sizes, weights_only=True)
    y = builder.activation(y)
    y = builder.squeeze_excite(y) if excite else y
    plain = builder.finish(builder.conv(y, 4))
    return Network(
        values=plain.values, nodes=plain.nodes, input=plain.input, outputs=plain.outputs,
        input_scale=4 / 255, input_offset=-2.0,
    )  # fmt: skip


def with_a_narrow_channel(middle: float, width: float = 0.02) -> tuple[Network, int]:
    """A network, and the input of its first hard-swish: one channel stays near `middle`, and matters."""
    network = wide_network(16, excite=False)
    x = min(hard_swish_inputs(lower_hard_swish(network)))
    channel = np.arange(network.values[x].channels) == NARROW
    passed = middle * min(max(middle + 3, 0.0), 6.0) / 6
    nodes = []
    for node in network.nodes:
        if node.output == x:
            weights, bias = node.weights_and_bias()
            weights = weights * np.where(channel, width, 1.0).reshape(-1, 1, 1, 1)
            node = dataclasses.replace(node, weights=weights, bias=np.where(channel, middle, bias))
        elif node.kind == "depthwise":
            weights, bias = node.weights_and_bias()
            mattering = weights * np.where(channel, 10.0 / width, 1.0)
            shift = np.where(channel, passed * mattering.reshape(-1, len(bias)).sum(axis=0), 0.0)
            node = dataclasses.replace(node, weights=mattering, bias=bias - shift)
        nodes.append(node)
    return network.with_nodes(nodes), x


def outputs(network: Network, seed: int = 0) -> Array:
    image = np.random.default_rng(seed).uniform(-2, 2, network.values[network.input].shape)
    answers = open_bytes(write_float(network, [network.output])).run_raw(image.astype(np.float32))
    return np.asarray(answers[0], np.float64)


def original(network: Network) -> Network:
    """The network with its products' factors moved into weights: a factor has no operator."""
    return rescale(network, {})
