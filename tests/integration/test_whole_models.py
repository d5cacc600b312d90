"""Models as people save them, from the file to the int8 file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.core.input_range import PIXELS, ZERO_TO_ONE, InputRange
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.read import read_file, read_model
from edge_mnv3.model.keras_models import answers
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import model_name, open_float_model
from recording_reporter import RecordingReporter

keras = pytest.importorskip("keras")
L = keras.layers
SIDE = 32


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def quantized(model: Path, out: Path, *options: object) -> QuantizeResult:
    result = run("quantize", model, "--recipe", "fast", "--samples", 2, "-o", out, "--json", *options)
    assert result.exit_code == 0, result.output
    return from_json(QuantizeResult, result.stdout)


def small(**options: Any) -> Any:
    arguments = {"input_shape": (SIDE, SIDE, 3), "alpha": 0.05, "minimalistic": True, "weights": None}
    model = keras.applications.MobileNetV3Small(**arguments | options)
    generator = np.random.default_rng(0)
    for layer in model.layers:  # batch norms that do something
        if isinstance(layer, L.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    gamma * generator.uniform(0.7, 1.3, gamma.shape),
                    beta + generator.normal(0, 0.1, beta.shape),
                    mean + generator.normal(0, 0.1, mean.shape),
                    variance * generator.uniform(0.5, 1.5, variance.shape),
                ]
            )
    return model


def fine_tune() -> Any:
    """What most people make of this family."""
    base = small(include_top=False)
    return keras.Sequential(
        [
            *(keras.Input((SIDE, SIDE, 3)), L.RandomFlip("horizontal"), base, L.GlobalAveragePooling2D()),
            *(L.Dropout(0.2), L.Dense(4, activation="softmax")),
        ]
    )


def assert_same(model: Any, result: QuantizeResult, low: float = 0, high: float = 255) -> None:
    images = np.random.default_rng(1).uniform(low, high, (3, *model.inputs[0].shape[1:])).astype(np.float32)
    file = open_bytes(Path(result.float_path).read_bytes())
    for image in images:
        (wanted,) = answers(model, image[np.newaxis])
        (got,) = file.run_raw(image[np.newaxis])
        assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_the_ordinary_fine_tune(tmp_path: Path, suffix: str) -> None:
    model = fine_tune()
    model.compile("adam", "categorical_crossentropy")
    path = tmp_path / f"flowers.{suffix}"
    model.save(path)
    result = quantized(path, tmp_path / "out")
    assert (result.name, result.variant, result.weights) == ("flowers", None, None)
    assert result.source is not None
    assert (result.source.format, result.source.path) == (suffix, str(path))
    image, (output,) = result.model.input, result.model.outputs
    assert (image.height_px, image.width_px, image.channels) == (SIDE, SIDE, 3)
    assert (image.mean, image.std, image.range_source) == ((0.0,), (1.0,), "graph")
    assert (output.shape, output.activation, output.task) == ((4,), "softmax", "classes")
    assert result.checks.passed
    assert_same(model, result)
    assert from_json(QuantizeResult, (tmp_path / "out" / "quantize.json").read_text()) == result


def test_layers_in_front(tmp_path: Path) -> None:
    image = keras.Input((SIDE, SIDE, 3))
    model = small(
        input_shape=None,
        input_tensor=L.Rescaling(1 / 255)(image),
        include_preprocessing=False,
        classes=3,
    )
    model.save(tmp_path / "front.keras")
    result = quantized(tmp_path / "front.keras", tmp_path / "out")
    assert (result.model.input.mean, result.model.input.std) == ((0.0,), (1.0,))
    assert_same(model, result)
    refused = run(
        "build", "--variant", "small_minimalistic", "--alpha", 0.05, "--weights", tmp_path / "front.keras",
        "-o", tmp_path / "b.keras",
    )  # fmt: skip
    assert refused.exit_code == 1
    assert "its layer 'rescaling" in refused.stderr
    assert "use edge-mnv3 quantize" in refused.stderr
    assert not (tmp_path / "b.keras").exists()


def test_a_range_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    model = small(include_preprocessing=False, classes=3)
    path = tmp_path / "bare.keras"
    model.save(path)
    asked = run("quantize", path, "-o", tmp_path / "out")
    assert asked.exit_code == 1
    assert "a float input of unknown range" in asked.stderr
    assert "--input-range" in asked.stderr
    assert not (tmp_path / "out").exists()
    result = quantized(path, tmp_path / "out", "--input-range", "-1..1")
    assert (result.model.input.mean, result.model.input.std) == ((127.5,), (127.5,))
    assert result.model.input.range_source == "stated"
    assert_same(model, result, -1, 1)
    again = quantized(Path(result.float_path), tmp_path / "again")  # the file tells its range itself
    assert (again.model.input.mean, again.model.input.range_source) == ((127.5,), "metadata")
    assert again.float_sha256 == result.float_sha256
    assert again.int8_sha256 == result.int8_sha256


def test_the_size_of_a_weights_file_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "tiny.keras"
    small(classes=3).save(path)
    options = ("--variant", "small_minimalistic", "--alpha", 0.05, "--weights", path)
    built = run("build", *options, "-o", tmp_path / "b.keras", "--json")
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout)["variant"]["input_size_px"] == SIDE
    other = run("build", *options, "--input-size", 224, "-o", tmp_path / "c.keras")
    assert other.exit_code == 1
    assert "got 224 px, expected 32 px, as the file says; leave --input-size out" in other.stderr


def test_the_users_settings_of_keras_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text(
        json.dumps({"floatx": "float16", "image_data_format": "channels_first", "backend": "jax"})
    )
    arguments = (
        "build --variant small_minimalistic --alpha 0.05 --weights none --input-size 32 --classes 3 -o"
    )
    path = tmp_path / "built.keras"
    done = subprocess.run(
        [sys.executable, "-m", "edge_mnv3.cli", *arguments.split(), str(path)],
        env={**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model = keras.saving.load_model(path)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert model.input_shape == (None, 32, 32, 3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model with an open batch, and the folder that Keras exports it to."""
    base = small(include_top=False)
    model = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), base, L.Reshape((-1,)), L.Dense(1, activation="sigmoid")]
    )
    folder = tmp_path_factory.mktemp("exported") / "flowers"
    model.export(folder, verbose=False)
    return model, folder


