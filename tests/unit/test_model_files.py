"""What kind of model a file or folder holds."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.model.model_files import model_format, read_config
from h5_files import write_keras3, write_legacy
from tiny_models import write_classifier


def keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
        archive.writestr("model.weights.h5", b"")


def whole_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional"})


def folder_with(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        (path / name).write_bytes(b"x")

    return make


def tflite(path: Path) -> None:
    write_classifier(path, "float32")


def test_each_format_is_told_by_its_content(tmp_path: Path) -> None:
    made: dict[str, Callable[[Path], None]] = {
        "keras": keras, "h5": whole_h5, "saved_model": folder_with("saved_model.pb"), "tflite": tflite,
    }  # fmt: skip
    for file_format, make in made.items():
        path = tmp_path / f"{file_format}.model"  # the name tells nothing
        make(path)
        assert model_format(path) == file_format
    assert read_config(tmp_path / "keras.model") == {"class_name": "Sequential"}
    assert read_config(tmp_path / "h5.model") == {"class_name": "Functional"}


def archive_of(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")

    return make


def bytes_of(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


@pytest.mark.parametrize(
    ("name", "make", "text"),
    [
        ("w.h5", write_legacy, "weights without their model"),
        ("w.weights.h5", write_keras3, "use edge-mnv3 quantize --variant NAME --weights FILE"),
        ("d", folder_with("variables.index"), "a checkpoint of weights"),
        ("d", folder_with("config.json"), "an unpacked .keras"),
        ("d", folder_with("photo.jpg"), "a folder without saved_model.pb"),
        ("m.pt", archive_of("m/data.pkl"), "a PyTorch file"),
        ("m.zip", archive_of("a.txt"), "a zip archive without Keras's model"),
        ("m.onnx", bytes_of(b"onnx!"), "an ONNX file"),
        ("saved_model.pb", bytes_of(b"pb"), "a part of the SavedModel folder"),
        ("m.keras", bytes_of(b""), "an empty file"),
        ("m.keras", bytes_of(b"version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer"),
        ("m.h5", bytes_of(b"\x89HDF\r\n\x1a\n cut"), "a truncated file"),
        ("m.tflite", bytes_of(b"12"), "none of them, or a truncated one"),
    ],
)
def test_what_is_no_model_is_named(
    tmp_path: Path, name: str, make: Callable[[Path], object], text: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(InputFileError) as error:
        model_format(tmp_path / name)
    assert text in str(error.value)
    assert "a .keras, a whole-model .h5, a SavedModel folder or a float .tflite" in str(error.value)


def test_a_description_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    for content in (b"{", b"[]", b"\xff\xfe"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", content)
        with pytest.raises(InputFileError, match=r"its config\.json"):
            read_config(path)
