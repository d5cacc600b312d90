"""Keras MobileNetV3 graphs with the arguments, defaults and errors that `tf.keras.applications` documents."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_mnv3.core.imagenet import IMAGENET_CLASSES

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Keras reads its backend when it is imported, and TensorFlow its verbosity: both imports follow the settings.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from keras import KerasTensor, layers

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.model import arch
from edge_mnv3.model import weights as published
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, Size, Variant
from edge_mnv3.model.blocks import activate, conv_bn_act, inverted_residual

T = TypeVar("T")
InputShape = tuple[int | None, int | None, int]

_ARGUMENTS = """
    Args:
        input_shape: (height, width, 3), each side at least 32 or None for any. None means (224, 224, 3), or
            the shape of `input_tensor`. If both are given they must agree in every dimension.
        alpha: Width multiplier, > 0. With `weights="imagenet"`: 0.75 or 1.0, for minimalistic models 1.0.
        minimalistic: Without squeeze-excite, hard-swish and 5×5 kernels.
        include_top: With the classifier.
        weights: `"imagenet"`, None (random), or the path of a `.h5`, `.weights.h5` or `.keras` file.
        input_tensor: Keras tensor (batch, height, width, 3) to build on.
        classes: Outputs of the classifier; 1000 with `weights="imagenet"` and `include_top`.
        pooling: Without top: None for the 4D feature map, `"avg"` or `"max"` for (batch, channels).
        dropout_rate: In front of the classifier, 0 <= rate < 1.
        classifier_activation: Of the top; None returns logits. With pretrained weights `"softmax"` or None.
        include_preprocessing: The graph maps pixels 0..255 to -1..1 itself; otherwise it takes -1..1.
        name: Of the model.

    Returns:
        A `keras.Model`, float32. Its input is float32 pixels 0..255, RGB (see `include_preprocessing`).

    Raises:
        ArgumentError: An argument is invalid; a `ValueError`, as the Keras documentation promises.
        WeightsMismatchError: The file holds weights of another network; a `ValueError` too.
        InputFileError: The weights file cannot be read.
        DownloadError: The ImageNet weights are neither in Keras's cache nor to be had from the network.

    Source: paper (arXiv 1905.02244) and the documentation of `tf.keras.applications`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """The arguments of the two public functions, by their names in `tf.keras.applications`."""

    input_shape: InputShape | None
    alpha: float
    minimalistic: bool
    include_top: bool
    weights: str | os.PathLike[str] | None
    input_tensor: KerasTensor | None
    classes: int
    pooling: str | None
    dropout_rate: float
    classifier_activation: Any
    include_preprocessing: bool
    name: str


def _documented(function: Callable[..., T]) -> Callable[..., T]:
    function.__doc__ = f"{function.__doc__}\n{_ARGUMENTS}"
    return function


@_documented
def MobileNetV3Small(
    input_shape: InputShape | None = None,
    alpha: float = 1.0,
    minimalistic: bool = False,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: KerasTensor | None = None,
    classes: int = IMAGENET_CLASSES,
    pooling: str | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: Any = "softmax",
    include_preprocessing: bool = True,
    name: str = "MobileNetV3Small",
) -> keras.Model:
    """Builds a MobileNetV3-Small."""
    return _build("small", _Arguments(**locals()))


@_documented
def MobileNetV3Large(
    input_shape: InputShape | None = None,
    alpha: float = 1.0,
    minimalistic: bool = False,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: KerasTensor | None = None,
    classes: int = IMAGENET_CLASSES,
    pooling: str | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: Any = "softmax",
    include_preprocessing: bool = True,
    name: str = "MobileNetV3Large",
) -> keras.Model:
    """Builds a MobileNetV3-Large."""
    return _build("large", _Arguments(**locals()))


def image_input(size: int, *, batch_size: int | None) -> KerasTensor:
    """Returns an input named `image` of shape (batch_size, size, size, 3), to pass as `input_tensor`."""
    return keras.Input(batch_shape=(batch_size, size, size, 3), name="image")


def preprocess_input(x: T, data_format: str | None = None) -> T:
    """Returns `x` unchanged: the graph rescales pixels itself. Kept, as in Keras, for a uniform API."""
    return x


