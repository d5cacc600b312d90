"""Reads a file's operators as steps: one layout, no computed shapes, constants where they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Operator, Tensor
from edge_mnv3_quantization.graph.network import Kind
from edge_mnv3_quantization.reading import arithmetic, pools, weighted
from edge_mnv3_quantization.reading.constants import compute
from edge_mnv3_quantization.reading.normalizations import with_normalizations
from edge_mnv3_quantization.reading.refusals import source_of, unsupported
from edge_mnv3_quantization.reading.steps import Steps
from edge_mnv3_quantization.reading.tensors import Reading, clipped
from edge_mnv3_quantization.reading.views import CHANNELS, View, reshaped, whole

_FEW_CHANNELS = (1, 3)  # of an image
_Handler = Callable[[Reading, Operator], View]


def read_steps(graph: Graph) -> Steps:
    """Reads a graph of one input.

    Raises:
        ConversionError: It has an operator that cannot be rewritten, or no fixed image size.
    """
    graph = with_normalizations(graph)
    reading = Reading(graph)
    image = _image(graph.tensors[graph.inputs[0]])
    reading.start(graph.inputs[0], *image)
    for operator in graph.operators:
        _read(reading, operator)
    for tensor in graph.outputs:
        if tensor not in reading.views:
            raise ConversionError(
                "float model", f"output '{graph.tensors[tensor].name}' that is constant", "scores or features"
            )
        reading.steps.outputs.append(reading.as_in_file(tensor))
    return reading.steps


def _image(tensor: Tensor) -> tuple[tuple[int, ...], View]:
    """Finds the shape (1, H, W, C) of the image, and the order of its dimensions in the file."""
    shape = tensor.shape
    if tensor.dtype != "FLOAT32" or len(shape) != 4:
        raise ConversionError(
            "float model's input", f"{tensor.dtype.lower()} of shape {shape}", "float32 of shape (1, H, W, 3)"
        )
    open_sides = tensor.shape_signature[1:] if tensor.shape_signature else shape[1:]
    if any(side < 1 for side in (*shape[1:], *open_sides)):
        raise ConversionError(
            "float model's input",
            f"open shape {list(tensor.shape_signature)}",
            "a fixed image size",
            "export it with one",
        )
    if shape[0] != 1 and (not tensor.shape_signature or tensor.shape_signature[0] >= 0):
        raise ConversionError(
            "float model's input", f"a batch of {shape[0]}", "a batch of 1", "export it with one"
        )
    if shape[1] in _FEW_CHANNELS and shape[CHANNELS] not in _FEW_CHANNELS:
        return (1, shape[2], shape[3], shape[1]), View(0, (0, 3, 1, 2))
    return (1, *shape[1:]), whole(0)


def _read(reading: Reading, operator: Operator) -> None:
    """Adds what an operator gives to the constants or to the views."""
    given = [tensor for tensor in operator.inputs if tensor != NO_TENSOR]
    if operator.name == "SHAPE" and given[0] in reading.views:
        reading.constants[operator.output] = np.array(reading.shape(given[0]), np.int64)
        return
    constants = [reading.constant(tensor) for tensor in given]
    if all(constant is not None for constant in constants):
        numbers = compute(operator.name, [one for one in constants if one is not None], operator.options)
        if numbers is not None:
            reading.constants[operator.output] = numbers
            return
    handler = _HANDLERS.get(operator.name)
    if handler is None or any(
        tensor not in reading.views and reading.constant(tensor) is None for tensor in given
    ):
        raise unsupported(source_of(operator, reading.graph))
    if len(operator.outputs) != 1:
        raise unsupported(source_of(operator, reading.graph), "several outputs")
    reading.views[operator.output] = handler(reading, operator)


def _reshape(reading: Reading, operator: Operator) -> View:
    taken = operator.inputs[0]
    shape = reading.constant(operator.inputs[1]) if len(operator.inputs) > 1 else None
    new = operator.options.get("new_shape") if shape is None else shape.reshape(-1).tolist()
    return _as_shape(reading, operator, taken, tuple(int(size) for size in new or ()))


def _squeeze(reading: Reading, operator: Operator) -> View:
    shape = reading.shape(operator.inputs[0])
    axes = {axis % len(shape) for axis in operator.options.get("squeeze_dims") or ()}
    kept = [size for place, size in enumerate(shape) if (place not in axes if axes else size != 1)]
    return _as_shape(reading, operator, operator.inputs[0], tuple(kept))


def _expand_dims(reading: Reading, operator: Operator) -> View:
    shape = list(reading.shape(operator.inputs[0]))
    (axis,) = reading.numbers(operator, 1).reshape(-1)
    shape.insert(int(axis) % (len(shape) + 1), 1)
    return _as_shape(reading, operator, operator.inputs[0], tuple(shape))


def _as_shape(reading: Reading, operator: Operator, tensor: int, shape: tuple[int, ...]) -> View:
    view = reading.views[tensor]
    found = reshaped(view, reading.steps.values[view.value].shape, shape)
    if found is None and view.flat is not None:
        view = reading.as_vector(operator, view)
        found = reshaped(view, reading.steps.values[view.value].shape, shape)
    if found is None:
        got = f"a reshape of {reading.shape(tensor)} to {shape}"
        raise unsupported(source_of(operator, reading.graph), got)
    return found


def _transpose(reading: Reading, operator: Operator) -> View:
    view = reading.views[operator.inputs[0]]
    order = reading.numbers(operator, 1).reshape(-1)
    if view.flat is not None:
        raise unsupported(source_of(operator, reading.graph), "a transposed vector")
    return View(view.value, tuple(view.axes[int(place)] for place in order))


def _same(reading: Reading, operator: Operator) -> View:
    return reading.views[operator.inputs[0]]


def _dequantize(reading: Reading, operator: Operator) -> View:
    raise unsupported(
        source_of(operator, reading.graph), "numbers that are quantized already", "give the float file"
    )


def _softmax(reading: Reading, operator: Operator) -> View:
    beta = float(operator.options.get("beta", 1.0))
    if beta != 1.0:
        raise unsupported(
            source_of(operator, reading.graph), f"beta {beta:g}", "multiply in the layer before"
        )
    return _over_channels(reading, operator, "softmax", "a softmax")


def _l2_normalization(reading: Reading, operator: Operator) -> View:
    return _over_channels(reading, operator, "l2_normalization", "a normalization")


def _over_channels(reading: Reading, operator: Operator, kind: Kind, words: str) -> View:
    """A function of all channels of a place; where it gives an output, as that stands in the file."""
    tensor = operator.inputs[0]
    view = reading.views[tensor] = reading.as_vector(operator, reading.views[tensor])
    shape = reading.steps.values[view.value].shape
    if view.flat is not None or shape[-1] != reading.shape(tensor)[-1]:
        raise unsupported(
            source_of(operator, reading.graph), f"{words} over something else than the channels"
        )
    if operator.output not in reading.graph.outputs:
        output = reading.output(operator, shape)
        reading.add(operator, kind=kind, inputs=(view.value,), output=output)
        return View(output, view.axes)
    value = reading.as_in_file(tensor)
    output = reading.output(operator, reading.steps.values[value].shape)
    reading.add(operator, kind=kind, inputs=(value,), output=output)
    return View(output, tuple(range(len(reading.shape(tensor)))))


def _pad(reading: Reading, operator: Operator) -> View:
    taken = operator.inputs[0]
    view = reading.views[taken]
    sides = reading.numbers(operator, 1).reshape(-1, 2).astype(int)
    filling = reading.numbers(operator, 2) if len(operator.inputs) > 2 else np.zeros(1)
    if filling.any():
        raise unsupported(source_of(operator, reading.graph), f"a border of {filling.reshape(-1)[0]:g}")
    shape = reading.steps.values[view.value].shape
    around = np.zeros((len(shape), 2), int)
    for axis, pair in zip(view.axes, sides, strict=True):
        if axis is not None:
            around[axis] = pair
        elif pair.any():
            raise unsupported(
                source_of(operator, reading.graph), "a border around something else than rows and columns"
            )
    if around[[0, -1]].any() or (around < 0).any():
        raise unsupported(
            source_of(operator, reading.graph), "a border around something else than rows and columns"
        )
    (top, bottom), (left, right) = around[1:3].tolist()
    padded = tuple(int(size + pair.sum()) for size, pair in zip(shape, around, strict=True))
    output = reading.output(operator, padded)
    reading.add(
        operator, kind="pad", inputs=(view.value,), output=output, paddings=(top, bottom, left, right)
    )
    return View(output, view.axes)


def _clip(low: float, high: float) -> _Handler:
    def read(reading: Reading, operator: Operator) -> View:
        return clipped(reading, operator, reading.views[operator.inputs[0]], (low, high))

    return read


def _function(kind: Any) -> _Handler:
    def read(reading: Reading, operator: Operator) -> View:
        view = reading.views[operator.inputs[0]]
        output = reading.output(operator, reading.steps.values[view.value].shape)
        reading.add(operator, kind=kind, inputs=(view.value,), output=output)
        return View(output, view.axes, view.flat)

    return read


_HANDLERS: Mapping[str, _Handler] = {
    "ADD": arithmetic.read,
    "AVERAGE_POOL_2D": pools.read_pool,
    "BATCH_MATMUL": weighted.read_matmul,
    "BROADCAST_TO": arithmetic.read_broadcast,
    "CAST": _same,
    "CONCATENATION": arithmetic.read_concatenation,
    "CONV_2D": weighted.read_conv,
    "DEPTHWISE_CONV_2D": weighted.read_conv,
    "DEQUANTIZE": _dequantize,
    "DIV": arithmetic.read,
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": weighted.read_dense,
    "HARD_SWISH": _function("hard_swish"),
    "L2_NORMALIZATION": _l2_normalization,
    "LOGISTIC": _function("logistic"),
    "MAXIMUM": arithmetic.read_limit,
    "MAX_POOL_2D": pools.read_pool,
    "MEAN": pools.read_reduction,
    "MINIMUM": arithmetic.read_limit,
    "MUL": arithmetic.read,
    "NEG": arithmetic.read_negative,
    "PAD": _pad,
    "PADV2": _pad,
    "REDUCE_MAX": pools.read_reduction,
    "RELU": _clip(0.0, np.inf),
    "RELU6": _clip(0.0, 6.0),
    "RELU_0_TO_1": _clip(0.0, 1.0),
    "RELU_N1_TO_1": _clip(-1.0, 1.0),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "SUB": arithmetic.read,
    "SUM": pools.read_reduction,
    "TANH": _function("tanh"),
    "TILE": arithmetic.read_broadcast,
    "TRANSPOSE": _transpose,
}
