"""A float file and the int8 file made from it, and the values and weights that both hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_quantization.graph.network import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedValue:
    """A value that both files hold.

    Attributes:
        layer: The short name of its layer.
        op: The name of the float file's operator that gives it.
        float_tensor: The number of its tensor in the float file.
        int8_tensor: The number of its tensor in the int8 file.
    """

    name: str
    layer: str
    op: str
    shape: tuple[int, ...]
    float_tensor: int
    int8_tensor: int
    scale: float
    zero_point: int

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.shape[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedWeights:
    """The weights of an operator that both files hold.

    Attributes:
        output: The value that the operator gives.
        float_input: The tensor that it takes in the float file.
        int8_input: The tensor that it takes in the int8 file, before any requantization.
        float_weights: Shape (O, kh, kw, I) for conv, (1, kh, kw, C) for depthwise, (O, I) for dense.
        float_bias: The float file's bias, (O,).
        stored: The int8 weights, shaped like `float_weights`.
        scales: The quantization scale of each output channel's weights, (O,).
        bias: The bias as stored, (O,), in steps of input scale * weight scale.
        weights_tensor: The number of the weights in the float file.
        bias_tensor: The number of the bias in the float file; -1 for none.
    """

    output: PairedValue
    float_input: int
    int8_input: int
    float_weights: Array
    float_bias: Array
    stored: Array
    scales: Array
    bias: Array
    input_scale: float
    weights_tensor: int
    bias_tensor: int

    @property
    def depthwise(self) -> bool:
        """Whether each output channel has one input channel."""
        return self.output.op == "DEPTHWISE_CONV_2D"

    def per_output(self, numbers: Array) -> Array:
        """Shapes numbers (O,) so that they multiply the weights of each output channel."""
        if self.depthwise:
            return numbers
        return numbers.reshape(-1, *[1] * (self.float_weights.ndim - 1))

    def real(self) -> Array:
        """The stored weights as real numbers."""
        return self.stored * self.per_output(self.scales)

    def real_bias(self) -> Array:
        """The stored bias as real numbers."""
        return self.bias * self.scales * self.input_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A float file and the int8 file made from it.

    Attributes:
        float_file: The float file, rewritten as the int8 file's notes say: hard-swish and squeeze-excite as
            products without their constants, channels in the same channel groups.
        values: The paired values in the order of execution, the logits last.
        weights: The paired weights in the order of execution.
        equalization_scales: The scales (C,) in float value = scale * int8 value, by the value's name in the
            int8 file; a missing value has 1.
        copies: Which channels of a value are copies of one another: those with equal numbers, (C,), by the
            value's name in the int8 file; a missing value has none.
        movements: By how many real numbers of the int8 file each channel of a value is moved, (C,), by the
            value's name; a missing value is not moved.
        hard_sigmoids: Tensors of the int8 file that are hard-sigmoids of a lowered hard-swish.
        hard_swishes: How many hard-swishes the float file had as it was given.
        report: The recipe's report in the int8 file; None for files of others and of older releases.
        undivided_content: The float file before its linear channels were divided, which changes its answers
            wherever such a channel is not linear; None where none was divided.
    """

    float_file: Graph
    float_content: bytes
    int8_file: Graph
    int8_content: bytes
    values: tuple[PairedValue, ...]
    weights: tuple[PairedWeights, ...]
    equalization_scales: Mapping[str, Array]
    copies: Mapping[str, npt.NDArray[np.intp]]
    movements: Mapping[str, Array]
    hard_sigmoids: frozenset[int]
    hard_swishes: int
    report: RecipeReport | None
    undivided_content: bytes | None = None

    @property
    def logits(self) -> PairedValue:
        """The last value with real numbers of any size: the softmax's input, or the output."""
        return self.values[-1]

    def of_int8(self, tensor: int) -> PairedValue | None:
        """Finds the value that a tensor of the int8 file holds."""
        return next((value for value in self.values if value.int8_tensor == tensor), None)
