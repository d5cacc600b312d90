"""Packaged files in a real client: MediaPipe Tasks' ImageClassifier, the C++ core of the mobile SDKs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from PIL import Image

import mediapipe_client
from edge_mnv3.cli import main
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite import metadata_schema
from edge_mnv3.core.tflite.attached import read_metadata
from edge_mnv3.packaging.golden import HostRunner
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.synthetic import synthetic_image
from tiny_models import write_classifier, write_identity, write_outputs

pytestmark = [
    pytest.mark.unmeasured,
    pytest.mark.xdist_group("mediapipe"),  # one process at a time, fixtures made once
]

PYTHON_VARIABLE = "EDGE_MNV3_MEDIAPIPE_PYTHON"
# Images of another size than the model's, whose pixels are read off MediaPipe at half a second each.
PROBED_IMAGES = int(os.environ.get("EDGE_MNV3_MEDIAPIPE_IMAGES", "20"))
SIDE, CLASSES = 32, 5
LABELS = ("tea", "coffee", "water", "milk", "juice")
Scores = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has MediaPipe."""
    named = os.environ.get(PYTHON_VARIABLE)
    if named is None and importlib.util.find_spec("mediapipe") is None:
        pytest.skip(
            f"no MediaPipe: install 'edge-mnv3[mediapipe]', or name a Python that has it in {PYTHON_VARIABLE}"
        )
    return named or sys.executable


def client(python: str, function: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, mediapipe_client.__file__, function, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=1200,
    )


def classify(
    python: str, model: Path, images: Sequence[Pixels], folder: Path
) -> tuple[Scores, list[list[str]]]:
    """MediaPipe's scores by class, and its labels, best first."""
    np.savez(folder / "images.npz", *images)
    done = client(python, "classify", model, folder / "images.npz", folder / "answers.npz")
    assert done.returncode == 0, done.stderr
    with np.load(folder / "answers.npz") as answers:
        return answers["scores"], answers["labels"].tolist()


def own_scores(model: Path, images: Sequence[Pixels]) -> Scores:
    """Returns the scores of our pipeline, as real values in float32."""
    loaded = open_model(model)
    outputs = np.stack([loaded.run(image) for image in images])
    info = loaded.outputs[0]
    if info.scale is None:
        return outputs
    scores: Scores = (outputs.astype(np.float32) - np.float32(info.zero_point or 0)) * np.float32(info.scale)
    return scores


