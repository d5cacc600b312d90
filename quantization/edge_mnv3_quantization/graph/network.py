"""A classifier as a list of nodes with their weights, small enough to rewrite and prove equal.

The converter's float file of a MobileNetV3 consists of the kinds of nodes below. Values are numbered; each is
the output of one node, or the network's input.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.build import Signature

Array = npt.NDArray[np.float64]
Kind = Literal[
    "conv",
    "depthwise",
    "dense",
    "hard_swish",
    "hard_sigmoid",
    "mean",
    "mul",
    "add",
    "pad",
    "max",
    "concat",
    "reshape",
    "logistic",
    "tanh",
    "l2_normalization",
    "softmax",
]
Clamp = Literal["none", "relu", "relu6"]
HARD_SIGMOID_SHIFT, HARD_SIGMOID_CEILING = 3.0, 6.0
DEFAULT_SIGNATURE = Signature(("image",), ("output_0",))
WEIGHTED: tuple[Kind, ...] = ("conv", "depthwise", "dense")
# Functions that take, and give, numbers at the scale 1.
UNSCALED: tuple[Kind, ...] = ("softmax", "logistic", "tanh", "l2_normalization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation.

    A `hard_sigmoid` node gives six times the hard-sigmoid of a hard-swish: relu6(input + 3). A `concat` node
    puts the channels of its inputs side by side. An `l2_normalization` divides the channels of each position
    by the root of the sum of their squares.

    Attributes:
        inputs: The values that it takes; two for `mul` and `add`, two or more for `concat`.
        output: The value that it gives.
        weights: Shape (O, kh, kw, I) for `conv`, (1, kh, kw, C) for `depthwise`, (O, I) for `dense`; None for
            other kinds.
        bias: Shape (O,); None for kinds without weights.
        clamp: The activation function that is applied to the result.
        stride: The strides of the rows and of the columns.
        same_padding: Zeros around the input so that an output has ceil(input / stride) rows and columns.
        factor: The constant of a `mul`: output = factor * first input * second input.
        paddings: Rows before and after, columns before and after, that a `pad` adds.
        stagger: By how many of its int8 steps each output channel is to be moved, (O,), between -1/2 and 1/2:
            0 for channels without copies (`algorithms.channel_copies`). None for all 0.
        border: What surrounds the map that a padded convolution takes, (C,); None for zeros.
        copied_inputs: Which of its input channels are copies of one another: those with equal numbers, (I,).
            None where none are.
    """

    kind: Kind
    inputs: tuple[int, ...]
    output: int
    weights: Array | None = None
    bias: Array | None = None
    clamp: Clamp = "none"
    stride: tuple[int, int] = (1, 1)
    same_padding: bool = True
    factor: float = 1.0
    paddings: tuple[int, int, int, int] = (0, 0, 0, 0)
    stagger: Array | None = None
    copied_inputs: npt.NDArray[np.intp] | None = None
    border: Array | None = None

    def weights_and_bias(self) -> tuple[Array, Array]:
        """Returns the weights and the bias of a weighted node.

        Raises:
            ValueError: The node has none.
        """
        if self.weights is None or self.bias is None:
            raise ValueError(f"a {self.kind} node has no weights")
        return self.weights, self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What flows between nodes; `shape` has the batch size 1 and ends with the channels."""

    name: str
    shape: tuple[int, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one image's numbers: without the batch, which a vector of channels has not."""
        return self.shape[1:] if len(self.shape) > 1 else self.shape

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.shape[-1]

    @property
    def positions(self) -> int:
        """How many numbers one channel has."""
        return math.prod(self.shape[1:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Nodes in the order of execution.

    Attributes:
        input_scale: The input's real value is input_scale * pixel + input_offset, with pixels 0..255.
        input_offset: The real value of a pixel 0; see `input_scale`.
        outputs: The values that it gives, in the file's order.
        signature: The names under which callers know the input and the outputs.
        channel_groups: Name of a convolution's output to the channels of each channel group that it was
            divided into (`algorithms.channel_groups`).
        channel_copies: Name of a value to how often each of its channels is computed
            (`algorithms.channel_copies`).
        linear_scales: Name of the input of a hard-swish to the equalization scales of its channels that
            hard-swish lets through (`algorithms.linear_channels`).
        fitted_channels: Name of the input of a hard-swish to slopes, offsets, gains, constants and borders of
            the curves that replace it in each channel (`algorithms.curves`).
    """

    values: Mapping[int, Value]
    nodes: tuple[Node, ...]
    input: int
    outputs: tuple[int, ...]
    input_scale: float = 1.0
    input_offset: float = 0.0
    signature: Signature = DEFAULT_SIGNATURE
    channel_groups: Mapping[str, tuple[tuple[int, ...], ...]] = dataclasses.field(default_factory=dict)
    channel_copies: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    linear_scales: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    fitted_channels: Mapping[str, tuple[tuple[float, ...], ...]] = dataclasses.field(default_factory=dict)

    @property
    def output(self) -> int:
        """The only output.

        Raises:
            ValueError: There are several.
        """
        if len(self.outputs) != 1:
            raise ValueError(f"{len(self.outputs)} outputs, where one was expected")
        return self.outputs[0]

    def producer(self, value: int) -> Node | None:
        """The node that gives a value; None for the input."""
        return next((node for node in self.nodes if node.output == value), None)

    def consumers(self, value: int) -> tuple[Node, ...]:
        """The nodes that take a value."""
        return tuple(node for node in self.nodes if value in node.inputs)

    def images(self) -> frozenset[int]:
        """The values that hold pixels: the input, and it with a border."""
        values = {self.input}
        for node in self.nodes:
            if node.kind == "pad" and node.inputs[0] in values:
                values.add(node.output)
        return frozenset(values)

    def positions_at(self, stride: int) -> int:
        """Counts the positions of a map that has one row and column for `stride` of the input's."""
        _, height, width, _ = self.values[self.input].shape
        return -(-height // stride) * -(-width // stride)

    def up_to(self, *given: int) -> Network:
        """The part of the network that some values depend on, which are its outputs."""
        wanted, kept = set(given), []
        for node in reversed(self.nodes):
            if node.output in wanted:
                wanted |= set(node.inputs)
                kept.append(node)
        return dataclasses.replace(self, nodes=tuple(reversed(kept)), outputs=given)

    def with_nodes(self, nodes: Iterable[Node], values: Mapping[int, Value] | None = None) -> Network:
        """Returns a copy of the network with other nodes, and values for their outputs."""
        return dataclasses.replace(self, nodes=tuple(nodes), values=values or self.values)
