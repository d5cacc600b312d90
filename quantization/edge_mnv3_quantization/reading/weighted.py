"""Reads convolutions and dense layers; a dense layer is a convolution of a map of one position."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.tflite.types import NO_TENSOR, Operator
from edge_mnv3_quantization.graph.network import Array, Clamp, Kind
from edge_mnv3_quantization.reading.refusals import source_of, unsupported
from edge_mnv3_quantization.reading.tensors import Reading, activated, first_output
from edge_mnv3_quantization.reading.views import CHANNELS, View, whole

_CLAMPS: dict[str, Clamp] = {"NONE": "none", "RELU": "relu", "RELU6": "relu6"}


def read_conv(reading: Reading, operator: Operator) -> View:
    """Reads CONV_2D and DEPTHWISE_CONV_2D."""
    source, options = source_of(operator, reading.graph), operator.options
    value = reading.as_map(operator, operator.inputs[0])
    weights = _weights(reading, operator)
    if (options["dilation_h_factor"], options["dilation_w_factor"]) != (1, 1):
        raise unsupported(source, "dilation", "export the classifier without dilation, or use --recipe stock")
    _, rows, columns, given = reading.steps.values[value].shape
    kind: Kind = "conv" if operator.name == "CONV_2D" else "depthwise"
    outputs = len(weights) if kind == "conv" else weights.shape[-1]
    if kind == "depthwise" and given == 1 and outputs > 1:
        kind, weights = "conv", weights.transpose(3, 1, 2, 0)
    if weights.shape[-1] != given:
        raise unsupported(source, f"groups: weights {weights.shape} for {given} channels")
    stride, same = (options["stride_h"], options["stride_w"]), options["padding"] == "SAME"
    kernel = weights.shape[1:3]
    sides = [
        -(-size // step) if same else (size - taps) // step + 1
        for size, taps, step in zip((rows, columns), kernel, stride, strict=True)
    ]
    return _add(
        reading, operator, (value, kind, weights), (1, *sides, outputs), stride=stride, same_padding=same
    )


def _add(
    reading: Reading,
    operator: Operator,
    what: tuple[int, Kind, Array],
    shape: tuple[int, ...],
    *,
    stride: tuple[int, int] = (1, 1),
    same_padding: bool = False,
) -> View:
    value, kind, weights = what
    clamp = _CLAMPS.get(operator.activation)
    output = reading.output(operator, shape) if clamp else first_output(reading, operator, shape)
    bias = _bias(reading, operator, shape[-1])
    reading.add(
        operator, kind=kind, inputs=(value,), output=output, weights=weights, bias=bias,
        clamp=clamp or "none", stride=stride, same_padding=same_padding,
    )  # fmt: skip
    view = whole(output)
    return view if clamp else activated(reading, operator, view)


def _weights(reading: Reading, operator: Operator) -> Array:
    weights = reading.constant(operator.inputs[1])
    if weights is None:
        raise unsupported(source_of(operator, reading.graph), "weights that are computed")
    return weights.astype(np.float64)


def _bias(reading: Reading, operator: Operator, outputs: int) -> Array:
    if operator.name == "BATCH_MATMUL" or len(operator.inputs) < 3 or operator.inputs[2] == NO_TENSOR:
        return np.zeros(outputs)
    return reading.numbers(operator, 2).reshape(-1).astype(np.float64)


def read_dense(reading: Reading, operator: Operator) -> View:
    """Reads FULLY_CONNECTED."""
    return _dense(reading, operator, _weights(reading, operator), bool(operator.options.get("keep_num_dims")))


def read_matmul(reading: Reading, operator: Operator) -> View:
    """Reads BATCH_MATMUL with constant weights."""
    weights = _weights(reading, operator)
    if operator.options.get("adj_x") or weights.size != np.prod(weights.shape[-2:]):
        raise unsupported(source_of(operator, reading.graph), f"a product of matrices {weights.shape}")
    weights = weights.reshape(weights.shape[-2:])
    return _dense(reading, operator, weights if operator.options.get("adj_y") else weights.T, True)


def _dense(reading: Reading, operator: Operator, weights: Array, keeps_dimensions: bool) -> View:
    """Adds a convolution with weights (O, I) of a vector, or of every position of a map.

    A vector that was a map is a convolution with a window of the whole map.
    """
    view = reading.views[operator.inputs[0]]
    shape = reading.steps.values[view.value].shape
    outputs = len(weights)
    if view.flat is not None:
        window = np.empty((outputs, int(np.prod(shape))))
        window[:, view.flat] = weights
        kernel = window.reshape(outputs, *shape[1:])
        _add(reading, operator, (view.value, "conv", kernel), (1, 1, 1, outputs))
        return View(operator.output, (0, CHANNELS))
    positions = int(np.prod(shape[1:-1]))
    whole_vector = shape[-1] == weights.shape[1] and positions == 1
    if not whole_vector and not (keeps_dimensions and view.is_map(shape) and shape[-1] == weights.shape[1]):
        got = f"an input {reading.shape(operator.inputs[0])} for weights {weights.shape}"
        raise unsupported(source_of(operator, reading.graph), got)
    kernel = weights.reshape(outputs, 1, 1, -1)
    _add(reading, operator, (view.value, "conv", kernel), (*shape[:-1], outputs))
    if positions > 1:
        return whole(operator.output)
    rank = len(reading.shape(operator.inputs[0])) if keeps_dimensions else 2
    return View(operator.output, (*[None] * (rank - 1), CHANNELS))
