"""Whole models as Keras saved them: loaded, checked, made ready for inference in float32."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.results.models import ModelFormat
from edge_mnv3.model import keras2_models
from edge_mnv3.model.keras_settings import tensorflow_keras
from edge_mnv3.model.model_config import Config, check_no_custom_code
from edge_mnv3.model.model_files import read_config, saved_by_keras

_FLOAT_POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Keras marks parts of its messages for terminals
_OF_KERAS_2 = (
    "or, where Keras 2 loads it, write "
    "tf.lite.TFLiteConverter.from_keras_model(model).convert() to a file, and give that"
)
PIXEL_DTYPE = "uint8"  # of inputs that take pixels as they are
_LONGEST_CAUSE = 300  # characters of Keras's own message


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasModel:
    """A loaded model of one image input.

    Attributes:
        model: `keras.Model`, or `tf_keras.Model` of Keras 2, all of whose layers compute in float32.
        is_keras_2: Whether it is of Keras 2.
        shape: Height, width and channels of the input, None where open.
        dtype: Type of the input: of uint8, it takes pixels as they are.
        output_names: Keras's names of the outputs, in order: the keys where they are a dictionary.
        reduced: Precisions that layers were saved in, such as `mixed_float16`; they compute in float32 now.
    """

    model: Any
    is_keras_2: bool
    shape: tuple[int | None, int | None, int]
    dtype: str
    output_names: tuple[str, ...]
    reduced: tuple[str, ...]

    @property
    def keras_variables(self) -> list[Any]:
        """The variables that Keras keeps; those of Keras 2 are TensorFlow's own."""
        return [] if self.is_keras_2 else list(self.model.variables)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must know of it."""
        if not self.reduced:
            return ()
        return (
            f"layers were saved in {' and '.join(self.reduced)} and compute in float32 here: in Keras, the "
            "model's answers differ from these by its rounding",
        )

    def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Runs the model as it answers in use.

        Args:
            images: (N, H, W, C), in the numbers that the model takes.

        Returns:
            Its outputs, in order.
        """
        return answers(self.model, images.astype(self.dtype) if self.dtype == PIXEL_DTYPE else images)


