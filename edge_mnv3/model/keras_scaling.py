"""What the first layers of a Keras model make of its numbers: factors and offsets in front of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.input_scaling import UNSCALED, Scaling
from edge_mnv3.model.model_config import ConfiguredLayer, layers_of

Numbers = npt.NDArray[np.float64]

# They pass their input on when a model is used.
_INACTIVE = (
    *(
        "ActivityRegularization",
        "AlphaDropout",
        "AugMix",
        "AutoContrast",
        "CutMix",
        "Dropout",
        "Equalization",
    ),
    *("GaussianDropout", "GaussianNoise", "Identity", "MixUp", "Pipeline", "RandAugment", "SpatialDropout2D"),
)
_INACTIVE_EXCEPT = ("AutoContrast", "Equalization", "Pipeline")  # these are active in use, or may be
# They arrange numbers, but leave them as they are where they take nothing but the input.
_ARRANGING = (
    *("CenterCrop", "Concatenate", "Cropping2D", "Permute", "Repeat", "Reshape", "Resizing", "UpSampling2D"),
    "ZeroPadding2D",
)
_ARITHMETIC = ("Add", "Divide", "Multiply", "Subtract", "TrueDivide")


def leading_scalings(model: Any) -> tuple[Scaling, ...]:
    """Reads what a model's first layers make of the input.

    Args:
        model: `keras.Model`, Functional or Sequential.

    Returns:
        What the first layer that scales makes, then the first two, and so on; empty where none does.
    """
    walk = _Walk()
    walk.follow(model)
    return tuple(walk.scalings)


class _Walk:
    """Follows the input through layers of one input and one consumer, as far as they only scale it."""

    def __init__(self) -> None:
        self.scalings: list[Scaling] = []

    def follow(self, model: Any) -> bool:
        """Follows through a model; says whether it came out at the end of it."""
        config = model.get_config()
        layers = layers_of({"config": config})
        if "input_layers" not in config:  # a Sequential
            return all(self._pass(layer, model) for layer in layers)
        current = _first_name(config["input_layers"])
        last = _first_name(config["output_layers"])
        while current != last:
            takers = [layer for layer in layers if current in _taken(layer)]
            if len(takers) != 1 or len(_taken(takers[0])) != 1 or not self._pass(takers[0], model):
                return False
            current = takers[0].name
        return True

    def _pass(self, layer: ConfiguredLayer, model: Any) -> bool:
        """Goes through a layer; False for one that does more than scale."""
        name = layer.class_name
        if name in ("InputLayer", *_ARRANGING) or is_inactive(layer):
            return True
        if layer.is_model:
            return self.follow(model.get_layer(layer.name))
        if name == "Rescaling":
            return self._scale(layer.config["scale"], layer.config["offset"])
        if name == "Normalization" and not layer.config.get("invert"):
            mean, deviation = _normalization(model.get_layer(layer.name))
            return self._scale(1 / deviation, -mean / deviation)
        if name in _ARITHMETIC:
            return self._arithmetic(layer)
        return False

    def _scale(self, factor: Any, offset: Any) -> bool:
        start = self.scalings[-1] if self.scalings else UNSCALED
        self.scalings.append(start.then(factor, offset))
        return True

    def _arithmetic(self, layer: ConfiguredLayer) -> bool:
        """Goes through x / 127.5, x - 1 and the like, which Keras keeps as layers."""
        nodes = list(layer.whole.get("inbound_nodes") or [])
        arguments = list(nodes[0].get("args", [])) if len(nodes) == 1 else []
        if len(arguments) != 2:
            return False
        constant = next((each for each in arguments if isinstance(each, (int, float))), None)
        if constant is None:
            return False
        if layer.class_name == "Add":
            return self._scale(1, constant)
        if layer.class_name == "Multiply":
            return self._scale(constant, 0)
        if constant is not arguments[1]:  # 1 - x, 1 / x
            return False
        return self._scale(1, -constant) if layer.class_name == "Subtract" else self._scale(1 / constant, 0)


def is_inactive(layer: ConfiguredLayer) -> bool:
    """Whether a layer passes its input on when a model is used."""
    name = layer.class_name
    return (name.startswith("Random") or name in _INACTIVE) and name not in _INACTIVE_EXCEPT


def _normalization(layer: Any) -> tuple[Numbers, Numbers]:
    """The mean and the deviation that a Normalization has, given or learnt; (1,) or (channels,) each."""
    import keras

    mean, variance = (np.asarray(numbers, np.float64).reshape(-1) for numbers in (layer.mean, layer.variance))
    return mean, np.maximum(np.sqrt(variance), keras.config.epsilon())


def _first_name(entry: Any) -> str:
    """The first layer's name in `input_layers` or `output_layers`, which may hold one entry or several."""
    if isinstance(entry, Mapping):
        entry = next(iter(entry.values()))
    while isinstance(entry, (list, tuple)):
        entry = entry[0]
    return str(entry)


def _taken(layer: ConfiguredLayer) -> set[str]:
    """Names of the layers whose outputs a layer takes."""
    return set(_history(layer.whole.get("inbound_nodes") or ()))


def _history(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for each in value.values():
                yield from _history(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _history(each)
