"""Which images a file has right, kept small: another run over the same images is compared one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

# Of more images the counts alone tell enough, and results stay small: a quarter of a byte an image, twice.
MOST_IMAGES = 100_000


def image_order(names: Sequence[str], labels: Sequence[int]) -> list[int]:
    """Orders images by name, so that the order of a table or a folder does not count."""
    return sorted(range(len(names)), key=lambda place: (names[place], labels[place]))


def images_sha256(names: Sequence[str], labels: Sequence[int]) -> str:
    """Returns a hash that tells sets of labelled images apart, by their names and labels in `image_order`."""
    digest = hashlib.sha256()
    for place in image_order(names, labels):
        digest.update(json.dumps([names[place], labels[place]]).encode() + b"\n")
    return digest.hexdigest()


def packed(marks: Sequence[bool]) -> str:
    """Packs marks, eight a byte, as hexadecimal digits."""
    return np.packbits(np.array(marks, np.bool_)).tobytes().hex()


def unpacked(text: str, n: int) -> list[bool]:
    """Reads `n` marks that `packed` wrote.

    Raises:
        ValueError: There are others than `n`, or it is no such text.
    """
    content = np.frombuffer(bytes.fromhex(text), np.uint8)
    if len(content) != -(-n // 8):
        raise ValueError(f"marks of {8 * len(content)} images, not of {n}")
    return [bool(mark) for mark in np.unpackbits(content, count=n)]
