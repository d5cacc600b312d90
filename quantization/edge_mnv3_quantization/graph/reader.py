"""Reads the converter's float file into a `Network`."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Operator
from edge_mnv3_quantization.graph.network import Array, Clamp, Kind, Network, Node, Value

_WEIGHTED_KINDS: dict[str, Kind] = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
}
_PLAIN_KINDS: dict[str, Kind] = {
    "ADD": "add",
    "HARD_SWISH": "hard_swish",
    "MEAN": "mean",
    "MUL": "mul",
    "RESHAPE": "reshape",
    "SOFTMAX": "softmax",
}
_CLAMPS: dict[str, Clamp] = {"NONE": "none", "RELU": "relu", "RELU6": "relu6"}


def read_network(float_model: bytes) -> Network:
    """Reads a float32 `.tflite` file of one input and one output.

    The scale and offset that MobileNetV3 applies to its pixels become the network's `input_scale` and
    `input_offset`: the network then begins at the first convolution.

    Raises:
        ConversionError: The file holds an operator that this project cannot rewrite; the text names it.
        ModelFileError: The file is no valid `.tflite`.
    """
    model = read_model(float_model, "float")
    if len(model.graphs) != 1 or len(model.main_graph.inputs) != 1 or len(model.main_graph.outputs) != 1:
        raise ConversionError("float model", "several graphs, inputs or outputs", "one of each")
    return _Reader(model.main_graph).read()


class _Reader:
    """Reads a graph operator by operator; the input moves past the operators that scale pixels."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._input = graph.inputs[0]
        self._scale, self._offset = 1.0, 0.0

    def read(self) -> Network:
        nodes = [node for operator in self._graph.operators if (node := self._node(operator))]
        return Network(
            values={
                number: Value(name=tensor.name, shape=tensor.shape)
                for number, tensor in enumerate(self._graph.tensors)
                if tensor.shape
            },
            nodes=tuple(_fold_scales(nodes)),
            input=self._input,
            output=self._graph.outputs[0],
            input_scale=self._scale,
            input_offset=self._offset,
        )

    def _node(self, operator: Operator) -> Node | None:
        constants = [self._constant(tensor) for tensor in operator.inputs]
        if operator.name in _WEIGHTED_KINDS:
            return self._weighted(operator, constants)
        if operator.name in ("MUL", "ADD") and any(constant is not None for constant in constants):
            return self._with_constant(operator, constants)
        if operator.name in _PLAIN_KINDS:
            if operator.name in ("MUL", "ADD") and operator.activation != "NONE":
                raise _unknown(operator, "with an activation")
            inputs = tuple(i for i, one in zip(operator.inputs, constants, strict=True) if one is None)
            return Node(kind=_PLAIN_KINDS[operator.name], inputs=inputs, output=operator.output)
        if operator.name == "PAD":
            rows, columns = np.asarray(constants[1]).reshape(-1, 2)[1:3].astype(int).tolist()
            paddings = (*rows, *columns)
            return Node(kind="pad", inputs=operator.inputs[:1], output=operator.output, paddings=paddings)
        raise _unknown(operator, "")

    def _weighted(self, operator: Operator, constants: list[Array | None]) -> Node:
        weights = constants[1]
        if weights is None:
            raise _unknown(operator, "without constant weights")
        kind = _WEIGHTED_KINDS[operator.name]
        outputs = weights.shape[-1] if kind == "depthwise" else weights.shape[0]
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] != NO_TENSOR
        options = operator.options
        spatial = kind != "dense"
        if spatial and (options["dilation_h_factor"], options["dilation_w_factor"]) != (1, 1):
            raise _unknown(operator, "with dilation")
        if operator.activation not in _CLAMPS:
            raise _unknown(operator, f"with activation {operator.activation}")
        return Node(
            kind=kind,
            inputs=operator.inputs[:1],
            output=operator.output,
            weights=weights,
            bias=constants[2] if has_bias else np.zeros(outputs),
            clamp=_CLAMPS[operator.activation],
            stride=(options["stride_h"], options["stride_w"]) if spatial else (1, 1),
            same_padding=spatial and options["padding"] == "SAME",
        )

    def _with_constant(self, operator: Operator, constants: list[Array | None]) -> Node | None:
        value = next(i for i, one in zip(operator.inputs, constants, strict=True) if one is None)
        constant = next(one for one in constants if one is not None)
        if constant.size != 1:
            raise _unknown(operator, "with a constant per channel")
        number = float(constant.reshape(-1)[0])
        if value == self._input:
            factor, summand = (number, 0.0) if operator.name == "MUL" else (1.0, number)
            self._scale, self._offset = self._scale * factor, self._offset * factor + summand
            self._input = operator.output
            return None
        if operator.name == "ADD":
            raise _unknown(operator, "with a constant")
        # A product with itself as the only input; `_fold_scales` moves it into the product that follows.
        return Node(kind="mul", inputs=(value,), output=operator.output, factor=number)

    def _constant(self, tensor: int) -> Array | None:
        if tensor == NO_TENSOR or self._graph.tensors[tensor].data is None:
            return None
        numbers: npt.NDArray[np.generic] | None = self._graph.tensors[tensor].numbers()
        if numbers is None or numbers.dtype not in (np.float32, np.int32):
            name = self._graph.tensors[tensor].name
            raise ConversionError("float model", f"constant '{name}' of another type", "float32")
        return numbers.astype(np.float64)


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


def _unknown(operator: Operator, how: str) -> ConversionError:
    return ConversionError(
        f"operator {operator.index}",
        f"{operator.name} {how}".strip(),
        "the operators of a MobileNetV3 classifier",
        "use --recipe stock",
    )
