"""Labels that stand in columns of their own: one for each of several labels, or one for each output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.folded_names import folded
from edge_mnv3.core.images import ImageSource
from edge_mnv3_quantization.validation.comparing import Label
from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.label_names import OutputNames

_VALUES = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class _Columns(Finding):
    """Something about columns of a table that has none of labels."""

    FAILS_GATE: ClassVar[bool] = False
    columns: tuple[str, ...]

    def _named(self) -> str:
        return ", ".join(self.columns[:4]) + (" …" if len(self.columns) > 4 else "")


@dataclass(frozen=True, slots=True)
class ColumnsInOrder(_Columns):
    """Columns of 0 and 1 that are taken for the outputs in their order, since nobody names the outputs."""

    NAME: ClassVar[str] = "columns_in_order"

    def _sentence(self) -> str:
        return (
            f"the columns {self._named()} are taken for outputs 0 to {len(self.columns) - 1} in their order; "
            "give --labels to find them by the outputs' names"
        )


@dataclass(frozen=True, slots=True)
class ColumnsUnread(_Columns):
    """Columns of a table without a column of labels that were not read."""

    NAME: ClassVar[str] = "columns_unread"

    def _sentence(self) -> str:
        return f"columns {self._named()} were not read; a column of labels is called label"


class ColumnLabels(NamedTuple):
    """The labels of all images, of which each may have several.

    Attributes:
        labels: Of each image.
        columns: The columns that were read.
        named: They were found by the names of the outputs.
        findings: What was noticed.
    """

    labels: list[Label]
    columns: tuple[str, ...]
    named: bool
    findings: tuple[Finding, ...]


def labels_of_columns(images: ImageSource, *, classes: int, names: OutputNames | None) -> ColumnLabels | None:
    """Reads a table that has a column of 0 and 1 for each label.

    Args:
        images: The images.
        classes: How many labels the output has.
        names: Their names, where they are known: the columns' names are looked for among them.

    Returns:
        None where the table has no such columns.

    Raises:
        CalibrationDataError: A column is missing, there are others, or one says something else than 0 or 1.
    """
    columns = [each for each in images.columns if _is_binary(images, each)]
    found = None if names is None else _by_name(images, names, columns)
    if found is None:
        if not columns:
            return None
        if len(columns) != classes:
            raise CalibrationDataError(
                f"columns of {images.description}",
                f"{len(columns)} of 0 and 1 ({', '.join(columns[:4])}{' …' if len(columns) > 4 else ''})",
                f"{classes}, one for each label",
                "name the outputs with --labels, so that their columns are found",
            )
        findings: tuple[Finding, ...] = (ColumnsInOrder(tuple(columns)),)
    else:
        columns, findings = found, ()
    labels: list[Label] = [
        frozenset(place for place, column in enumerate(columns) if _holds(images, index, column))
        for index in range(images.available or 0)
    ]
    return ColumnLabels(labels, tuple(columns), found is not None, findings)


def _by_name(images: ImageSource, names: OutputNames, binary: list[str]) -> list[str] | None:
    """The columns in the order of the outputs; None where the file's own names are of another kind."""
    there = {folded(column): column for column in images.columns}
    missing = [name for name in names.names if folded(name) not in there]
    if len(missing) == len(names.names) and not (names.stated and binary):
        return None
    if missing:
        raise CalibrationDataError(
            f"columns of {images.description}",
            f"none called '{missing[0]}'",
            f"a column of 0 and 1 for each of the {len(names.names)} names in {names.source}",
        )
    return [there[folded(name)] for name in names.names]


def _is_binary(images: ImageSource, column: str) -> bool:
    return all(images.cell(index, column).lower() in _VALUES for index in range(images.available or 0))


def _holds(images: ImageSource, index: int, column: str) -> bool:
    text = images.cell(index, column).lower()
    if text not in _VALUES:
        raise CalibrationDataError(
            f"column '{column}' of {images.name(index)} in {images.location}",
            repr(text) if text else "nothing",
            "0 or 1",
            "leave images out of which it is not known",
        )
    return _VALUES[text]
