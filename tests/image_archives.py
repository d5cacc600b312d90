"""Small images with labels, and the archives that hold them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from edge_mnv3_calibration_data.synthetic import synthetic_image


def jpeg(index: int, *, size: int = 24) -> bytes:
    """One of many different images, as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(synthetic_image(index, size=size, seed=0)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def plain_jpeg(level: int) -> bytes:
    """An image of one colour, which takes no time to make."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], form: int = tarfile.GNU_FORMAT) -> Path:
    """Writes a tar of files in this order."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