def test_saved_model(exported: tuple[Any, Path], tmp_path: Path) -> None:
    model, folder = exported
    with open_float_model(ModelRequest(path=folder), use_cache=False, reporter=SILENT) as opened:
        made = opened.made()
    assert made.source is not None
    assert made.source.format == "saved_model"
    assert model_name(ModelRequest(path=folder)) == "flowers"
    (output,) = made.facts.outputs
    assert (output.shape, output.activation, output.task) == ((1,), "sigmoid", "binary")
    assert opened.classes == 2
    image = np.random.default_rng(1).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
    (wanted,), (got,) = answers(model, image), open_bytes(made.content).run_raw(image)
    assert np.abs(got - wanted).max() <= 1e-4
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\0\1")
    asked = run("quantize", broken, "-o", tmp_path / "out")
    assert asked.exit_code == 1
    assert f"model {broken}: TensorFlow" in asked.stderr


def test_open_batch_of_a_float_tflite(exported: tuple[Any, Path], tmp_path: Path) -> None:
    model, folder = exported
    tf = pytest.importorskip("tensorflow")
    with captured_native_output():
        content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    path = tmp_path / "open.tflite"
    path.write_bytes(content)
    assert read_file(path).dynamic_tensors()
    assert {"SHAPE", "PACK"} <= read_file(path).op_histogram().keys()
    with open_float_model(ModelRequest(path=path), use_cache=False, reporter=SILENT) as opened:
        made = opened.made()
    file = read_model(made.content, "float")
    assert not file.dynamic_tensors()
    assert not {"SHAPE", "PACK", "STRIDED_SLICE"} & file.op_histogram().keys()
    image = np.random.default_rng(1).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
    (wanted,), (got,) = answers(model, image), open_bytes(made.content).run_raw(image)
    assert np.abs(got - wanted).max() <= 1e-4


