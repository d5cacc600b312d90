"""Labels: one name for each output, in the order of the outputs."""

from __future__ import annotations

import unicodedata
from importlib import resources
from typing import NamedTuple

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.imagenet import BACKGROUND_OUTPUTS, IMAGENET_CLASSES
from edge_mnv3.packaging.printable import is_printable

LABELS_FILE = "labels.txt"
LABELS_LICENSE_FILE = "labels_license.txt"
IMAGENET = "imagenet"
IMAGENET_LICENSE = "BSD-3-Clause"  # torchvision's list, with its licence beside it in `data`
_BUILT_IN = "for ImageNet's classes leave the list out, or give report --labels imagenet: names are built in"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Labels(NamedTuple):
    """Names of the classes.

    Attributes:
        names: Names in the order of the outputs, all different.
        source: `imagenet`, or the file or folder that was given.
        license: License of the list, where it is known.
    """

    names: tuple[str, ...]
    source: str
    license: str | None

    def content(self) -> bytes:
        """Returns the names as apps read them: UTF-8, a line each."""
        return ("\n".join(self.names) + "\n").encode()


def imagenet_labels() -> Labels:
    """Returns the 1000 ImageNet classes in the order of their WordNet ids, as in all published weights."""
    text = (resources.files("edge_mnv3") / "data" / "imagenet_labels.txt").read_text(encoding="utf-8")
    return Labels(tuple(text.splitlines()), IMAGENET, IMAGENET_LICENSE)


def imagenet_labels_with_background() -> Labels:
    """Returns the 1001 names of TF-Slim's files: "background", then those of `imagenet_labels`."""
    labels = imagenet_labels()
    return labels._replace(names=("background", *labels.names))


def imagenet_labels_license() -> bytes:
    """Returns the notice that goes with `imagenet_labels`."""
    return (resources.files("edge_mnv3") / "data" / "imagenet_labels_license.txt").read_bytes()


def default_labels(class_count: int, *, option: str = "--labels") -> Labels:
    """Returns ImageNet's names for 1000 classes, and for 1001 those of TF-Slim's files.

    Args:
        class_count: Outputs of the model.
        option: What the error tells the user to give.

    Raises:
        InputFileError: There are others, whose names nobody but the user knows.
    """
    if class_count == BACKGROUND_OUTPUTS:
        return imagenet_labels_with_background()
    if class_count != IMAGENET_CLASSES:
        raise InputFileError(
            "labels",
            "none",
            f"names for the model's {class_count:,} classes",
            f"use {option} with a text file, one name a line, or with the folder of class folders",
        )
    return imagenet_labels()


def parse_labels(content: bytes, *, name: str, class_count: int | None) -> Labels:
    """Reads a label file: UTF-8, a name a line, in the order of the outputs.

    Args:
        content: The file's content.
        name: The file, as the user named it.
        class_count: Outputs of the model; None to take any number of labels.

    Raises:
        InputFileError: It is not UTF-8, a name is empty, has control characters or stands twice, or their
            number is not that of the classes.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputFileError(
            f"labels {name}, line {line}",
            f"byte 0x{content[error.start]:02x}",
            "UTF-8",
            f"convert it, for example with iconv -t UTF-8 {name}",
        ) from error
    lines = text.removeprefix(_BOM).replace("\r\n", "\n").split("\n")
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    return check_labels([line.strip() for line in lines], source=name, class_count=class_count)


def check_labels(names: list[str], *, source: str, class_count: int | None) -> Labels:
    """Takes names that are fit to be labels.

    Args:
        names: Names in the order of the outputs.
        source: The file or folder that they come from, as the user named it.
        class_count: Outputs of the model; None to take any number of labels.

    Raises:
        InputFileError: A name is empty, has control characters or stands twice, or their number is not that
            of the classes. Names that people cannot tell apart, being equal after Unicode's compatibility
            normalization (NFKC), count as one.
    """
    seen: dict[str, int] = {}
    for number, label in enumerate(names, start=1):
        where = f"labels {source}, line {number}"
        if not label:
            raise InputFileError(where, "an empty label", "a name for each class")
        if not is_printable(label):
            raise InputFileError(where, f"control characters in {label!r}", "printable text")
        normalized = unicodedata.normalize("NFKC", label)
        if normalized in seen:
            first = seen[normalized]
            same = "" if names[first - 1] == label else " in other characters that look the same"
            imagenet = len(names) in (IMAGENET_CLASSES, BACKGROUND_OUTPUTS) and class_count in (
                None,
                len(names),
            )
            raise InputFileError(
                where,
                f"'{label}' again, as in line {first}{same}",
                "a different name for each class",
                _BUILT_IN if imagenet else "",
            )
        seen[normalized] = number
    if class_count is not None and len(names) != class_count:
        raise InputFileError(
            f"labels {source}",
            count(len(names), "label"),
            f"{class_count:,}, as many as the model has classes",
        )
    return Labels(tuple(names), source, None)
