"""What Keras's description of a model says, read as JSON: layers, input shape, last activation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from edge_mnv3.core.errors import InputFileError

Config = Mapping[str, Any]

_MODELS = ("Functional", "Model", "Sequential")
_SKIPPED_AT_THE_END = ("Flatten", "Reshape", "Dropout", "Identity")
_KERAS_PACKAGES = ("keras", "tf_keras")  # the second is Keras 2 under another name
_NO_CUSTOM_CODE = "replace it by layers of Keras, or convert the model yourself and give the float .tflite"


class ConfiguredLayer(NamedTuple):
    """A layer of a model's description.

    Attributes:
        name: The layer's name.
        class_name: Keras's class.
        module: Where the class is defined; empty in files of Keras 2, which do not tell.
        config: The arguments that it was made with.
        whole: All of its description.
    """

    name: str
    class_name: str
    module: str
    config: Config
    whole: Config

    @property
    def is_model(self) -> bool:
        """Whether it is a model that holds layers itself."""
        return self.class_name in _MODELS


def layers_of(model: Config) -> list[ConfiguredLayer]:
    """Lists the layers of a model's description, models inside it as one layer each."""
    config = model.get("config")
    if isinstance(config, list):  # a Sequential of Keras 2.2 and older
        entries: Any = config
    else:
        entries = config.get("layers", ()) if isinstance(config, Mapping) else ()
    return [_layer(entry) for entry in entries if isinstance(entry, Mapping)]


def all_layers(model: Config) -> Iterator[ConfiguredLayer]:
    """Yields the layers of a model, and those of models and wrapped layers inside it."""
    for layer in layers_of(model):
        yield layer
        if layer.is_model:
            yield from all_layers(layer.whole)
        inner = layer.config.get("layer")
        if isinstance(inner, Mapping):
            yield _layer(inner)


def check_no_custom_code(model: Config, name: str) -> None:
    """Refuses a model that needs Python code which is not Keras's.

    Args:
        model: The description.
        name: What errors call the file.

    Raises:
        InputFileError: With the first layer that does, or the model itself.
    """
    if model.get("class_name") not in _MODELS:
        raise InputFileError(
            f"model {name}",
            f"a model of the class {model.get('class_name')}, whose code is not in the file",
            "a Functional or Sequential model",
            "convert it yourself and give the float .tflite",
        )
    for layer in all_layers(model):
        if layer.class_name == "Lambda":
            kind = "Lambda, whose code is not run"
        elif layer.module and layer.module.split(".")[0] not in _KERAS_PACKAGES:
            kind = f"{layer.class_name} of {layer.module}, whose code is not in the file"
        elif ">" in str(layer.whole.get("registered_name") or layer.class_name):
            kind = f"{layer.class_name}, whose code is not in the file"
        else:
            continue
        raise InputFileError(f"model {name}: layer '{layer.name}'", kind, "layers of Keras", _NO_CUSTOM_CODE)


def input_shape(model: Config) -> tuple[int | None, ...] | None:
    """Returns height, width and channels of a model's one input, None where one is open.

    Returns:
        None for a model of several inputs, or one that does not tell.
    """
    config = model.get("config")
    shapes = [
        shape
        for layer in layers_of(model)
        if (shape := _batch_shape(layer)) and layer.class_name == "InputLayer"
    ]
    if not shapes and isinstance(config, Mapping) and model.get("class_name") == "Sequential":
        first = layers_of(model)[:1]
        built = config.get("build_input_shape") or (first and _batch_shape(first[0]))
        shapes = [built] if built else []
    if len(shapes) != 1 or len(shapes[0]) != 4:
        return None
    return tuple(None if side is None else int(side) for side in shapes[0][1:])


def last_activation(model: Config) -> str | None:
    """Returns Keras's name of the activation that ends a model, `linear` for none; None where it is not told.

    A model whose last layer is a model ends as that one does.
    """
    for layer in reversed(_in_order(model)):
        if layer.is_model:
            return last_activation(layer.whole)
        if layer.class_name in _SKIPPED_AT_THE_END:
            continue
        if layer.class_name == "Softmax":
            return "softmax"
        if layer.class_name in ("ReLU", "LeakyReLU", "ELU", "PReLU"):
            return layer.class_name.lower()
        activation = layer.config.get("activation", "linear")
        if isinstance(activation, Mapping):
            activation = activation.get("config")
        return activation if isinstance(activation, str) else None
    return None


def _layer(entry: Config) -> ConfiguredLayer:
    config = entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    return ConfiguredLayer(
        name=str(entry.get("name") or config.get("name") or ""),
        class_name=str(entry.get("class_name")),
        module=str(entry.get("module") or ""),
        config=config,
        whole=entry,
    )


def _batch_shape(layer: ConfiguredLayer) -> Any:
    return layer.config.get("batch_shape") or layer.config.get("batch_input_shape")


def _in_order(model: Config) -> list[ConfiguredLayer]:
    """The layers up to the one that gives the first output."""
    layers = layers_of(model)
    config = model.get("config")
    outputs = config.get("output_layers") if isinstance(config, Mapping) else None
    if isinstance(outputs, list) and outputs:
        first = outputs[0]
        name = first[0] if isinstance(first, list) and first else first
        places = [place for place, layer in enumerate(layers) if layer.name == name]
        if places:
            return layers[: places[0] + 1]
    return layers
