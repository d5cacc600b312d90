"""Images in TFRecord files: those of TensorFlow's ImageNet scripts, and of TensorFlow Datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError, UnusableImageError
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3_calibration_data.archives.part_images import Part, PartImage, PartTable, recall_parts
from edge_mnv3_calibration_data.archives.shard_files import are_shards, is_tfrecord_name, shard_files
from edge_mnv3_calibration_data.archives.stored_files import StoredFile
from edge_mnv3_calibration_data.archives.tf_records import Feature, Record, features, read_record, records
from edge_mnv3_calibration_data.label_maps import map_by_range
from edge_mnv3_calibration_data.listed_images import ListedImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind

KIND_NAME = "tfrecord"
_RECORD = re.compile(r"(?P<file>.+?)\[\d+\](/.*)?")
# TensorFlow's scripts count from 1, and those for other data from 0; TensorFlow Datasets count from 0.
_OPEN_LABEL, _ZERO_LABEL = "image/class/label", "label"
_IMAGES = ("image/encoded", "image")
_NAMES = ("image/filename", "file_name", "filename", "image/file_name")
_SYNSET, _TEXT = "image/class/synset", "image/class/text"


class RecordImage(PartImage):
    """The image of a record."""

    __slots__ = ()

    def stored(self) -> bytes:
        """Reads the record."""
        data = read_record(self.file, *self.part)
        return _image(features(data), f"image {self.name}")


class _Example(NamedTuple):
    """What an example tells of its image."""

    name: str
    label: int | None
    label_name: str | None
    counted_from_zero: bool


@dataclass(slots=True)
class _Listing:
    """What was found in files so far.

    Attributes:
        table: The images.
        numbers: Class numbers that there are.
        open_numbers: Some of them are of a feature that nothing tells how to count.
        unlabelled: The first image without a label.
        missing: How many have none.
        empty: Files without a record.
    """

    table: PartTable = field(default_factory=lambda: PartTable(RecordImage))
    numbers: set[int] = field(default_factory=set)
    open_numbers: bool = False
    unlabelled: str = ""
    missing: int = 0
    empty: list[str] = field(default_factory=list)


def open_records(location: str | Path) -> ListedSource:
    """Lists the images of TFRecord files, and reads each record once to see that it is whole.

    Raises:
        InputFileError: A file is packed, damaged or cut off, or has no images.
        CalibrationDataError: Labels are wrong.
        MissingExtraError: The package that computes checksums is not installed.
    """
    found = shard_files(location, is_tfrecord_name)
    listing = _Listing()
    for file in found.files:
        _list(file, listing)
    label_map: LabelMap | None = "zero"
    remarks = list(found.remarks)
    if listing.open_numbers:
        label_map = map_by_range(listing.numbers)
        if label_map is not None:
            remarks.append(_counted(label_map, listing.numbers))
    if listing.missing and listing.missing < len(listing.table):
        count = f"{listing.missing} of {len(listing.table)} images have no label"
        remarks.append(f"{count}, such as {listing.unlabelled}")
    remarks += [f"{name} holds no record" for name in listing.empty]
    return ListedSource(
        kind=KIND_NAME,
        location=str(location),
        root=found.root,
        images=listing.table,
        unread=found.unread,
        remarks=tuple(remarks),
        label_map=label_map,
    )


def _counted(label_map: LabelMap, numbers: set[int]) -> str:
    how = "from 0, for 0 is among them" if label_map == "zero" else "from 1, for 1000 is, and 0 is not"
    return (
        f"class numbers {min(numbers)} to {max(numbers)} are taken as counted {how}; "
        "--label-map states otherwise"
    )


def _list(file: StoredFile, listing: _Listing) -> None:
    listing.table.add_file(file)
    number = -1
    with file.open() as opened:
        for number, record in enumerate(records(file, opened)):
            example = _example(file, number, record)
            part = Part(record.offset, record.length, record.check)
            listing.table.add(example.name.removeprefix(file.name), part, example.label, example.label_name)
            if example.label is None and example.label_name is None:
                listing.missing += 1
                listing.unlabelled = listing.unlabelled or example.name
            elif example.label is not None:
                listing.numbers.add(example.label)
                listing.open_numbers |= not example.counted_from_zero
    if number < 0:
        listing.empty.append(file.name)


def _example(file: StoredFile, number: int, record: Record) -> _Example:
    what = f"record {number} of {file.location}"
    try:
        found = features(record.data)
    except ValueError as error:
        raise InputFileError(what, str(error), "an example of TensorFlow") from error
    _image(found, what)
    inner = next((text for name in _NAMES if (text := _text(found, name, what))), "")
    key = next((each for each in (_OPEN_LABEL, _ZERO_LABEL) if each in found), None)
    label = None
    if key is not None:
        numbers = found[key].integers
        if len(numbers) != 1 or numbers[0] < -1:
            raise CalibrationDataError(f"{key} of {what}", repr(numbers)[:40], "one class number from 0 on")
        label = None if numbers[0] < 0 else numbers[0]  # -1 stands for images without a label
    return _Example(
        f"{file.name}[{number}]" + (f"/{inner}" if inner else ""),
        label,
        _text(found, _SYNSET, what) or _text(found, _TEXT, what) or None,
        key == _ZERO_LABEL,
    )


def _image(found: Mapping[str, Feature], what: str) -> bytes:
    texts = next((found[name].texts for name in _IMAGES if name in found), [])
    if len(texts) != 1:
        names = ", ".join(sorted(found)[:6]) or "none"
        raise UnusableImageError(what, f"the features {names}", f"one image in {' or '.join(_IMAGES)}")
    return texts[0]


def _text(found: Mapping[str, Feature], name: str, what: str) -> str:
    texts = found[name].texts if name in found else []
    try:
        return texts[0].decode() if texts else ""
    except UnicodeDecodeError as error:
        raise InputFileError(f"{name} of {what}", "no UTF-8 text", "a text") from error


def recall_records(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest that lie in TFRecord files, each of which is listed once.

    Raises:
        EdgeMnv3Error: A file cannot be read.
    """
    return recall_parts(manifest, _file_of, open_records)


def _file_of(name: str) -> str | None:
    found = _RECORD.fullmatch(name)
    return found["file"] if found and is_tfrecord_name(found["file"].rpartition("/")[2]) else None


KIND = SourceKind(
    recognizes=lambda location: are_shards(location, is_tfrecord_name),
    open=open_records,
    recall=recall_records,
    suffix=".tfrecord",
    place=6,
)
