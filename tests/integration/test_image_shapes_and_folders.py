"""Models of other inputs than square RGB on real files, and folders numbered as Keras numbers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.package_inputs import read_labels
from edge_mnv3_calibration_data.preprocess import preprocess
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.synthetic import synthetic_image
from tiny_models import expected_scores, write_classifier

CLASSES = 3
IMAGES = 12


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def kernel_of(shape: ImageShape) -> npt.NDArray[np.float32]:
    """Weights with a sum of 0 for each class, so that brightness does not matter."""
    kernel = np.random.default_rng(1).uniform(-1, 1, (CLASSES, *shape.dimensions)).astype(np.float32)
    centred: npt.NDArray[np.float32] = kernel - kernel.mean(axis=(1, 2, 3), keepdims=True)
    return centred


@pytest.mark.parametrize(
    "shape",
    [
        ImageShape(height_px=6, width_px=9),
        ImageShape(height_px=9, width_px=6, channels=1),
        ImageShape(height_px=8, width_px=8, channels=1),
    ],
    ids=lambda shape: shape.text,
)
@pytest.mark.parametrize("name", ["slim", "resize", "resize256"])
def test_files_of_any_input_shape_are_validated(tmp_path: Path, shape: ImageShape, name: str) -> None:
    kernel = kernel_of(shape)
    files = [
        write_classifier(tmp_path / f"{dtype}.tflite", dtype, kernel=kernel) for dtype in ("float32", "uint8")
    ]
    rows = ["file,label"]
    for index in range(IMAGES):
        image = Image.fromarray(synthetic_image(index, size=48, seed=0)[: 30 + index])
        image.save(tmp_path / f"{index}.png")
        answer = int(expected_scores(kernel, preprocess(image, name=name, shape=shape)).argmax())
        rows.append(f"{index}.png,{answer if index % 4 else (answer + 1) % CLASSES}")
    (tmp_path / "l.csv").write_text("\n".join(rows) + "\n")
    result = run(
        "validate", "--float", files[0], "--int8", files[1], "--data", tmp_path / "l.csv",
        "--preprocess", name, "--json",
    )  # fmt: skip
    validated = from_json(ValidateResult, result.stdout)
    # Every fourth label is another class than the one that the weights give.
    assert (validated.n, validated.float_.top1_percent) == (IMAGES, 75.0)


def test_golden_images_of_a_package_say_what_was_not_read(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(3):
        Image.fromarray(synthetic_image(index, size=16, seed=0)).save(photos / f"{index}.png")
    (photos / "notes.md").touch()
    model = write_classifier(tmp_path / "m.tflite", "uint8", classes=2)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    result = run(
        "package", model, "--labels", tmp_path / "labels.txt", "--golden", photos, "-o", tmp_path / "bundle"
    )
    assert result.exit_code == 0, result.stderr
    assert "warning: 1 .md file is not read: no image format (notes.md)" in result.stderr.splitlines()


def test_a_table_is_no_list_of_labels(tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "m.tflite", "uint8", classes=2)
    (tmp_path / "labels.csv").write_text("file,label\na.jpg,0\n")
    result = run("package", model, "--labels", tmp_path / "labels.csv", "-o", tmp_path / "bundle")
    assert result.exit_code == 1
    assert "got a .csv file, expected a text file, one name a line" in result.stderr
    assert not (tmp_path / "bundle").exists()


def test_classes_are_numbered_as_keras_numbers_them(tmp_path: Path) -> None:
    import keras

    data = tmp_path / "data"
    for name in ("b", "B", "a10", "a9", "ä", "with blank", "_x", ".hidden"):
        (data / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(data / name / "1.png")
    (data / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "linked" / "2.png")
    (data / "link").symlink_to(tmp_path / "linked")
    Image.new("RGB", (8, 8)).save(data / "b" / "._1.png")
    (data / "b" / "._1.png").write_bytes(b"\0\5\26\7")
    theirs = keras.utils.image_dataset_from_directory(
        data, labels="inferred", image_size=(8, 8), verbose=False
    )
    ours = open_images(data, need_labels=True)
    assert list(ours.class_names) == theirs.class_names
    assert read_labels(data, len(theirs.class_names)).names == tuple(theirs.class_names)
    names = {Path(ours.name(index)).parts[0]: label for index, label in enumerate(ours.labels())}
    assert names == {name: number for number, name in enumerate(theirs.class_names) if name != "empty"}


def test_folders_where_files_are_meant(tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "f.tflite", "float32")
    (tmp_path / "dir").mkdir()
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([0, 1]))
    for arguments in (
        ("inspect", tmp_path / "dir"),
        ("bench", tmp_path / "dir", "--host"),
        ("validate", "--float", model, "--int8", tmp_path / "dir", "--data", tmp_path / "a.npz"),
        ("diagnose", "--float", tmp_path / "dir", "--int8", model, "--images", tmp_path / "a.npz"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1].startswith(
            f"error: model {tmp_path / 'dir'}: got a folder, expected a .tflite file"
        ), arguments
