"""Small images with labels, and the archives that hold them."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from edge_mnv3_calibration_data.archives.tf_records import masked_crc
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


def example(features: dict[str, bytes | int], *, packed: bool = True) -> bytes:
    """A `tf.train.Example` of one value a feature."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, int):
            number = _varint(value % (1 << 64))
            kind, values = 3, _field(1, number) if packed else b"\x08" + number
        else:
            kind, values = 1, _field(1, value)
        entries += _field(1, _field(1, name.encode()) + _field(2, _field(kind, values)))
    return _field(1, entries)


def write_records(path: Path, records: Iterable[bytes]) -> Path:
    """Writes a TFRecord file."""
    whole = b""
    for data in records:
        length = struct.pack("<Q", len(data))
        whole += length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))
    path.write_bytes(whole)
    return path


def write_parquet(
    path: Path,
    rows: Sequence[tuple[bytes | None, int | str | None]],
    *,
    names: Sequence[str] = (),
    group_rows: int = 100,
) -> Path:
    """Writes images and labels as Hugging Face's `datasets` does, with the names of classes or without."""
    import pyarrow
    from pyarrow import parquet

    images = [{"bytes": data, "path": f"{index}.jpg"} for index, (data, _) in enumerate(rows)]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"image": pyarrow.array(images, kind), "label": [label for _, label in rows]})
    features: dict[str, object] = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(told), path, row_group_size=group_rows)
    return path


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])
