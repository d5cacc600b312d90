"""Saved Keras models whose description was changed, as a hand, a tool or another version may change it."""

from __future__ import annotations

import copy
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py

Config = dict[str, Any]
ACTIVATIONS = (
    "relu", "relu6", "linear", "sigmoid", "softmax", "tanh", "gelu", "hard_swish", "hard_sigmoid", "silu",
    "elu", "leaky_relu", "exponential", "softplus", "nonsense",
)  # fmt: skip
POLICIES = ("float16", "mixed_float16", "mixed_bfloat16", "float64", "int8")


def read_config(path: Path) -> Config:
    """The description in a `.keras` or `.h5` file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return dict(json.loads(archive.read("config.json")))
    with h5py.File(path) as file:
        return dict(json.loads(file.attrs["model_config"]))


def with_config(path: Path, config: Config, target: Path) -> None:
    """Writes a copy of a file with another description."""
    if not zipfile.is_zipfile(path):
        shutil.copyfile(path, target)
        with h5py.File(target, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as written:
        for name in archive.namelist():
            written.writestr(name, json.dumps(config) if name == "config.json" else archive.read(name))


def mutate(config: Config, seed: int) -> tuple[str, Config]:
    """Changes one thing; says which."""
    rng = random.Random(seed)
    while True:
        changed = copy.deepcopy(config)
        done = MUTATIONS[seed % len(MUTATIONS)](changed, rng) or rng.choice(MUTATIONS)(changed, rng)
        if done and changed != config:
            return done, changed


def _layers(config: Config) -> Iterator[Config]:
    for layer in config["config"]["layers"]:
        yield layer
        if "layers" in layer["config"]:
            yield from _layers(layer)


def _models(config: Config) -> Iterator[Config]:
    yield config
    for layer in config["config"]["layers"]:
        if "layers" in layer["config"]:
            yield from _models(layer)


def _tensors(value: Any) -> Iterator[Config]:
    """The references to layers' outputs in what a layer is called with."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]
        else:
            for each in value.values():
                yield from _tensors(each)
    elif isinstance(value, list):
        for each in value:
            yield from _tensors(each)


def _one(rng: random.Random, found: Sequence[Config]) -> Config | None:
    return rng.choice(found) if found else None


def _having(config: Config, key: str, *classes: str) -> list[Config]:
    return [
        layer
        for layer in _layers(config)
        if key in layer["config"] and (not classes or layer["class_name"] in classes)
    ]


def _set(key: str, values: Sequence[Any], *classes: str) -> Callable[[Config, random.Random], str | None]:
    """A mutation that gives one layer another argument."""

    def mutation(config: Config, rng: random.Random) -> str | None:
        layer = _one(rng, _having(config, key, *classes))
        if layer is None:
            return None
        value = rng.choice(values)
        layer["config"][key] = value
        return f"{key} {value} of {layer['class_name']} {layer['config'].get('name')}"

    return mutation


def _size(config: Config, rng: random.Random) -> str | None:
    shapes = [layer["config"] for layer in _having(config, "batch_shape")]
    for image in shapes if rng.random() < 0.7 else shapes[:1]:
        place = rng.randrange(1, 3) if rng.random() < 0.8 else 3
        image["batch_shape"][place] = rng.choice([48, 33, 64, None, 31, 1] if place < 3 else [1, 4, None])
    return f"sizes {[image['batch_shape'] for image in shapes]}"


def _swap(config: Config, rng: random.Random) -> str | None:
    """Lets each of two layers be where the other was."""
    model = rng.choice(list(_models(config)))
    layers = model["config"]["layers"]
    if len(layers) < 3:
        return None
    first = rng.randrange(1, len(layers) - 1)
    second = first + 1 if rng.random() < 0.6 else rng.randrange(1, len(layers))
    one, other = layers[first], layers[second]
    layers[first], layers[second] = other, one
    for key in ("name", "inbound_nodes"):
        if key in one and key in other:
            one[key], other[key] = other[key], one[key]
    one["config"]["name"], other["config"]["name"] = other["config"]["name"], one["config"]["name"]
    return f"{one['class_name']} and {other['class_name']} swapped"


def _remove(config: Config, rng: random.Random) -> str | None:
    """Takes a layer out, and lets those behind it take what it took."""
    model = rng.choice(list(_models(config)))
    layers = model["config"]["layers"]
    place = rng.randrange(1, len(layers))
    layer = layers.pop(place)
    taken = list(_tensors(layer.get("inbound_nodes", [])))
    if taken:
        for each in layers:
            for tensor in _tensors(each["inbound_nodes"]):
                if tensor["keras_history"][0] == layer["name"]:
                    tensor["keras_history"] = list(taken[0]["keras_history"])
        text = json.dumps(model["config"]["output_layers"])
        before = json.dumps(taken[0]["keras_history"][0])
        model["config"]["output_layers"] = json.loads(text.replace(json.dumps(layer["name"]), before))
    return f"without {layer['class_name']} {layer['config'].get('name')}"


def _rewire(config: Config, rng: random.Random) -> str | None:
    """Lets a layer take another layer's output."""
    model = rng.choice([each for each in _models(config) if "output_layers" in each["config"]] or [config])
    layers = model["config"]["layers"]
    layer = rng.choice(layers[1:])
    tensor = _one(rng, list(_tensors(layer.get("inbound_nodes", []))))
    if tensor is None:
        return None
    tensor["keras_history"][0] = rng.choice(layers)["config"]["name"]
    return f"{layer['config']['name']} takes {tensor['keras_history'][0]}"


