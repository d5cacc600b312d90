"""Images in tars: WebDataset's shards, or folders of images that were packed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.images import CalibrationManifest, UnreadFiles
from edge_mnv3_calibration_data.archives.part_images import Part, PartImage, PartTable, recall_parts
from edge_mnv3_calibration_data.archives.shard_files import SPLITS, are_shards, is_tar_name, shard_files
from edge_mnv3_calibration_data.archives.stored_files import StoredFile
from edge_mnv3_calibration_data.archives.tar_index import Member, members, read_member
from edge_mnv3_calibration_data.archives.web_samples import (
    LABEL_ENDINGS,
    MOST_LABEL_BYTES,
    Label,
    Sample,
    is_sample_image,
    parts,
    read_label,
)
from edge_mnv3_calibration_data.ilsvrc_truth import truth_of
from edge_mnv3_calibration_data.image_files import is_companion, is_image_name
from edge_mnv3_calibration_data.listed_images import ListedImage, ListedSource, empty_classes
from edge_mnv3_calibration_data.source_kinds import SourceKind

KIND_NAME = "tar"
_ORPHAN = "a label without an image"
_DOTTED = "no image of a sample, whose key ends at the first dot"
_IN_TAR = re.compile(r"(?P<tar>.+?\.tar)/.+", re.IGNORECASE)


class TarImage(PartImage):
    """A member of a tar."""

    __slots__ = ()

    def stored(self) -> bytes:
        """Reads the member."""
        return read_member(self.file, *self.part)


@dataclass(slots=True)
class _Listing:
    """What was found in tars so far.

    Attributes:
        table: The images.
        labelled: How many have the label of a WebDataset's sample.
        without: The first image that has none.
        otherwise: How many samples have two numbers, in members of two endings.
        twice: The first of them.
        kinds: Whether labels are names.
        folders: The folders that members lie in, and those that are empty, without the name of the tar.
        unread: What other members are, and why they are not read, to their names.
    """

    table: PartTable = field(default_factory=lambda: PartTable(TarImage))
    labelled: int = 0
    without: str = ""
    otherwise: int = 0
    twice: str = ""
    kinds: dict[bool, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    unread: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def leave_out(self, kind: str, name: str, reason: str = "no image") -> None:
        """Notes a member that is not read."""
        self.unread.setdefault((kind, reason), []).append(name)


class _Labels(NamedTuple):
    """What is known of the labels of all images."""

    class_names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    label_map: LabelMap | None = "zero"


def open_tars(location: str | Path) -> ListedSource:
    """Lists the images of tars; none is unpacked.

    Members `KEY.jpg` with a label in `KEY.cls`, `KEY.json` or `KEY.txt` are samples of a WebDataset. In tars
    without such labels, folders are classes as they are in a folder of images.

    Raises:
        InputFileError: A tar is packed, damaged or cut off.
        CalibrationDataError: A member is there twice, or labels are wrong.
    """
    found = shard_files(location, is_tar_name)
    listing = _Listing()
    for file in found.files:
        with file.open() as opened:
            _list(file, opened, listing)
    labels = (
        _of_samples(location, listing) if listing.labelled else _of_folders(location, found.root, listing)
    )
    unread = (
        UnreadFiles(kind=f"{kind} member", count=len(names), reason=reason, files=tuple(names[:3]))
        for (kind, reason), names in sorted(listing.unread.items())
    )
    return ListedSource(
        kind=KIND_NAME,
        location=str(location),
        root=found.root,
        images=listing.table,
        class_names=labels.class_names,
        unread=(*found.unread, *unread),
        remarks=(*found.remarks, *labels.remarks),
        label_map=labels.label_map,
        own_numbers=bool(labels.class_names),
    )


def _list(file: StoredFile, opened: BinaryIO, listing: _Listing) -> None:
    """Lists one tar."""
    listing.table.add_file(file)
    samples: dict[str, Sample] = {}
    others: list[Member] = []
    for member in _files(file, opened, listing):
        key, ending = parts(member.name)
        if ending in LABEL_ENDINGS and member.length <= MOST_LABEL_BYTES:
            opened.seek(member.offset)
            what = f"label {member.name} in {file.location}"
            label = _read(ending, opened.read(member.length), what)
            if label is not None:
                samples.setdefault(key, Sample()).labels[ending] = label
        elif is_sample_image(ending):
            samples.setdefault(key, Sample()).images.append(member)
        elif is_image_name(member.name):
            others.append(member)
        else:
            listing.leave_out(PurePosixPath(member.name).suffix.lower(), member.name)
    if any(sample.images and sample.labels for sample in samples.values()):
        _add_samples(file, samples, listing)
        for member in others:
            listing.leave_out(f".{parts(member.name)[1]}", member.name, _DOTTED)
    else:
        for key, sample in samples.items():
            for ending in sample.labels:
                listing.leave_out(f".{ending}", f"{key}.{ending}", _ORPHAN)
        every = sorted(
            (*others, *(each for sample in samples.values() for each in sample.images)), key=_offset
        )
        for member in every:
            listing.table.add(f"/{member.name}", _part(member))


def _files(file: StoredFile, opened: BinaryIO, listing: _Listing) -> Iterator[Member]:
    """Yields the files of a tar that may be images or labels; notes the folders, and what else is left out.

    Raises:
        InputFileError: An image or a label has no bytes of its own.
        CalibrationDataError: Two have one name.
    """
    seen: set[str] = set()
    for member in members(file, opened):
        within = member.name.split("/")
        if any(is_companion(part) for part in within):
            continue
        if member.name in seen and member.kind != "folder":
            raise CalibrationDataError(f"tar {file.location}", f"two members {member.name}", "each name once")
        seen.add(member.name)
        if any(part.startswith(".") and part != "." for part in within):
            if member.kind != "folder":
                listing.leave_out("hidden", member.name)
            continue
        listing.folders.update(_folders(member))
        if not member.kind:
            yield member
        elif member.kind != "folder":
            _refuse_data(file, member)
            listing.leave_out(member.kind, member.name)


def _folders(member: Member) -> list[str]:
    """The folders above a member, and itself if it is one."""
    above = [str(folder) for folder in PurePosixPath(member.name).parents]
    return [*above, member.name.rstrip("/")] if member.kind == "folder" else above


def _refuse_data(file: StoredFile, member: Member) -> None:
    """Refuses images and labels that are no files of their own: without them, the others would be counted.

    Raises:
        InputFileError: It is one.
    """
    if parts(member.name)[1] in LABEL_ENDINGS or is_image_name(member.name):
        raise InputFileError(
            f"{member.name} in {file.location}",
            f"a {member.kind}",
            "files with bytes of their own",
            "make the tar with --dereference --hard-dereference, and without --sparse",
        )


def _read(ending: str, data: bytes, what: str) -> Label | CalibrationDataError | None:
    """A label, or why it cannot be read: which is of no account where it belongs to no image."""
    try:
        return read_label(ending, data, what)
    except CalibrationDataError as error:
        return error


def _add_samples(file: StoredFile, samples: Mapping[str, Sample], listing: _Listing) -> None:
    for key, sample in samples.items():
        if not sample.images:
            for ending in sample.labels:
                listing.leave_out(f".{ending}", f"{key}.{ending}", _ORPHAN)
            continue
        if len(sample.images) > 1:
            names = " and ".join(member.name for member in sample.images[:2])
            raise CalibrationDataError(
                f"sample {key} in {file.location}", f"two images, {names}", "one image a sample"
            )
        (member,) = sample.images
        label = sample.label
        name = f"{file.name}/{member.name}"
        if label is None:
            listing.without = listing.without or name
            listing.table.add(f"/{member.name}", _part(member))
            continue
        listing.labelled += 1
        if sample.told_otherwise:
            listing.otherwise += 1
            listing.twice = listing.twice or name
        listing.kinds.setdefault(label.name is not None, name)
        listing.table.add(f"/{member.name}", _part(member), label.number, label.name)


def _offset(member: Member) -> int:
    return member.offset


def _part(member: Member) -> Part:
    return Part(member.offset, member.length, member.check)


def _of_samples(location: str | Path, listing: _Listing) -> _Labels:
    if len(listing.kinds) > 1:
        raise CalibrationDataError(
            f"labels in {location}",
            f"a name for {listing.kinds[True]} and a number for {listing.kinds[False]}",
            "class numbers from 0 on, or names, not both",
        )
    remarks = []
    if listing.otherwise:
        remarks.append(
            f"{listing.otherwise} of {len(listing.table)} samples have two class numbers, such as "
            f"{listing.twice}: that of .{', then '.join(LABEL_ENDINGS)} is taken"
        )
    missing = len(listing.table) - listing.labelled
    if missing:
        first = listing.without or listing.table.name(0)
        endings = ", ".join(f".{ending}" for ending in LABEL_ENDINGS)
        remarks.append(f"{missing} of {len(listing.table)} images have no label ({endings}), such as {first}")
    return _Labels(remarks=tuple(remarks))


def _of_folders(location: str | Path, root: Path | None, listing: _Listing) -> _Labels:
    """Labels of images that lie in tars as they would in a folder."""
    table = listing.table
    # Without the name of the tar in front; what all of them lie in is no class.
    paths = [table.inner_name(index)[1:].split("/") for index in range(len(table))]
    folders = [folder.split("/") for folder in listing.folders if folder not in ("", ".")]
    while paths and all(len(path) > 1 and path[0] == paths[0][0] for path in paths):
        if any(folder[0] != paths[0][0] for folder in folders):
            break  # a class of its own, though it has no image
        folders = [folder[1:] for folder in folders if len(folder) > 1]
        paths = [path[1:] for path in paths]
    names = sorted({folder[0] for folder in folders})
    filled = {path[0] for path in paths if len(path) > 1}
    splits = sorted(SPLITS.intersection(name.lower() for name in names))
    if len(splits) > 1:
        raise CalibrationDataError(
            f"images {location}", f"folders {' and '.join(splits)}, parts of a data set", "a tar of one part"
        )
    if len(names) > 1 and all(len(path) > 1 for path in paths):
        numbers = {name: number for number, name in enumerate(names)}
        table.relabel((numbers[path[0]], path[0]) for path in paths)
        return _Labels(tuple(names), empty_classes(numbers, filled))
    truth = truth_of(["/".join(path) for path in paths], root)
    if truth is None:
        return _Labels()
    table.relabel((label.number, label.name) for label in truth.labels)
    return _Labels(remarks=truth.remarks, label_map=truth.label_map)


def recall_tars(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest that lie in tars, each of which is listed once.

    Raises:
        EdgeMnv3Error: A tar cannot be read.
    """
    return recall_parts(manifest, _tar_of, open_tars)


def _tar_of(name: str) -> str | None:
    found = _IN_TAR.fullmatch(name)
    return found["tar"] if found else None


KIND = SourceKind(
    recognizes=lambda location: are_shards(location, is_tar_name),
    open=open_tars,
    recall=recall_tars,
    suffix=".tar",
    place=5,
)
