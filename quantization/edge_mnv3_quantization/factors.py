"""By what each channel of an int8 file's values was divided: float value = factor * int8 value.

Equalization divides channels by factors, and products lowered without their constant are multiples of the
float file's. Nothing but the two files is needed to find out: an output channel's weights in int8 are those
in float times the input's factors over its own, and the largest is a whole number of steps, so the factors
follow from the input on, operator by operator. Where a channel was rounded otherwise, they follow from all
its weights by least squares, with the float weights as the exact side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.errors import ModelFileError
from edge_mnv3_quantization.network import Array
from edge_mnv3_quantization.pairing import Pair, PairedWeights, real_input
from edge_mnv3_quantization.rewrites import HARD_SWISH_FACTOR
from edge_mnv3_quantization.tflite_file import Step

SATURATED_BIAS = 2.0**30 - 1024  # both recipes widen a row's steps so that its bias stays below 2^30
_NEAREST_STEP = 0.501  # steps: rounding and what float32 loses
_NEAR_ONE = 1e-3
_PRODUCT_CONSTANTS = (1.0, HARD_SWISH_FACTOR)
_PRODUCT_TOLERANCE = 2.0  # the constants are six times apart; a file of much noise still tells them
_ROUNDING = 1.5  # steps of a bias
_FEWEST_STEPS = 8.0  # of a row's largest weight, for its weights to tell a factor
_OTHER_NETWORK = 0.25  # of the weights' energy: that of rounding is a hundred times smaller
_CHANGED_BY = ("HARD_SWISH", "SOFTMAX", "LOGISTIC")  # functions that let no factor through

Outputs = Mapping[int, npt.NDArray[np.float32]]


class Factors(NamedTuple):
    """Factors by tensor of the int8 file.

    Attributes:
        outputs: (C,): float value = factor * int8 value, of every tensor that an operator gives.
        inputs: (I,): likewise of what a weighted operator takes, by the tensor that it gives. 0 where the
            float file's operator takes nothing but zeros.
        image_offset: float image = factor * int8 image + this: half a step where real 0 lies between two.
        image_takers: Tensors given by the operators that take the image.
    """

    outputs: Mapping[int, Array]
    inputs: Mapping[int, Array]
    image_offset: float
    image_takers: frozenset[int]


def recover_factors(
    pair: Pair, float_outputs: Outputs, int8_outputs: Outputs, *, float_name: str, int8_name: str
) -> Factors:
    """Finds the factors of every tensor of the int8 file that is given by an operator.

    Args:
        pair: The files.
        float_outputs: Values of the float file over some images, (numbers, C), by tensor: all paired ones,
            and the inputs of weighted operators.
        int8_outputs: Likewise of the int8 file, as real numbers.
        float_name: What errors call the float file.
        int8_name: What errors call the int8 file.

    Raises:
        ModelFileError: The weights of the two files have nothing to do with one another.
    """
    weighted = {weights.output.int8_tensor: weights for weights in pair.weights}
    found: dict[int, Array] = {}
    inputs: dict[int, Array] = {}
    errors = []
    image_offset, image_takers = 0.0, set()
    for step in pair.int8_file.steps:
        weights = weighted.get(step.output)
        if weights is not None:
            if pair.of_int8(weights.int8_input) is None:
                taken, image_offset = _of_image(weights, float_outputs, int8_outputs)
                image_takers.add(step.output)
            else:
                taken = _input_factors(pair, weights, found, float_outputs)
            inputs[step.output], found[step.output] = taken, _from_weights(weights, taken)
            errors.append(_relative_error(weights, taken, found[step.output]))
        elif step.name == "MUL":
            found[step.output] = _of_product(pair, step, found, float_outputs, int8_outputs)
        else:
            found[step.output] = _passed_on(pair, step, found)
    if not errors or float(np.median(errors)) > _OTHER_NETWORK:
        raise ModelFileError(
            f"model {int8_name}",
            "weights that have nothing to do with the float file's",
            f"the int8 file made from {float_name}",
        )
    return Factors(found, inputs, image_offset, frozenset(image_takers))


def _of_image(weights: PairedWeights, float_outputs: Outputs, int8_outputs: Outputs) -> tuple[Array, float]:
    """Factor and offset of the image: the scaling of pixels may be part of its quantization."""
    wanted = float_outputs[weights.float_input].astype(np.float64)
    got = int8_outputs[weights.int8_input].astype(np.float64)
    moved = got - got.mean()
    slope = float(((wanted - wanted.mean()) * moved).sum() / max(np.square(moved).sum(), 1e-30))
    slope = 1.0 if abs(slope - 1) < _NEAR_ONE else slope
    return np.full(wanted.shape[-1], slope), float(wanted.mean() - slope * got.mean())


def _input_factors(
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
    factors: Array = found[weights.int8_input] * ratios
    return factors


def unread_inputs(pair: Pair) -> Iterator[tuple[int, int]]:
    """Inputs of weighted operators that are no pair: numbers in the float and in the int8 file."""
    for weights in pair.weights:
        value = pair.of_int8(weights.int8_input)
        if value is None or value.float_tensor != weights.float_input:
            yield weights.float_input, weights.int8_input


def _rows(weights: PairedWeights, values: Array) -> Array:
    """Weights as (O, numbers)."""
    return (
        values.reshape(-1, values.shape[-1]).T if weights.depthwise else values.reshape(values.shape[0], -1)
    )


def _scaled_rows(weights: PairedWeights, taken: Array) -> Array:
    """The float weights times the factors of what they take, (O, numbers)."""
    return _rows(weights, weights.float_weights * taken)


def _from_weights(weights: PairedWeights, taken: Array) -> Array:
    wanted, got = _scaled_rows(weights, taken), _rows(weights, weights.real())
    stored = _rows(weights, weights.stored)
    largest_step = np.abs(stored).max(axis=1)
    exact = np.abs(wanted).max(axis=1) / (np.maximum(largest_step, 1.0) * weights.steps)
    together = (wanted * got).sum(axis=1)
    usable = (largest_step >= _FEWEST_STEPS) & (together > 0)
    squares = np.square(wanted).sum(axis=1)
    fitted = np.where(usable, squares / np.where(usable, together, 1.0), _from_biases(weights))
    units = np.where(exact > 0, exact, 1.0) * weights.steps
    nearest = np.abs(wanted / units[:, np.newaxis] - stored).max(axis=1) <= _NEAREST_STEP
    factors: Array = np.where(usable & nearest, exact, fitted)
    return factors


def _from_biases(weights: PairedWeights) -> Array:
    """For rows of almost no weights; 1 where the bias tells nothing either."""
    real = weights.real_bias()
    usable = (np.abs(weights.bias) > 2.0**20) & (weights.float_bias * real > 0)
    return np.where(usable, weights.float_bias / np.where(usable, real, 1.0), 1.0)


def _relative_error(weights: PairedWeights, taken: Array, factors: Array) -> float:
    wanted = _scaled_rows(weights, taken)
    error = wanted - _rows(weights, weights.real()) * factors[:, None]
    return float(np.square(error).sum() / max(np.square(wanted).sum(), 1e-30))


def _of_product(
    pair: Pair, step: Step, found: Mapping[int, Array], float_outputs: Outputs, int8_outputs: Outputs
) -> Array:
    channels = pair.int8_file.shape(step.output)[-1:] or (1,)
    factors = np.ones(channels)
    for tensor in step.inputs:
        factors = factors * found.get(real_input(pair.int8_file, tensor), np.ones(1))
    value = pair.of_int8(step.output)
    if value is None:
        return factors
    wanted = float_outputs[value.float_tensor].astype(np.float64)
    got = int8_outputs[step.output].astype(np.float64) * factors
    together = (wanted * got).sum(axis=0)
    alive = together > 0
    if not alive.any():
        return factors
    slopes = np.square(wanted).sum(axis=0)[alive] / together[alive]
    slope = float(np.median(slopes))
    nearest = min(_PRODUCT_CONSTANTS, key=lambda constant: abs(np.log(slope / constant)))
    known = 1 / _PRODUCT_TOLERANCE < slope / nearest < _PRODUCT_TOLERANCE
    return factors * (nearest if known else slope)


def _passed_on(pair: Pair, step: Step, found: Mapping[int, Array]) -> Array:
    shape = pair.int8_file.shape(step.output)
    ones = np.ones(shape[-1:] or (1,))
    if step.output in pair.gates or step.name in _CHANGED_BY:
        return ones
    if step.name == "CONCATENATION":
        return np.concatenate([found[tensor] for tensor in step.inputs])
    given = [found[i] for i in (real_input(pair.int8_file, taken) for taken in step.inputs) if i in found]
    return given[0] if given and given[0].shape == ones.shape else ones


def moved_biases(weights: PairedWeights, factors: Factors) -> Array | None:
    """By how much the int8 file's biases differ from the float file's, (O,), in steps of the output.

    0 for differences that rounding explains; None for the image's operators, whose biases hold its offset.
    """
    output = weights.output
    if output.int8_tensor in factors.image_takers:
        return None
    units = factors.outputs[output.int8_tensor] * weights.steps * weights.input_scale
    plain = weights.float_bias / np.where(units > 0, units, 1.0)
    moved = weights.bias - plain
    explained = (np.abs(moved) <= _ROUNDING + _NEAR_ONE * np.abs(plain)) | (
        np.abs(weights.bias) >= SATURATED_BIAS
    )
    return np.where(explained, 0.0, moved * weights.steps * weights.input_scale / output.scale)
