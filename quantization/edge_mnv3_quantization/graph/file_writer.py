"""A `.tflite` file that is being written, operator by operator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import Tensor, constant_tensor
from edge_mnv3_quantization.graph.borders import padding, without_padding
from edge_mnv3_quantization.graph.map_views import MapView
from edge_mnv3_quantization.graph.network import WEIGHTED, Network, Node
from edge_mnv3_quantization.graph.types import Quantization

_OPERATOR_NAMES = {
    "conv": "CONV_2D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "dense": "FULLY_CONNECTED",
    "hard_swish": "HARD_SWISH",
    "hard_sigmoid": "ADD",
    "mean": "MEAN",
    "mul": "MUL",
    "add": "ADD",
    "pad": "PAD",
    "max": "MAX_POOL_2D",
    "concat": "CONCATENATION",
    "reshape": "RESHAPE",
    "logistic": "LOGISTIC",
    "tanh": "TANH",
    "l2_normalization": "L2_NORMALIZATION",
    "softmax": "SOFTMAX",
}


class FileWriter:
    """A file that is being written.

    Attributes:
        file: What is written so far.
        tensors: Number of a value of the network to the number of its tensor.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.file = GraphBuilder()
        self.tensors: dict[int, int] = {}

    def add_float(self, name: str, shape: Sequence[int]) -> int:
        """Adds a float32 tensor."""
        return self.file.add_tensor(Tensor(name=name, dtype="FLOAT32", shape=tuple(shape)))

    def add_quantized(self, name: str, dtype: str, shape: Sequence[int], stored: Quantization) -> int:
        """Adds a tensor of integers with one scale."""
        tensor = Tensor(
            name=name,
            dtype=dtype.upper(),
            shape=tuple(shape),
            scales=(stored.scale,),
            zero_points=(stored.zero_point,),
        )
        return self.file.add_tensor(tensor)

    def add_value(self, value: int, quantizations: Mapping[int, Quantization]) -> int:
        """Adds the int8 tensor of a value of the network."""
        known = self.network.values[value]
        return self.add_quantized(known.name, "int8", known.shape, quantizations[value])

    def add_constant(self, name: str, numbers: Any, *scales: float, quantized_dimension: int = 0) -> int:
        """Adds a constant, whose zero points are 0 if it has scales."""
        tensor = constant_tensor(
            name,
            numbers,
            scales=scales,
            zero_points=(0,) * len(scales),
            quantized_dimension=quantized_dimension,
        )
        return self.file.add_tensor(tensor)

    def surrounded(self, node: Node, border: npt.NDArray[Any], stored: Quantization | None) -> Node:
        """Joins constants to the map of a convolution, which then needs no padding.

        The constants come from a convolution of zero weights, which gives its bias whatever it takes: so
        there are as many as images.

        Args:
            node: The convolution.
            border: The constants, (C,), as the map is stored.
            stored: How it is stored; None for float32.

        Returns:
            The convolution over the larger map.
        """
        (value,) = node.inputs
        known = self.network.values[value]
        shape: tuple[int, ...] = tuple(known.shape)
        (top, left), (rows, columns) = padding(node, shape, self.network.values[node.output].shape)
        tensor = self.tensors[value]
        for axis, before, whole in ((2, left, columns), (1, top, rows)):
            after = whole - before - shape[axis]
            if before + after == 0:
                continue
            name = f"{known.name}_surrounded_{'columns' if axis == 2 else 'rows'}"
            side = self._add_side(name, tensor, shape, axis, border, stored)
            shape = (*shape[:axis], whole, *shape[axis + 1 :])
            joined = self._add_like(name, shape, stored)
            self.file.add_operator(
                "CONCATENATION", [side] * before + [tensor] + [side] * after, joined, {"axis": axis}
            )
            tensor = joined
        larger = -1 - node.output  # no value of the network has such a number
        self.tensors[larger] = tensor
        return dataclasses.replace(without_padding(node), inputs=(larger,))

    def _add_like(self, name: str, shape: Sequence[int], stored: Quantization | None) -> int:
        if stored is None:
            return self.add_float(name, shape)
        return self.add_quantized(name, "int8", shape, stored)

    def _add_side(
        self,
        name: str,
        tensor: int,
        shape: tuple[int, ...],
        axis: int,
        border: npt.NDArray[Any],
        stored: Quantization | None,
    ) -> int:
        """Adds one row or column of constants, as a convolution over the first one."""
        side = self._add_like(f"{name}_border", (*shape[:axis], 1, *shape[axis + 1 :]), stored)
        if stored is None:
            weights = self.add_constant(f"{name}_weights", np.zeros((1, 1, 1, len(border)), np.float32))
            bias = self.add_constant(f"{name}_bias", border)
        else:
            # At a weight scale of 1 the bias has the steps of the map.
            ones = (1.0,) * len(border)
            zeros = np.zeros((1, 1, 1, len(border)), np.int8)
            weights = self.add_constant(f"{name}_weights", zeros, *ones, quantized_dimension=3)
            steps = border.astype(np.int32) - stored.zero_point
            bias = self.add_constant(f"{name}_bias", steps, *(stored.scale for _ in ones))
        strides = {"stride_h": shape[1] if axis == 1 else 1, "stride_w": shape[2] if axis == 2 else 1}
        options = {"padding": "VALID", "depth_multiplier": 1, "fused_activation_function": "NONE", **strides}
        self.file.add_operator("DEPTHWISE_CONV_2D", [tensor, weights, bias], side, options)
        return side

    def add_node(self, node: Node, constants: Sequence[int], output: int) -> None:
        """Adds a node's operator, which takes constants after the node's inputs."""
        if node.factor != 1.0:
            raise ValueError("a product with a constant factor has no operator: rescale the network first")
        self.tensors[node.output] = output
        inputs = [*(self.tensors[value] for value in node.inputs), *constants]
        taken = self.network.values.get(node.inputs[0], self.network.values[node.output])
        operator = _operator(node, self.network.values[node.output].shape, taken.shape)
        if operator.argument is not None:
            inputs.append(self.add_constant(*operator.argument))
        # In the file, hard-sigmoids have another entry in the table of operator codes than other additions.
        self.file.add_operator(
            _OPERATOR_NAMES[node.kind], inputs, output, operator.options, code=node.kind.upper()
        )

    def add_viewed(
        self, node: Node, view: MapView, constants: Sequence[int], quantizations: Mapping[int, Quantization]
    ) -> None:
        """Adds the operator of a node whose maps have other shapes while it runs."""
        values, result = self.network.values, node.output
        name, stored = values[result].name, quantizations[node.inputs[0]]
        taken = self.add_quantized(f"{name}_{view.kind}_taken", "int8", view.taken, stored)
        self._add_reshape(self.tensors[node.inputs[0]], taken, view.taken)
        options = _operator(node, view.given, view.taken).options
        rows, columns = view.stride
        options = {**options, "stride_h": rows, "stride_w": columns}
        given = made = self.add_value(result, quantizations)
        if view.given != values[result].shape:
            made = self.add_quantized(f"{name}_{view.kind}", "int8", view.given, quantizations[result])
        code = node.kind.upper()
        self.file.add_operator(_OPERATOR_NAMES[node.kind], [taken, *constants], made, options, code=code)
        if made != given:
            self._add_reshape(made, given, values[result].shape)
        self.tensors[result] = given

    def _add_reshape(self, taken: int, given: int, shape: Sequence[int]) -> None:
        # As many images as there are: an app may give the runtime several at once.
        shape = (-1, *shape[1:])
        numbers = self.add_constant("shape", np.array(shape, np.int32))
        self.file.add_operator("RESHAPE", [taken, numbers], given, {"new_shape": shape})

    def to_bytes(self, image: int, outputs: Sequence[int], notes: Mapping[str, bytes] | None = None) -> bytes:
        """Writes the file of one input."""
        signature = self.network.signature if len(outputs) == len(self.network.outputs) else None
        return self.file.to_bytes([image], outputs, signature=signature, metadata=notes)


