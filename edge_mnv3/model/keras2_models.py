"""Whole models that Keras 2 saved and Keras 3 does not load: loaded by Keras 2, the package tf-keras."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.model.model_config import Config, all_layers

PACKAGE = "tf_keras"
# Layers of these classes call the function of TensorFlow that they name, whatever it does: those that only
# compute are taken.
_FUNCTION_LAYERS = ("SlicingOpLambda", "TFOpLambda")
_COMPUTING = re.compile(
    r"(?:compat\.v1\.)?(?:(?:__operators__|math|nn|linalg)\.(?:\w+\.)*\w+"
    r"|image\.(?:adjust\w*|central_crop|crop\w*|flip\w*|grayscale_to_rgb|pad_\w+|resize\w*|rgb_to_grayscale|rot90)"
    r"|abs|add|broadcast_to|cast|clip_by_value|concat|constant|convert_to_tensor|divide|exp|expand_dims|fill|gather"
    r"|identity|maximum|minimum|multiply|ones_like|pad|pow|reduce_\w+|repeat|reshape|reverse|round|shape|sigmoid"
    r"|slice|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice|subtract|tanh|tile|transpose|truediv"
    r"|unstack|where|zeros_like)"
)


def is_installed() -> bool:
    """Whether Keras 2 is here."""
    return find_spec(PACKAGE) is not None


def install_command(tensorflow: str) -> str:
    """Says how Keras 2 is installed beside a version of TensorFlow.

    Its package depends on the package `tensorflow`, which would overwrite `tensorflow-cpu`.
    """
    return f"pip install --no-deps 'tf-keras=={'.'.join(tensorflow.split('.')[:2])}.*'"


def load(path: Path, config: Config | None) -> Any:
    """Loads a model; none of the file's code is run, and no function but those that compute is called.

    Args:
        path: A `.keras` or whole-model `.h5`.
        config: Its description, as `read_config` reads it.

    Returns:
        `tf_keras.Model`.

    Raises:
        InputFileError: A layer calls another function.
        Exception: As Keras 2's deserializers raise; of many kinds.
    """
    for layer in all_layers(config or {}):
        function = str(layer.config.get("function"))
        if layer.class_name in _FUNCTION_LAYERS and not _COMPUTING.fullmatch(function):
            raise InputFileError(
                f"model {path}: layer '{layer.name}'",
                f"a call of tf.{function}",
                "functions that only compute",
                "convert it yourself and give the float .tflite",
            )
    with captured_native_output(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tf_keras

        backend = tf_keras.backend
        floatx, data_format = backend.floatx(), backend.image_data_format()
        policy = tf_keras.mixed_precision.global_policy()
        backend.set_floatx("float32")
        backend.set_image_data_format("channels_last")
        tf_keras.mixed_precision.set_global_policy("float32")
        try:
            return tf_keras.models.load_model(path, compile=False, safe_mode=True)
        finally:
            backend.set_floatx(floatx)
            backend.set_image_data_format(data_format)
            tf_keras.mixed_precision.set_global_policy(policy)


def output_names(model: Any) -> list[str]:
    """Returns the sorted keys where the outputs are a dictionary, else Keras's names in order."""
    outputs = model.output
    return sorted(outputs) if isinstance(outputs, dict) else list(model.output_names)
