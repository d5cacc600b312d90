"""Values of `types` as objects of the generated schema, and the schema's numbers as names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.op_versions import OP_VERSIONS
from edge_mnv3.core.tflite.types import Tensor

IDENTIFIER = b"TFL3"
_LARGEST_DEPRECATED_CODE = 127  # the field of files before schema 3a is an int8
_PACKING_ROOM_BYTES = 1 << 20  # for all but the constants, so that the buffer need not grow
_OPTIONS_TYPES = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DIV": "DivOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "REDUCE_MAX": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "SHAPE": "ShapeOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SQUEEZE": "SqueezeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
}


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_OPERATOR_NAMES = _names(schema.BuiltinOperator)
_DTYPE_NAMES = _names(schema.TensorType)
_ENUMERATED_OPTIONS = {
    "padding": _names(schema.Padding),
    "fused_activation_function": _names(schema.ActivationFunctionType),
}


def unpacked(content: bytes, name: str) -> Any:
    """Reads a file as a `ModelT`.

    Raises:
        ModelFileError: It is no valid `.tflite`.
    """
    if content[4:8] != IDENTIFIER:
        raise invalid_file(name)
    try:
        return schema.ModelT.InitFromPackedBuf(content, 0)
    except Exception as error:  # the generated code raises whatever the bytes lead it to
        raise invalid_file(name) from error


def single_graph(model: Any, name: str) -> Any:
    """Takes the `SubGraphT` of a `ModelT` that has one.

    Raises:
        ModelFileError: The file, which errors call `name`, holds several graphs or none.
    """
    count = len(model.subgraphs or ())
    if count != 1:
        raise ModelFileError(f"model {name}", f"{count} graphs", "one")
    return model.subgraphs[0]


def invalid_file(name: str, next_step: str = "") -> ModelFileError:
    """Makes the error about a file that is no valid `.tflite`."""
    return ModelFileError(f"model {name}", "no valid TFLite flatbuffer", "a whole .tflite file", next_step)


def packed(model: Any) -> bytes:
    """Writes a `ModelT` as a file."""
    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(size + _PACKING_ROOM_BYTES)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def builtin_code(code: Any) -> int:
    """Tells the number of an `OperatorCodeT`; files older than schema 3a keep it in the deprecated field."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def operator_name(code: Any) -> str:
    """Tells the name that an `OperatorCodeT` stands for."""
    if code.customCode:
        return str(code.customCode.decode("utf-8", "replace"))
    number = builtin_code(code)
    return _OPERATOR_NAMES.get(number, f"BUILTIN_{number}")  # newer than this schema


def dtype_name(number: int) -> str:
    """Tells the name of a `TensorType`."""
    return _DTYPE_NAMES.get(number, f"TYPE_{number}")


def options_of(operator: Any) -> dict[str, Any]:
    """Reads the options of an `OperatorT`, by the names of `schema.fbs`."""
    options = {} if operator.builtinOptions is None else vars(operator.builtinOptions)
    named: dict[str, Any] = {}
    for field, value in options.items():
        name = _option_name(field)
        if name in _ENUMERATED_OPTIONS:
            named[name] = _ENUMERATED_OPTIONS[name].get(value, str(value))
        else:
            named[name] = tuple(value.tolist()) if isinstance(value, np.ndarray) else value
    return named


@functools.cache
def _option_name(field: str) -> str:
    """The name in `schema.fbs` of a generated class's field, such as `stride_h` of `strideH`."""
    return re.sub("([A-Z])", r"_\1", field).lower()


def code_object(name: str) -> Any:
    """Makes an `OperatorCodeT`."""
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, _LARGEST_DEPRECATED_CODE)
    code.version = OP_VERSIONS.get(name, 1)
    return code


def buffer_object(content: bytes | memoryview) -> Any:
    """Makes a `BufferT`."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    return buffer


def tensor_object(tensor: Tensor, buffer: int) -> Any:
    """Makes a `TensorT` whose data lies in the buffer of this number; 0 is the empty one."""
    new = schema.TensorT()
    new.name, new.shape, new.buffer = tensor.name.encode(), list(tensor.shape), buffer
    new.type = getattr(schema.TensorType, tensor.dtype)
    if tensor.shape_signature:
        new.shapeSignature = list(tensor.shape_signature)
    if tensor.scales:
        new.quantization = quantization_object(tensor.scales, tensor.zero_points, tensor.quantized_dimension)
    return new


def quantization_object(scales: Sequence[float], zero_points: Sequence[int], dimension: int) -> Any:
    """Makes a `QuantizationParametersT`; `dimension` is that of the channels."""
    new = schema.QuantizationParametersT()
    new.scale = np.asarray(scales, np.float32)
    new.zeroPoint = np.asarray(zero_points, np.int64)
    new.quantizedDimension = dimension
    return new


def operator_object(
    name: str, code_index: int, inputs: Sequence[int], outputs: Sequence[int], options: Mapping[str, Any]
) -> Any:
    """Makes an `OperatorT` of the operator code of this number.

    Raises:
        ValueError: The operator has no such option.
    """
    new = schema.OperatorT()
    new.opcodeIndex, new.inputs, new.outputs = code_index, list(inputs), list(outputs)
    if name in _OPTIONS_TYPES:
        new.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS_TYPES[name])
        new.builtinOptions = getattr(schema, f"{_OPTIONS_TYPES[name]}T")()
    elif options:
        raise ValueError(f"{name} has no options")
    for option, value in options.items():
        camel = re.sub("_([a-z])", lambda match: match[1].upper(), option)
        if not hasattr(new.builtinOptions, camel):
            raise ValueError(f"{name} has no option {option}")
        if option in _ENUMERATED_OPTIONS:
            numbers = {value: number for number, value in _ENUMERATED_OPTIONS[option].items()}
            value = numbers[value]
        setattr(new.builtinOptions, camel, list(value) if isinstance(value, tuple) else value)
    return new


def signature_object(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
    """Makes a `SignatureDefT` of the main graph, from names to numbers of tensors."""
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = (
        [_tensor_map(name, tensor) for name, tensor in ends.items()] for ends in (inputs, outputs)
    )
    return signature


def _tensor_map(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), tensor
    return entry


def model_object(graph: Any, codes: Sequence[Any], buffers: Sequence[Any]) -> Any:
    """Makes a `ModelT` of one graph."""
    model = schema.ModelT()
    model.version, model.subgraphs = 3, [graph]
    model.operatorCodes, model.buffers = list(codes), list(buffers)
    return model
