"""Keras graphs and other functions of TensorFlow to float `.tflite`, by TensorFlow's converter."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.tflite.edit import Edit

_LONGEST_CAUSE = 300  # characters of the converter's own message
_FOREIGN_OPERATORS = re.compile(r"^(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)
_LOCATION = re.compile(r"^(?:<unknown>:0: )?(?:loc\(.*\): )?")
_NOT_A_CAUSE = re.compile(r"^[\s(})%^\"]|see current operation|Arguments received by ")
_COLOURS = re.compile(r"\x1b\[\d*m")  # Keras prints its causes in bold


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFlowFunction:
    """What is to be converted.

    Attributes:
        call: Takes a tensor of `shape` and `dtype`, and returns its outputs in order.
        shape: (1, H, W, C), without an open dimension: with one the graph would get SHAPE and PACK operators,
            which XNNPACK may refuse.
        keras_variables: Variables of Keras that it reads; they become constants.
        input_name: Name of the input in the file.
        dtype: NumPy's name of the input's type.
    """

    call: Callable[[Any], Sequence[Any]]
    shape: tuple[int, ...]
    keras_variables: Sequence[Any] = ()
    input_name: str = "image"
    dtype: str = "float32"


def convert_float(model: Any) -> bytes:
    """Converts a Keras model to a float32 `.tflite` file.

    The operators and numbers are those of `TFLiteConverter.from_keras_model`. That function exports the model
    with several signatures, traces it five times, and writes and restores its variables. One signature,
    traced once with the weights as constants, takes less than half of the time.

    Args:
        model: `keras.Model` with one input of fixed shape (1, H, W, 3) and one output.

    Returns:
        The file's bytes.

    Raises:
        ConversionError: The input's shape is open, or the converter refuses the graph.
    """
    shape = tuple(model.inputs[0].shape)
    if len(model.inputs) != 1 or None in shape:
        raise ConversionError(
            "conversion", f"input of shape {shape}", "one input of fixed shape (1, H, W, 3)"
        )
    return convert_function(
        TensorFlowFunction(
            call=lambda image: [model(image, training=False)],
            shape=shape,
            keras_variables=model.variables,
            input_name=model.inputs[0].name,
        )
    )


def convert_function(function: TensorFlowFunction) -> bytes:
    """Converts a function of TensorFlow to a float32 `.tflite` file with its outputs in the same order.

    Returns:
        The file's bytes.

    Raises:
        ConversionError: The converter refuses the graph; the text names the operators that TFLite has not.
    """
    import keras
    import tensorflow as tf

    @tf.function(  # type: ignore[untyped-decorator] # TensorFlow ships no types
        input_signature=[tf.TensorSpec(function.shape, function.dtype, name=function.input_name)],
        autograph=False,
    )
    def serve(image: Any) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=weights):
            outputs = function.call(image)
        # Of equal length, so that their order is that of the names.
        digits = len(str(len(outputs) - 1))
        return {f"output_{place:0{digits}}": output for place, output in enumerate(outputs)}

    # As arrays, weights become constants of the graph that is traced.
    weights = [(variable, variable.numpy()) for variable in function.keras_variables]
    module = tf.Module()
    try:
        with captured_native_output(), tempfile.TemporaryDirectory() as folder:
            traced = serve.get_concrete_function()
            module.variables_of_model = traced.variables  # those that a layer keeps from Keras
            tf.saved_model.save(module, folder, signatures={"serving_default": traced})
            content = bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    except Exception as error:  # the converter's own class is private, and it raises others as well
        foreign = sorted(set(", ".join(_FOREIGN_OPERATORS.findall(str(error))).split(", ")) - {""})
        if foreign:
            raise ConversionError(
                "conversion of the float graph",
                f"{', '.join(foreign)}, which TFLite does not have",
                "operators of TFLite",
                "save the model for inference in float32, without the layers that need them; it ends at its "
                "scores, without an argmax",
            ) from error
        raise ConversionError("conversion of the float graph", last_line(error)) from error
    # The converter lists several outputs in an order of its own; only the signature has their names.
    is_single = len(traced.structured_outputs) == 1
    return content if is_single else Edit(content, "float").sort_outputs().to_bytes()


def last_line(error: Exception) -> str:
    """Returns the last line of a converter's message that tells a cause, or the error's class."""
    text = _COLOURS.sub("", str(error)).strip()
    lines = [line for line in text.splitlines() if line and not _NOT_A_CAUSE.search(line)]
    cause = _LOCATION.sub("", lines[-1]) if lines else type(error).__name__
    return cause if len(cause) <= _LONGEST_CAUSE else f"{cause[:_LONGEST_CAUSE]}…"
