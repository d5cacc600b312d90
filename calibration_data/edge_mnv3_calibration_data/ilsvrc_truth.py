"""The labels of ImageNet's validation images that lie in no class folders: read from files that list them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.imagenet import (
    VALIDATION_IMAGES,
    class_of_first_image,
    class_of_synset,
    synset_in,
    validation_image,
)
from edge_mnv3_calibration_data.label_maps import fitting_map

# ImageNet's own, Kaggle's, those of TensorFlow's scripts, and what people write for Caffe.
_FILES = (
    *("LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt"),
    *("imagenet_2012_validation_synset_labels.txt", "val_map.txt"),
)
_PLACES = ("", "ILSVRC2012_devkit_t12/data", "devkit/data", "data")
_ABOVE = 4  # Kaggle's images lie in ILSVRC/Data/CLS-LOC/val, its solution beside ILSVRC
_ROW = re.compile(r"(?:(?P<name>\S*ILSVRC2012_val_\d{8}\S*?)[\s,]+)?(?P<label>\d+|n\d{8})(?:\s.*)?")


class TrueLabel(NamedTuple):
    """A label as it is written: a number, a synset with its class, or nothing."""

    number: int | None
    name: str | None


class Truth(NamedTuple):
    """The labels of validation images.

    Attributes:
        labels: Of each image.
        label_map: How their numbers are counted; None where nothing tells.
        remarks: Where they come from, or what is missing.
    """

    labels: tuple[TrueLabel, ...]
    label_map: LabelMap | None
    remarks: tuple[str, ...]


def truth_of(names: Sequence[str], folder: Path | None) -> Truth | None:
    """Finds the labels of images that are all of ImageNet's validation set, and in no class folders.

    Args:
        names: Their names, with slashes.
        folder: What they lie in: looked into, with the folders above, for a file that lists the labels; None
            where they are behind a URL.

    Returns:
        None for other images.

    Raises:
        InputFileError: The file is no list of labels.
        CalibrationDataError: An image is not among them.
    """
    numbers = [validation_image(name) for name in names]
    if not names or any("/" in name for name in names) or None in numbers:
        return None
    synsets = [synset_in(name) for name in names]
    if None not in synsets:
        return Truth(tuple(map(_of_synset, synsets)), "zero", ())
    path = None if folder is None else _truth_file(folder.resolve())
    if path is None:
        wanted = f"{_FILES[1]} (in the development kit) or {_FILES[0]}"
        return Truth(
            (TrueLabel(None, None),) * len(names),
            "zero",
            (f"these are ImageNet's validation images: put {wanted} beside them or above for their labels",),
        )
    return _listed(path, [number for number in numbers if number is not None])


def _truth_file(folder: Path) -> Path | None:
    above = (folder, *list(folder.parents)[:_ABOVE])
    paths = (each / place / name for each in above for place in _PLACES for name in _FILES)
    return next((path for path in paths if path.is_file()), None)


def _listed(path: Path, images: Sequence[int]) -> Truth:
    labels = _read(path)
    missing = next((number for number in images if number not in labels), None)
    if missing is not None:
        raise CalibrationDataError(
            f"ground truth {path}", f"no label of ILSVRC2012_val_{missing:08}", "one of each image"
        )
    found = tuple(labels[number] for number in images)
    if found[0].name is not None:
        return Truth(found, "zero", (f"labels are the synsets in {path}",))
    known = class_of_first_image()
    evidence = [
        (label.number, known[number])
        for number, label in labels.items()
        if number in known and label.number is not None
    ]
    label_map = fitting_map(evidence)
    words = {
        "zero": "numbers from 0 on in the order of synsets",
        "one": "numbers from 1 on in the order of synsets",
        "devkit": "ILSVRC2012_ID",
        None: "numbers of a kind that nothing tells",
    }
    return Truth(found, label_map, (f"labels in {path} are {words[label_map]}",))


def _read(path: Path) -> dict[int, TrueLabel]:
    """Number of each image to its label."""
    what = f"ground truth {path}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(what, str(error), "a text file") from error
    if lines and lines[0].lower().startswith("imageid,"):
        lines[0] = ""
    rows = list(_rows(lines, what))
    named = [name is not None for name, _ in rows]
    if any(named) != all(named) or (not any(named) and len(rows) != VALIDATION_IMAGES):
        raise InputFileError(
            what,
            f"{len(rows)} labels, {sum(named)} of them with the name of an image",
            f"{VALIDATION_IMAGES} in the order of the images, or a name with each",
        )
    kinds = {text.startswith("n") for _, text in rows}
    if len(kinds) > 1:
        raise InputFileError(what, "class numbers and synsets", "one kind of labels")
    labels = {}
    for place, (name, text) in enumerate(rows, 1):
        image = place if name is None else validation_image(name)
        labels[image or 0] = _of_synset(text) if text.startswith("n") else TrueLabel(int(text), None)
    if len(labels) != len(rows):
        raise InputFileError(what, "an image that is listed twice", "each image once")
    return labels


def _rows(lines: Sequence[str], what: str) -> Iterator[tuple[str | None, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _ROW.fullmatch(line.strip())
        if row is None:
            raise InputFileError(
                f"{what}, line {number}", repr(line[:40]), "a class number or a synset, after an image's name"
            )
        yield row["name"], row["label"]


def _of_synset(synset: str | None) -> TrueLabel:
    return TrueLabel(None if synset is None else class_of_synset().get(synset), synset)
