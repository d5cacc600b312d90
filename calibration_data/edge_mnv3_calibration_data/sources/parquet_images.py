"""Images in Parquet files, as Hugging Face's data sets have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.imagenet import are_imagenet_names
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3_calibration_data.archives.parquet_rows import Columns, Row, columns_of, image_bytes, rows_of
from edge_mnv3_calibration_data.archives.part_images import Part, PartImage, PartTable, recall_parts
from edge_mnv3_calibration_data.archives.shard_files import are_shards, is_parquet_name, shard_files
from edge_mnv3_calibration_data.archives.stored_files import StoredFile
from edge_mnv3_calibration_data.listed_images import ListedImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind

KIND_NAME = "parquet"
_ROW = re.compile(r"(?P<file>.+?\.parquet)\[\d+\](/.*)?", re.IGNORECASE)


class RowImage(PartImage):
    """The image of a row."""

    __slots__ = ()

    def stored(self) -> bytes:
        """Reads the row, with those beside it."""
        return image_bytes(self.file, self.part.offset, self.part.length)


@dataclass(slots=True)
class _Listing:
    """What was found in files so far.

    Attributes:
        table: The images.
        columns: Those of the first file.
        kinds: Whether labels are names, to the first image that has such.
        unlabelled: The first image without a label.
        missing: How many have none.
    """

    columns: Columns
    table: PartTable = field(default_factory=lambda: PartTable(RowImage))
    kinds: dict[bool, str] = field(default_factory=dict)
    unlabelled: str = ""
    missing: int = 0


def open_parquet(location: str | Path) -> ListedSource:
    """Lists the images of Parquet files: a column of bytes, or of structs of `bytes` and `path`.

    Raises:
        InputFileError: A file is damaged, or has no column of images.
        CalibrationDataError: Labels are wrong, or files have other classes than the first.
        MissingExtraError: pyarrow is not installed.
    """
    found = shard_files(location, is_parquet_name)
    listing = _Listing(columns_of(found.files[0]))
    for file in found.files:
        _list(file, listing)
    remarks = list(found.remarks)
    if listing.columns.others:
        several = " and ".join(listing.columns.others)
        remarks.append(f"there are several columns of classes, {several}, of which none is called label")
    elif listing.missing:
        count = f"{listing.missing} of {len(listing.table)} images have no label"
        remarks.append(f"{count}, such as {listing.unlabelled}")
    return ListedSource(
        kind=KIND_NAME,
        location=str(location),
        root=found.root,
        images=listing.table,
        class_names=_class_names(listing.columns),
        unread=found.unread,
        remarks=tuple(remarks),
    )


def _class_names(columns: Columns) -> tuple[str, ...]:
    # Those of ImageNet are written in many ways, and their order is known.
    return () if are_imagenet_names(columns.names) else columns.names


def _list(file: StoredFile, listing: _Listing) -> None:
    columns = columns_of(file)
    if columns != listing.columns:
        raise CalibrationDataError(
            f"Parquet {file.location}", "other columns or classes than the first file", "the same in all"
        )
    listing.table.add_file(file)
    names = _class_names(columns)
    for number, row in enumerate(rows_of(file, columns)):
        inner = f"[{number}]" + (f"/{row.path}" if row.path else "")
        name = f"{file.name}{inner}"
        label = _label(row, name, len(columns.names))
        part = Part(row.group, row.place)
        if label is None:
            listing.missing += 1
            listing.unlabelled = listing.unlabelled or name
            listing.table.add(inner, part)
            continue
        listing.kinds.setdefault(isinstance(label, str), name)
        if len(listing.kinds) > 1:
            raise CalibrationDataError(
                f"labels in {file.location}",
                f"a name for {listing.kinds[True]} and a number for {listing.kinds[False]}",
                "class numbers from 0 on, or names, not both",
            )
        if isinstance(label, str):
            listing.table.add(inner, part, None, label)
        else:
            listing.table.add(inner, part, label, names[label] if names else None)


def _label(row: Row, name: str, classes: int) -> int | str | None:
    """The label of a row; -1 stands for none, as in test sets."""
    label = row.label
    if label is None or label == -1 or label == "":
        return None
    if isinstance(label, str) and not label.isdecimal():
        return label
    if isinstance(label, str):
        label = int(label)
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < (classes or 1 << 62):
        expected = (
            f"0 to {classes - 1}, as the file names {classes} classes" if classes else "a number from 0 on"
        )
        raise CalibrationDataError(f"label of {name}", repr(label)[:40], expected)
    return label


def recall_parquet(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest that lie in Parquet files, each of which is listed once.

    Raises:
        EdgeMnv3Error: A file cannot be read.
    """
    return recall_parts(manifest, _file_of, open_parquet)


def _file_of(name: str) -> str | None:
    found = _ROW.fullmatch(name)
    return found["file"] if found else None


KIND = SourceKind(
    recognizes=lambda location: are_shards(location, is_parquet_name),
    open=open_parquet,
    recall=recall_parquet,
    suffix=".parquet",
    place=7,
)
