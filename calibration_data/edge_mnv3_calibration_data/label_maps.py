"""How class numbers of images are counted: stated, shown by images whose class is known, or asked for.

Numbers are counted from 0 in most places, from 1 where 0 is a background class, and in an order of its own in
ImageNet's development kit. A model's outputs follow the synsets, so that the wrong guess gives wrong figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from edge_mnv3.core.choices import LABEL_MAPS, LabelMap
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.imagenet import (
    IMAGENET_CLASSES,
    class_of_first_image,
    class_of_ilsvrc2012_id,
    class_of_synset,
    synset_in,
    validation_image,
)
from edge_mnv3.core.images import ImageContent, ImageSource, RemoteContent
from edge_mnv3_calibration_data.listed_images import ImageTable, ListedImage, ListedSource

_LEAST_CLASSES = 3  # that must agree before what is known of ImageNet goes before what is written
_COUNTED: dict[LabelMap, str] = {
    "zero": "counted from 0",
    "one": "counted from 1, so 1 is taken off",
    "devkit": "ILSVRC2012_ID of ImageNet's development kit, so they are taken to the order of synsets",
}


def counted_from_zero(number: int, label_map: LabelMap) -> int | None:
    """Takes a class number to the one that counts from 0; None where the map has no such number."""
    if label_map == "devkit":
        return class_of_ilsvrc2012_id().get(number)
    moved = number - (label_map == "one")
    return moved if moved >= 0 else None


def fitting_map(evidence: Sequence[tuple[int, int]]) -> LabelMap | None:
    """Finds the one map that takes every written number to the class that is known.

    Args:
        evidence: Written numbers, with the classes that they stand for, 0 to 999.

    Returns:
        None where none fits, several do, or fewer than three classes are known.
    """
    if len({known for _, known in evidence}) < _LEAST_CLASSES:
        return None
    fitting = [
        each
        for each in LABEL_MAPS
        if all(counted_from_zero(written, each) == known for written, known in evidence)
    ]
    return fitting[0] if len(fitting) == 1 else None


def numbered(source: ImageSource, stated: LabelMap | None) -> ImageSource:
    """Makes the class numbers of a source count from 0, in the order of a model's outputs.

    What is stated is done. Else goes what images show whose class in ImageNet is known, by a synset in their
    name or label, or because they are the first of their class in its validation set; then what the form of
    the data says.

    Args:
        source: The images.
        stated: The user's word.

    Returns:
        The source, with a remark where numbers were changed; without labels, and with a remark that says so,
        where nothing tells how they are counted.

    Raises:
        CalibrationDataError: The stated map has no such number, or there are no numbers.
    """
    if not isinstance(source, ListedSource) or source.own_numbers or source.recorded is not None:
        if stated is not None:
            raise _no_numbers(source, stated, "classes that it numbers itself")
        return source
    labels = source.labels()
    numbers = sorted({label for label in labels if label is not None})
    if not numbers:
        if stated is not None:
            raise _no_numbers(source, stated, "no class numbers")
        names = source.label_names()
        if all(name in class_of_synset() for name in names):
            return dataclasses.replace(source, images=Renumbered(source.images, _class_of_name))
        return source
    shown = None if stated is not None else fitting_map(sorted(set(_evidence(source, labels))))
    label_map = stated or shown or source.label_map
    if label_map is None:
        unknown = (
            f"nothing tells how the class numbers, {numbers[0]} to {numbers[-1]}, are counted: state it with "
            f"--label-map {', '.join(LABEL_MAPS[:-1])} or {LABEL_MAPS[-1]}"
        )
        return dataclasses.replace(
            source,
            images=Renumbered(source.images, lambda label, name: None),
            remarks=(*source.remarks, unknown),
        )
    said: tuple[str, ...] = ()
    if stated is not None and stated != source.label_map:
        said = (f"class numbers are taken as {_COUNTED[stated]}, as --label-map {stated} states",)
    elif stated is None and (label_map != source.label_map or label_map == "devkit"):
        said = (f"class numbers are {_COUNTED[label_map]}; --label-map states otherwise",)
    if label_map == "zero":
        return dataclasses.replace(source, label_map="zero", remarks=(*source.remarks, *said))
    wrong = next((each for each in numbers if counted_from_zero(each, label_map) is None), None)
    if wrong is not None:
        raise CalibrationDataError(
            f"label of {source.name(labels.index(wrong))} in {source.location}",
            str(wrong),
            f"1 to {IMAGENET_CLASSES}" if label_map == "devkit" else "1 or more; 0 is the background",
            f"numbers are {_COUNTED[label_map]}; --label-map states otherwise",
        )
    return dataclasses.replace(
        source,
        images=Renumbered(
            source.images,
            lambda label, name: None if label is None else counted_from_zero(label, label_map),
        ),
        remarks=(*source.remarks, *said),
        label_map="zero",
    )


class Renumbered(ImageTable):
    """Images with other class numbers, made when they are asked for."""

    def __init__(self, images: ImageTable, number: Callable[[int | None, str | None], int | None]) -> None:
        """Takes the images, and what gives each its number by its label and the name of its class."""
        self._images, self._number = images, number

    def __len__(self) -> int:
        return len(self._images)

    def at(self, place: int) -> ListedImage:
        """An image."""
        return dataclasses.replace(self._images.at(place), label=self.label(place))

    def name(self, index: int) -> str:
        """Its name."""
        return self._images.name(index)

    def label(self, index: int) -> int | None:
        """Its class."""
        return self._number(self._images.label(index), self._images.label_name(index))

    def label_name(self, index: int) -> str | None:
        """The name of its class."""
        return self._images.label_name(index)

    def content(self, index: int) -> ImageContent | None:
        """What its pixels depend on."""
        return self._images.content(index)

    def remote(self, index: int) -> RemoteContent | None:
        """Where another machine has it."""
        return self._images.remote(index)


def _class_of_name(_: int | None, name: str | None) -> int | None:
    return class_of_synset().get(name or "")


def map_by_range(numbers: Iterable[int]) -> LabelMap | None:
    """What the range of class numbers says of how they are counted, where a form of data leaves that open."""
    least, most = min(numbers := sorted(numbers), default=1), max(numbers, default=0)
    if least == 0 and most < IMAGENET_CLASSES:
        return "zero"
    return "one" if most == IMAGENET_CLASSES and least > 0 else None


def _evidence(source: ListedSource, labels: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    for index, label in enumerate(labels):
        if label is None:
            continue
        known = _known_class(source.name(index), source.label_name(index))
        if known is not None:
            yield label, known


def _known_class(name: str, label_name: str | None) -> int | None:
    """The class in ImageNet of an image, where its names tell."""
    synset = (label_name and synset_in(label_name)) or synset_in(name)
    if synset:
        return class_of_synset().get(synset)
    image = validation_image(name)
    return None if image is None else class_of_first_image().get(image)


def _no_numbers(source: ImageSource, stated: LabelMap, got: str) -> CalibrationDataError:
    return CalibrationDataError(
        f"--label-map {stated} for {source.description}", got, "class numbers", "leave --label-map out"
    )
