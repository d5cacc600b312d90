"""Images that a CSV names, with or without labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_calibration_data.csv_columns import Table, read_labels, read_table
from edge_mnv3_calibration_data.listed_files import FileTable
from edge_mnv3_calibration_data.listed_images import ListedSource
from edge_mnv3_calibration_data.listed_paths import find_listed
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix

SUFFIX = ".csv"
_TABS = ".tsv"


def open_csv(location: str | Path) -> ListedSource:
    """Reads the columns `file`, relative to the CSV's folder, and `label`, if there is one.

    Other usual names of these columns are read as well, and commas, semicolons, tabs or bars between them.
    Labels are class numbers from 0 on, or names.

    Raises:
        InputFileError: It is no UTF-8 text, or has no column `file`.
        CalibrationDataError: Labels are missing, negative or of both kinds, or no file is there.
    """
    path = Path(location)
    what = f"CSV {path}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = read_table(lines, what=what)
    except OSError as error:
        raise InputFileError(what, (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise InputFileError(what, str(error), "UTF-8 text", "save it as CSV UTF-8") from error
    except csv.Error as error:
        raise InputFileError(what, str(error), "UTF-8 text") from error
    labels = read_labels(table, what=str(path))
    files = find_listed(table.files, base=path.parent, what=what)
    return ListedSource(
        kind="csv",
        location=str(location),
        root=path.parent,
        images=FileTable(path.parent, files, labels.numbers, labels.names, table.others),
        remarks=_repeated(table, what),
    )


def _repeated(table: Table, what: str) -> tuple[str, ...]:
    """What to say of files that are named twice."""
    count = len(table.files)
    hashes = np.sort(np.fromiter(map(hash, table.files), np.int64, count))  # eight bytes a name, not hundreds
    if not (hashes[1:] == hashes[:-1]).any():
        return ()
    first: dict[str, int] = {}
    again = [
        (row, one) for row, file in enumerate(table.files) if (one := first.setdefault(file, row)) != row
    ]
    if not again:
        return ()
    labels, lines = table.labels, table.lines
    row, before = next(((row, one) for row, one in again if labels[row] != labels[one]), again[0])
    told = f" with labels {labels[before]} and {labels[row]}" if labels[row] != labels[before] else ""
    return (
        f"{len(again)} of {count} rows of {what} name a file again, such as {table.files[row]} in lines "
        f"{lines[before]} and {lines[row]}{told}",
    )


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX) or has_suffix(location, _TABS),
    open=open_csv,
    suffix=SUFFIX,
    place=1,
)
