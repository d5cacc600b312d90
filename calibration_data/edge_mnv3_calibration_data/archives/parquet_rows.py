"""Rows of Parquet files that hold images, read a few at a time."""

from __future__ import annotations

import functools
import json
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from edge_mnv3.core.errors import InputFileError, MissingExtraError, UnusableImageError
from edge_mnv3_calibration_data.archives.stored_files import StoredFile
from edge_mnv3_calibration_data.csv_columns import LABEL_NAMES

PARQUET_EXTRA = "edge-mnv3[parquet]"
_IMAGE_ROWS, _KEPT_BATCHES = (
    16,
    8,
)  # images that are in memory at once: as many as a few shards of an evaluation
_FACT_ROWS = 10_000
_BUFFER_BYTES = 1 << 20
_OPEN_FILES = 2
_HUGGING_FACE = b"huggingface"
_AGAIN = "copy or make it again"


class Columns(NamedTuple):
    """Which columns of a file are of use.

    Attributes:
        image: The column of images.
        nested: It is a struct of `bytes` and `path`, as Hugging Face writes it; else it holds the bytes.
        label: The column of labels; empty where there is none.
        names: Names of the classes by their number, where the file tells them.
        others: Columns of classes of which none is called label.
    """

    image: str
    nested: bool
    label: str
    names: tuple[str, ...]
    others: tuple[str, ...]


class Row(NamedTuple):
    """What a row tells of its image.

    Attributes:
        group: Number of the row group.
        place: Number of the row in it.
        path: The image's name; empty where there is none.
        label: A number or a name, or nothing.
    """

    group: int
    place: int
    path: str
    label: int | str | None


def columns_of(file: StoredFile) -> Columns:
    """Finds the columns of images and labels.

    Raises:
        InputFileError: It is no Parquet file, or has no column of images, or several.
        MissingExtraError: pyarrow is not installed.
    """
    what = f"Parquet {file.location}"
    with file.open() as opened:
        schema = _parquet(file, opened).schema_arrow
    told = _told(schema)
    images = [field.name for field in schema if told.get(field.name, {}).get("_type") == "Image"]
    images = images or [field.name for field in schema if _holds_bytes(field.type)]
    if len(images) != 1:
        got = f"columns of images {' and '.join(images)}" if images else f"columns {', '.join(schema.names)}"
        raise InputFileError(what, got, "one column of images: a struct of bytes and path, or bytes")
    classes = [name for name, each in told.items() if each.get("_type") == "ClassLabel"]
    # What the file says is a class goes before a column that is only called as one usually is.
    usual = [name for name in LABEL_NAMES if name in (classes or schema.names)]
    possible = usual[:1] if LABEL_NAMES[0] in usual else usual or classes
    label = possible[0] if len(possible) == 1 else ""
    names = tuple(told.get(label, {}).get("names") or ())
    nested = not _is_bytes(schema.field(images[0]).type)
    return Columns(images[0], nested, label, names, () if label else tuple(possible))


def rows_of(file: StoredFile, columns: Columns) -> Iterator[Row]:
    """Reads what each row tells of its image, in their order, without the images.

    Raises:
        InputFileError: The file is damaged.
    """
    wanted = [
        *([f"{columns.image}.path"] if columns.nested else []),
        *([columns.label] if columns.label else []),
    ]
    with file.open() as opened:
        parquet = _parquet(file, opened)
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            if not wanted:
                yield from (Row(group, place, "", None) for place in range(count))
                continue
            place = 0
            for batch in _batches(file, parquet, group, wanted, _FACT_ROWS):
                facts = {name: batch.column(name) for name in batch.schema.names}
                labels = facts[columns.label].to_pylist() if columns.label else [None] * batch.num_rows
                paths = [""] * batch.num_rows
                if columns.nested and columns.image in facts:
                    paths = [(each or {}).get("path") or "" for each in facts[columns.image].to_pylist()]
                for path, label in zip(paths, labels, strict=True):
                    yield Row(group, place, path, label)
                    place += 1
            if place != count:
                raise InputFileError(
                    f"Parquet {file.location}", f"{place} rows in group {group}", f"{count}", _AGAIN
                )


def image_bytes(file: StoredFile, group: int, place: int) -> bytes:
    """Reads an image; those beside it are kept in memory for a while.

    Raises:
        UnusableImageError: The file holds no bytes there.
        InputFileError: It is not what it was, or is damaged.
    """
    return _reader(file).image(group, place)


class _Reader:
    """Reads images from a file that stays open, in any order; forwards is fast."""

    def __init__(self, file: StoredFile) -> None:
        self._file, self._columns = file, columns_of(file)
        opened = file.open()
        weakref.finalize(self, opened.close)
        self._parquet = _parquet(file, opened)
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, int, list[bytes | None]]] = deque(maxlen=_KEPT_BATCHES)
        self._coming: Iterator[Any] = iter(())
        self._group, self._next = -1, 0

    def image(self, group: int, place: int) -> bytes:
        if self._file.path is not None:
            self._file.check_same()
        with self._lock:
            data = self._find(group, place)
        if data is None:
            what = f"image in row {place} of group {group} of {self._file.location}"
            raise UnusableImageError(what, "no bytes, at most a path", "the bytes of the image")
        return data

    def _find(self, group: int, place: int) -> bytes | None:
        for kept_group, start, images in self._kept:
            if kept_group == group and start <= place < start + len(images):
                return images[place - start]
        if group != self._group or place < self._next:
            wanted = f"{self._columns.image}.bytes" if self._columns.nested else self._columns.image
            self._coming = _batches(self._file, self._parquet, group, [wanted], _IMAGE_ROWS)
            self._group, self._next = group, 0
        for batch in self._coming:
            column = batch.column(0)
            images = (column.field("bytes") if self._columns.nested else column).to_pylist()
            if self._file.path is None:  # asking for each image would take as long as reading it
                self._file.check_same()
            start, self._next = self._next, self._next + len(images)
            self._kept.append((group, start, images))
            if place < self._next:
                return images[place - start]  # type: ignore[no-any-return]
        raise InputFileError(f"Parquet {self._file.location}", f"no row {place} in group {group}", "", _AGAIN)


@functools.lru_cache(maxsize=_OPEN_FILES)
def _reader(file: StoredFile) -> _Reader:
    return _Reader(file)


def _batches(file: StoredFile, parquet: Any, group: int, columns: list[str], rows: int) -> Iterator[Any]:
    import pyarrow

    try:
        yield from parquet.iter_batches(
            batch_size=rows, row_groups=[group], columns=columns, use_threads=False
        )
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputFileError(f"Parquet {file.location}", str(error), "a whole file", _AGAIN) from error


def _parquet(file: StoredFile, opened: Any) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files are read by pyarrow, which is not installed",
            next_step=f"pip install '{PARQUET_EXTRA}'",
        ) from error
    try:
        # Streamed, so that a row group of any size takes little memory.
        return parquet.ParquetFile(
            opened, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
        )
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputFileError(f"Parquet {file.location}", str(error), "a whole file", _AGAIN) from error


def _told(schema: Any) -> dict[str, dict[str, Any]]:
    """What Hugging Face's metadata say of each column."""
    try:
        told = json.loads((schema.metadata or {}).get(_HUGGING_FACE, b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: each for name, each in told.items() if isinstance(each, dict)}


def _holds_bytes(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        return "bytes" in fields and _is_bytes(fields["bytes"])
    return _is_bytes(kind)


def _is_bytes(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))
