"""Class folders that are called by the numbers of outputs, some of which have no folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_quantization.validation.findings import Finding


@dataclass(frozen=True, slots=True)
class FoldersAreNumbers(Finding):
    """Class folders whose names were taken for numbers of outputs.

    Attributes:
        folders: How many there are.
        classes: How many classes the model has.
        least: The first number.
        most: The last number.
    """

    NAME: ClassVar[str] = "folders_are_numbers"
    FAILS_GATE: ClassVar[bool] = False
    folders: int
    classes: int
    least: int
    most: int

    def _sentence(self) -> str:
        return (
            f"the images' {self.folders} classes are called by numbers, {self.least} to {self.most}, and the "
            f"model has {self.classes}: they are taken for the numbers of its outputs, counted from 0; give "
            "the names of the outputs with --labels if they are others"
        )


def numbered_by_folder_name(
    texts: Sequence[str | None], *, classes: int, folders: Sequence[str], location: str
) -> tuple[list[int | None], FoldersAreNumbers] | None:
    """Numbers labels by the names of class folders, of which a model has more than there are.

    The place of such a folder among the others is another number wherever one before it is missing.

    Args:
        texts: The names of the images' classes.
        classes: How many the model has.
        folders: Names of the class folders; empty where there are none.
        location: Where the images came from, for the error.

    Returns:
        The labels, and what the user must know; None where folders are as many as classes, have other names,
        or lie at the places of their numbers.

    Raises:
        CalibrationDataError: Two folders have one number, or one is beyond the classes.
    """
    if len(folders) >= classes or not all(each.isascii() and each.isdecimal() for each in folders):
        return None
    numbers = {folder: int(folder) for folder in folders}
    if not numbers or list(numbers.values()) == list(range(len(folders))):
        return None
    first = {number: folder for folder, number in reversed(numbers.items())}
    twice = next((folder for folder in folders if first[numbers[folder]] != folder), None)
    most = max(numbers.values())
    if twice is not None or most >= classes:
        got = f"{first[most]!r}" if twice is None else f"{first[numbers[twice]]!r} and {twice!r}"
        raise CalibrationDataError(
            f"classes of {location}, which are called by numbers",
            got,
            f"one class for each number from 0 to {classes - 1}, as the models have",
            "give the names of the outputs with --labels",
        )
    labels = [None if text is None else numbers.get(text) for text in texts]
    return labels, FoldersAreNumbers(len(folders), classes, min(numbers.values()), most)