def package(model: Path, output: Path, *more: object) -> Path:
    done = CliRunner().invoke(main, [str(word) for word in ("package", model, "-o", output, *more)])
    assert done.exit_code == 0, done.output
    return next(output.glob("*.tflite"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packaged classifiers of five classes, by input type."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "labels.txt").write_text("\n".join(LABELS))
    kernel = np.random.default_rng(0).uniform(-1, 1, (CLASSES, SIDE, SIDE, 3)).astype(np.float32)
    kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True)
    packaged = {}
    for dtype in ("uint8", "int8", "float32"):
        path = write_classifier(
            folder / f"{dtype}.tflite", dtype, classes=CLASSES, kernel=kernel, output_scale=40.0
        )
        more = ("--input-range", "0..255") if dtype == "float32" else ()
        packaged[dtype] = package(
            path, folder / dtype, "--labels", folder / "labels.txt", "--name", "Drinks", *more
        )
    return packaged


IMAGES = [synthetic_image(index, size=SIDE, seed=7) for index in range(20)]


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def test_tables_have_the_fields_of_the_official_schema(python: str) -> None:
    """Name by name, in the order of the ids; a union is two fields, its type before it."""
    official = json.loads(client(python, "list_tables").stdout)
    ours = {
        kind.__name__: kind
        for kind in vars(metadata_schema).values()
        if dataclasses.is_dataclass(kind) and isinstance(kind, type)
    }
    assert len(ours) == 18
    for name, kind in ours.items():
        hints = typing.get_type_hints(kind)
        fields = []
        for field in dataclasses.fields(kind):
            tables = [item for item in typing.get_args(hints[field.name]) if dataclasses.is_dataclass(item)]
            is_union = len(tables) > 1
            fields += [f"{camel(field.name)}Type"] * is_union + [camel(field.name)]
        if name != "BoundingBoxProperties":  # no field of it is read or written
            assert fields == official[name], name


def test_metadata_as_the_official_classes_read_it(python: str, tiny: dict[str, Path], tmp_path: Path) -> None:
    content, _ = read_metadata(tiny["uint8"].read_bytes(), name="m")
    assert content is not None
    (tmp_path / "metadata").write_bytes(content)
    read: dict[str, Any] = json.loads(client(python, "read_metadata", tmp_path / "metadata").stdout)
    assert (read["name"], read["version"], read["minParserVersion"]) == ("Drinks", "1", "1.5.0")
    graph = read["subgraphMetadata"][0]
    image, score = graph["inputTensorMetadata"][0], graph["outputTensorMetadata"][0]
    assert image["content"]["contentPropertiesType"] == 2
    assert image["content"]["contentProperties"] == {
        "colorSpace": 1,
        "defaultSize": {"width": SIDE, "height": SIDE},
    }
    assert image["processUnits"] == [{"optionsType": 1, "options": {"mean": [0.0], "std": [1.0]}}]
    assert image["stats"] == {"min": [0.0], "max": [255.0]}
    assert [(file["name"], file["type"]) for file in score["associatedFiles"]] == [("labels.txt", 2)]
    assert score["content"]["contentPropertiesType"] == 1
    custom = graph["customMetadata"][0]
    assert custom["name"] == "EDGE_MNV3"
    assert json.loads(bytes(custom["data"]))["measured_size_bytes"] > 0


def test_uint8_scores_are_the_same_numbers(python: str, tiny: dict[str, Path], tmp_path: Path) -> None:
    scores, labels = classify(python, tiny["uint8"], IMAGES, tmp_path)
    expected = own_scores(tiny["uint8"], IMAGES)
    assert len(set(expected.argmax(axis=1).tolist())) > 1
    assert np.array_equal(scores, expected)
    for named, scores in zip(labels, expected, strict=True):
        assert named[0] == LABELS[int(scores.argmax())]


def test_float_scores(python: str, tiny: dict[str, Path], tmp_path: Path) -> None:
    scores, _ = classify(python, tiny["float32"], IMAGES, tmp_path)
    expected = own_scores(tiny["float32"], IMAGES)
    # The sum of 3072 products may be taken in another order: 1e-5 of the largest is a hundred roundings.
    assert np.allclose(scores, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_int8_is_refused_as_the_card_says(python: str, tiny: dict[str, Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", *IMAGES[:1])
    done = client(python, "classify", tiny["int8"], tmp_path / "images.npz", tmp_path / "answers.npz")
    assert done.returncode != 0
    assert "kTfLiteInt8" in done.stderr or "int8" in done.stderr.lower()
    card = (tiny["int8"].parent / "model_card.md").read_text()
    assert "| MediaPipe Tasks ImageClassifier | no: it takes uint8 and float32 inputs only |" in card


@pytest.mark.parametrize(
    ("task", "shape", "count"),
    [("binary", (4, 4), 1), ("labels", (4, 4), 6), ("classes", (4, 6), 3), ("classes", (4, 4), 1001)],
)
def test_scores_of_every_kind(
    python: str, tmp_path: Path, task: str, shape: tuple[int, int], count: int
) -> None:
    """One score, labels that may hold together, an input that is not square, TF-Slim's classes."""
    kernel = np.random.default_rng(0).uniform(-1, 1, (count, *shape, 3)).astype(np.float32)
    model = write_classifier(tmp_path / "m.tflite", "uint8", kernel=kernel)
    (tmp_path / "labels.txt").write_text("".join(f"name {index}\n" for index in range(count)))
    packaged = package(model, tmp_path / "b", "--task", task, "--labels", tmp_path / "labels.txt")
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for _ in range(5)]
    scores, labels = classify(python, packaged, images, tmp_path)
    expected = own_scores(packaged, images)
    assert np.array_equal(scores, expected)
    for named, row in zip(labels, expected, strict=True):
        assert row[int(named[0].removeprefix("name "))] == row.max()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_embeddings(python: str, tmp_path: Path, dtype: str) -> None:
    model = write_outputs(tmp_path / "m.tflite", dtype, names=("features", ""))
    more = ("--input-range", "0..255") if dtype == "float32" else ()
    packaged = package(model, tmp_path / "b", *more)
    images = [synthetic_image(index, size=4, seed=0) for index in range(5)]
    np.savez(tmp_path / "images.npz", *images)
    done = client(python, "embed", packaged, tmp_path / "images.npz", tmp_path / "answers.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "answers.npz") as answers:
        assert np.allclose(answers["embeddings"], own_scores(packaged, images), rtol=1e-6, atol=0)
        assert answers["heads"].tolist() == ["embedding"] * 5
    card = (tmp_path / "b" / "model_card.md").read_text()
    assert "| MediaPipe Tasks ImageEmbedder | yes" in card


def test_score_calibration_is_applied(python: str, tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "m.tflite", "uint8", classes=2, output_scale=8.0)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    (tmp_path / "c.txt").write_text("0.9,0.002,0.5\n\n")
    packaged = package(
        model, tmp_path / "b", "--labels", tmp_path / "labels.txt", "--score-calibration", tmp_path / "c.txt"
    )
    images = [synthetic_image(index, size=4, seed=0) for index in range(5)]
    scores, _ = classify(python, packaged, images, tmp_path)
    raw = own_scores(packaged, images)
    # float32 in the client
    assert np.allclose(scores[:, 0], 0.9 / (1 + np.exp(-(0.002 * raw[:, 0] + 0.5))), rtol=0, atol=1e-5)
    # A class without parameters gets the default score.
    assert np.array_equal(scores[:, 1], np.zeros(5, np.float32))


@pytest.fixture(scope="module")
def photographs(test_data: Path) -> list[Pixels]:
    """Of 227x227 pixels, so that MediaPipe must resize them."""
    source = open_images(test_data / "imagenet" / "val.csv")
    paths = [Path(source.root or "", source.name(index)) for index in range(PROBED_IMAGES)]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


@pytest.fixture(scope="module")
def fed(python: str, photographs: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    """The pixels that MediaPipe feeds to a 224 px model, read off a model that answers with its input."""
    folder = tmp_path_factory.mktemp("fed")
    pixels, _ = classify(python, write_identity(folder / "identity.tflite", 224), photographs, folder)
    return list(pixels.reshape(-1, 224, 224, 3).astype(np.uint8))


@pytest.mark.parametrize("variant", ["small", "large_minimalistic", "small_minimalistic"])
def test_real_networks(
    python: str, test_data: Path, photographs: list[Pixels], fed: list[Pixels], tmp_path: Path, variant: str
) -> None:
    """Every score of every class, also after MediaPipe's resizing.

    There are no real weights of small_minimalistic here: its are random.
    """
    weights = test_data / "weights" / f"mobilenet_v3_{variant}_224_1.0_float.h5"
    # Probabilities of random weights are all alike, their scores before the softmax are not.
    origin = [str(weights)] if weights.exists() else ["none", "--no-softmax"]
    keras.utils.clear_session()
    words = (
        "quantize", "--variant", variant, "--weights", *origin, "--recipe", "fast", "--samples", 20,
        "--calibration", test_data / "imagenet" / "calibration.csv", "-o", tmp_path / "q",
    )  # fmt: skip
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    packaged = package(tmp_path / "q", tmp_path / "b")
    source = open_images(test_data / "imagenet" / "val.csv")
    resized = [source.load(index, shape=ImageShape.square(224), preprocess="resize") for index in range(100)]
    labels = (tmp_path / "b" / "labels.txt").read_text().splitlines()
    for shown, given in ((resized, resized), (photographs, fed)):
        scores, named = classify(python, packaged, shown, tmp_path)
        expected = own_scores(packaged, given)
        # Where a class has all the probability, another image of it may have the same scores.
        assert len({row.tobytes() for row in expected}) > 0.9 * len(expected)
        assert np.array_equal(scores, expected)
        for row, names in zip(expected, named, strict=True):
            # Equal scores may stand in any order.
            best = np.sort(row)[::-1][:5]
            assert [row[labels.index(name)] for name in names] == best.tolist()
    assert HostRunner("xnnpack").run(packaged, resized[:1]).runtime.startswith("litert ")
