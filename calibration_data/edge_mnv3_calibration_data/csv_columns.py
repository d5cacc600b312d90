"""What stands in a table of images, however it was written: delimiters, names of columns, kinds of labels."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.errors import CalibrationDataError, InputFileError

_DELIMITERS = ",;\t|"
_EXCEL_HINT = "sep="
# In lower case, with blanks and hyphens as underscores; the first of each is ours and goes before the others.
_FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_file", "image_name"),
    *("image_path", "img", "img_path", "img_name", "image_id", "files", "filenames", "filepaths", "images"),
)
LABEL_NAMES = (
    *("label", "class", "label_id", "class_id", "class_index", "label_index", "category", "category_id"),
    *("target", "y", "class_name", "label_name", "category_name", "labels", "classes"),
)
_SEVERAL = re.compile(r"\d+(\s*[\s|]\s*\d+)+")
_WANTED = "the columns file and, if known, label"


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        line: Its line in the file, from 1 on.
        file: The name of an image as it is written, less blanks around it.
        label: The label as it is written, less blanks around it; None where there is no such column.
        others: Name of each other column to what it says, less blanks around it.
    """

    line: int
    file: str
    label: str | None
    others: dict[str, str]


class Table(NamedTuple):
    """A table of images.

    Attributes:
        rows: Its rows; those without anything in them do not count.
    """

    rows: list[Row]


class Labels(NamedTuple):
    """The labels of a table's rows, in their order: numbers or names.

    Attributes:
        numbers: Classes, 0-based; None where labels are names.
        names: Names of classes; None where labels are numbers.
    """

    numbers: list[int | None]
    names: list[str | None]


def read_table(text: str, *, what: str) -> Table:
    """Reads a table whose first line names the columns.

    Args:
        text: The file's content.
        what: What messages call the file.

    Raises:
        InputFileError: There is no column of files, or several that could be it or that of the labels.
        CalibrationDataError: A row has a label and no file.
    """
    lines = text.splitlines(keepends=True)
    start = 0
    while start < len(lines) and (not lines[start].strip() or lines[start].lower().startswith(_EXCEL_HINT)):
        start += 1
    header = lines[start] if start < len(lines) else ""
    delimiter = _delimiter(header)
    reader = csv.reader(io.StringIO("".join(lines[start:])), delimiter=delimiter, skipinitialspace=True)
    columns = [cell.strip() for cell in next(reader, [])]
    file_column = _column(columns, _FILE_NAMES, what, "file")
    label_column = _column(columns, LABEL_NAMES, what, "label")
    if file_column is None:
        raise InputFileError(what, f"columns {', '.join(columns) or 'none'}", _WANTED, _header_hint(columns))
    others = {
        name: number
        for number, name in enumerate(columns)
        if number not in (file_column, label_column) and name and columns.count(name) == 1
    }
    rows = []
    for cells in reader:
        line = start + reader.line_num
        cells = [*(cell.strip() for cell in cells), *[""] * (len(columns) - len(cells))]
        file, label = cells[file_column], None if label_column is None else cells[label_column]
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise InputFileError(
                f"{what}, line {line}",
                f"{len(cells)} cells",
                f"{len(columns)}, one a column",
                f"write a name with '{delimiter}' in it between double quotes",
            )
        if file:
            rows.append(Row(line, file, label, {name: cells[number] for name, number in others.items()}))
        elif label:
            raise CalibrationDataError(f"{what}, line {line}", f"the label {label} and no file", "both")
    return Table(rows)


def read_labels(rows: Sequence[Row], *, what: str) -> Labels:
    """Reads the labels of a table: class numbers in all rows, or names in all.

    Where a row has several numbers, with blanks or bars between them, labels are given as they are written:
    an image may then have several labels, one or none.

    Raises:
        CalibrationDataError: A label is missing or negative, or some are numbers and others names.
    """
    if any(_SEVERAL.fullmatch(row.label or "") for row in rows):
        return Labels([None] * len(rows), [row.label for row in rows])
    numbers: list[int | None] = [None if row.label is None else _number(row.label) for row in rows]
    words = [
        row for row, number in zip(rows, numbers, strict=True) if row.label is not None and number is None
    ]
    for row in rows:
        if row.label == "":
            raise CalibrationDataError(
                f"label in {what}, line {row.line}", "none", "a class number from 0 on"
            )
    negative = next(
        (row for row, number in zip(rows, numbers, strict=True) if number is not None and number < 0), None
    )
    if negative is not None:
        raise CalibrationDataError(
            f"label in {what}, line {negative.line}", repr(negative.label), "a class number from 0 on"
        )
    if words and len(words) < len(rows):
        number_row = next(row for row, number in zip(rows, numbers, strict=True) if number is not None)
        raise CalibrationDataError(
            f"labels in {what}",
            f"{words[0].label!r} in line {words[0].line} and {number_row.label!r} in line {number_row.line}",
            "class numbers from 0 on, or names, not both",
        )
    return Labels(numbers, [row.label if words else None for row in rows])


def _number(text: str) -> int | None:
    """A class number; tools that know no missing integers write 3.0."""
    whole = text.removesuffix(".0")
    return int(whole) if whole.removeprefix("-").isdecimal() else None


def _delimiter(header: str) -> str:
    """The one by which a column of files is found, else the one that stands most often."""
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        if any(_plain(cell) in _FILE_NAMES for cell in cells) and (len(cells) > 1 or delimiter == ","):
            return delimiter
    return max(_DELIMITERS, key=header.count)


def _column(columns: list[str], names: Sequence[str], what: str, meaning: str) -> int | None:
    found = [number for number, column in enumerate(columns) if _plain(column) in names]
    ours = [number for number in found if _plain(columns[number]) == names[0]]
    if len(ours or found) > 1:
        raise InputFileError(
            what,
            f"columns {' and '.join(columns[number] for number in (ours or found))}",
            f"one column of {meaning}s",
            f"call it {names[0]}",
        )
    return next(iter(ours or found), None)


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace("-", "_")


def _header_hint(columns: list[str]) -> str:
    if any("." in column and _number(column) is None for column in columns[:1]):
        return "the first line names the columns: write file,label above it"
    return "rename the columns in the first line"
