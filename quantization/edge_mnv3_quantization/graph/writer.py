"""Writes a `Network` as a `.tflite` file, float or int8, through the generated schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3_quantization.graph.network import GATE_SHIFT, WEIGHTED, Network, Node
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}
_CLAMPS = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
# Versions that TFLite's own converter writes for int8, see tensorflow/compiler/mlir/lite/tools/versioning.
_OPERATORS = {
    "conv": ("CONV_2D", 3),
    "depthwise": ("DEPTHWISE_CONV_2D", 3),
    "dense": ("FULLY_CONNECTED", 4),
    "hard_swish": ("HARD_SWISH", 1),
    "gate": ("ADD", 2),
    "mean": ("MEAN", 2),
    "mul": ("MUL", 2),
    "add": ("ADD", 2),
    "pad": ("PAD", 2),
    "concat": ("CONCATENATION", 2),
    "reshape": ("RESHAPE", 1),
    "softmax": ("SOFTMAX", 2),
    "quantize": ("QUANTIZE", 2),
    "dequantize": ("DEQUANTIZE", 2),
}
_SHIFT = np.full((1,), 127, np.int8)
SIGNATURE_INPUT, SIGNATURE_OUTPUT = "image", "output_0"


def write_float(network: Network, outputs: Sequence[int], *, pixels: bool = False) -> bytes:
    """Writes a float32 file that gives the values `outputs`.

    Args:
        network: Any, the factors of its products 1.
        outputs: Values.
        pixels: The file takes pixels 0..255 instead of the network's input.
    """
    file = _File()
    shape = network.values[network.input].shape
    given = file.tensor("image", "float32", shape)
    tensors = {network.input: given}
    if pixels:
        scaled, tensors[network.input] = (file.tensor(name, "float32", shape) for name in ("scaled", "moved"))
        scale, offset = (
            file.constant(name, np.full((1,), number, np.float32))
            for name, number in (("scale", network.input_scale), ("offset", network.input_offset))
        )
        file.operator("mul", [given, scale], scaled)
        file.operator("add", [scaled, offset], tensors[network.input])
    for node in network.nodes:
        value = network.values[node.output]
        inputs = [tensors[i] for i in node.inputs]
        if node.kind in WEIGHTED:
            weights, bias = node.weights_and_bias()
            inputs.append(file.constant(f"{value.name}_weights", weights.astype(np.float32)))
            inputs.append(file.constant(f"{value.name}_bias", bias.astype(np.float32)))
        elif node.kind == "gate":
            inputs.append(file.constant(f"{value.name}_shift", np.full((1,), GATE_SHIFT, np.float32)))
        tensors[node.output] = file.tensor(value.name, "float32", value.shape)
        file.node(node, inputs, tensors[node.output], value.shape)
    return file.finish([given], [tensors[i] for i in outputs])


def write_int8(
    network: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    *,
    io: str,
    notes: Mapping[str, bytes] | None = None,
) -> bytes:
    """Writes a full-integer file.

    Args:
        network: Without hard-swish, the factors of its products 1.
        quantizations: Of the input and every node's output.
        weights: Of every weighted node, by its output.
        io: dtype of input and output: `uint8`, `int8` or `float32`.
        notes: Metadata entries.
    """
    file = _File()
    first = quantizations[network.input]
    shape = network.values[network.input].shape
    if io == "float32":
        # Pixels 0..255 to steps, then the real numbers move so that 0 is what the convolution pads with.
        given = file.tensor("image", "float32", shape)
        steps = file.tensor("image_int8", "int8", shape, [1.0], [-128])
        file.operator("quantize", [given], steps)
        moved = file.tensor("image_centred", "int8", shape, [1.0], [first.zero_point])
        shift = file.constant(
            "shift", np.full((1, 1, 1, 1), -127, np.int8), [(first.zero_point + 128) / 127.0], [0]
        )
        file.operator("add", [steps, shift], moved)
        tensors = {network.input: moved}
    else:
        tensors = {network.input: file.tensor("image_int8", "int8", shape, [first.scale], [first.zero_point])}
        given = tensors[network.input]
        if io == "uint8":
            given = file.tensor("image", "uint8", shape, [first.scale], [first.zero_point + 128])
            file.operator("quantize", [given], tensors[network.input])
    for node in network.nodes:
        value, own = network.values[node.output], quantizations[node.output]
        inputs = [tensors[i] for i in node.inputs]
        if node.kind in WEIGHTED:
            found = weights[node.output]
            dimension = 3 if node.kind == "depthwise" else 0
            scales = found.scales.astype(np.float64)
            taken = quantizations[node.inputs[0]].scale
            if io == "float32" and node.inputs[0] == network.input:
                scales, taken = scales * taken, 1.0
            zeros = [0] * len(scales)
            inputs.append(
                file.constant(f"{value.name}_weights", found.weights, scales.tolist(), zeros, dimension)
            )
            inputs.append(file.constant(f"{value.name}_bias", found.bias, (scales * taken).tolist(), zeros))
        elif node.kind == "gate":
            inputs.append(file.constant(f"{value.name}_shift", _SHIFT, [GATE_SHIFT / int(_SHIFT[0])], [0]))
        tensors[node.output] = file.tensor(value.name, "int8", value.shape, [own.scale], [own.zero_point])
        file.node(node, inputs, tensors[node.output], value.shape)
    result = tensors[network.output]
    if io != "int8":
        last, shape = quantizations[network.output], network.values[network.output].shape
        stored = result
        if io == "uint8":
            result = file.tensor("output", "uint8", shape, [last.scale], [last.zero_point + 128])
        else:
            result = file.tensor("output", "float32", shape)
        file.operator("quantize" if io == "uint8" else "dequantize", [stored], result)
    return file.finish([given], [result], notes)


class _File:
    """A flatbuffer in the making."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]
        self._codes: dict[str, int] = {}

    def tensor(
        self,
        name: str,
        dtype: str,
        shape: Sequence[int],
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        dimension: int = 0,
        buffer: int = 0,
    ) -> int:
        new = schema.TensorT()
        new.name, new.type, new.shape, new.buffer = name.encode(), _TYPES[dtype], list(shape), buffer
        if scales:
            new.quantization = schema.QuantizationParametersT()
            new.quantization.scale = np.asarray(scales, np.float32)
            new.quantization.zeroPoint = np.asarray(zero_points, np.int64)
            new.quantization.quantizedDimension = dimension
        self._graph.tensors.append(new)
        return len(self._graph.tensors) - 1

    def constant(
        self,
        name: str,
        values: npt.NDArray[Any],
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        dimension: int = 0,
    ) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self.tensor(
            name, values.dtype.name, values.shape, scales, zero_points, dimension, len(self._buffers) - 1
        )

    def operator(
        self, kind: str, inputs: Sequence[int], output: int, options: Any = None, options_type: int = 0
    ) -> None:
        if kind not in self._codes:
            self._codes[kind] = len(self._codes)
        if kind == "add" and options is None:
            options, options_type = schema.AddOptionsT(), schema.BuiltinOptions.AddOptions
        elif kind == "mul" and options is None:
            options, options_type = schema.MulOptionsT(), schema.BuiltinOptions.MulOptions
        new = schema.OperatorT()
        new.opcodeIndex, new.inputs, new.outputs = self._codes[kind], list(inputs), [output]
        new.builtinOptions, new.builtinOptionsType = options, options_type
        self._graph.operators.append(new)

    def node(self, node: Node, inputs: list[int], output: int, shape: Sequence[int]) -> None:
        """Appends a node with its options and constant inputs."""
        if node.factor != 1.0:
            raise ValueError("a product with a constant factor has no operator: rescale the network first")
        options, kind = _options(node)
        if node.kind == "mean":
            inputs = [*inputs, self.constant("axes", np.array([1, 2], np.int32))]
            options.keepDims = len(shape) == 4
        elif node.kind == "concat":
            options.axis = len(shape) - 1
        elif node.kind == "reshape":
            options.newShape = list(shape)
            inputs = [*inputs, self.constant("shape", np.array(shape, np.int32))]
        elif node.kind == "pad":
            top, bottom, left, right = node.paddings
            sides = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
            inputs = [*inputs, self.constant("paddings", sides)]
        self.operator(node.kind, inputs, output, options, kind)

    def finish(
        self, inputs: Sequence[int], outputs: Sequence[int], notes: Mapping[str, bytes] | None = None
    ) -> bytes:
        graph = self._graph
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = []
        for kind in self._codes:
            name, version = _OPERATORS[kind]
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = version
            model.operatorCodes.append(code)
        for name, content in (notes or {}).items():
            entry, buffer = schema.MetadataT(), schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self._buffers.append(buffer)
            entry.name, entry.buffer = name.encode(), len(self._buffers) - 1
            model.metadata = [*(model.metadata or []), entry]
        if len(outputs) == 1:
            model.signatureDefs = [_signature(inputs[0], outputs[0])]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _signature(image: int, output: int) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    maps = []
    for name, index in ((SIGNATURE_INPUT, image), (SIGNATURE_OUTPUT, output)):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), index
        maps.append(entry)
    signature.inputs, signature.outputs = [maps[0]], [maps[1]]
    return signature


