"""Names of classes for the page: those that the user gives, or that the results tell; never assumed."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.choices import IMAGENET_WEIGHTS
from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.hashing import sha256_names
from edge_mnv3.core.imagenet import BACKGROUND_OUTPUTS, IMAGENET_CLASSES
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.packaging.labels import Labels, imagenet_labels
from edge_mnv3.stages.package_inputs import read_labels


def class_names(gathered: Gathered, stated: AnyPath | None) -> ClassNames:
    """Finds what the numbers of the first output of classes mean.

    Args:
        gathered: The results.
        stated: As `ReportRequest.labels`.

    Raises:
        InputFileError: The labels cannot be read, are too few, or are not those that the comparison used.
        ArgumentError: There is no output of classes that they could be of.
    """
    found, facts = _found(gathered, stated), _output(gathered)
    if facts is None:
        return found
    names = found.names
    if facts.task == "binary" and len(names) == 1:
        # The one name is that of the class that the score is of: label 1.
        names = (f"not {names[0]}", *names)
    return ClassNames(names=names, source=found.source, output=facts.name)


def _output(gathered: Gathered) -> OutputFacts | None:
    """The first output of classes; None in results of version 1, which know one and do not describe it."""
    outputs = gathered.validation.outputs if gathered.validation else ()
    return next((each.output for each in outputs if each.output.task in ("classes", "binary")), None)


def _found(gathered: Gathered, stated: AnyPath | None) -> ClassNames:
    """The names as they are given or recorded."""
    result, facts = gathered.validation, _output(gathered)
    if stated is not None:
        if result is None:
            raise ArgumentError("--labels", "names", "a result of validate that has classes to name")
        return _stated(stated, result, None if facts is None else (facts.name, facts.shape[-1]))
    if result is None:
        return ClassNames()
    ordered = result.ordered_names.get(facts.name if facts else "", ())
    if ordered:
        return ClassNames(names=tuple(ordered), source="of the images' class folders or table")
    recorded = result.label_names_sha256.get(facts.name if facts else "")
    imagenet = imagenet_labels()
    if recorded is not None:
        is_imagenet = recorded == sha256_names(imagenet.names)
        return _of(imagenet, "ImageNet's, by which the labels were found") if is_imagenet else ClassNames()
    made = gathered.quantize
    if made is not None and made.weights is not None and made.weights.source == IMAGENET_WEIGHTS:
        return _of(imagenet, "ImageNet's, for which the weights were published")
    return ClassNames()


def _of(labels: Labels, source: str) -> ClassNames:
    return ClassNames(names=labels.names, source=source)


def _stated(stated: AnyPath, result: ValidateResult, output: tuple[str, int] | None) -> ClassNames:
    """The user's names, held against what the comparison tells of them."""
    word = str(stated)
    labels = imagenet_labels() if word == "imagenet" else read_labels(Path(stated), None)
    names = labels.names
    if output is not None:
        name, classes = output
        recorded = result.label_names_sha256.get(name)
        if recorded is not None and recorded != sha256_names(names):
            raise InputFileError(
                f"labels {word}",
                "other names than those by which validate found the labels",
                "the same names in the same order",
            )
        named = classes - result.int8.class_offset
        if classes == BACKGROUND_OUTPUTS and len(names) == BACKGROUND_OUTPUTS:
            names = names[result.int8.class_offset :]
        if classes > 1 and len(names) != named:
            raise InputFileError(
                f"labels {word}", count(len(labels.names), "name"), f"{named:,}, one for each class"
            )
    elif len(names) not in (IMAGENET_CLASSES, BACKGROUND_OUTPUTS) and _most(result) >= len(names):
        raise InputFileError(
            f"labels {word}", count(len(names), "name"), f"more than {_most(result)}, the largest label"
        )
    return ClassNames(
        names=names, source="ImageNet's, as stated" if word == "imagenet" else f"those of {word}"
    )


def _most(result: ValidateResult) -> int:
    """The largest number of a class that a result of an earlier release has."""
    numbers = [each for worst in result.worst for each in (worst.label, worst.float_class, worst.int8_class)]
    return max([*numbers, *(each.label for each in result.per_class_losses)], default=0)
