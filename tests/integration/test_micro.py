"""Our int8 files in TensorFlow Lite Micro's interpreter, and what `inspect` says of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import interpreter
from PIL import Image

import micro_client
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.runtimes import runtime_needs
from keras_models import settle
from packaged_drinks import run
from tiny_models import write_map

pytestmark = pytest.mark.unmeasured

PYTHON_VARIABLE = "EDGE_MNV3_MICRO_PYTHON"
SIDE, IMAGES = 32, 8


@pytest.fixture(scope="module")
def python() -> str:
    named = os.environ.get(PYTHON_VARIABLE)
    if not named:
        pytest.skip(f"no TensorFlow Lite Micro: name a Python that has tflite-micro in {PYTHON_VARIABLE}")
    return named


def in_micro(
    python: str, model: Path, images: list[npt.NDArray[Any]], folder: Path
) -> subprocess.CompletedProcess[str]:
    np.save(folder / "images.npy", np.stack(images))
    words = [
        python,
        micro_client.__file__,
        str(model),
        str(folder / "images.npy"),
        str(folder / "answers.npy"),
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("name", "minimalistic"), [("Small", False), ("Small", True), ("Large", True)], ids=str
)
def test_int8_files_run_and_agree(python: str, tmp_path: Path, name: str, minimalistic: bool) -> None:
    images = coarse_images(tmp_path / "images")
    keras.utils.set_random_seed(0)
    base = getattr(keras.applications, f"MobileNetV3{name}")(
        input_shape=(SIDE, SIDE, 3), alpha=0.05, minimalistic=minimalistic, weights=None,
        include_top=False, pooling="avg",
    )  # fmt: skip
    settle(base)
    keras.Sequential([base, keras.layers.Dense(16, "softmax")]).save(tmp_path / "m.keras")
    done = run(
        "quantize", tmp_path / "m.keras", "--calibration", tmp_path / "images", "--samples", IMAGES,
        "--recipe", "fast", "--io", "int8", "-o", tmp_path / "q",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (model,) = (tmp_path / "q").glob("*_int8.tflite")
    assert runtime_needs(read_file(model)).missing_in_micro == ()
    stored = [(image.astype(np.int16) - 128).astype(np.int8) for image in images]
    ran = in_micro(python, model, stored, tmp_path)
    assert ran.returncode == 0, ran.stderr
    expected = with_reference_kernels(model, stored)
    assert len({row.tobytes() for row in expected}) > 1
    assert np.array_equal(np.load(tmp_path / "answers.npy"), expected)


def coarse_images(folder: Path) -> list[Pixels]:
    """Saves images of four squares of colour, which networks without training tell apart."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = []
    for index in range(IMAGES):
        cells = rng.integers(0, 256, (2, 2, 3), np.uint8)
        images.append(cells.repeat(SIDE // 2, axis=0).repeat(SIDE // 2, axis=1))
        Image.fromarray(images[-1]).save(folder / f"{index}.png")
    return images


def with_reference_kernels(model: Path, images: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """LiteRT's answers with the kernels that Micro shares with it."""
    loaded = interpreter.Interpreter(
        model_path=str(model), experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF
    )
    loaded.allocate_tensors()
    answers = []
    for image in images:
        loaded.set_tensor(loaded.get_input_details()[0]["index"], image[np.newaxis])
        loaded.invoke()
        answers.append(loaded.get_tensor(loaded.get_output_details()[0]["index"])[0])
    return np.stack(answers)


def test_an_operator_that_is_missing_there(python: str, tmp_path: Path) -> None:
    model = write_map(tmp_path / "m.tflite", operator="GELU")
    assert runtime_needs(read_file(model)).missing_in_micro == ("GELU",)
    ran = in_micro(python, model, [np.zeros((4, 4, 3), np.float32)], tmp_path)
    assert ran.returncode != 0
    assert "GELU" in ran.stderr
    there = write_map(tmp_path / "r.tflite")
    assert runtime_needs(read_file(there)).missing_in_micro == ()
    assert in_micro(python, there, [np.zeros((4, 4, 3), np.float32)], tmp_path).returncode == 0
