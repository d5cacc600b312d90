"""Reads a float file of any converter into a `Network`."""

from __future__ import annotations

from edge_mnv3.core.errors import ConversionError, ModelFileError
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.tflite.build import Signature
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import Model
from edge_mnv3_quantization.graph.network import Network, Value
from edge_mnv3_quantization.reading.borders import tidy
from edge_mnv3_quantization.reading.ends import put_weights_last
from edge_mnv3_quantization.reading.folding import fold
from edge_mnv3_quantization.reading.functions import recognize_hard_swish
from edge_mnv3_quantization.reading.image import Pixels, put_range, take_pixels
from edge_mnv3_quantization.reading.joining import free_joined_values
from edge_mnv3_quantization.reading.operators import read_steps
from edge_mnv3_quantization.reading.steps import Steps, named_once


def read_network(float_model: bytes, takes: InputRange = PIXELS) -> Network:
    """Reads a float32 `.tflite` file of one input, in the forms in which converters write MobileNetV3.

    The network takes pixels: what the file makes of them before the first convolution, and the range of its
    input, become the network's `input_scale` and `input_offset`, or a node where they differ by channel.

    Args:
        float_model: The file's bytes.
        takes: What the file's input takes.

    Raises:
        ConversionError: The file holds an operator that this project cannot rewrite; the text names it.
        ModelFileError: The file is no valid `.tflite`.
    """
    model = read_model(float_model, "float")
    if len(model.graphs) != 1 or len(model.main_graph.inputs) != 1 or not model.main_graph.outputs:
        raise ConversionError("float model", "several graphs or inputs", "one of each")
    try:
        steps = read_steps(model.main_graph)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(
            "model float", f"an operator that does not fit its tensors ({error})", "a whole .tflite file"
        ) from error
    steps.without_unused()
    put_range(steps, takes)
    recognize_hard_swish(steps)
    steps.without_unused()
    fold(steps)
    tidy(steps)
    put_weights_last(steps)
    free_joined_values(steps)
    pixels = take_pixels(steps)
    signature = _signature(model)
    for name, output in zip(signature.outputs, steps.outputs, strict=True):
        if output == steps.input:
            raise ConversionError(
                "float model",
                f"output '{name}' that is the image itself",
                "scores or features",
                "leave it out of the model",
            )
    return _network(steps, pixels, signature)


def _signature(model: Model) -> Signature:
    """Finds the names of the input and the outputs; a file without a signature gets the usual names."""
    graph = model.main_graph
    for known in model.signatures:
        inputs, outputs = (
            {tensor: name for name, tensor in ends.items()} for ends in (known.inputs, known.outputs)
        )
        if set(graph.inputs) <= set(inputs) and set(graph.outputs) <= set(outputs):
            names = [
                tuple(of[tensor] for tensor in ends)
                for of, ends in ((inputs, graph.inputs), (outputs, graph.outputs))
            ]
            return Signature(*names)
    return Signature(("image",), tuple(f"output_{place}" for place in range(len(graph.outputs))))


def _network(steps: Steps, pixels: Pixels, signature: Signature) -> Network:
    return Network(
        values=_used(steps),
        nodes=tuple(step.node() for step in steps.steps),
        input=steps.input,
        outputs=tuple(steps.outputs),
        signature=signature,
        input_scale=pixels.scale,
        input_offset=pixels.offset,
    )


def _used(steps: Steps) -> dict[int, Value]:
    numbers = sorted({steps.input, *(step.output for step in steps.steps)})
    return named_once({number: steps.values[number] for number in numbers})
