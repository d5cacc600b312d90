"""Tiny but real `.tflite` files, made without TensorFlow through the generated schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

SIZE = 4
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


def weights(classes: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """(classes, SIZE, SIZE, 3) float32 with a sum of 0 for each class, so that brightness does not matter."""
    kernel = np.random.default_rng(seed).uniform(-1, 1, (classes, SIZE, SIZE, 3)).astype(np.float32)
    centred: npt.NDArray[np.float32] = kernel - kernel.mean(axis=(1, 2, 3), keepdims=True)
    return centred


def write_classifier(
    path: Path,
    dtype: str,
    *,
    classes: int = 5,
    kernel: npt.NDArray[np.float32] | None = None,
    output_scale: float = 8.0,
    side: int = SIZE,
    open_batch: bool = False,
) -> Path:
    """Writes a model of one convolution over the whole image: pixels 0..255 to one number a class.

    Args:
        path: Where to.
        dtype: `float32`, `int8` or `uint8`: of input, weights and output.
        classes: Number of outputs.
        kernel: (classes, side, side, 3); by default `weights(classes)`.
        output_scale: Real value of one output step.
        side: Of the square input.
        open_batch: Leave the batch size open in the signature.
    """
    kernel = weights(classes) if kernel is None else kernel
    weight_scale = float(np.abs(kernel).max()) / 127
    middle = {"float32": 0, "int8": 0, "uint8": 128}[dtype]
    zero_of_pixels = {"float32": 0, "int8": -128, "uint8": 0}[dtype]
    if dtype == "float32":
        stored: npt.NDArray[Any] = kernel
        bias: npt.NDArray[Any] = np.zeros(classes, np.float32)
    else:
        stored = (np.round(kernel / weight_scale) + middle).astype(dtype)
        bias = np.zeros(classes, np.int32)
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []

    def tensor(
        name: str, kind: str, shape: tuple[int, ...], scale: float, zero: int, data: Any = None
    ) -> int:
        new = schema.TensorT()
        new.name, new.type, new.shape, new.buffer = name.encode(), _TYPES[kind], list(shape), 0
        if open_batch and data is None:
            new.shapeSignature = [-1, *shape[1:]]
        if kind != "float32":
            new.quantization = schema.QuantizationParametersT()
            new.quantization.scale, new.quantization.zeroPoint = [scale], [zero]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            model.buffers.append(buffer)
            new.buffer = len(model.buffers) - 1
        graph.tensors.append(new)
        return len(graph.tensors) - 1

    bias_type = "float32" if dtype == "float32" else "int32"
    image = tensor("image", dtype, (1, side, side, 3), 1.0, zero_of_pixels)
    kernel_index = tensor("kernel", dtype, stored.shape, weight_scale, middle, stored)
    bias_index = tensor("bias", bias_type, (classes,), weight_scale, 0, bias)
    scores = tensor("scores", dtype, (1, 1, 1, classes), output_scale, middle)
    output = tensor("output", dtype, (1, classes), output_scale, middle)

    conv = schema.OperatorT()
    conv.opcodeIndex, conv.inputs, conv.outputs = 0, [image, kernel_index, bias_index], [scores]
    conv.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    conv.builtinOptions = schema.Conv2DOptionsT()
    conv.builtinOptions.padding = schema.Padding.VALID
    conv.builtinOptions.strideH = conv.builtinOptions.strideW = 1
    conv.builtinOptions.dilationHFactor = conv.builtinOptions.dilationWFactor = 1
    flatten = schema.OperatorT()
    flatten.opcodeIndex, flatten.inputs, flatten.outputs = 1, [scores], [output]
    flatten.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    flatten.builtinOptions = schema.ReshapeOptionsT()
    flatten.builtinOptions.newShape = [1, classes]
    graph.operators, graph.inputs, graph.outputs = [conv, flatten], [image], [output]
    model.subgraphs = [graph]
    model.operatorCodes = []
    for code, version in ((schema.BuiltinOperator.CONV_2D, 3), (schema.BuiltinOperator.RESHAPE, 1)):
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        operator_code.version = version
        model.operatorCodes.append(operator_code)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def expected_scores(
    kernel: npt.NDArray[np.float32], pixels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """What `write_classifier` computes, in float64."""
    scores: npt.NDArray[np.float64] = np.einsum(
        "khwc,hwc->k", kernel.astype(np.float64), pixels.astype(np.float64)
    )
    return scores


def write_identity(path: Path, side: int) -> Path:
    """Writes a "classifier" whose scores are the pixels that it was given: (1, side, side, 3) uint8 in.

    So a client's own preprocessing can be read off its answers.
    """
    count = side * side * 3
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []
    for name, shape in ((b"image", [1, side, side, 3]), (b"pixels", [1, count])):
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.buffer = name, _TYPES["uint8"], shape, 0
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
        graph.tensors.append(tensor)
    flatten = schema.OperatorT()
    flatten.opcodeIndex, flatten.inputs, flatten.outputs = 0, [0], [1]
    flatten.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    flatten.builtinOptions = schema.ReshapeOptionsT()
    flatten.builtinOptions.newShape = [1, count]
    graph.operators, graph.inputs, graph.outputs = [flatten], [0], [1]
    model.subgraphs = [graph]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    model.operatorCodes = [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
