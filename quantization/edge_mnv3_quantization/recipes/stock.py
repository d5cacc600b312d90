"""The recipe `stock`: what TensorFlow's own converter makes of the float graph.

This is the baseline to compare with. `TFLiteConverter` with `TFLITE_BUILTINS_INT8` and a representative
dataset does three things: it converts the graph to a float file, runs that file to record each tensor's
smallest and largest value, and quantizes it. The float file is an output of ours anyway, so the first step is
not done twice; the other two are the converter's own functions, called as `TFLiteConverter._quantize` calls
them. A test compares the result with that of `TFLiteConverter` itself, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3_quantization.convert import last_line

if TYPE_CHECKING:
    from edge_mnv3_quantization.calibration.statistics import Statistics

IoType = Literal["uint8", "int8", "float32"]


def quantize_stock(
    float_model: bytes,
    images: npt.NDArray[np.uint8],
    *,
    io: IoType = "uint8",
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
) -> bytes:
    """Quantizes a float file to int8 with the converter's min/max calibration.

    Args:
        float_model: A float32 `.tflite` file with one input (1, H, W, 3) of pixels 0..255.
        images: Calibration images, (N, H, W, 3) uint8 with N >= 1.
        io: dtype of the result's input and output.
        on_image: Called with (images done, images in all).
        statistics: Not used: the converter observes by itself.

    Returns:
        The int8 file's bytes: weights int8 per channel, activations int8 per tensor, biases int32.

    Raises:
        ConversionError: The quantizer refuses the graph.
    """
    import tensorflow as tf
    from tensorflow.lite.python import convert
    from tensorflow.lite.python.optimize import calibrator

    def representative_dataset() -> Iterator[list[npt.NDArray[Any]]]:
        for done, image in enumerate(images, start=1):
            yield [image[np.newaxis].astype(np.float32)]
            if on_image:
                on_image(done, len(images))

    io_type = {"uint8": tf.uint8, "int8": tf.int8, "float32": tf.float32}[io]
    try:
        with captured_native_output():
            calibrated = calibrator.Calibrator(float_model).calibrate(representative_dataset)
            return bytes(convert.mlir_quantize(calibrated, input_data_type=io_type, output_data_type=io_type))
    except Exception as error:  # pybind raises RuntimeError, ValueError and its own classes
        raise ConversionError("quantization with recipe stock", last_line(error)) from error
