"""Writes a `Network` as a `.tflite` file, float or int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import Tensor, constant_tensor
from edge_mnv3_quantization.graph.map_views import MapView, view_of
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, WEIGHTED, Network, Node
from edge_mnv3_quantization.graph.parts import Part
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

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
_HARD_SIGMOID_SHIFT_STORED = np.full((1,), 127, np.int8)
_UINT8_SHIFT = 128  # from an int8 zero point to that of the same numbers as uint8
# An int8 file's float input is centred by an addition, of the largest constant that int8 holds.
_NO_CENTRING = -128  # the zero point where pixel 0 is real 0
_CENTRING_STORED = np.full((1, 1, 1, 1), -127, np.int8)


def write_float(network: Network, outputs: Sequence[int], *, pixels: bool = False) -> bytes:
    """Writes a float32 file that gives the values `outputs`.

    Args:
        network: Any network whose products have the factor 1.
        outputs: The numbers of these values.
        pixels: The file takes pixels 0..255 instead of the network's input.
    """
    writer = _Writer(network)
    shape = network.values[network.input].shape
    image = writer.add_float("image", shape)
    writer.tensors[network.input] = _add_scaled_pixels(writer, image) if pixels else image
    for node in network.nodes:
        name = network.values[node.output].name
        constants: list[int] = []
        if node.kind in WEIGHTED:
            weights, bias = node.weights_and_bias()
            constants.append(writer.add_constant(f"{name}_weights", weights.astype(np.float32)))
            constants.append(writer.add_constant(f"{name}_bias", bias.astype(np.float32)))
        elif node.kind == "hard_sigmoid":
            constants.append(
                writer.add_constant(f"{name}_shift", np.full((1,), HARD_SIGMOID_SHIFT, np.float32))
            )
        output = writer.add_float(name, network.values[node.output].shape)
        writer.add_node(node, constants, output)
    return writer.to_bytes(image, [writer.tensors[value] for value in outputs])


def write_int8(
    network: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    *,
    io: str,
    takes: InputRange = PIXELS,
    notes: Mapping[str, bytes] | None = None,
) -> bytes:
    """Writes a full-integer file.

    Args:
        network: A network without hard-swish whose products have the factor 1.
        quantizations: Number of a value to how it is stored, for the input and every node's output.
        weights: Output of each weighted node to its stored weights.
        io: The dtype of the input and the outputs: `uint8`, `int8` or `float32`.
        takes: What a `float32` input takes; inputs of other types take pixels.
        notes: Name to content of the metadata entries.
    """
    writer = _Writer(network)
    image = _add_int8_input(writer, quantizations[network.input], io, takes)
    taken, quantizations = quantizations, stored_images(network, quantizations, io)
    for node in network.nodes:
        shapes = (network.values[value].shape for value in (node.inputs[0], node.output))
        view = view_of(node, *shapes)
        if view is None:
            constants = _add_int8_constants(writer, node, taken, weights, io)
            writer.add_node(node, constants, writer.add_value(node.output, quantizations))
        else:
            viewed = {**weights, node.output: view.of_weights(weights[node.output])}
            constants = _add_int8_constants(writer, node, taken, viewed, io)
            writer.add_viewed(node, view, constants, quantizations)
    results = [_add_int8_output(writer, place, quantizations, io) for place in range(len(network.outputs))]
    return writer.to_bytes(image, results, notes)


def write_int8_part(
    network: Network,
    part: Part,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
) -> bytes:
    """Writes a file that runs a part of a network, int8 from end to end.

    Args:
        network: A network without hard-swish whose products have the factor 1; the shapes of its values say
            how many images run at once.
        part: The part; the file's inputs and outputs are in its order.
        quantizations: Number of a value to how it is stored.
        weights: Output of each weighted node of the part to its stored weights.
    """
    writer = _Writer(network)
    for value in part.inputs:
        writer.tensors[value] = writer.add_value(value, quantizations)
    for node in part.nodes:
        constants = _add_int8_constants(writer, node, quantizations, weights, "int8")
        writer.add_node(node, constants, writer.add_value(node.output, quantizations))
    inputs, outputs = ([writer.tensors[value] for value in ends] for ends in (part.inputs, part.outputs))
    return writer.file.to_bytes(inputs, outputs)


class _Writer:
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

    def add_node(self, node: Node, constants: Sequence[int], output: int) -> None:
        """Adds a node's operator, which takes constants after the node's inputs."""
        if node.factor != 1.0:
            raise ValueError("a product with a constant factor has no operator: rescale the network first")
        self.tensors[node.output] = output
        inputs = [*(self.tensors[value] for value in node.inputs), *constants]
        operator = _operator(
            node, self.network.values[node.output].shape, self.network.values[node.inputs[0]].shape
        )
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


def _add_scaled_pixels(writer: _Writer, image: int) -> int:
    """Adds the operators that make the network's input of pixels."""
    network = writer.network
    if (network.input_scale, network.input_offset) == (1.0, 0.0):
        return image
    shape = network.values[network.input].shape
    scaled, moved = (writer.add_float(name, shape) for name in ("scaled", "moved"))
    scale, offset = (
        writer.add_constant(name, np.full((1,), number, np.float32))
        for name, number in (("scale", network.input_scale), ("offset", network.input_offset))
    )
    writer.file.add_operator("MUL", [image, scale], scaled)
    writer.file.add_operator("ADD", [scaled, offset], moved)
    return moved


