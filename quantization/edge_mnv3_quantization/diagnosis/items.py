"""The tensors of an int8 file, each as what it makes of the float file when it alone is quantized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3_quantization.diagnosis.equalization_scales import SATURATED_BIAS, EqualizationScales
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.graph.network import Array

_EQUAL = 1e-3  # scales this near to 1 are left out: they would change a number by a thousandth of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A tensor that was quantized: a value, or the weights of the operator that gives it.

    Attributes:
        real: The weights and the bias that replace those of the float file.
        movement: By how much each channel of a value is moved before it is rounded, and back after it, (C,)
            in the float file's numbers; None where none is, or where the bias in front of it moves it.
    """

    kind: Literal["value", "weights"]
    value: PairedValue
    weights: PairedWeights | None = None
    real: tuple[Array, Array] | None = None
    movement: Array | None = None

    def constants(self) -> dict[int, npt.NDArray[np.float32]]:
        """What the int8 file's weights replace the float file's constants by, by number; none of a value."""
        if self.weights is None or self.real is None:
            return {}
        tensors = self.weights.weights_tensor, self.weights.bias_tensor
        pairs = zip(tensors, self.real, strict=True)
        return {tensor: numbers.astype(np.float32) for tensor, numbers in pairs if tensor >= 0}


def list_items(pair: Pair, equalization: EqualizationScales) -> list[Item]:
    """Lists the values, then the weights, whose biases are the float file's."""
    # A concatenation rounds nothing that its inputs have not rounded.
    values = []
    for value in pair.values:
        if value.op != "CONCATENATION":
            movement = pair.movements.get(pair.int8_file.tensors[value.int8_tensor].name)
            if movement is not None:
                movement = movement * equalization.outputs[value.int8_tensor]
            values.append(Item(kind="value", value=value, movement=movement))
    return values + [weights_item(one, equalization, stored_bias=False) for one in pair.weights]


def weights_item(weights: PairedWeights, equalization: EqualizationScales, *, stored_bias: bool) -> Item:
    """Makes an item of weights, with the bias that `as_float` says."""
    real = as_float(weights, equalization, stored_bias=stored_bias)
    return Item(kind="weights", value=weights.output, weights=weights, real=real)


def fake_quantize(edit: Edit, tensor: int, item: Item, equalization: EqualizationScales) -> None:
    """Rounds a tensor of a file that is being edited as the int8 file rounds the value of an item."""
    value = item.value
    scales = equalization.outputs[value.int8_tensor]
    differ = np.abs(scales - 1).max() > _EQUAL
    edit.fake_quantize(tensor, value.scale, value.zero_point, scales if differ else None, item.movement)


def as_float(
    weights: PairedWeights, equalization: EqualizationScales, *, stored_bias: bool
) -> tuple[Array, Array]:
    """Converts an operator's int8 weights and bias to numbers that can replace those of the float file.

    Args:
        weights: The weights of one operator.
        equalization: The equalization scales of the int8 file.
        stored_bias: Whether to take the int8 file's bias. Otherwise the float file's is taken, except for
            rows whose bias is at the limit of int32.
    """
    output = weights.output.int8_tensor
    given, taken = equalization.outputs[output], equalization.inputs[output]
    real = weights.real() * weights.per_output(given) / np.where(taken != 0, taken, 1.0)
    real = np.where(np.broadcast_to(taken != 0, real.shape), real, weights.float_weights)
    bias = weights.real_bias() * given
    if output in equalization.image_takers:
        axes = tuple(range(real.ndim - 1)) if weights.depthwise else tuple(range(1, real.ndim))
        bias = bias - equalization.image_offset * real.sum(axis=axes)
    if not stored_bias:
        bias = np.where(np.abs(weights.bias) >= SATURATED_BIAS, bias, weights.float_bias)
    return real, bias
