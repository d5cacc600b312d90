"""SHA-256 of files and of images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.folded_names import folded
from edge_mnv3.core.memory import each_once
from edge_mnv3.core.paths import why_unreadable

if TYPE_CHECKING:
    import numpy.typing as npt


def sha256_file(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_model(path: Path) -> str:
    """Returns the SHA-256 of a `.tflite` file of the user's, in hexadecimal.

    Raises:
        InputFileError: The file cannot be read.
    """
    try:
        return sha256_file(path)
    except OSError as error:
        raise InputFileError(f"model {path}", why_unreadable(path, error), "a .tflite file") from error


def sha256_images(images: npt.NDArray[Any]) -> list[str]:
    """Returns the SHA-256 of each image of an array, (N, ...), in hexadecimal."""
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in each_once(images)]


def sha256_folder(path: Path) -> str:
    """Returns a SHA-256 over the names and the hashes of all files below a folder, in hexadecimal.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def sha256_names(names: Sequence[str]) -> str:
    """Hashes names in their order, in one form of Unicode, without blanks around them and regard to case."""
    lines = "\n".join(folded(name) for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()