def stored_input(network_input: Quantization, io: str) -> tuple[str, Quantization]:
    """Says how a file stores the network's input: the name of the int8 tensor, and its quantization.

    Args:
        network_input: How the network takes its input.
        io: dtype of the file's input and output. With `float32` the tensor holds pixels in steps of 1.
    """
    if io == "float32":
        name = "image_int8" if network_input.zero_point == _NO_CENTRING else "image_centred"
        return name, Quantization(scale=1.0, zero_point=network_input.zero_point)
    return "image_int8", network_input


def stored_images(
    network: Network, quantizations: Mapping[int, Quantization], io: str
) -> dict[int, Quantization]:
    """Says how a file stores each value; with a `float32` input, pixels have steps of 1."""
    if io != "float32":
        return dict(quantizations)
    pixels = {value: stored_input(quantizations[value], io)[1] for value in network.images()}
    return {**quantizations, **pixels}


def _add_int8_input(writer: _Writer, stored: Quantization, io: str, takes: InputRange) -> int:
    """Adds the file's input and the operators that make the network's int8 input of it.

    Returns:
        The number of the file's input tensor.
    """
    network = writer.network
    shape = network.values[network.input].shape
    name, taken_as = stored_input(stored, io)
    if io == "float32":
        # Pixels 0..255 become integers; then the real numbers move so that the convolution pads with 0.
        image = writer.add_float("image", shape)
        stored_image = writer.add_quantized(
            "image_int8", "int8", shape, Quantization(scale=1.0, zero_point=-128)
        )
        writer.file.add_operator("QUANTIZE", [_add_pixels(writer, image, takes)], stored_image)
        if stored.zero_point == _NO_CENTRING:
            writer.tensors[network.input] = stored_image
            return image
        moved = writer.add_quantized(name, "int8", shape, taken_as)
        shift = writer.add_constant("shift", _CENTRING_STORED, (stored.zero_point + 128) / 127.0)
        writer.file.add_operator("ADD", [stored_image, shift], moved)
        writer.tensors[network.input] = moved
        return image
    taken = writer.add_quantized(name, "int8", shape, taken_as)
    writer.tensors[network.input] = taken
    if io == "int8":
        return taken
    image = writer.add_quantized("image", "uint8", shape, _as_uint8(stored))
    writer.file.add_operator("QUANTIZE", [image], taken)
    return image


def _add_pixels(writer: _Writer, image: int, takes: InputRange) -> int:
    """Adds the operators that make pixels 0..255 of a float input, whose numbers are (pixel - mean) / std."""
    shape = writer.network.values[writer.network.input].shape
    operators = (("MUL", "image_times_std", takes.std, 1.0), ("ADD", "image_plus_mean", takes.mean, 0.0))
    for operator, name, numbers, neutral in operators:
        if any(number != neutral for number in numbers):
            constant = writer.add_constant(f"{name}_constant", np.asarray(numbers, np.float32))
            moved = writer.add_float(name, shape)
            writer.file.add_operator(operator, [image, constant], moved)
            image = moved
    return image


def _add_int8_output(writer: _Writer, place: int, quantizations: Mapping[int, Quantization], io: str) -> int:
    """Adds an output of the file and the operator that makes it of the network's output in this place."""
    network = writer.network
    value = network.outputs[place]
    result = writer.tensors[value]
    if io == "int8":
        return result
    stored, shape = quantizations[value], network.values[value].shape
    name = "output" if len(network.outputs) == 1 else network.signature.outputs[place]
    if io == "uint8":
        output = writer.add_quantized(name, "uint8", shape, _as_uint8(stored))
    else:
        output = writer.add_float(name, shape)
    writer.file.add_operator("QUANTIZE" if io == "uint8" else "DEQUANTIZE", [result], output)
    return output


def _as_uint8(stored: Quantization) -> Quantization:
    return Quantization(scale=stored.scale, zero_point=stored.zero_point + _UINT8_SHIFT)


def _add_int8_constants(
    writer: _Writer,
    node: Node,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    io: str,
) -> list[int]:
    """Adds the weights and bias of a weighted node, or the shift of a hard-sigmoid."""
    name = writer.network.values[node.output].name
    if node.kind == "hard_sigmoid":
        scale = HARD_SIGMOID_SHIFT / int(_HARD_SIGMOID_SHIFT_STORED[0])
        return [writer.add_constant(f"{name}_shift", _HARD_SIGMOID_SHIFT_STORED, scale)]
    if node.kind not in WEIGHTED:
        return []
    stored = weights[node.output]
    scales = stored.scales.astype(np.float64)
    input_scale = quantizations[node.inputs[0]].scale
    if io == "float32" and node.inputs[0] in writer.network.images():
        scales, input_scale = scales * input_scale, 1.0  # the step of such a file's input is one pixel value
    dimension = 3 if node.kind == "depthwise" else 0
    return [
        writer.add_constant(
            f"{name}_weights", stored.weights, *scales.tolist(), quantized_dimension=dimension
        ),
        writer.add_constant(f"{name}_bias", stored.bias, *(scales * input_scale).tolist()),
    ]
