"""Labels of images as numbers of outputs: taken as numbers, or found by their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.folded_names import folded, written
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3_quantization.validation.comparing import Label
from edge_mnv3_quantization.validation.findings import Finding, NamesUnknown
from edge_mnv3_quantization.validation.numbered_folders import numbered_by_folder_name
from edge_mnv3_quantization.validation.synset_labels import numbered_by_synset

_NAMED = 3  # names that messages list


@dataclass(frozen=True, slots=True)
class OutputNames:
    """Names of a model's outputs.

    Attributes:
        names: In the order of the outputs, all different.
        source: What they were read from, for messages.
        stated: The user gave them: every name of the images must be among them. Otherwise the model brought
            them, and images may have names of another kind.
    """

    names: tuple[str, ...]
    source: str
    stated: bool


@dataclass(frozen=True, slots=True)
class LabelsOfFirst(Finding):
    """The images have labels that may be of several outputs.

    Attributes:
        output: The output that they are taken for.
        others: The others.
    """

    NAME: ClassVar[str] = "labels_of_first_output"
    FAILS_GATE: ClassVar[bool] = False
    output: str
    others: tuple[str, ...]

    def _sentence(self) -> str:
        others = " or ".join(f"'{each}'" for each in self.others)
        return (
            f"the images' labels are taken for those of output '{self.output}', and not of {others}: "
            "for another, give its names with --labels NAME=PATH, or a table with a column for each"
        )


class Labelled(NamedTuple):
    """The labels of a source.

    Attributes:
        labels: Of each image; None where an image has none.
        named: They were found by name.
        findings: What was noticed.
    """

    labels: list[Label | None]
    named: bool
    findings: tuple[Finding, ...]


class Written(NamedTuple):
    """Labels as they are written, of each image: a text, a number, both or neither."""

    texts: Sequence[str | None]
    numbers: Sequence[int | None]


def written_in(images: ImageSource, column: str, task: Task) -> Written:
    """Labels in a column of their own: numbers where all are, else names.

    An image that may have several labels has none where nothing is written; otherwise its label is missing.
    """
    texts = [images.cell(index, column) for index in range(images.available or 0)]
    several = task == "labels"
    given = texts if several else [text for text in texts if text]
    if all(text.removesuffix(".0").isdecimal() for text in given):
        numbers = [int(text.removesuffix(".0")) if text else None for text in texts]
        return Written([None] * len(texts), numbers)
    return Written([text or ("" if several else None) for text in texts], [None] * len(texts))


def has_any(names: OutputNames, texts: Sequence[str]) -> bool:
    """Whether some of the labels of images are names of an output's numbers."""
    places = _places(names)
    return any(_found(text, places) is not None for text in texts)


def labels_of(
    images: ImageSource,
    *,
    task: Task,
    classes: int,
    names: OutputNames | None,
    written: Written | None = None,
) -> Labelled:
    """Finds the labels of all images.

    Args:
        images: The images.
        task: `classes`, `binary` or `labels`, of which an image may have several.
        classes: How many there are; 2 for `binary`.
        names: Names of the outputs, where they are known.
        written: The labels; None for those that the source gives.

    Raises:
        CalibrationDataError: A label is none of the names, or beyond the classes; or a name where no names of
            outputs are known; or the images have several other names than the one that a single score has.
    """
    texts, numbers = written or Written(images.label_names(), images.labels())
    findings: tuple[Finding, ...] = ()
    places = None
    given = [text for text in texts if text is not None]
    if task == "classes" and (names is None or not (names.stated or has_any(names, given))):
        synsets = numbered_by_synset(texts, classes=classes, folders=images.class_names)
        if synsets is not None:
            return Labelled(list(synsets), True, ())
        if written is None:
            by_name = numbered_by_folder_name(
                texts, classes=classes, folders=images.class_names, location=images.location
            )
            if by_name is not None:
                return Labelled(list(by_name[0]), True, (by_name[1],))
    if names is not None:
        if task == "binary" and len(names.names) == 1:
            names = _of_both_classes(names, [text for text in texts if text is not None])
        _check_count(names, classes, task)
        places = _places(names)
        known = any(_found(part, places) is not None for text in given for part in _parts(text, task, places))
        if given and not known and not names.stated:
            findings, places = (
                (NamesUnknown(names.source, given[0], names.names[-1 if task == "binary" else 0]),),
                None,
            )
        elif not given:
            places = None
    labels = [
        _label(_Image(images, index, task, classes), text, number, places, names)
        for index, (text, number) in enumerate(zip(texts, numbers, strict=True))
    ]
    named = places is not None or (names is not None and names.stated)
    return Labelled(labels, named, findings)


