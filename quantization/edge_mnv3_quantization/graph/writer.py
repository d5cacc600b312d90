"""Writes a `Network` as a `.tflite` file, float or int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3_quantization.graph.borders import stored_border
from edge_mnv3_quantization.graph.file_writer import FileWriter
from edge_mnv3_quantization.graph.map_views import view_of
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, WEIGHTED, Network, Node
from edge_mnv3_quantization.graph.parts import Part
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights

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
    writer = FileWriter(network)
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
        if node.border is not None:
            node = writer.surrounded(node, node.border.astype(np.float32), None)
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
    writer = FileWriter(network)
    image = _add_int8_input(writer, quantizations[network.input], io, takes)
    taken, quantizations = quantizations, stored_images(network, quantizations, io)
    for node in network.nodes:
        shapes = (network.values[value].shape for value in (node.inputs[0], node.output))
        view = view_of(node, *shapes)
        if view is None:
            constants = _add_int8_constants(writer, node, taken, weights, io)
            if node.border is not None:
                stored = quantizations[node.inputs[0]]
                node = writer.surrounded(node, stored_border(node, stored), stored)
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
    writer = FileWriter(network)
    for value in part.inputs:
        writer.tensors[value] = writer.add_value(value, quantizations)
    for node in part.nodes:
        constants = _add_int8_constants(writer, node, quantizations, weights, "int8")
        if node.border is not None:
            stored = quantizations[node.inputs[0]]
            node = writer.surrounded(node, stored_border(node, stored), stored)
        writer.add_node(node, constants, writer.add_value(node.output, quantizations))
    inputs, outputs = ([writer.tensors[value] for value in ends] for ends in (part.inputs, part.outputs))
    return writer.file.to_bytes(inputs, outputs)


def _add_scaled_pixels(writer: FileWriter, image: int) -> int:
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


def _add_int8_input(writer: FileWriter, stored: Quantization, io: str, takes: InputRange) -> int:
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


def _add_pixels(writer: FileWriter, image: int, takes: InputRange) -> int:
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


def _add_int8_output(
    writer: FileWriter, place: int, quantizations: Mapping[int, Quantization], io: str
) -> int:
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
    writer: FileWriter,
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
