"""The modelled cost of an int8 file, whoever made it: its operators as a network, whose cost is modelled."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import Graph, Operator
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.graph.network import Clamp, Kind, Network, Node, Value
from edge_mnv3_quantization.graph.without_views import without_views

METHOD = "cycles of a model by kind of operator, which --budget uses too"
PROCESSOR = "Cortex-A76"
_KINDS: Mapping[str, Kind] = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "HARD_SWISH": "hard_swish",
    "MEAN": "mean",
    "AVERAGE_POOL_2D": "mean",
    "REDUCE_MAX": "max",
    "MAX_POOL_2D": "max",
    "MUL": "mul",
    "ADD": "add",
    "SUB": "add",
    "PAD": "pad",
    "PADV2": "pad",
    "CONCATENATION": "concat",
    "LOGISTIC": "logistic",
    "TANH": "tanh",
    "L2_NORMALIZATION": "l2_normalization",
    "SOFTMAX": "softmax",
    "RESHAPE": "reshape",
    "SQUEEZE": "reshape",
}
# They cost next to nothing beside the others: once on the input, and once on the output.
_FREE = ("QUANTIZE", "DEQUANTIZE", "CAST")
_CLAMPS: Mapping[str, Clamp] = {"RELU": "relu", "RELU6": "relu6"}


def modelled_cycles(content: bytes, name: str) -> float:
    """Models the cycles of one inference of an int8 file.

    Args:
        content: The file.
        name: What errors call it.

    Raises:
        ModelFileError: It is no valid `.tflite` of one graph, or has an operator that the model knows not.
    """
    return network_cycles(file_network(content, name))


def file_network(content: bytes, name: str) -> Network:
    """Reads a file as a network whose weights have their shapes and no values; see `modelled_cycles`."""
    graph = without_views(only_graph(read_model(content, name), name))
    nodes = [_node(graph, operator, name) for operator in graph.operators if operator.name not in _FREE]
    return Network(
        values={
            number: Value(name=tensor.name, shape=tensor.shape or (1,))
            for number, tensor in enumerate(graph.tensors)
        },
        nodes=tuple(nodes),
        input=graph.inputs[0],
        outputs=graph.outputs,
    )


def _node(graph: Graph, operator: Operator, name: str) -> Node:
    kind = _KINDS.get(operator.name)
    if kind is None:
        raise ModelFileError(
            f"model {name}", f"the operator {operator.name}", "operators whose cost is modelled"
        )
    constants = [one for one in operator.inputs if one >= 0 and graph.tensors[one].data is not None]
    inputs = tuple(one for one in operator.inputs if one >= 0 and one not in constants) or operator.inputs[:1]
    if kind in ("conv", "depthwise", "dense"):
        return _weighted(graph, operator, kind)
    if kind == "add" and constants and operator.activation == "RELU6":
        kind = "hard_sigmoid"  # a sum with a constant, whose product XNNPACK takes into its table
    return Node(kind=kind, inputs=inputs, output=operator.output)


def _weighted(graph: Graph, operator: Operator, kind: Kind) -> Node:
    shape = graph.tensors[operator.inputs[1]].shape
    channels = shape[-1] if kind == "depthwise" else shape[0]
    if math.prod(shape) == 0:
        raise ModelFileError(f"operator {operator.index}", f"weights of shape {shape}", "some")
    options = operator.options
    return Node(
        kind=kind,
        inputs=operator.inputs[:1],
        output=operator.output,
        weights=np.broadcast_to(np.float64(0), shape),
        bias=np.broadcast_to(np.float64(0), (channels,)),
        clamp=_CLAMPS.get(operator.activation, "none"),
        stride=(options["stride_h"], options["stride_w"]) if kind == "depthwise" else (1, 1),
    )
