"""Images in a folder and its subfolders, which may be classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3_calibration_data.archives.shard_files import are_shards, is_shard_name
from edge_mnv3_calibration_data.ilsvrc_truth import Truth, truth_of
from edge_mnv3_calibration_data.image_files import FolderContents, list_folder
from edge_mnv3_calibration_data.listed_files import FileTable
from edge_mnv3_calibration_data.listed_images import ListedSource, empty_classes
from edge_mnv3_calibration_data.packed import Coded
from edge_mnv3_calibration_data.source_kinds import SourceKind
from edge_mnv3_calibration_data.sources.stored import is_stored

# Names of the parts of a data set, the first of them being those to validate on.
_SPLITS = (
    *("val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev", "holdout", "held_out"),
    *("train", "training"),
)
_NAMED = 3


def is_image_folder(location: str | Path) -> bool:
    """Whether a location is a folder that is no stored calibration, and no folder of shards."""
    return Path(location).is_dir() and not is_stored(location) and not are_shards(location, is_shard_name)


def open_folder(location: str | Path) -> ListedSource:
    """Lists the images of a folder with its subfolders.

    If it has at least two subfolders and every image lies in one of them, they are classes, numbered in the
    order of their names as Keras's `image_dataset_from_directory` does, those without images included.
    ImageNet's validation images that lie in no class folders have the labels of their ground truth.

    Raises:
        InputFileError: The folder cannot be opened.
        CalibrationDataError: Its subfolders are the parts of a data set, `train` and `val` for example.
    """
    folder = Path(location)
    try:
        contents = list_folder(folder)
    except OSError as error:
        raise InputFileError(f"images {folder}", (error.strerror or str(error)).lower()) from error
    _refuse_splits(folder, contents)
    if (truth := truth_of(contents.images, folder)) is not None:
        return _validation_set(location, folder, contents, truth)
    names, loose = contents.images, [name for name in contents.images if "/" not in name]
    classes = contents.subfolders if len(contents.subfolders) > 1 and names and not loose else []
    numbers = {name: number for number, name in enumerate(classes)}
    classed = Coded(name.partition("/")[0] if numbers else None for name in names)
    images = FileTable(folder, names, classed.mapped(lambda name: numbers.get(name or "")), classed)
    return ListedSource(
        kind="folder",
        location=str(location),
        root=folder,
        images=images,
        class_names=tuple(classes),
        unread=contents.unread,
        remarks=_remarks(contents, loose, numbers),
        own_numbers=bool(classes),
    )


def _validation_set(
    location: str | Path, folder: Path, contents: FolderContents, truth: Truth
) -> ListedSource:
    """ImageNet's validation images as they are unpacked."""
    labels = truth.labels
    images = FileTable(
        folder, contents.images, (label.number for label in labels), (label.name for label in labels)
    )
    return ListedSource(
        kind="folder",
        location=str(location),
        root=folder,
        images=images,
        unread=contents.unread,
        remarks=truth.remarks,
        label_map=truth.label_map,
    )


def _remarks(contents: FolderContents, loose: Sequence[str], numbers: dict[str, int]) -> tuple[str, ...]:
    filled = _filled(contents)
    if loose and len(filled) > 1:
        shown = ", ".join(loose[:_NAMED]) + (", …" if len(loose) > _NAMED else "")
        beside = f"{len(loose)} images lie" if len(loose) > 1 else "1 image lies"
        return (f"{beside} beside the subfolders ({shown}), so the subfolders are not taken for classes",)
    if len(contents.subfolders) == 1 and not loose:
        name = contents.subfolders[0]
        if len(_second(contents, name)) > 1:
            return (
                f"all images lie in the one folder {name}: give that one for its subfolders to be classes",
            )
    return empty_classes(numbers, filled)


def _filled(contents: FolderContents) -> list[str]:
    """The subfolders that hold images."""
    return sorted({name.partition("/")[0] for name in contents.images if "/" in name})


def _second(contents: FolderContents, folder: str) -> set[str]:
    """Names of the folders in a subfolder that hold images."""
    start = f"{folder}/"
    inside = (name.removeprefix(start) for name in contents.images if name.startswith(start))
    return {name.partition("/")[0] for name in inside if "/" in name}


def _refuse_splits(folder: Path, contents: FolderContents) -> None:
    """Refuses a folder that holds the parts of a data set."""
    filled = _filled(contents)
    splits = sorted((name for name in filled if name.lower() in _SPLITS), key=_place)
    inside = {name: _second(contents, name) for name in splits}
    with_classes = [name for name in splits if len(inside[name]) > 1]
    only_splits = splits == sorted(filled, key=_place) and len(filled) == len(contents.subfolders)
    if len(with_classes) > 1 or (only_splits and (with_classes or len(splits) > 1)):
        raise CalibrationDataError(
            f"images {folder}",
            f"{' and '.join(splits)}, {'parts' if len(splits) > 1 else 'a part'} of a data set"
            + (", with class folders inside" if with_classes else ""),
            "one folder of images, or one with a subfolder a class",
            f"give {' or '.join(str(folder / name) for name in splits)}",
        )


def _place(name: str) -> tuple[int, str]:
    known = name.lower()
    return (_SPLITS.index(known) if known in _SPLITS else len(_SPLITS), name)


KIND = SourceKind(recognizes=is_image_folder, open=open_folder)
