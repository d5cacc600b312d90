"""The 1000 classes of ImageNet, as all published weights have them: in the order of their synsets.

`data/imagenet_classes.csv` has a row for each: WordNet's number (the synset), ILSVRC2012_ID of the
development kit, which is another order, and the first image of the validation set that shows the class.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

IMAGENET_CLASSES = 1000
BACKGROUND_OUTPUTS = IMAGENET_CLASSES + 1  # TF-Slim's files: output 0 is "background"
VALIDATION_IMAGES = 50_000
_SAME_NAMES = 800
_VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})(?!\d)", re.IGNORECASE)
_SYNSET = re.compile(r"(?<![A-Za-z0-9])n\d{8}(?!\d)")


class ImageNetClass(NamedTuple):
    """A class.

    Attributes:
        wnid: The synset, `n01440764` for example.
        ilsvrc2012_id: Number in the development kit, 1 to 1000.
        first_validation_image: Number of an image of the validation set, 1 to 50,000.
    """

    wnid: str
    ilsvrc2012_id: int
    first_validation_image: int


@functools.cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The classes in the order of models' outputs, without a background class."""
    text = (resources.files("edge_mnv3") / "data" / "imagenet_classes.csv").read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return tuple(ImageNetClass(wnid, int(number), int(image)) for wnid, number, image in rows)


@functools.cache
def class_of_synset() -> dict[str, int]:
    """Synset to class, 0 to 999."""
    return {each.wnid: number for number, each in enumerate(imagenet_classes())}


@functools.cache
def class_of_ilsvrc2012_id() -> dict[int, int]:
    """Number of the development kit, 1 to 1000, to class, 0 to 999."""
    return {each.ilsvrc2012_id: number for number, each in enumerate(imagenet_classes())}


@functools.cache
def class_of_first_image() -> dict[int, int]:
    """Number of the validation image that is the first of its class to that class, 0 to 999."""
    return {each.first_validation_image: number for number, each in enumerate(imagenet_classes())}


def are_imagenet_names(names: Sequence[str]) -> bool:
    """Whether names are those of ImageNet's classes in the order of models' outputs, however written.

    They are if they are the synsets, the classes' numbers, or the words of `data/imagenet_labels.txt` at four
    of five places: other lists have other words for some classes.
    """
    if len(names) != IMAGENET_CLASSES:
        return False
    text = (resources.files("edge_mnv3") / "data" / "imagenet_labels.txt").read_text(encoding="utf-8")
    words = [_first_word(line) for line in text.splitlines()]
    same = sum(_first_word(name) == word for name, word in zip(names, words, strict=True))
    return (
        same >= _SAME_NAMES
        or all(synset_in(name) == each.wnid for name, each in zip(names, imagenet_classes(), strict=True))
        or all(name == str(number) for number, name in enumerate(names))
    )


def _first_word(name: str) -> str:
    return " ".join(name.split(",")[0].replace("_", " ").casefold().split())


def validation_image(name: str) -> int | None:
    """Number of the image of ImageNet's validation set that a file's name tells; None for other names."""
    found = _VALIDATION_IMAGE.search(name)
    return int(found[1]) if found else None


def synset_in(name: str) -> str | None:
    """The one synset that stands in a name or path, whatever it is a synset of; None where there is none."""
    found = set(_SYNSET.findall(name))
    return found.pop() if len(found) == 1 else None