def _options(node: Node) -> tuple[Any, int]:
    """The schema's options of a node and their type."""
    padding = schema.Padding.SAME if node.same_padding else schema.Padding.VALID
    options: Any = None
    if node.kind in ("conv", "depthwise"):
        options = schema.Conv2DOptionsT() if node.kind == "conv" else schema.DepthwiseConv2DOptionsT()
        options.padding = padding
        options.strideH, options.strideW = node.stride
        options.dilationHFactor = options.dilationWFactor = 1
        if node.kind == "depthwise":
            options.depthMultiplier = 1
    else:
        classes = {
            "dense": schema.FullyConnectedOptionsT,
            "mean": schema.ReducerOptionsT,
            "mul": schema.MulOptionsT,
            "add": schema.AddOptionsT,
            "gate": schema.AddOptionsT,
            "concat": schema.ConcatenationOptionsT,
            "reshape": schema.ReshapeOptionsT,
            "softmax": schema.SoftmaxOptionsT,
        }
        if node.kind not in classes:
            return None, 0
        options = classes[node.kind]()
    if node.kind in WEIGHTED or node.kind == "gate":
        options.fusedActivationFunction = _CLAMPS[node.clamp]
    if node.kind == "softmax":
        options.beta = 1.0
    return options, getattr(schema.BuiltinOptions, type(options).__name__[:-1])
