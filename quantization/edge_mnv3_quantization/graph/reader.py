"""Reads the converter's float file into a `Network`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edge_mnv3.core.errors import ConversionError
from edge_mnv3_quantization.graph.network import Array, Clamp, Network, Node, Value


def read_network(float_model: bytes) -> Network:
    """Reads a float32 `.tflite` file of one input and one output.

    The scale and offset that MobileNetV3 applies to its pixels become the network's `input_scale` and
    `input_offset`: the network then begins at the first convolution.

    Raises:
        ConversionError: It holds an operator that this project cannot rewrite; the text names it.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(float_model, 0)
    if (
        len(model.subgraphs) != 1
        or len(model.subgraphs[0].inputs) != 1
        or len(model.subgraphs[0].outputs) != 1
    ):
        raise ConversionError("float model", "several graphs, inputs or outputs", "one of each")
    return _Reader(model, schema).read()


class _Reader:
    def __init__(self, model: Any, schema: Any) -> None:
        self._model, self._schema = model, schema
        self._graph = model.subgraphs[0]
        self._op_names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        self._input = int(self._graph.inputs[0])
        self._scale, self._offset = 1.0, 0.0

    def read(self) -> Network:
        nodes: list[Node] = []
        for index, operator in enumerate(self._graph.operators):
            code = self._model.operatorCodes[operator.opcodeIndex]
            name = self._op_names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            node = self._node(name, operator, index)
            if node:
                nodes.append(node)
        return Network(
            values={
                i: Value(name=tensor.name.decode("utf-8", "replace"), shape=tuple(map(int, tensor.shape)))
                for i, tensor in enumerate(self._graph.tensors)
                if tensor.shape is not None
            },
            nodes=tuple(_fold_scales(nodes)),
            input=self._input,
            output=int(self._graph.outputs[0]),
            input_scale=self._scale,
            input_offset=self._offset,
        )

    def _node(self, name: str, operator: Any, index: int) -> Node | None:
        inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
        options = operator.builtinOptions
        constants = [self._constant(i) for i in inputs]
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            return self._weighted(name, inputs, output, options, constants, index)
        if name in ("MUL", "ADD") and any(constant is not None for constant in constants):
            return self._with_constant(name, inputs, output, constants, index)
        if name in ("MUL", "ADD", "HARD_SWISH", "SOFTMAX", "RESHAPE", "MEAN"):
            if name in ("MUL", "ADD") and options.fusedActivationFunction:
                raise _unknown(name, index, "with an activation")
            activations = tuple(i for i, constant in zip(inputs, constants, strict=True) if constant is None)
            return Node(kind=name.lower(), inputs=activations, output=output)  # type: ignore[arg-type]
        if name == "PAD":
            rows, columns = np.asarray(constants[1]).reshape(-1, 2)[1:3].astype(int).tolist()
            return Node(kind="pad", inputs=(inputs[0],), output=output, paddings=(*rows, *columns))
        raise _unknown(name, index, "")

    def _weighted(
        self, name: str, inputs: list[int], output: int, options: Any, constants: list[Any], index: int
    ) -> Node:
        weights = constants[1]
        if weights is None:
            raise _unknown(name, index, "without constant weights")
        kind = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "dense"}[name]
        outputs = weights.shape[-1] if kind == "depthwise" else weights.shape[0]
        bias = constants[2] if len(inputs) > 2 and inputs[2] >= 0 else np.zeros(outputs)
        spatial = kind != "dense"
        if spatial and (options.dilationHFactor, options.dilationWFactor) != (1, 1):
            raise _unknown(name, index, "with dilation")
        return Node(
            kind=kind,  # type: ignore[arg-type]
            inputs=(inputs[0],),
            output=output,
            weights=weights,
            bias=bias,
            clamp=self._clamp(options.fusedActivationFunction, name, index),
            stride=(options.strideH, options.strideW) if spatial else (1, 1),
            same_padding=spatial and options.padding == self._schema.Padding.SAME,
        )

    def _with_constant(
        self, name: str, inputs: list[int], output: int, constants: list[Any], index: int
    ) -> Node | None:
        value = next(i for i, constant in zip(inputs, constants, strict=True) if constant is None)
        constant = next(constant for constant in constants if constant is not None)
        if constant.size != 1:
            raise _unknown(name, index, "with a constant per channel")
        number = float(constant.reshape(-1)[0])
        if value == self._input:
            factor, summand = (number, 0.0) if name == "MUL" else (1.0, number)
            self._scale, self._offset = self._scale * factor, self._offset * factor + summand
            self._input = output
            return None
        if name == "ADD":
            raise _unknown(name, index, "with a constant")
        # A product with itself as the only input; `_fold_scales` moves it into the product that follows.
        return Node(kind="mul", inputs=(value,), output=output, factor=number)

    def _constant(self, index: int) -> Array | None:
        if index < 0:
            return None
        tensor = self._graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return None
        dtype = {self._schema.TensorType.FLOAT32: np.float32, self._schema.TensorType.INT32: np.int32}.get(
            tensor.type
        )
        if dtype is None:
            raise ConversionError(
                "float model", f"constant '{tensor.name.decode()}' of another type", "float32"
            )
        shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
        values: Array = np.frombuffer(bytes(data), dtype).reshape(shape).astype(np.float64)
        return values

    def _clamp(self, function: int, name: str, index: int) -> Clamp:
        kinds = self._schema.ActivationFunctionType
        clamps: dict[int, Clamp] = {kinds.NONE: "none", kinds.RELU: "relu", kinds.RELU6: "relu6"}
        if function not in clamps:
            raise _unknown(name, index, f"with activation {function}")
        return clamps[function]


def _fold_scales(nodes: list[Node]) -> list[Node]:
    """Moves products of a value and a constant into the products of two values that take them."""
    scales = {node.output: node for node in nodes if node.kind == "mul" and len(node.inputs) == 1}
    kept = []
    for node in nodes:
        if node.output in scales:
            continue
        taken = [scales[value] for value in node.inputs if value in scales]
        if taken and node.kind != "mul":
            raise ConversionError(
                "float model", f"a constant factor in front of a {node.kind}", "one in front of a product"
            )
        for scale in taken:
            inputs = tuple(scale.inputs[0] if value == scale.output else value for value in node.inputs)
            node = dataclasses.replace(node, inputs=inputs, factor=node.factor * scale.factor)
        kept.append(node)
    return kept


def _unknown(name: str, index: int, how: str) -> ConversionError:
    return ConversionError(
        f"operator {index}",
        f"{name} {how}".strip(),
        "the operators of a MobileNetV3 classifier",
        "use --recipe stock",
    )
