"""SavedModel folders, as Keras's `export` and `tf.saved_model.save` write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.results.images import GREY_CHANNELS, RGB_CHANNELS
from edge_mnv3.model.keras_settings import tensorflow_keras

SERVING = "serving_default"
_CHANNELS = (RGB_CHANNELS, GREY_CHANNELS)
_RANDOM = "Random"  # in the names of TensorFlow's operators that draw numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """A loaded SavedModel of one image input.

    Attributes:
        loaded: What TensorFlow loaded; keeps the variables.
        function: Its serving function.
        input_name: The argument that takes the image.
        shape: Height, width and channels of the input, None where open.
        dtype: Type of the input: of uint8, it takes pixels as they are.
        output_names: Names of the outputs in alphabetical order, which is that of `run`.
    """

    loaded: Any
    function: Any
    input_name: str
    shape: tuple[int | None, int | None, int]
    dtype: str
    output_names: tuple[str, ...]

    def call(self, image: Any) -> list[Any]:
        """Runs the serving function on a tensor."""
        outputs: Mapping[str, Any] = self.function(**{self.input_name: image})
        return [outputs[name] for name in self.output_names]

    def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Runs the serving function on images (N, H, W, C), in the numbers that it takes."""
        import tensorflow as tf

        return [np.asarray(each) for each in self.call(tf.constant(images.astype(self.dtype)))]


def load_saved_model(path: Path) -> SavedModel:
    """Loads a folder.

    Raises:
        InputFileError: TensorFlow cannot load it, it has no serving function of one image, or that function
            draws random numbers, as layers in training mode do.
    """
    with tensorflow_keras():
        import tensorflow as tf

        try:
            with captured_native_output():
                loaded = tf.saved_model.load(str(path))
        except Exception as error:  # whatever the folder leads TensorFlow to
            cause = " ".join(str(error).split())[:300]
            raise InputFileError(
                f"model {path}: TensorFlow {tf.__version__} cannot load it", cause, "a whole SavedModel"
            ) from error
    signatures = getattr(loaded, "signatures", {})
    if not signatures:
        raise InputFileError(
            f"model {path}",
            "a SavedModel without a serving function",
            "one with a signature",
            "export it with model.export(FOLDER)",
        )
    function = signatures.get(SERVING)
    if function is None:
        if len(signatures) != 1:
            got = f"signatures {', '.join(sorted(signatures))}"
            raise InputFileError(f"model {path}", got, SERVING, "export the one that takes an image alone")
        function = next(iter(signatures.values()))
    _check_inference(function, path)
    name, shape, dtype = _input(function, path)
    return SavedModel(
        loaded=loaded,
        function=function,
        input_name=name,
        shape=shape,
        dtype=dtype,
        output_names=tuple(sorted(function.structured_outputs)),
    )


def _input(function: Any, path: Path) -> tuple[str, tuple[int | None, int | None, int], str]:
    """The name, the shape and the type of the one image."""
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1:
        raise InputFileError(f"model {path}", f"{len(inputs)} inputs: {', '.join(inputs)}", "one image")
    name, spec = next(iter(inputs.items()))
    shape = spec.shape.as_list() if spec.shape.rank == 4 else None
    if shape is None or shape[3] is None or shape[0] not in (None, 1):
        raise InputFileError(
            f"model {path}", f"an input of shape {spec.shape}", "(1, height, width, channels)"
        )
    if shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        raise InputFileError(
            f"model {path}",
            f"an input of shape {spec.shape}, with the channels first",
            "(1, height, width, channels)",
            "convert it to a float .tflite, and give that",
        )
    dtype = str(spec.dtype.name)
    if dtype not in ("float32", "uint8"):
        raise InputFileError(f"model {path}", f"an input of {dtype}", "float32 or uint8")
    return name, (shape[1], shape[2], shape[3]), dtype


def _check_inference(function: Any, path: Path) -> None:
    definition = function.graph.as_graph_def()
    nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
    drawing = sorted({node.op for node in nodes if _RANDOM in node.op})
    writing = sorted({node.op for node in nodes if node.op.startswith("Assign")})
    if drawing or writing:
        what = f"operators of training: {', '.join([*drawing, *writing])}"
        raise InputFileError(
            f"model {path}: its serving function",
            what,
            "a network for inference",
            "Keras exports a model whose first layers are augmentation in training mode: give its .keras",
        )
