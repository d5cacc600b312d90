"""Keras graph to float `.tflite`, by TensorFlow's converter."""

from __future__ import annotations

import tempfile
from typing import Any

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.native_output import captured_native_output

OUTPUT_NAME = "output_0"  # as Keras's own export names it


def convert_float(model: Any) -> bytes:
    """Converts a Keras model to a float32 `.tflite` file.

    The operators and numbers are those of `TFLiteConverter.from_keras_model`. That function exports the model
    with several signatures, traces it five times, and writes and restores its variables. One signature,
    traced once with the weights as constants, takes a third of the time.

    Args:
        model: `keras.Model` with one input of fixed shape (1, H, W, 3). With an open batch size the graph
            would get SHAPE and PACK operators, which XNNPACK may refuse.

    Returns:
        The file's bytes.

    Raises:
        ConversionError: The input's shape is open, or the converter refuses the graph.
    """
    import keras
    import tensorflow as tf

    shape = tuple(model.inputs[0].shape)
    if len(model.inputs) != 1 or None in shape:
        raise ConversionError(
            "conversion", f"input of shape {shape}", "one input of fixed shape (1, H, W, 3)"
        )

    @tf.function(  # type: ignore[untyped-decorator] # TensorFlow ships no types
        input_signature=[tf.TensorSpec(shape, tf.float32, name=model.inputs[0].name)], autograph=False
    )
    def serve(image: Any) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=weights):
            return {OUTPUT_NAME: model(image, training=False)}

    # As arrays, weights become constants of the graph that is traced.
    weights = [(variable, variable.numpy()) for variable in model.variables]
    module = tf.Module()
    try:
        with captured_native_output(), tempfile.TemporaryDirectory() as folder:
            traced = serve.get_concrete_function()
            module.variables_of_model = traced.variables  # those that a layer keeps from Keras
            tf.saved_model.save(module, folder, signatures={"serving_default": traced})
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    except Exception as error:  # the converter's own class is private, and it raises others as well
        raise ConversionError("conversion of the float graph", last_line(error)) from error


def last_line(error: Exception) -> str:
    """Returns the last line of a converter's message, which names the cause, or the error's class."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
