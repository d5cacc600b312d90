"""Images that a CSV names, with or without labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_calibration_data.csv_columns import Row, read_labels, read_table
from edge_mnv3_calibration_data.listed_images import NO_CELLS, FileImage, ListedSource
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
        table = read_table(path.read_text(encoding="utf-8-sig"), what=what)
    except OSError as error:
        raise InputFileError(what, (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise InputFileError(what, str(error), "UTF-8 text", "save it as CSV UTF-8") from error
    except csv.Error as error:
        raise InputFileError(what, str(error), "UTF-8 text") from error
    labels = read_labels(table.rows, what=str(path))
    files = find_listed([row.file for row in table.rows], base=path.parent, what=what)
    images = tuple(
        FileImage(
            name=file.name,
            label=number,
            label_name=name,
            cells=row.others or NO_CELLS,
            location=file.location,
        )
        for file, number, name, row in zip(files, labels.numbers, labels.names, table.rows, strict=True)
    )
    return ListedSource(
        kind="csv",
        location=str(location),
        root=path.parent,
        images=images,
        remarks=_repeated(table.rows, what),
    )


def _repeated(rows: Sequence[Row], what: str) -> tuple[str, ...]:
    """What to say of files that are named twice."""
    first: dict[str, Row] = {}
    again = [(row, first[row.file]) for row in rows if first.setdefault(row.file, row) is not row]
    if not again:
        return ()
    row, before = next(((row, one) for row, one in again if row.label != one.label), again[0])
    labels = f" with labels {before.label} and {row.label}" if row.label != before.label else ""
    return (
        f"{len(again)} of {len(rows)} rows of {what} name a file again, such as {row.file} in lines "
        f"{before.line} and {row.line}{labels}",
    )


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX) or has_suffix(location, _TABS),
    open=open_csv,
    suffix=SUFFIX,
    place=1,
)
