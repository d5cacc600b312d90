"""The equalization scales of an int8 file's values: float value = equalization scale * int8 value.

The int8 file notes the scales by which equalization divided its channels. The rest follows from comparing the
two files: the scaling of pixels may be part of the image's quantization, and constants may have moved into
weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedWeights
from edge_mnv3_quantization.graph.network import Array

SATURATED_BIAS = 2.0**30 - 1024  # all recipes raise a row's weight scale so that its bias stays below 2^30
_NEAR_ONE = 1e-3
_ROUNDING = 1.5  # differences of a bias, in its steps, that rounding explains
_OTHER_NETWORK = 0.25  # a share of the weights' energy; rounding loses a hundred times less

Outputs = Mapping[int, npt.NDArray[np.float32]]


class EqualizationScales(NamedTuple):
    """Equalization scales by tensor of the int8 file.

    Attributes:
        outputs: The scales (C,) in float value = scale * int8 value, of every tensor that an operator gives.
        inputs: The scales (I,) of the input of each weighted operator, by the tensor that it gives; 0 where
            the float file's operator takes nothing but zeros.
        image_offset: The offset in float image = scale * int8 image + offset: half a step where real 0 lies
            between two stored numbers.
        image_takers: Tensors given by the operators that take the image.
    """

    outputs: Mapping[int, Array]
    inputs: Mapping[int, Array]
    image_offset: float
    image_takers: frozenset[int]


def recover_scales(
    pair: Pair, float_outputs: Outputs, int8_outputs: Outputs, *, float_name: str, int8_name: str
) -> EqualizationScales:
    """Finds the equalization scales of every tensor of the int8 file that is given by an operator.

    Args:
        pair: The files.
        float_outputs: Values of the float file over some images, (numbers, C), by tensor: all paired values,
            and the inputs of weighted operators.
        int8_outputs: The same values of the int8 file, as real numbers.
        float_name: What errors call the float file.
        int8_name: What errors call the int8 file.

    Raises:
        ModelFileError: The weights of the two files have nothing to do with one another.
    """
    file = pair.int8_file
    outputs = {
        operator.output: pair.equalization_scales.get(
            file.tensors[operator.output].name, np.ones(file.tensors[operator.output].shape[-1:] or (1,))
        )
        for operator in file.operators
    }
    inputs: dict[int, Array] = {}
    errors = []
    image_offset, image_takers = 0.0, set()
    for weights in pair.weights:
        output = weights.output.int8_tensor
        if pair.of_int8(weights.int8_input) is None:
            inputs[output], image_offset = _image_scales(weights, float_outputs, int8_outputs)
            image_takers.add(output)
        else:
            inputs[output] = _input_scales(pair, weights, outputs, float_outputs)
        errors.append(_relative_error(weights, inputs[output], outputs[output]))
    if not errors or float(np.median(errors)) > _OTHER_NETWORK:
        raise ModelFileError(
            f"model {int8_name}",
            "weights that have nothing to do with the float file's",
            f"the int8 file made from {float_name}",
        )
    return EqualizationScales(outputs, inputs, image_offset, frozenset(image_takers))


def _image_scales(
    weights: PairedWeights, float_outputs: Outputs, int8_outputs: Outputs
) -> tuple[Array, float]:
    """Finds the scales and the offset of the image, whose quantization may include the scaling of pixels."""
    wanted = float_outputs[weights.float_input].astype(np.float64)
    got = int8_outputs[weights.int8_input].astype(np.float64)
    moved = got - got.mean()
    scale = float(((wanted - wanted.mean()) * moved).sum() / max(np.square(moved).sum(), 1e-30))
    scale = 1.0 if abs(scale - 1) < _NEAR_ONE else scale
    return np.full(wanted.shape[-1], scale), float(wanted.mean() - scale * got.mean())


def _input_scales(
    pair: Pair, weights: PairedWeights, output_scales: Mapping[int, Array], float_outputs: Outputs
) -> Array:
    """Finds the scales (I,) by which an operator's int8 input is multiplied to give its float input.

    Where a constant product was folded away, the float file's operator takes the product, and the int8 file's
    operator takes the value before it.
    """
    value = pair.of_int8(weights.int8_input)
    if value is None or value.float_tensor == weights.float_input:
        return output_scales[weights.int8_input]
    wanted = float_outputs[weights.float_input].astype(np.float64)
    before = float_outputs[value.float_tensor].astype(np.float64)
    squares = np.square(before).sum(axis=0)
    ratios = np.where(squares > 0, (wanted * before).sum(axis=0) / np.where(squares > 0, squares, 1.0), 1.0)
    scales: Array = output_scales[weights.int8_input] * ratios
    return scales


def unread_inputs(pair: Pair) -> Iterator[tuple[int, int]]:
    """Yields the inputs of weighted operators that are no paired value.

    Yields:
        The tensor's number in the float file and in the int8 file.
    """
    for weights in pair.weights:
        value = pair.of_int8(weights.int8_input)
        if value is None or value.float_tensor != weights.float_input:
            yield weights.float_input, weights.int8_input


def _relative_error(weights: PairedWeights, taken: Array, given: Array) -> float:
    wanted = weights.float_weights * taken
    error = wanted - weights.real() * weights.per_output(given)
    return float(np.square(error).sum() / max(np.square(wanted).sum(), 1e-30))


def moved_biases(weights: PairedWeights, equalization: EqualizationScales) -> Array | None:
    """Computes by how much the int8 file's biases differ from the float file's, (O,), in steps of the output.

    A difference that rounding explains is 0. The result is None for operators that take the image, whose
    biases contain its offset.
    """
    output = weights.output
    if output.int8_tensor in equalization.image_takers:
        return None
    units = equalization.outputs[output.int8_tensor] * weights.scales * weights.input_scale
    plain = weights.float_bias / np.where(units > 0, units, 1.0)
    moved = weights.bias - plain
    explained = (np.abs(moved) <= _ROUNDING + _NEAR_ONE * np.abs(plain)) | (
        np.abs(weights.bias) >= SATURATED_BIAS
    )
    return np.where(explained, 0.0, moved * weights.scales * weights.input_scale / output.scale)
