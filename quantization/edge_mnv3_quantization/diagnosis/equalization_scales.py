"""By what each channel of an int8 file's values was divided: float value = equalization scale * int8 value.

Equalization divides channels by scales, which the int8 file notes. The two files tell the rest: the scaling
of pixels may be part of the image's quantization, and constants may have moved into weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3_quantization.diagnosis.pairing import Pair, PairedWeights
from edge_mnv3_quantization.graph.network import Array

SATURATED_BIAS = 2.0**30 - 1024  # both recipes widen a row's steps so that its bias stays below 2^30
_NEAR_ONE = 1e-3
_ROUNDING = 1.5  # steps of a bias
_OTHER_NETWORK = 0.25  # of the weights' energy: that of rounding is a hundred times smaller

Outputs = Mapping[int, npt.NDArray[np.float32]]


class EqualizationScales(NamedTuple):
    """Factors by tensor of the int8 file.

    Attributes:
        outputs: (C,): float value = scale * int8 value, of every tensor that an operator gives.
        inputs: (I,): the same of what a weighted operator takes, by the tensor that it gives. 0 where the
            float file's operator takes nothing but zeros.
        image_offset: float image = scale * int8 image + this: half a step where real 0 lies between two.
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
        float_outputs: Values of the float file over some images, (numbers, C), by tensor: all paired ones,
            and the inputs of weighted operators.
        int8_outputs: The same of the int8 file, as real numbers.
        float_name: What errors call the float file.
        int8_name: What errors call the int8 file.

    Raises:
        ModelFileError: The weights of the two files have nothing to do with one another.
    """
    file = pair.int8_file
    found = {
        step.output: pair.equalization_scales.get(
            file.tensors[step.output].name, np.ones(file.tensors[step.output].shape[-1:] or (1,))
        )
        for step in file.operators
    }
    inputs: dict[int, Array] = {}
    errors = []
    image_offset, image_takers = 0.0, set()
    for weights in pair.weights:
        output = weights.output.int8_tensor
        if pair.of_int8(weights.int8_input) is None:
            inputs[output], image_offset = _of_image(weights, float_outputs, int8_outputs)
            image_takers.add(output)
        else:
            inputs[output] = _input_scales(pair, weights, found, float_outputs)
        errors.append(_relative_error(weights, inputs[output], found[output]))
    if not errors or float(np.median(errors)) > _OTHER_NETWORK:
        raise ModelFileError(
            f"model {int8_name}",
            "weights that have nothing to do with the float file's",
            f"the int8 file made from {float_name}",
        )
    return EqualizationScales(found, inputs, image_offset, frozenset(image_takers))


def _of_image(weights: PairedWeights, float_outputs: Outputs, int8_outputs: Outputs) -> tuple[Array, float]:
    """Factor and offset of the image: the scaling of pixels may be part of its quantization."""
    wanted = float_outputs[weights.float_input].astype(np.float64)
    got = int8_outputs[weights.int8_input].astype(np.float64)
    moved = got - got.mean()
    slope = float(((wanted - wanted.mean()) * moved).sum() / max(np.square(moved).sum(), 1e-30))
    slope = 1.0 if abs(slope - 1) < _NEAR_ONE else slope
    return np.full(wanted.shape[-1], slope), float(wanted.mean() - slope * got.mean())


def _input_scales(
    pair: Pair, weights: PairedWeights, found: Mapping[int, Array], float_outputs: Outputs
) -> Array:
    """What an operator's input in int8 is to be multiplied by to give its input in float, (I,).

    Where a constant product was folded away, the float file's operator takes the product, the int8 file's the
    value before it.
    """
    value = pair.of_int8(weights.int8_input)
    if value is None or value.float_tensor == weights.float_input:
        return found[weights.int8_input]
    wanted = float_outputs[weights.float_input].astype(np.float64)
    before = float_outputs[value.float_tensor].astype(np.float64)
    squares = np.square(before).sum(axis=0)
    ratios = np.where(squares > 0, (wanted * before).sum(axis=0) / np.where(squares > 0, squares, 1.0), 1.0)
    scales: Array = found[weights.int8_input] * ratios
    return scales


def unread_inputs(pair: Pair) -> Iterator[tuple[int, int]]:
    """Inputs of weighted operators that are no pair: numbers in the float and in the int8 file."""
    for weights in pair.weights:
        value = pair.of_int8(weights.int8_input)
        if value is None or value.float_tensor != weights.float_input:
            yield weights.float_input, weights.int8_input


def _relative_error(weights: PairedWeights, taken: Array, given: Array) -> float:
    wanted = weights.float_weights * taken
    error = wanted - weights.real() * weights.per_output(given)
    return float(np.square(error).sum() / max(np.square(wanted).sum(), 1e-30))


def moved_biases(weights: PairedWeights, equalization: EqualizationScales) -> Array | None:
    """By how much the int8 file's biases differ from the float file's, (O,), in steps of the output.

    0 for differences that rounding explains; None for the image's operators, whose biases hold its offset.
    """
    output = weights.output
    if output.int8_tensor in equalization.image_takers:
        return None
    units = equalization.outputs[output.int8_tensor] * weights.steps * weights.input_scale
    plain = weights.float_bias / np.where(units > 0, units, 1.0)
    moved = weights.bias - plain
    explained = (np.abs(moved) <= _ROUNDING + _NEAR_ONE * np.abs(plain)) | (
        np.abs(weights.bias) >= SATURATED_BIAS
    )
    return np.where(explained, 0.0, moved * weights.steps * weights.input_scale / output.scale)
