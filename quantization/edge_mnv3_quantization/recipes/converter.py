"""The engine `converter`: what TensorFlow's own converter makes of the float graph.

This is the baseline to compare with. `TFLiteConverter` with `TFLITE_BUILTINS_INT8` and a representative
dataset does three things: it converts the graph to a float file, runs that file to record each tensor's
smallest and largest value, and quantizes it. The float file is an output of ours anyway, so the conversion is
not done twice; for the rest, the converter's own functions are called as `TFLiteConverter._quantize` calls
them. A test compares the result with that of `TFLiteConverter` itself, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.memory import each_once
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.tflite.attached import MODEL_ENTRY
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.pixels import taking_pixels
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3_quantization.convert import last_line
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.reading.reader import read_network
from edge_mnv3_quantization.recipes.expected import expected_s
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs, Quantized
from edge_mnv3_quantization.recipes.report import converter_report
from edge_mnv3_quantization.recipes.work import Work


def quantize_with_converter(inputs: QuantizationInputs) -> Quantized:
    """Quantizes a float file with the converter's min/max calibration; see `recipes.quantize`.

    The seed, the choice of hard-swish, the kind of the images and stored statistics have no influence on it.
    """
    with captured_native_output():  # TensorFlow greets on stderr
        import tensorflow as tf
        from tensorflow.lite.python import convert
        from tensorflow.lite.python.optimize import calibrator

    float_model, given = _taking_the_images(inputs)
    work = Work(expected_s(inputs.config, len(inputs.images)), inputs.reporter)

    def representative_dataset() -> Iterator[list[npt.NDArray[Any]]]:
        for done, image in enumerate(each_once(inputs.images), start=1):
            yield [given.apply(image[np.newaxis])]
            work.progress(done, len(inputs.images))

    io_type = {"uint8": tf.uint8, "int8": tf.int8, "float32": tf.float32}[inputs.options.io]
    try:
        with captured_native_output():
            with work.phase("observe"):
                calibrated = calibrator.Calibrator(float_model).calibrate(representative_dataset)
            with work.phase("quantize_weights"):
                model = convert.mlir_quantize(calibrated, input_data_type=io_type, output_data_type=io_type)
    except Exception as error:  # pybind raises RuntimeError, ValueError and its own classes
        what = f"quantization with recipe {inputs.config.name}"
        raise ConversionError(what, last_line(error)) from error
    return Quantized(model=bytes(model), report=converter_report(inputs, work.phases_s))


def _taking_the_images(inputs: QuantizationInputs) -> tuple[bytes, InputRange]:
    """Makes the float file of which the int8 file's input becomes, and says what it takes.

    Integers take pixels, so the float file must; floats take what the float file takes.

    Returns:
        A file that takes (1, H, W, C): the float file, with what makes its numbers of pixels in front where
        they are wanted; or one of the network in it.
    """
    takes, is_float = inputs.options.input_range, inputs.options.io == "float32"
    graph = read_model(inputs.float_model, "float").main_graph
    image = graph.tensors[graph.inputs[0]]
    content = _undescribed(inputs.float_model)
    if image.shape != (1, *inputs.images.shape[1:]) or image.is_dynamic:
        network = rescale(read_network(content, takes), {})
        content, takes = write_float(network, network.outputs, pixels=True), PIXELS
    if is_float:
        return content, takes
    return taking_pixels(content, takes, "float"), PIXELS


def _undescribed(content: bytes) -> bytes:
    """Takes off what describes the float file, its range too, which does not hold of the int8 file."""
    described = MODEL_ENTRY in read_model(content, "float").metadata
    return Edit(content, "float").without_metadata(MODEL_ENTRY).to_bytes() if described else content
