"""What stands in a table of images, however it was written: delimiters, names of columns, kinds of labels."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3_calibration_data.packed import Coded, Texts

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


class Table(NamedTuple):
    """A table of images; rows without anything in them do not count.

    Attributes:
        files: The names of images as they are written, less blanks around them.
        labels: The labels as they are written, less blanks around them; None where there is no such column.
        lines: The line in the file of each row, from 1 on.
        others: Name of each other column to what it says, less blanks around it.
    """

    files: Texts
    labels: Coded[str | None]
    lines: array[int]
    others: Mapping[str, Texts]

    def add(self, line: int, file: str, label: str | None, others: Mapping[str, str]) -> None:
        """Adds a row."""
        self.files.append(file)
        self.labels.append(label)
        self.lines.append(line)
        for column, text in others.items():
            self.others[column].append(text)


class _Reader(Protocol):
    line_num: int

    def __next__(self) -> list[str]: ...


def empty_table(others: Iterable[str] = ()) -> Table:
    """A table without rows, and with some columns other than those of files and labels."""
    return Table(Texts(), Coded(), array("q"), {column: Texts() for column in others})


class Labels(NamedTuple):
    """The labels of a table's rows, in their order: numbers or names.

    Attributes:
        numbers: Classes, 0-based; None where labels are names.
        names: Names of classes; None where labels are numbers.
    """

    numbers: Sequence[int | None]
    names: Sequence[str | None]


def read_table(lines: Iterable[str], *, what: str) -> Table:
    """Reads a table whose first line names the columns.

    Args:
        lines: The file's lines with their ends, as they are written.
        what: What messages call the file.

    Raises:
        InputFileError: There is no column of files, or several that could be it or that of the labels.
        CalibrationDataError: A row has a label and no file.
    """
    rest = iter(lines)
    start, header = 0, ""
    for line in rest:
        if line.strip() and not line.lower().startswith(_EXCEL_HINT):
            header = line
            break
        start += 1
    delimiter = _delimiter(header)
    # Strict: a quote that is not closed would take all that follows for one name.
    reader = csv.reader(chain([header], rest), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = _rows(reader, what, start)
    columns = [cell.strip() for cell in next(rows, [])]
    file_column = _column(columns, _FILE_NAMES, what, "file")
    label_column = _column(columns, LABEL_NAMES, what, "label")
    if file_column is None:
        raise InputFileError(what, f"columns {', '.join(columns) or 'none'}", _WANTED, _header_hint(columns))
    others = {
        name: number
        for number, name in enumerate(columns)
        if number not in (file_column, label_column) and name and columns.count(name) == 1
    }
    table = empty_table(others)
    for cells in rows:
        number = start + reader.line_num
        cells = [*(cell.strip() for cell in cells), *[""] * (len(columns) - len(cells))]
        file, label = cells[file_column], None if label_column is None else cells[label_column]
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise InputFileError(
                f"{what}, line {number}",
                count(len(cells), "cell"),
                f"{len(columns)}, one a column",
                f"write a name with '{delimiter}' in it between double quotes",
            )
        if file:
            table.add(number, file, label, {name: cells[place] for name, place in others.items()})
        elif label:
            raise CalibrationDataError(f"{what}, line {number}", f"the label {label} and no file", "both")
    return table


def _rows(reader: _Reader, what: str, start: int) -> Iterator[list[str]]:
    while True:
        line = start + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputFileError(
                f"{what}, line {line}", str(error), "quotes in pairs, around whole cells"
            ) from error
        yield cells


def read_labels(table: Table, *, what: str) -> Labels:
    """Reads the labels of a table: class numbers in all rows, or names in all.

    Where a row has several numbers, with blanks or bars between them, labels are given as they are written:
    an image may then have several labels, one or none.

    Raises:
        CalibrationDataError: A label is missing or negative, or some are numbers and others names.
    """
    written = table.labels
    if any(_SEVERAL.fullmatch(label or "") for label in written.distinct):
        return Labels(written.mapped(lambda label: None), written)
    empty = written.first(lambda label: label == "")
    if empty is not None:
        raise CalibrationDataError(
            f"label in {what}, line {table.lines[empty]}", "none", "a class number from 0 on"
        )
    negative = written.first(lambda label: (_number_or_none(label) or 0) < 0)
    if negative is not None:
        raise CalibrationDataError(
            f"label in {what}, line {table.lines[negative]}",
            repr(written[negative]),
            "a class number from 0 on",
        )
    word = written.first(lambda label: label is not None and _number(label) is None)
    number = written.first(lambda label: _number_or_none(label) is not None)
    if word is not None and number is not None:
        raise CalibrationDataError(
            f"labels in {what}",
            f"{written[word]!r} in line {table.lines[word]} and {written[number]!r} in line "
            f"{table.lines[number]}",
            "class numbers from 0 on, or names, not both",
        )
    return Labels(
        written.mapped(_number_or_none), written if word is not None else written.mapped(lambda label: None)
    )


def _number_or_none(label: str | None) -> int | None:
    return None if label is None else _number(label)


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
