"""Images that a text file names, a path a line, with or without labels."""

from __future__ import annotations

import re
from pathlib import Path

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3_calibration_data.csv_columns import Table, empty_table, read_labels
from edge_mnv3_calibration_data.image_files import is_image_name
from edge_mnv3_calibration_data.listed_files import FileTable
from edge_mnv3_calibration_data.listed_images import ListedSource
from edge_mnv3_calibration_data.listed_paths import find_listed
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix

SUFFIX = ".txt"
_LABELLED = re.compile(r"(\S.*?)[\s,]+(\d+|n\d{8})")


def open_list(location: str | Path) -> ListedSource:
    """Reads paths relative to the list's folder; empty lines and those that begin with `#` do not count.

    Where each line ends with a class number or a synset behind the path of an image, these are the labels:
    `val/ILSVRC2012_val_00000001.JPEG 65`.

    Raises:
        InputFileError: It is no UTF-8 text.
        CalibrationDataError: No file is there, or some lines have a label and others none.
    """
    path = Path(location)
    table = empty_table()
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(map(str.strip, lines), 1):
                if line and not line.startswith("#"):
                    table.add(number, *_parts(line), {})
    except OSError as error:
        raise InputFileError(f"list {path}", (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise InputFileError(f"list {path}", str(error), "UTF-8 text, a path a line") from error
    _check_labels(table, str(path))
    labels = read_labels(table, what=str(path))
    files = find_listed(table.files, base=path.parent, what=f"list {path}")
    return ListedSource(
        kind="list",
        location=str(location),
        root=path.parent,
        images=FileTable(path.parent, files, labels.numbers, labels.names),
    )


def _parts(line: str) -> tuple[str, str | None]:
    """The path and the label of a line; what ends like an image is a path, blanks and all."""
    found = _LABELLED.fullmatch(line)
    if found is None or is_image_name(line) or not is_image_name(found[1]):
        return line, None
    return found[1], found[2]


def _check_labels(table: Table, what: str) -> None:
    without = table.labels.first(lambda label: label is None)
    if without is not None and len(table.labels.distinct) > 1:
        raise CalibrationDataError(
            f"{what}, line {table.lines[without]}",
            "no label, and labels in other lines",
            "a class number behind each path, or behind none",
        )


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX), open=open_list, suffix=SUFFIX, place=2
)
