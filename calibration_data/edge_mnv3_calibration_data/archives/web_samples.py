"""Samples of a WebDataset: members of a tar that have the same name up to its first dot."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_calibration_data.archives.tar_index import Member
from edge_mnv3_calibration_data.csv_columns import LABEL_NAMES
from edge_mnv3_calibration_data.image_files import is_image_name

LABEL_ENDINGS = ("cls", "json", "txt")  # the first of them that tells a label goes before the others
MOST_LABEL_BYTES = 1 << 20


class Label(NamedTuple):
    """A label as it is written: a number or a name."""

    number: int | None
    name: str | None


@dataclass(slots=True)
class Sample:
    """What of a sample is of use.

    Attributes:
        images: The members that are images.
        labels: The label by the ending of the member that tells it, or why it cannot be read.
    """

    images: list[Member] = field(default_factory=list)
    labels: dict[str, Label | CalibrationDataError] = field(default_factory=dict)

    @property
    def label(self) -> Label | None:
        """The label of the member that goes first.

        Raises:
            CalibrationDataError: It cannot be read.
        """
        first = next((self.labels[ending] for ending in LABEL_ENDINGS if ending in self.labels), None)
        if isinstance(first, CalibrationDataError):
            raise first
        return first

    @property
    def told_otherwise(self) -> bool:
        """Whether members of it tell two numbers; a number and a name may well be of one class."""
        told = (label.number for label in self.labels.values() if isinstance(label, Label))
        return len({*told} - {None}) > 1


def parts(name: str) -> tuple[str, str]:
    """Takes a member's name apart: the sample's key, and the ending, in lower case."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return f"{folder}{slash}{key}", ending.lower()


def is_sample_image(ending: str) -> bool:
    """Whether the ending behind the key is that of an image; `seg.png`, of a mask for example, is not."""
    return "." not in ending and is_image_name(f"a.{ending}")


def read_label(ending: str, data: bytes, what: str) -> Label | None:
    """Reads a label.

    Args:
        ending: `cls`: a class number. `json`: an object in which a usual name has a number or a name. `txt`:
            a class number or a name.
        data: The member.
        what: What messages call it.

    Returns:
        None where a JSON file tells no label.

    Raises:
        CalibrationDataError: It is none.
    """
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise CalibrationDataError(what, "no UTF-8 text", "a label") from error
    if ending == "json":
        return _of_json(text, what)
    if ending == "txt" and text and not text.isdecimal():
        return Label(None, " ".join(text.split()))
    if not text.isdecimal():
        raise CalibrationDataError(what, repr(text[:40]), "a class number from 0 on")
    return Label(int(text), None)


def _of_json(text: str, what: str) -> Label | None:
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise CalibrationDataError(what, str(error), "JSON") from error
    if not isinstance(content, dict):
        return None
    given = {name: content[name] for name in LABEL_NAMES if content.get(name) not in (None, "")}
    if not given:
        return None
    value = next(iter(given.values()))
    # A number and a name may well be of one class; two numbers, or two names, are of two.
    alike = [name for name, each in given.items() if isinstance(each, str) == isinstance(value, str)]
    if LABEL_NAMES[0] not in given and any(given[name] != value for name in alike):
        raise CalibrationDataError(what, " and ".join(alike), "one label", f"call it {LABEL_NAMES[0]}")
    if isinstance(value, str):
        return Label(int(value), None) if value.strip().isdecimal() else Label(None, value.strip())
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CalibrationDataError(
            what, f"the label {json.dumps(value)[:40]}", "a class number from 0 on, or a name"
        )
    return Label(value, None)
