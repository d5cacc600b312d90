"""The builder's documented arguments, defaults and errors."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edge_mnv3.core.reporting import SILENT
from edge_mnv3.model import arch, builder
from edge_mnv3.model.builder import MobileNetV3Large, MobileNetV3Small
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph

BUILDERS = [MobileNetV3Small, MobileNetV3Large]
TINY: dict[str, Any] = {"input_shape": (32, 32, 3), "alpha": 0.35, "minimalistic": True, "weights": None}


@pytest.mark.parametrize("ours", BUILDERS)
def test_signature_is_that_of_keras(ours: Any) -> None:
    theirs = getattr(keras.applications, ours.__name__)
    ours_parameters = inspect.signature(ours).parameters
    theirs_parameters = inspect.signature(theirs).parameters
    assert list(ours_parameters) == list(theirs_parameters)
    assert [p.default for p in ours_parameters.values()] == [p.default for p in theirs_parameters.values()]
    assert "Args:" in str(ours.__doc__)


@pytest.mark.parametrize("ours", BUILDERS)
def test_default_shape_is_224(ours: Any) -> None:
    assert ours(weights=None, alpha=0.35).input_shape == (None, 224, 224, 3)


def test_open_shape_is_possible() -> None:
    assert MobileNetV3Small(**TINY | {"input_shape": (None, None, 3)}).input_shape == (None, None, None, 3)


@pytest.mark.parametrize("alpha", [1, 1.0, np.float32(1.0)])
def test_alpha_may_be_any_number(alpha: Any) -> None:
    model = MobileNetV3Small(**TINY | {"alpha": alpha})
    assert model.count_params() == 2_056_848


@pytest.mark.parametrize("variant", list(arch.VARIANTS.values()), ids=lambda variant: variant.name)
@pytest.mark.parametrize("include_top", [True, False])
def test_weighted_layers_are_those_of_the_table(variant: arch.Variant, include_top: bool) -> None:
    build = MobileNetV3Small if variant.size == "small" else MobileNetV3Large
    model = build(
        input_shape=(32, 32, 3),
        alpha=variant.alpha,
        minimalistic=variant.minimalistic,
        weights=None,
        include_top=include_top,
    )
    expected = arch.weighted_layers(arch.expand(variant), include_top=include_top)
    weighted = [layer for layer in model.layers if layer.weights]
    assert [layer.name for layer in weighted] == [row.name for row in expected]
    assert [tuple(w.shape for w in layer.weights) for layer in weighted] == [row.shapes for row in expected]
    assert model.count_params() == arch.count_parameters(expected)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"weights": "nowhere.h5"}, "weights: got 'nowhere.h5', expected 'imagenet', None, or the path of"),
        ({"weights": 3}, "weights: got 3, expected 'imagenet', None"),
        (
            {"weights": "imagenet", "alpha": 0.5, "minimalistic": False},
            "small_0.5: got 0.5, expected 0.75 or 1.0",
        ),
        ({"weights": "imagenet", "alpha": 0.75}, "small_minimalistic_0.75: got 0.75, expected 1.0"),
        ({"weights": "imagenet", "alpha": 1.0, "classes": 10}, "include_top=True: got 10, expected 1000"),
        ({"pooling": "median"}, "pooling: got 'median', expected None, 'avg' or 'max'"),
        ({"alpha": 0}, "alpha: got 0, expected a finite number greater than 0"),
        ({"alpha": -1.0}, "alpha: got -1.0"),
        ({"input_shape": (31, 32, 3)}, r"input_shape: got (31, 32, 3), expected sides of at least 32 pixels"),
        ({"input_shape": (32, 32.0, 3)}, r"input_shape: got (32, 32.0, 3), expected sides"),
        (
            {"input_shape": (32, 32, 1)},
            "got (32, 32, 1), expected (height, width, 3): exactly three channels",
        ),
        ({"input_shape": (32, 32, 4)}, "exactly three channels"),
        ({"input_shape": (32, 32)}, "exactly three channels"),
        ({"classes": 0}, "classes: got 0, expected an integer of at least 1"),
        ({"classes": 2.0}, "classes: got 2.0"),
        ({"dropout_rate": 1.0}, "dropout_rate: got 1.0, expected 0 <= rate < 1"),
        ({"classifier_activation": "no_such"}, "classifier_activation: got 'no_such', expected the name of"),
        ({"input_tensor": np.zeros((1, 32, 32, 3))}, "input_tensor: got ndarray, expected a Keras tensor"),
    ],
)
@pytest.mark.parametrize("build", BUILDERS)
def test_invalid_arguments(build: Any, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        build(**TINY | arguments)
    size = build.__name__.removeprefix("MobileNetV3").lower()
    assert text.replace("small_", f"{size}_") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shapes", [((32, 40, 3), (32, 48, 3)), ((40, 32, 3), (48, 32, 3)), ((None, None, 3), (32, 32, 3))]
)
def test_input_tensor_and_shape_must_agree(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="input_tensor and input_shape disagree: got"):
        MobileNetV3Small(**TINY | {"input_tensor": keras.Input(shape=shapes[0]), "input_shape": shapes[1]})


def test_input_tensor_alone_gives_the_shape() -> None:
    model = MobileNetV3Small(**TINY | {"input_tensor": keras.Input(shape=(40, 48, 3)), "input_shape": None})
    assert model.input_shape == (None, 40, 48, 3)
    with pytest.raises(ValueError, match="exactly three channels"):
        MobileNetV3Small(**TINY | {"input_tensor": keras.Input(shape=(40, 48, 1)), "input_shape": None})


def test_input_tensor_with_predecessors() -> None:
    source = keras.Input(shape=(32, 32, 3))
    model = MobileNetV3Small(**TINY | {"input_tensor": keras.layers.Rescaling(0.5)(source)})
    assert model.inputs[0] is source


def test_activation_with_pretrained_top(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    MobileNetV3Small(**TINY | {"classes": 3}).save_weights(path)
    arguments = TINY | {"classes": 3, "weights": path}
    with pytest.raises(ValueError, match="got 'sigmoid', expected None or 'softmax'"):
        MobileNetV3Small(**arguments, classifier_activation="sigmoid")
    MobileNetV3Small(**arguments, classifier_activation=None)
    MobileNetV3Small(**arguments, classifier_activation=keras.activations.softmax)
    # Without a top there is nothing for it to act on.
    MobileNetV3Small(**TINY | {"include_top": False}, classifier_activation="no_such")
    MobileNetV3Small(**TINY, classifier_activation="sigmoid")


def test_channels_first_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(ValueError, match="got channels_first, expected channels_last"):
        MobileNetV3Small(**TINY)


def test_preprocessing_can_be_left_out() -> None:
    with_it = MobileNetV3Small(**TINY)
    without = MobileNetV3Small(**TINY, include_preprocessing=False)
    assert "rescaling" not in [layer.name for layer in without.layers]
    without.set_weights(with_it.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    # One float32 rounding of the input, carried through 40 layers.
    np.testing.assert_allclose(with_it(pixels), without(pixels / 127.5 - 1), rtol=1e-4)


def test_preprocess_input_changes_nothing() -> None:
    pixels = np.ones((1, 2, 2, 3))
    assert builder.preprocess_input(pixels) is pixels


def test_dropout_can_be_left_out() -> None:
    names = [layer.name for layer in MobileNetV3Small(**TINY, dropout_rate=0).layers]
    assert "dropout" not in names


def test_a_head_of_ones_own_does_not_collide() -> None:
    base = MobileNetV3Small(**TINY | {"include_top": False, "pooling": "avg"})
    x = keras.layers.Dropout(0.1)(keras.layers.ReLU()(base.output))
    model = keras.Model(base.input, keras.layers.Dense(3)(x))
    assert model.output_shape == (None, 3)


def test_imagenet_weights_at_another_size_warn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    MobileNetV3Small(weights=None, minimalistic=True, input_shape=(32, 32, 3)).save_weights(path)
    monkeypatch.setattr("edge_mnv3.model.weights.published_weights", lambda variant, include_top: path)
    with pytest.warns(UserWarning, match="trained at 224x224, the input is 32x32"):
        MobileNetV3Small(minimalistic=True, input_shape=(32, 32, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MobileNetV3Small(minimalistic=True)


def test_equal_requests_give_equal_names_in_one_process() -> None:
    request = GraphRequest(variant=arch.Variant("small", False, 0.35), input_size_px=32, weights="none")
    graph = resolve_graph(request, SILENT)
    first = [operation.name for operation in build_graph(graph, batch_size=1).operations]
    MobileNetV3Small(**TINY)
    keras.layers.ReLU()
    assert [operation.name for operation in build_graph(graph, batch_size=1).operations] == first
    assert {"image", "re_lu", "re_lu_1", "add", "conv"} <= {*first}