class _Operator(NamedTuple):
    """An operator's options, and the name and numbers of the constant argument that it takes, if any."""

    options: Mapping[str, Any]
    argument: tuple[str, Any] | None = None


def _operator(node: Node, shape: Sequence[int], given: Sequence[int]) -> _Operator:
    """Says how a node is written that makes a value of a shape from one of the shape `given`."""
    if node.kind in WEIGHTED or node.kind == "hard_sigmoid":
        options: dict[str, Any] = {"fused_activation_function": node.clamp.upper()}
        if node.kind in ("conv", "depthwise"):
            rows, columns = node.stride
            options |= {"padding": "SAME" if node.same_padding else "VALID"}
            options |= {"stride_h": rows, "stride_w": columns}
        if node.kind == "depthwise":
            options["depth_multiplier"] = 1
        return _Operator(options)
    if node.kind == "mean":
        return _Operator({"keep_dims": len(shape) == 4}, ("axes", np.array([1, 2], np.int32)))
    if node.kind == "max":
        rows, columns = given[1:3]
        return _Operator(
            {"padding": "VALID", "stride_h": 1, "stride_w": 1, "filter_height": rows, "filter_width": columns}
        )
    if node.kind == "reshape":
        return _Operator({"new_shape": tuple(shape)}, ("shape", np.array(shape, np.int32)))
    if node.kind == "pad":
        top, bottom, left, right = node.paddings
        sides = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        return _Operator({}, ("paddings", sides))
    if node.kind == "concat":
        return _Operator({"axis": len(shape) - 1})
    return _Operator({"beta": 1.0} if node.kind == "softmax" else {})
