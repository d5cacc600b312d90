"""Tiny but real `.tflite` files, made without TensorFlow through the generated schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import Tensor, constant_tensor

SIZE = 4
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


_ZERO_OF_PIXELS = {"float32": 0, "int8": -128, "uint8": 0}


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
    open_batch: bool = False,
) -> Path:
    """Writes a model of one convolution over the whole image: pixels 0..255 to one number a class.

    Args:
        path: Where to.
        dtype: `float32`, `int8` or `uint8`: of input, weights and output.
        classes: Number of outputs; the kernel's where one is given.
        kernel: (classes, rows, columns, channels) of the input; by default `weights(classes)`.
        output_scale: Real value of one output step.
        open_batch: Leave the batch size open in the signature.
    """
    kernel = weights(classes) if kernel is None else kernel
    graph = _Graph(open_batch)
    image = graph.tensor("image", dtype, (1, *kernel.shape[1:]), (1.0, _ZERO_OF_PIXELS[dtype]))
    graph.write(path, image, graph.convolution(image, dtype, kernel, output_scale))
    return path


def write_outputs(path: Path, dtype: str, *, names: tuple[str, str] = ("a_features", "b_kind")) -> Path:
    """Writes a model of an average of each colour, and of scores by a convolution over the whole image.

    The signature has the outputs in the other order than the graph, whose first are the averages.

    Args:
        path: Where to.
        dtype: `float32`, `int8` or `uint8`: of input and outputs.
        names: Of the averages (3 numbers, an embedding) and the scores (5 numbers); without the second name
            the model has the averages only.
    """
    zero_of_pixels = _ZERO_OF_PIXELS[dtype]
    graph = _Graph(open_batch=False)
    image = graph.tensor("image", dtype, (1, SIZE, SIZE, 3), (1.0, zero_of_pixels))
    axes = graph.tensor("axes", "int32", (2,), (1.0, 0), np.array([1, 2], np.int32))
    features = graph.tensor("features_tensor", dtype, (1, 3), (1.0, zero_of_pixels))
    options = schema.ReducerOptionsT()
    options.keepDims = False
    graph.operator(("MEAN", 2), [image, axes], features, options)
    outputs = {names[0]: features}
    if names[1]:
        outputs[names[1]] = graph.convolution(image, dtype, weights(5), 8.0)
    graph.write(path, image, *outputs.values(), signature=dict(reversed(outputs.items())))
    return path


def write_map(path: Path, *, operator: str = "RELU") -> Path:
    """Writes a float model of one operator, whose output is a map, (1, SIZE, SIZE, 3)."""
    graph = _Graph(open_batch=False)
    image = graph.tensor("image", "float32", (1, SIZE, SIZE, 3), (1.0, 0))
    output = graph.tensor("map", "float32", (1, SIZE, SIZE, 3), (1.0, 0))
    graph.operator((operator, 1), [image], output, None)
    graph.write(path, image, output)
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

    So a client's preprocessing can be read off its answers.
    """
    graph = _Graph(open_batch=False)
    image = graph.tensor("image", "uint8", (1, side, side, 3), (1.0, 0))
    pixels = graph.tensor("pixels", "uint8", (1, side * side * 3), (1.0, 0))
    graph.reshape(image, pixels)
    graph.write(path, image, pixels)
    return path


class _Graph:
    """A flatbuffer in the making, independent of the project's builder."""

    def __init__(self, open_batch: bool) -> None:
        self._open_batch = open_batch
        self._model = schema.ModelT()
        self._model.version, self._model.buffers, self._model.operatorCodes = 3, [schema.BufferT()], []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []

    def tensor(
        self,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        quantization: tuple[float, int],
        data: npt.NDArray[Any] | None = None,
    ) -> int:
        new = schema.TensorT()
        new.name, new.type, new.shape, new.buffer = name.encode(), _TYPES[dtype], list(shape), 0
        if self._open_batch and data is None:
            new.shapeSignature = [-1, *shape[1:]]
        if dtype != "float32":
            scale, zero_point = quantization
            new.quantization = schema.QuantizationParametersT()
            new.quantization.scale, new.quantization.zeroPoint = [scale], [zero_point]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            self._model.buffers.append(buffer)
            new.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(new)
        return len(self._graph.tensors) - 1

    def operator(self, code: tuple[str, int], inputs: list[int], output: int, options: Any) -> None:
        name, version = code
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = getattr(schema.BuiltinOperator, name)
        operator_code.deprecatedBuiltinCode = min(operator_code.builtinCode, 127)  # an int8 of older files
        operator_code.version = version
        self._model.operatorCodes.append(operator_code)
        new = schema.OperatorT()
        new.opcodeIndex, new.inputs, new.outputs = len(self._model.operatorCodes) - 1, inputs, [output]
        if options is not None:
            new.builtinOptions = options
            new.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        self._graph.operators.append(new)

    def reshape(self, given: int, output: int) -> None:
        options = schema.ReshapeOptionsT()
        options.newShape = self._graph.tensors[output].shape
        self.operator(("RESHAPE", 1), [given], output, options)

    def convolution(
        self, image: int, dtype: str, kernel: npt.NDArray[np.float32], output_scale: float
    ) -> int:
        """One number for each kernel, (1, kernels), of which each is as large as the image."""
        weight_scale = float(np.abs(kernel).max()) / 127
        middle = {"float32": 0, "int8": 0, "uint8": 128}[dtype]
        classes = len(kernel)
        if dtype == "float32":
            stored: npt.NDArray[Any] = kernel
            bias: npt.NDArray[Any] = np.zeros(classes, np.float32)
        else:
            stored = (np.round(kernel / weight_scale) + middle).astype(dtype)
            bias = np.zeros(classes, np.int32)
        bias_type = "float32" if dtype == "float32" else "int32"
        inputs = [
            image,
            self.tensor("kernel", dtype, stored.shape, (weight_scale, middle), stored),
            self.tensor("bias", bias_type, (classes,), (weight_scale, 0), bias),
        ]
        scores = self.tensor("scores", dtype, (1, 1, 1, classes), (output_scale, middle))
        output = self.tensor("output", dtype, (1, classes), (output_scale, middle))
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        self.operator(("CONV_2D", 3), inputs, scores, options)
        self.reshape(scores, output)
        return output

    def write(self, path: Path, image: int, *outputs: int, signature: dict[str, int] | None = None) -> None:
        self._graph.inputs, self._graph.outputs = [image], list(outputs)
        self._model.subgraphs = [self._graph]
        if signature is not None:
            known = schema.SignatureDefT()
            known.signatureKey, known.subgraphIndex = b"serving_default", 0
            known.inputs = [_entry("pixels", image)]
            known.outputs = [_entry(name, tensor) for name, tensor in signature.items()]
            self._model.signatureDefs = [known]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))


def _entry(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), tensor
    return entry


def added_twice() -> bytes:
    """One constant, added to what is given and to that sum."""
    builder = GraphBuilder()
    given = builder.add_tensor(Tensor(name="given", dtype="FLOAT32", shape=(1, 2)))
    constant = builder.add_tensor(constant_tensor("both", np.array([[1.0, 2.0]], np.float32)))
    once, twice = (
        builder.add_tensor(Tensor(name=name, dtype="FLOAT32", shape=(1, 2))) for name in ("once", "twice")
    )
    builder.add_operator("ADD", [given, constant], once)
    builder.add_operator("ADD", [once, constant], twice)
    return builder.to_bytes([given], [twice])