def test_a_uint8_image_is_of_pixels(tmp_path: Path) -> None:
    """However it comes: as Keras's file, exported, or converted."""
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = L.Conv2D(4, 3, 2)(L.Rescaling(1 / 127.5, -1)(image))
    model = keras.Model(image, L.Dense(3, "softmax")(L.GlobalAveragePooling2D()(x)))
    paths = [tmp_path / name for name in ("m.keras", "exported", "m.tflite")]
    model.save(paths[0])
    model.export(paths[1], verbose=False)
    tf = pytest.importorskip("tensorflow")
    with captured_native_output():
        paths[2].write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(paths[1])).convert())
    pixels = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    (wanted,) = answers(model, pixels.astype(np.float32))
    for path in paths:
        with open_float_model(ModelRequest(path=path), use_cache=False, reporter=SILENT) as opened:
            made = opened.made()
        assert (made.input_range, made.facts.input.range_source) == (PIXELS, "definition")
        (got,) = open_bytes(made.content).run_raw(pixels.astype(np.float32))
        assert np.abs(got - wanted).max() <= 1e-4
    refused = run("quantize", paths[0], "--input-range", "-1..1", "-o", tmp_path / "out")
    assert refused.exit_code == 1
    assert "got -1..1, expected 0..255, as its input is of uint8; leave --input-range out" in refused.stderr


@pytest.mark.parametrize(
    ("first", "of"),
    [
        (L.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.229**2, 0.224**2, 0.225**2]), ZERO_TO_ONE),
        (L.Rescaling(1 / 255), PIXELS),
    ],
    ids=["a normalization of ImageNet's", "a rescaling"],
)
def test_what_stands_in_front_of_a_network_that_scales_itself(
    first: Any, of: InputRange, tmp_path: Path
) -> None:
    """The first layer tells the range; that the images are scaled twice is said."""
    image = keras.Input((SIDE, SIDE, 3))
    normalized = L.BatchNormalization(beta_initializer="ones")
    normalized.build((None, SIDE, SIDE, 4))
    normalized.set_weights([*normalized.get_weights()[:3], np.full(4, 1e-6, np.float32)])
    x = normalized(L.Conv2D(4, 3, 2)(L.Rescaling(1 / 127.5, -1)(first(image))))
    path = tmp_path / "m.keras"
    keras.Model(image, L.Dense(3)(L.GlobalAveragePooling2D()(L.ReLU()(x)))).save(path)
    reporter = RecordingReporter()
    with open_float_model(ModelRequest(path=path), use_cache=False, reporter=reporter) as opened:
        made = opened.made()
    assert (made.input_range, made.facts.input.range_source) == (of, "graph")
    assert any("as where a model scales them twice" in line for line in reporter.warnings)


@pytest.mark.parametrize("nested", [False, True])
def test_outputs_that_are_a_dictionary(nested: bool, tmp_path: Path) -> None:
    """Its keys are their names, where each has one output."""
    image = keras.Input((SIDE, SIDE, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, 2)(L.Rescaling(1 / 255)(image)))
    first, second, third = (L.Dense(size, name=f"of_{size}")(x) for size in (2, 3, 5))
    outputs = {"z": [first, second], "a": third} if nested else {"z": first, "m": second, "a": third}
    path = tmp_path / "m.keras"
    keras.Model(image, outputs).save(path)
    with open_float_model(ModelRequest(path=path), use_cache=False, reporter=SILENT) as opened:
        facts = opened.made().facts
    wanted = [("of_5", 5), ("of_2", 2), ("of_3", 3)] if nested else [("a", 5), ("m", 3), ("z", 2)]
    assert [(each.name, *each.shape) for each in facts.outputs] == wanted


def test_reduced_precision_is_said_in_every_run(tmp_path: Path) -> None:
    """From the cache, too."""
    path = tmp_path / "half.keras"
    image = keras.Input((SIDE, SIDE, 3))
    x = L.Conv2D(4, 3, 2, dtype="mixed_float16")(L.Rescaling(1 / 255)(image))
    keras.Model(image, L.Dense(3, "softmax")(L.GlobalAveragePooling2D()(x))).save(path)
    for _ in range(2):
        reporter = RecordingReporter()
        with open_float_model(ModelRequest(path=path), use_cache=True, reporter=reporter) as opened:
            made = opened.made()
        assert any("saved in mixed_float16 and compute in float32" in each for each in reporter.warnings)
    assert made.from_cache


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_weights_of_other_float_types_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    layers = [keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, dtype=kind, name="stem")]
    path = tmp_path / "m.keras"
    keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(dtype=kind)]).save(path)
    for command in (("quantize", path, "-o", tmp_path / "out"), ("build", path, "-o", tmp_path / "b.keras")):
        refused = run(*command)
        assert refused.exit_code == 1
        assert f"layer 'stem': got weights of {kind}, expected weights of float32" in refused.stderr