def _output(config: Config, rng: random.Random) -> str | None:
    model = _one(rng, [each for each in _models(config) if "output_layers" in each["config"]])
    if model is None:
        return None
    name = rng.choice(model["config"]["layers"])["config"]["name"]
    model["config"]["output_layers"] = [[name, 0, 0]]
    return f"{model['config']['name']} ends with {name}"


def _training(config: Config, rng: random.Random) -> str | None:
    layer = _one(rng, [each for each in _layers(config) if each.get("inbound_nodes")])
    if layer is None:
        return None
    layer["inbound_nodes"][0]["kwargs"]["training"] = True
    return f"{layer['class_name']} {layer['name']} is called in training mode"


def _class(config: Config, rng: random.Random) -> str | None:
    others = {
        "Add": "Multiply", "Multiply": "Add", "ReLU": "LeakyReLU", "Dropout": "Activation",
        "GlobalAveragePooling2D": "GlobalMaxPooling2D", "Flatten": "GlobalMaxPooling2D",
        "Rescaling": "Normalization", "Dense": "EinsumDense", "DepthwiseConv2D": "Conv2D",
        "Conv2D": "Conv2DTranspose", "BatchNormalization": "LayerNormalization", "InputLayer": "Lambda",
        "ZeroPadding2D": "Cropping2D", "Activation": "MyActivation",
    }  # fmt: skip
    layer = _one(rng, [each for each in _layers(config) if each["class_name"] in others])
    if layer is None:
        return None
    was, layer["class_name"] = layer["class_name"], others[layer["class_name"]]
    return f"{was} {layer['config'].get('name')} becomes {layer['class_name']}"


def _insert(config: Config, rng: random.Random) -> str | None:
    """Puts a layer into a Sequential."""
    model = _one(rng, [each for each in _models(config) if each["class_name"] == "Sequential"])
    if model is None:
        return None
    choices: list[tuple[str, Config]] = [
        ("Rescaling", {"scale": 0.5, "offset": 0.1}), ("Dropout", {"rate": 0.5}), ("RandomFlip", {}),
        ("Activation", {"activation": "tanh"}), ("LayerNormalization", {}), ("UnitNormalization", {}),
        ("GaussianNoise", {"stddev": 1.0}), ("Resizing", {"height": 40, "width": 40}),
        ("CenterCrop", {"height": 24, "width": 24}), ("Lambda", {}), ("Softmax", {}),
        ("Permute", {"dims": [2, 1, 3]}),
    ]  # fmt: skip
    name, arguments = rng.choice(choices)
    layers = model["config"]["layers"]
    place = rng.randrange(1, len(layers) + 1)
    whole = {"class_name": name, "config": {"name": "put_in", **arguments}, "registered_name": None}
    layers.insert(place, {"module": "keras.layers", **whole})
    return f"{name} at {place}"


def _damage(config: Config, rng: random.Random) -> str | None:
    """Deletes an entry, or gives it a value of another type."""
    layer = rng.choice(list(_layers(config)))
    target = rng.choice([layer, layer["config"]])
    kind, key = layer["class_name"], rng.choice(list(target))
    value: Any = rng.choice([None, "", -1, [], {}, "deleted"])
    if value == "deleted":
        del target[key]
    else:
        target[key] = value
    return f"{key} of {kind}: {value!r}"


MUTATIONS: tuple[Callable[[Config, random.Random], str | None], ...] = (
    _size,
    _set("activation", ACTIVATIONS),
    _remove,
    _swap,
    _set("scale", [1 / 255, 1.0, 2 / 255, 0.0, [0.1, 0.2, 0.3]], "Rescaling"),
    _rewire,
    _set("strides", [[1, 1], [2, 2], [3, 3], [1, 2]]),
    _set("padding", ["same", "valid", [[1, 1], [1, 1]], 1, "causal"]),
    _set("epsilon", [1e-7, 1e-5, 0.1, 1.0, -1.0], "BatchNormalization"),
    _set("dtype", POLICIES),
    _class,
    _set("max_value", [None, 6.0, 1.0, 0.0], "ReLU"),
    _training,
    _set("offset", [0.0, 1.0, -1.0, -0.5, [0.1, 0.2, 0.3]], "Rescaling"),
    _output,
    _set("units", [1, 3, 5, 16, 1000], "Dense"),
    _insert,
    _set("dilation_rate", [[2, 2], [1, 2]]),
    _damage,
    _set("kernel_size", [[1, 1], [5, 5], [3, 1]]),
    _set("use_bias", [True, False]),
    _set("axis", [1, 2, -1, [1, 2]], "BatchNormalization", "Concatenate", "Softmax"),
    _set("data_format", ["channels_first"]),
    _set("keepdims", [True, False]),
    _set("negative_slope", [0.1, 1.0], "ReLU"),
    _set("center", [False], "BatchNormalization"),
    _set("trainable", [False]),
    _set("momentum", [0.5], "BatchNormalization"),
    _set("rate", [0.9], "Dropout"),
    _set("filters", [1, 8, 17], "Conv2D"),
    _set("groups", [2, 4], "Conv2D"),
    _set("mean", [[0.0, 0.0, 0.0], [10.0, 20.0, 30.0], None], "Normalization"),
    _set("threshold", [0.5, -1.0], "ReLU"),
    _set("name", ["other", "conv", "top", "predictions"]),
)
