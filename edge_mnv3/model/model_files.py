"""What kind of model a file or folder holds, told by its content."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.models import ModelFormat
from edge_mnv3.core.stored_zip import DAMAGED_ZIP
from edge_mnv3.core.tflite.objects import IDENTIFIER
from edge_mnv3.model.weight_files import KERAS_ARCHIVE_WEIGHTS, SAVED_MODEL_FILE, hdf5_library

WANTED = "a .keras, a whole-model .h5, a SavedModel folder or a float .tflite"
CONFIG_ENTRY, METADATA_ENTRY = "config.json", "metadata.json"  # of a .keras archive
H5_CONFIG_ATTRIBUTE = "model_config"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_LFS_MAGIC = b"version https://git-lfs"
_WEIGHTS_ONLY = "use edge-mnv3 quantize --variant NAME --weights FILE, or save the whole model"


def model_format(path: Path) -> ModelFormat:
    """Tells the format of a model.

    Raises:
        InputFileError: There is nothing, or something that holds no whole model; the text tells what it is.
    """
    if path.is_dir():
        return _folder_format(path)
    if not path.is_file():
        raise InputFileError(f"model {path}", "no such file", WANTED)
    with path.open("rb") as file:
        start = file.read(max(len(_LFS_MAGIC), 8))
    if start[4:8] == IDENTIFIER:
        return "tflite"
    if start.startswith(_HDF5_MAGIC):
        if _h5_config(path) is None:
            raise InputFileError(f"model {path}", "weights without their model", WANTED, _WEIGHTS_ONLY)
        return "h5"
    if zipfile.is_zipfile(path):
        return _archive_format(path)
    raise InputFileError(f"model {path}", _described(path, start), WANTED)


def is_readable(path: Path) -> bool:
    """Whether a file is of a format in which Keras keeps a model's description."""
    with path.open("rb") as file:
        start = file.read(len(_HDF5_MAGIC))
    return start == _HDF5_MAGIC or zipfile.is_zipfile(path)


def read_config(path: Path) -> dict[str, Any] | None:
    """Reads what a `.keras` or `.h5` says of its model, without TensorFlow.

    Returns:
        Keras's description of the model, as its JSON; None for a file of weights alone.

    Raises:
        InputFileError: The description cannot be read.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                text: bytes | str | None = (
                    archive.read(CONFIG_ENTRY) if CONFIG_ENTRY in archive.namelist() else None
                )
        else:
            text = _h5_config(path)
        config = None if text is None else json.loads(text)
    except DAMAGED_ZIP as error:  # a RecursionError of JSON is a RuntimeError
        raise InputFileError(
            f"model {path}: its {CONFIG_ENTRY}", str(error), "what Keras wrote there"
        ) from error
    if config is not None and not isinstance(config, dict):
        raise InputFileError(f"model {path}: its {CONFIG_ENTRY}", "no JSON object", "what Keras wrote there")
    return config


def saved_by_keras(path: Path) -> str | None:
    """Returns the version of Keras that saved a `.keras` or `.h5`; None where the file does not tell."""
    if not zipfile.is_zipfile(path):
        version = _h5_attribute(path, "keras_version")
        return version.decode() if isinstance(version, bytes) else version
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read(METADATA_ENTRY))
    except DAMAGED_ZIP:
        return None
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else None


def _folder_format(path: Path) -> ModelFormat:
    names = {entry.name for entry in path.iterdir()}
    if SAVED_MODEL_FILE in names:
        return "saved_model"
    if CONFIG_ENTRY in names:
        got, next_step = "an unpacked .keras", "zip its files again, or save the model anew"
    elif any(name.endswith(".index") for name in names):
        got, next_step = "a checkpoint of weights", "load it into the model and save the whole model"
    else:
        got, next_step = f"a folder without {SAVED_MODEL_FILE}", ""
    raise InputFileError(f"model {path}", got, WANTED, next_step)


def _archive_format(path: Path) -> ModelFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except DAMAGED_ZIP as error:
        raise InputFileError(f"model {path}", f"a damaged zip archive: {error}", WANTED) from error
    if {CONFIG_ENTRY, KERAS_ARCHIVE_WEIGHTS} <= names:
        return "keras"
    if any(name.endswith("data.pkl") for name in names):
        raise InputFileError(
            f"model {path}", "a PyTorch file", WANTED, "convert it to a float .tflite with litert-torch"
        )
    raise InputFileError(f"model {path}", "a zip archive without Keras's model", WANTED)


def _h5_config(path: Path) -> str | bytes | None:
    return _h5_attribute(path, H5_CONFIG_ATTRIBUTE)


def _h5_attribute(path: Path, name: str) -> str | bytes | None:
    h5py = hdf5_library(f"model {path}")
    try:
        with h5py.File(path, "r") as file:
            value: str | bytes | None = file.attrs.get(name)
            return value
    except (OSError, KeyError) as error:
        raise InputFileError(f"model {path}", "a truncated file", f"the whole file: {WANTED}") from error


def _described(path: Path, start: bytes) -> str:
    if path.name == SAVED_MODEL_FILE:
        return f"a part of the SavedModel folder {path.parent}"
    if start.startswith(_LFS_MAGIC):
        return "a Git LFS pointer in place of the file"
    if not start:
        return "an empty file"
    known = {".onnx": "an ONNX file", ".pb": "a frozen TensorFlow graph", ".pt": "a PyTorch file"}
    return known.get(path.suffix.lower(), "none of them, or a truncated one")