def _build(size: Size, arguments: _Arguments) -> keras.Model:
    if keras.config.image_data_format() != "channels_last":
        raise ArgumentError("image_data_format", "channels_first", "channels_last, the only layout of TFLite")
    variant = Variant(size, bool(arguments.minimalistic), arch.check_alpha(arguments.alpha))
    weights, input_tensor = arguments.weights, arguments.input_tensor
    _check_weights_argument(weights, variant, arguments.include_top, arguments.classes)
    _check_head(arguments)
    shape = _resolve_input_shape(arguments.input_shape, input_tensor)
    if weights == "imagenet" and shape[:2] != (DEFAULT_INPUT_SIZE, DEFAULT_INPUT_SIZE):
        warnings.warn(
            f"the ImageNet weights were trained at 224x224, the input is {shape[0]}x{shape[1]}: "
            "accuracy differs from the published figures",
            stacklevel=3,
        )

    network = arch.expand(variant)
    inputs = layers.Input(shape=shape) if input_tensor is None else input_tensor
    x = layers.Rescaling(1.0 / 127.5, -1.0)(inputs) if arguments.include_preprocessing else inputs
    x = conv_bn_act(x, arch.STEM_CHANNELS, 3, name="conv", stride=2, activation=network.activation)
    for block in network.blocks:
        x = inverted_residual(x, block)
    x = conv_bn_act(x, network.last_conv_channels, 1, name="conv_1", activation=network.activation)
    if arguments.include_top:
        x = _top(x, network, arguments)
    elif arguments.pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif arguments.pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    source = inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(source, x, name=arguments.name)

    if weights == "imagenet":
        weights = published.published_weights(variant, include_top=arguments.include_top)
    if weights is not None:
        published.load_weights(model, Path(weights))
    return model


def _top(x: KerasTensor, network: arch.ExpandedNetwork, arguments: _Arguments) -> KerasTensor:
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(network.last_point_channels, 1, padding="same", use_bias=True, name="conv_2")(x)
    x = activate(x, network.activation)
    if arguments.dropout_rate > 0:
        x = layers.Dropout(arguments.dropout_rate)(x)
    x = layers.Conv2D(arguments.classes, 1, padding="same", name="logits")(x)
    x = layers.Flatten()(x)
    return layers.Activation(arguments.classifier_activation, name="predictions")(x)


def _check_weights_argument(
    weights: str | os.PathLike[str] | None, variant: Variant, include_top: bool, classes: int
) -> None:
    if weights is None:
        return
    if weights == "imagenet":
        allowed = sorted(key.alpha for key, top in published.PUBLISHED if top and key[:2] == variant[:2])
        if variant.alpha not in allowed:
            raise ArgumentError(
                f"alpha with weights='imagenet' for {variant.name}",
                str(variant.alpha),
                " or ".join(map(str, allowed)),
                "use weights=None or a weights file",
            )
        if include_top and classes != IMAGENET_CLASSES:
            raise ArgumentError("classes with weights='imagenet' and include_top=True", repr(classes), "1000")
        return
    if not isinstance(weights, (str, os.PathLike)) or not Path(weights).is_file():
        raise ArgumentError(
            "weights", repr(weights), "'imagenet', None, or the path of an existing weights file"
        )


def _check_head(arguments: _Arguments) -> None:
    classes, pooling, dropout_rate = arguments.classes, arguments.pooling, arguments.dropout_rate
    classifier_activation = arguments.classifier_activation
    if pooling not in (None, "avg", "max"):
        raise ArgumentError("pooling", repr(pooling), "None, 'avg' or 'max'")
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise ArgumentError("classes", repr(classes), "an integer of at least 1")
    if not 0 <= dropout_rate < 1:
        raise ArgumentError("dropout_rate", repr(dropout_rate), "0 <= rate < 1")
    if arguments.include_top:
        try:
            activation = keras.activations.get(classifier_activation)
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                "classifier_activation", repr(classifier_activation), "the name of a Keras activation or None"
            ) from error
        linear, softmax = keras.activations.get(None), keras.activations.get("softmax")
        if arguments.weights is not None and activation not in (linear, softmax):
            raise ArgumentError(
                "classifier_activation with pretrained weights",
                repr(classifier_activation),
                "None or 'softmax'",
            )


def _resolve_input_shape(input_shape: InputShape | None, input_tensor: KerasTensor | None) -> InputShape:
    shape: tuple[Any, ...] = (DEFAULT_INPUT_SIZE, DEFAULT_INPUT_SIZE, 3)
    if input_shape is not None:
        shape = tuple(input_shape)
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ArgumentError(
                "input_tensor",
                type(input_tensor).__name__,
                "a Keras tensor, such as keras.Input(shape=(224, 224, 3))",
            )
        tensor_shape = tuple(input_tensor.shape[1:])
        if input_shape is not None and tensor_shape != shape:
            raise ArgumentError(
                "input_tensor and input_shape disagree", f"{tensor_shape} and {shape}", "equal shapes"
            )
        shape = tensor_shape
    if len(shape) != 3 or shape[2] != 3:
        raise ArgumentError("input_shape", repr(shape), "(height, width, 3): exactly three channels")
    for side in shape[:2]:
        if side is not None and (
            not isinstance(side, int) or isinstance(side, bool) or side < MIN_INPUT_SIZE
        ):
            raise ArgumentError(
                "input_shape", repr(shape), f"sides of at least {MIN_INPUT_SIZE} pixels, or None"
            )
    return shape[0], shape[1], shape[2]
