"""A small network as a float file and as int8 files of it, made without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import numpy as np

from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images, run_float
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_float, write_int8
from edge_mnv3_quantization.recipes.notes import write_notes

SIDE, CHANNELS, CLASSES = 6, 4, 5
IMAGES: Images = np.random.default_rng(5).integers(0, 256, (16, SIDE, SIDE, 3), dtype=np.uint8)
STEM, SWISH, DEPTHWISE, EXCITATION, EXCITED, PROJECT, SUM, POOL, LOGITS = range(1, 10)
_SHAPE = (1, SIDE, SIDE, CHANNELS)


class Int8(NamedTuple):
    """What an int8 file is written from; a test changes it."""

    network: Network
    ranges: dict[int, Quantization]
    weights: dict[int, QuantizedWeights]
    notes: dict[str, bytes]

    def to_bytes(self, io: str = "uint8") -> bytes:
        return write_int8(self.network, self.ranges, self.weights, io=io, notes=self.notes)


def small_network(seed: int = 0) -> Network:
    """Stem, hard-swish, depthwise, squeeze-excite, projection, shortcut, pooling, logits, softmax."""
    rng = np.random.default_rng(seed)
    vector = (1, 1, 1, CHANNELS)

    def weighted(kind: Any, x: int, output: int, *shape: int, clamp: Any = "none", size: float = 1.0) -> Node:
        outputs = shape[-1] if kind == "depthwise" else shape[0]
        return Node(
            kind=kind,
            inputs=(x,),
            output=output,
            weights=rng.normal(0, size, shape),
            bias=rng.normal(0, 0.3, outputs),
            clamp=clamp,
        )

    nodes = (
        weighted("conv", 0, STEM, CHANNELS, 1, 1, 3, size=0.01),
        Node(kind="hard_swish", inputs=(STEM,), output=SWISH),
        weighted("depthwise", SWISH, DEPTHWISE, 1, 3, 3, CHANNELS, clamp="relu"),
        Node(kind="mean", inputs=(DEPTHWISE,), output=11),
        weighted("conv", 11, EXCITATION, CHANNELS, 1, 1, CHANNELS, clamp="relu6"),
        Node(kind="mul", inputs=(DEPTHWISE, EXCITATION), output=EXCITED),
        weighted("conv", EXCITED, PROJECT, CHANNELS, 1, 1, CHANNELS, size=0.2),
        Node(kind="add", inputs=(SWISH, PROJECT), output=SUM),
        Node(kind="mean", inputs=(SUM,), output=POOL),
        weighted("conv", POOL, LOGITS, CLASSES, 1, 1, CHANNELS),
        Node(kind="reshape", inputs=(LOGITS,), output=12),
        Node(kind="softmax", inputs=(12,), output=13),
    )
    shapes = {
        0: (1, SIDE, SIDE, 3),
        **dict.fromkeys((STEM, SWISH, DEPTHWISE, EXCITED, PROJECT, SUM), _SHAPE),
        **dict.fromkeys((11, EXCITATION, POOL), vector),
        LOGITS: (1, 1, 1, CLASSES),
        12: (1, CLASSES),
        13: (1, CLASSES),
    }
    names = {STEM: "stem", SWISH: "swish", DEPTHWISE: "depthwise", EXCITATION: "gate", EXCITED: "excited"}
    names |= {PROJECT: "project", SUM: "sum", POOL: "pool", LOGITS: "logits"}
    values = {i: Value(name=names.get(i, f"value_{i}"), shape=shape) for i, shape in shapes.items()}
    return Network(values=values, nodes=nodes, input=0, outputs=(13,))


def float_file(network: Network) -> bytes:
    """Takes pixels 0..255, as the network's input scale is 1."""
    return write_float(network, [network.output])


def with_weights(network: Network, output: int, change: Callable[[Array, Array], None]) -> Network:
    """The network with one operator's weights and bias changed in place by a function."""
    nodes = []
    for node in network.nodes:
        if node.output == output:
            weights, bias = (array.copy() for array in node.weights_and_bias())
            change(weights, bias)
            node = dataclasses.replace(node, weights=weights, bias=bias)
        nodes.append(node)
    return network.with_nodes(nodes)


def _add(bias: Array, moved: Array) -> None:
    bias += moved


def int8_of(
    network: Network,
    scales: Mapping[int, Array] | None = None,
    *,
    per_channel: Container[int] | None = None,
) -> Int8:
    """Lowers, divides by scales, and takes ranges from the smallest to the largest number."""
    lowered = rescale(lower_hard_swish(network, per_channel=per_channel), {})
    notes = write_notes(lowered, scales or {})
    lowered = rescale(lowered, scales or {})
    values = [node.output for node in lowered.nodes if node.kind not in ("softmax", "reshape")]
    ends = {value: [0.0, 1e-6] for value in values}
    for outputs in run_float(lowered, values, IMAGES):
        for value, output in zip(values, outputs, strict=True):
            ends[value] = [
                min(ends[value][0], float(output.min())),
                max(ends[value][1], float(output.max())),
            ]
    ranges = {lowered.input: Quantization(scale=1.0, zero_point=-1)}
    for node in lowered.nodes:
        if node.kind == "softmax":
            ranges[node.output] = Quantization(scale=1 / 256, zero_point=-128)
        elif node.kind == "reshape":
            ranges[node.output] = ranges[node.inputs[0]]
        else:
            low, high = ends[node.output]
            scale = float(np.float32((high - low) / 255))
            ranges[node.output] = Quantization(scale=scale, zero_point=round(-128 - low / scale))
    # The image in int8 is that of the float file less 127, which the stem's bias makes up for.
    lowered = with_weights(lowered, STEM, lambda weights, bias: _add(bias, 127 * weights.sum(axis=(1, 2, 3))))
    weights = {
        node.output: quantize_weights(node, ranges[node.inputs[0]].scale)
        for node in lowered.nodes
        if node.kind in WEIGHTED
    }
    return Int8(lowered, ranges, weights, notes)
