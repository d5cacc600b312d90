"""Models that Keras 2 saved, from the file to the float file."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.model import keras2_models
from edge_mnv3.stages.float_model import FloatModel, ModelRequest
from edge_mnv3.stages.open_model import open_float_model
from recording_reporter import RecordingReporter

pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings(
    "ignore:You are saving your model as an HDF5 file", "ignore::ResourceWarning"
)
SIDE = 32
FOLDER_VARIABLE = "EDGE_MNV3_KERAS2"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def float_file(path: Path, reporter: Any = SILENT) -> FloatModel:
    with open_float_model(ModelRequest(path=path), use_cache=False, reporter=reporter) as opened:
        return opened.made()


def old_file(path: Path, layers: list[dict[str, Any]], last: str) -> Path:
    """A `.h5` of Keras 2 without weights, of an image and these layers."""
    image = {"batch_input_shape": [None, SIDE, SIDE, 3], "dtype": "float32", "name": "image"}
    entries = [{"class_name": "InputLayer", "name": "image", "config": image, "inbound_nodes": []}, *layers]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [[last, 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "old", "layers": entries, **ends}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["model_config"] = "2.12.0", json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
    return path


def calling(function: str, **arguments: Any) -> list[dict[str, Any]]:
    """A layer that calls a function of TensorFlow with the image."""
    config = {"name": "call", "function": function}
    nodes = [["image", 0, 0, {"name": None, **arguments}]]
    return [{"class_name": "TFOpLambda", "name": "call", "config": config, "inbound_nodes": nodes}]


def test_without_keras_2_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras2_models, "is_installed", lambda: False)
    path = old_file(tmp_path / "old.h5", calling("__operators__.add", y=3.0), "call")
    asked = run("quantize", path, "-o", tmp_path / "out")
    assert asked.exit_code == 1
    assert f"error: model {path}: got a model of Keras 2.12.0, which Keras 3" in asked.stderr
    assert "pip install --no-deps 'tf-keras==2." in asked.stderr
    assert "tf.lite.TFLiteConverter.from_keras_model(model).convert()" in asked.stderr


@pytest.mark.parametrize("function", ["io.write_file", "py_function", "raw_ops.WriteFile", "math.x;y"])
def test_only_functions_that_compute_are_called(function: str, tmp_path: Path) -> None:
    path = old_file(tmp_path / "old.h5", calling(function), "call")
    config = json.loads(h5py.File(path).attrs["model_config"])
    with pytest.raises(InputFileError, match=rf"layer 'call': got a call of tf.{function}, expected"):
        keras2_models.load(path, config)


@pytest.fixture(scope="module")
def keras2() -> Iterator[Any]:
    """Keras 2, from a folder of its own: its package brings another TensorFlow."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None and not keras2_models.is_installed():
        pytest.skip(f"no Keras 2: pip install --no-deps --target FOLDER tf-keras, {FOLDER_VARIABLE}=FOLDER")
    if folder is not None:
        sys.path.append(folder)
    yield importlib.import_module(keras2_models.PACKAGE)
    if folder is not None:
        sys.path.remove(folder)


def settle(model: Any) -> None:
    """Gives its batch normalizations something to do."""
    generator = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if type(layer).__name__ == "BatchNormalization":
            gamma, beta, mean, variance = layer.get_weights()
            beta, mean = (each + generator.normal(0, 0.3, each.shape) for each in (beta, mean))
            layer.set_weights([gamma, beta, mean, variance * generator.uniform(0.1, 0.3, variance.shape)])


@pytest.fixture(scope="module")
def fine_tuned(keras2: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """What most people made of this family, with two outputs and in mixed precision, and its file."""
    layers = keras2.layers
    keras2.mixed_precision.set_global_policy("mixed_float16")
    image = keras2.Input((SIDE, SIDE, 3))
    base = keras2.applications.MobileNetV3Small(
        input_shape=(SIDE, SIDE, 3), alpha=0.05, include_top=False, weights=None
    )
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(base(layers.RandomFlip()(image), training=False)))
    of_float32 = {name: layers.Dense(size, dtype="float32")(x) for name, size in (("z", 2), ("a", 4))}
    keras2.mixed_precision.set_global_policy("float32")
    model = keras2.Model(image, of_float32)
    settle(model)
    path = tmp_path_factory.mktemp("keras2") / "old.h5"
    model.save(path)
    return model, path