def answers(model: Any, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Runs a Keras model as it answers in use: (N, H, W, C) in, its outputs in order out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras tells of one image given where a list of one was declared
        return [np.asarray(each) for each in flat_outputs(model(images, training=False))]


def flat_outputs(outputs: Any) -> list[Any]:
    """Lists a model's outputs, given as one, a list or a dict, in Keras's order."""
    import keras

    return list(keras.tree.flatten(outputs))


def load_keras(path: Path, file_format: ModelFormat) -> KerasModel:
    """Loads a `.keras` or `.h5` file; none of its code is run.

    Raises:
        InputFileError: Keras cannot load it, it needs code that is not Keras's, holds NaN or infinity, was
            quantized by Keras, or takes something other than one image with the channels last.
    """
    config = read_config(path)
    if config is not None:
        check_no_custom_code(config, str(path))
    with tensorflow_keras() as keras:
        model = _loaded(keras, path, config)
        is_keras_2 = not isinstance(model, keras.Model)
        _check_input(model, path)
        reduced = _to_float32(model, path, is_keras_2=is_keras_2)
        _check_weights(model, path)
        names = keras2_models.output_names(model) if is_keras_2 else _output_names(keras, model)
    height, width, channels = model.inputs[0].shape[1:]
    return KerasModel(
        model=model,
        is_keras_2=is_keras_2,
        shape=(height, width, channels),
        dtype=PIXEL_DTYPE if _dtype(model.inputs[0]) == PIXEL_DTYPE else "float32",
        output_names=tuple(names),
        reduced=reduced,
    )


def _output_names(keras: Any, model: Any) -> list[str]:
    layers = model.get_config().get("output_layers")
    if isinstance(layers, Mapping) and all(_is_one_tensor(each) for each in layers.values()):
        return list(keras.tree.flatten({key: key for key in layers}))  # in the order of `flat_outputs`
    return list(getattr(model, "output_names", None) or []) or [
        f"output_{place}" for place in range(len(flat_outputs(model.outputs)))
    ]


def _is_one_tensor(entry: Any) -> bool:
    """Whether an entry of `output_layers` is the name of a layer, with its node and its tensor."""
    return isinstance(entry, (list, tuple)) and bool(entry) and isinstance(entry[0], str)


def _loaded(keras: Any, path: Path, config: Config | None) -> Any:
    try:
        with captured_native_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever the file leads Keras's many deserializers to
        saved_by = saved_by_keras(path)
        if saved_by is None or not saved_by.startswith("2."):
            raise _cannot_load(path, f"Keras {keras.__version__}", error) from error
        if not keras2_models.is_installed():
            raise InputFileError(
                f"model {path}",
                f"a model of Keras {saved_by}, which Keras {keras.__version__} cannot load",
                "one that Keras 3 saved, or a float .tflite",
                f"{keras2_models.install_command(_tensorflow_version())}; {_OF_KERAS_2}",
            ) from error
    try:
        return keras2_models.load(path, config)
    except InputFileError:
        raise
    except Exception as error:  # as above
        raise _cannot_load(path, "Keras 2 (tf-keras)", error) from error


def _tensorflow_version() -> str:
    import tensorflow as tf

    return str(tf.__version__)


def _cannot_load(path: Path, by: str, error: Exception) -> InputFileError:
    return InputFileError(
        f"model {path}: {by} cannot load it", _cause(error), "a model saved by this version or an older one"
    )


def _dtype(tensor: Any) -> str:
    """Name of a tensor's type, which is a text in Keras 3."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _cause(error: Exception) -> str:
    text = " ".join(_COLOURS.sub("", str(error)).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}…"


def _check_input(model: Any, path: Path) -> None:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InputFileError(
            f"model {path}",
            "a model that was never built: it has no input shape",
            "a model with an Input layer",
            "add keras.Input(shape=(height, width, 3)) in front and save it again",
        )
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise InputFileError(f"model {path}", f"{len(inputs)} inputs: {names}", "one image")
    shape, dtype = tuple(inputs[0].shape), _dtype(inputs[0])
    if len(shape) != 4 or shape[3] is None:
        raise InputFileError(f"model {path}", f"an input of shape {shape}", "(None, height, width, channels)")
    if "float" not in dtype and dtype != PIXEL_DTYPE:
        raise InputFileError(
            f"model {path}",
            f"an input of {dtype}",
            "one of float32 or uint8",
            "build the model on a float32 Input",
        )
    for layer in _layers(model):
        if getattr(layer, "data_format", "channels_last") == "channels_first":
            raise InputFileError(
                f"model {path}: layer '{layer.name}'",
                "channels_first",
                "channels_last, the only layout of TFLite",
            )


def _layers(model: Any) -> list[Any]:
    """All layers, those of models inside included."""
    return list(model._flatten_layers(include_self=True, recursive=True))


def _to_float32(model: Any, path: Path, *, is_keras_2: bool) -> tuple[str, ...]:
    reduced = set()
    for layer in _layers(model):
        policy = layer.dtype_policy.name
        if type(layer).__name__ == "InputLayer" and not policy.startswith(("float", "bfloat", "mixed")):
            continue  # Keras 2 gives an input of pixels, uint8, their type for its policy
        if policy not in _FLOAT_POLICIES:
            raise InputFileError(
                f"model {path}: layer '{layer.name}'",
                f"the dtype policy {policy}",
                "weights of 16 or 32 bits",
                "give the model from before its quantization",
            )
        if policy != "float32":
            _check_weights_are_float32(layer, path)
            reduced.add(policy)
            if is_keras_2:
                layer._set_dtype_policy("float32")
            else:
                layer.dtype_policy = "float32"
    return tuple(sorted(reduced))


def _check_weights_are_float32(layer: Any, path: Path) -> None:
    """Refuses weights of another float type, which a layer that computes in float32 does not take."""
    kinds = {_dtype(variable) for variable in layer.variables}
    others = sorted(kind for kind in kinds if "float" in kind and kind != "float32")
    if others:
        raise InputFileError(
            f"model {path}: layer '{layer.name}'",
            f"weights of {others[0]}",
            "weights of float32, as mixed precision has them",
            "build the model under the dtype policy float32, and give it these weights",
        )


def _check_weights(model: Any, path: Path) -> None:
    for variable in model.variables:
        numbers = variable.numpy()
        if np.issubdtype(numbers.dtype, np.floating) and not np.isfinite(numbers).all():
            raise InputFileError(
                f"model {path}",
                f"NaN or infinity in {getattr(variable, 'path', variable.name)}",
                "finite weights",
            )
