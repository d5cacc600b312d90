"""What Keras's descriptions of models say, and what is refused by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import InputFileError, WeightsMismatchError
from edge_mnv3.model.declared import check_declared
from edge_mnv3.model.model_config import check_no_custom_code, input_shape, last_activation


def layer(class_name: str, name: str = "", *, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "module": module,
        "name": name or class_name.lower(),
        "config": {"name": name or class_name.lower(), **config},
        "registered_name": None,
    }


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": list(layers)}}


IMAGE = layer("InputLayer", batch_shape=[None, 64, 48, 3])
DENSE = layer("Dense", units=3, activation="softmax")


def test_input_shape() -> None:
    assert input_shape(sequential(IMAGE, DENSE)) == (64, 48, 3)
    keras2 = layer("InputLayer", batch_input_shape=[None, None, None, 1])
    assert input_shape(sequential(keras2)) == (None, None, 1)
    assert input_shape(sequential(DENSE)) is None
    assert input_shape(sequential(IMAGE, layer("InputLayer", "b", batch_shape=[None, 8]))) is None
    first = layer("Conv2D", batch_input_shape=[None, 32, 32, 3])
    assert input_shape(sequential(first, DENSE)) == (32, 32, 3)


@pytest.mark.parametrize(
    ("last", "activation"),
    [
        (DENSE, "softmax"),
        (layer("Dense", activation="sigmoid"), "sigmoid"),
        (layer("Dense", activation={"class_name": "function", "config": "softmax"}), "softmax"),
        (layer("Dense", activation={"class_name": "Custom", "config": {}}), None),
        (layer("Conv2D", activation="linear"), "linear"),
        (layer("Softmax"), "softmax"),
        (layer("ReLU"), "relu"),
        (layer("GlobalAveragePooling2D"), "linear"),
        (sequential(IMAGE, DENSE), "softmax"),
    ],
)
def test_last_activation(last: dict[str, Any], activation: str | None) -> None:
    assert last_activation(sequential(IMAGE, last)) == activation
    assert last_activation(sequential(IMAGE, last, layer("Flatten"), layer("Dropout"))) == activation


def test_the_output_layer_is_not_the_last_in_the_list() -> None:
    model = sequential(IMAGE, DENSE, layer("Dense", "aside", activation="relu"))
    model["config"]["output_layers"] = ["dense", 0, 0]
    assert last_activation(model) == "softmax"
    model["config"]["output_layers"] = [["aside", 0, 0]]
    assert last_activation(model) == "relu"


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (layer("Lambda", "scale"), "layer 'scale': got Lambda, whose code is not run"),
        (layer("Gate", "g", module="mine"), "layer 'g': got Gate of mine, whose code is not in the file"),
        ({**layer("Gate", "g"), "registered_name": "Custom>Gate"}, "got Gate, whose code is not in the file"),
        (layer("TimeDistributed", layer=layer("Lambda", "in")), "layer 'in': got Lambda"),
    ],
)
def test_code_that_is_not_keras(bad: dict[str, Any], text: str) -> None:
    check_no_custom_code(sequential(IMAGE, DENSE), "m.keras")
    for model in (sequential(IMAGE, bad), sequential(IMAGE, sequential(bad), DENSE)):
        with pytest.raises(InputFileError) as error:
            check_no_custom_code(model, "m.keras")
        assert str(error.value).startswith("model m.keras: layer '")
        assert text in str(error.value)
    with pytest.raises(InputFileError, match="a model of the class MyModel"):
        check_no_custom_code({"class_name": "MyModel", "config": {}}, "m.keras")


def check(config: dict[str, Any], **options: Any) -> int:
    arguments = {"input_size_px": None, "include_softmax": True, **options}
    return check_declared(config, Path("w.keras"), **arguments)


def square(side: int | None, last: dict[str, Any] = DENSE) -> dict[str, Any]:
    return sequential(layer("InputLayer", batch_shape=[None, side, side, 3]), last)


def test_a_weights_file_is_taken_at_its_word() -> None:
    assert check(square(64)) == check(square(64), input_size_px=64) == 64
    assert check(square(None)) == 224
    assert check(square(None), input_size_px=96) == 96
    assert check(square(64), include_softmax=False) == 64
    assert check(square(64, layer("Dense", activation="linear")), include_softmax=False) == 64


@pytest.mark.parametrize(
    ("config", "options", "text"),
    [
        (square(64), {"input_size_px": 224}, "got 224 px, expected 64 px, as the file says; leave"),
        (sequential(IMAGE, DENSE), {}, "a model with an input of 64x48x3"),
        (square(16), {}, "an input of 16x16x3, expected a square RGB input of at least 32 px"),
        (sequential(layer("InputLayer", batch_shape=[None, 64, 64, 1]), DENSE), {}, "64x64x1"),
        (square(64, layer("Dense", activation="sigmoid")), {}, "got a model that ends with sigmoid"),
        (
            square(64, {**square(64), "name": "base"}),
            {},
            "a model that holds another one, 'base', as a layer",
        ),
        (square(64, layer("Dense", activation="linear")), {}, "got a model that gives logits"),
    ],
)
def test_a_weights_file_that_says_otherwise_is_refused(
    config: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(WeightsMismatchError) as error:
        check(config, **options)
    assert text in str(error.value)
    assert "use edge-mnv3 quantize w.keras" in str(error.value)