def test_the_ordinary_fine_tune(fine_tuned: tuple[Any, Path]) -> None:
    model, path = fine_tuned
    reporter = RecordingReporter()
    made = float_file(path, reporter)
    assert (made.input_range, made.facts.input.range_source) == (PIXELS, "graph")
    assert [(each.name, each.shape) for each in made.facts.outputs] == [("a", (4,)), ("z", (2,))]
    assert any("saved in mixed_float16 and compute in float32 here" in each for each in reporter.warnings)
    image = np.random.default_rng(1).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
    wanted = model(image, training=False)
    for name, got in zip("az", open_bytes(made.content).run_raw(image), strict=True):
        numbers = np.asarray(wanted[name])
        np.testing.assert_allclose(got, numbers, atol=2e-2 * np.abs(numbers).max())  # of float16


def test_it_cannot_become_one_of_keras_3(fine_tuned: tuple[Any, Path], tmp_path: Path) -> None:
    refused = run("build", fine_tuned[1], "-o", tmp_path / "new.keras")
    assert refused.exit_code == 1
    assert "got a model of Keras 2" in refused.stderr
    assert refused.stderr.endswith("use edge-mnv3 quantize for it\n")


def test_arithmetic_in_front_tells_the_range(keras2: Any, tmp_path: Path) -> None:
    layers = keras2.layers
    image = keras2.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image / 127.5 - 1)
    model = keras2.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    path = tmp_path / "arithmetic.keras"
    model.save(path)
    made = float_file(path)
    assert made.input_range == PIXELS
    numbers = np.random.default_rng(1).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
    (got,) = open_bytes(made.content).run_raw(numbers)
    np.testing.assert_allclose(got, np.asarray(model(numbers)), atol=1e-5)


def test_pixels_that_are_cast(keras2: Any, tmp_path: Path) -> None:
    layers, cast = keras2.layers, importlib.import_module("tensorflow").cast
    image = keras2.Input((SIDE, SIDE, 3), dtype="uint8")
    x = layers.Conv2D(4, 3, 2, padding="same")(cast(image, "float32") / 127.5 - 1)
    model = keras2.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    path = tmp_path / "pixels.h5"
    model.save(path)
    made = float_file(path)
    assert made.input_range == PIXELS
    pixels = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3))
    (got,) = open_bytes(made.content).run_raw(pixels.astype(np.float32))
    np.testing.assert_allclose(got, np.asarray(model(pixels.astype(np.uint8))), atol=1e-5)


def test_as_weights_of_a_variant(keras2: Any, tmp_path: Path) -> None:
    arguments = {"input_shape": (SIDE, SIDE, 3), "alpha": 0.05, "minimalistic": True, "weights": None}
    path = tmp_path / "whole.h5"
    model = keras2.applications.MobileNetV3Small(**arguments, classes=3)
    settle(model)
    model.save(path)
    stated = ("--variant", "small_minimalistic", "--alpha", 0.05, "--classes", 3, "--input-size", SIDE)
    done = run("build", *stated, "--weights", path, "-o", tmp_path / "new.keras")
    assert done.exit_code == 0, done.stderr
    other_arguments = arguments | {"include_preprocessing": False}
    bare = keras2.applications.MobileNetV3Small(**other_arguments, classes=3)
    bare.set_weights(model.get_weights())
    bare.save(path)
    other = run("build", *stated, "--weights", path, "-o", tmp_path / "other.keras")
    assert other.exit_code == 1, other.stdout
    assert "a model that is not the variant: its answers are others" in other.stderr