class _Image(NamedTuple):
    """An image whose label is looked for."""

    images: ImageSource
    place: int
    task: Task
    classes: int

    def error(self, got: str, expected: str, next_step: str = "") -> CalibrationDataError:
        return CalibrationDataError(
            f"label of {self.images.name(self.place)} in {self.images.location}", got, expected, next_step
        )


def _label(
    image: _Image,
    text: str | None,
    number: int | None,
    places: dict[str, int] | None,
    names: OutputNames | None,
) -> Label | None:
    if places is not None and names is not None and text is not None:
        found = frozenset(_place(image, part, places, names) for part in _parts(text, image.task, places))
        if image.task == "labels":
            return found
        return next(iter(found))
    if number is None and text is not None:
        if image.task == "labels" and re.fullmatch(r"[\d\s|]*", text):
            several = frozenset(int(part) for part in re.split(r"[\s|]+", text) if part)
            return frozenset(_checked(image, each) for each in several)
        raise image.error(f"the name {text!r}", "a number", "give the names of the outputs with --labels")
    return None if number is None else _checked(image, number)


def _checked(image: _Image, number: int) -> int:
    if not 0 <= number < image.classes:
        raise image.error(str(number), f"0 to {image.classes - 1}, as the models have")
    return number


def _parts(text: str, task: Task, places: dict[str, int]) -> list[str]:
    """The names in a text; a name may hold blanks, so only texts that are no name are taken apart there."""
    if task != "labels":
        return [text]
    parts = text.split("|") if "|" in text or _found(text, places) is not None else text.split()
    return [part for part in parts if part.strip()]


def _place(image: _Image, name: str, places: dict[str, int], names: OutputNames) -> int:
    place = _found(name, places)
    if place is None:
        near = difflib.get_close_matches(folded(name), places, n=1, cutoff=0.0)
        suggestion = names.names[places[near[0]]] if near else names.names[0]
        raise image.error(
            repr(name),
            f"one of the {len(names.names)} names in {names.source}",
            f"the nearest is '{suggestion}'",
        )
    return place


def _places(names: OutputNames) -> dict[str, int]:
    """The place of each name as it is written, and without regard to case where only one is meant."""
    plain = [folded(name) for name in names.names]
    places = {each: place for place, each in enumerate(plain) if plain.count(each) == 1}
    return places | {written(name): place for place, name in enumerate(names.names)}


def _found(name: str, places: dict[str, int]) -> int | None:
    return places.get(written(name), places.get(folded(name)))


def _of_both_classes(names: OutputNames, texts: Sequence[str]) -> OutputNames:
    """Completes the name of the class that a single score is of by that of the other class.

    This is the other name that images have, where some images have the first.
    """
    (score,) = names.names
    others = {folded(text): text.strip() for text in reversed(texts) if folded(text) != folded(score)}
    is_met = any(folded(text) == folded(score) for text in texts)
    if is_met and len(others) > 1:
        listed = sorted(others.values())
        raise CalibrationDataError(
            f"labels {names.source}",
            f"the one name '{score}', and images of {len(others)} others: "
            f"{', '.join(listed[:_NAMED])}{', …' if len(listed) > _NAMED else ''}",
            "the names of two classes",
            "give --labels a file of both, that of the score last, and images of these two",
        )
    other = next(iter(others.values())) if is_met and others else f"not {score}"
    return OutputNames((other, score), names.source, names.stated)


def _check_count(names: OutputNames, classes: int, task: Task) -> None:
    if len(names.names) != classes:
        raise CalibrationDataError(
            f"labels {names.source}",
            count(len(names.names), "label"),
            "the name of the class that the one output is the score of, or of both classes"
            if task == "binary"
            else f"{classes}, as many as the models have classes",
        )
