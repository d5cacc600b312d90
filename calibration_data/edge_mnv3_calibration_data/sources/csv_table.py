"""Images that a CSV names, with or without labels."""

from __future__ import annotations

import csv
from pathlib import Path

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3_calibration_data.listed_images import FileImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix

SUFFIX = ".csv"


def open_csv(location: str | Path) -> ListedSource:
    """Reads the columns `file`, relative to the CSV's folder, and `label`, if there is one.

    Raises:
        InputFileError: It is no UTF-8 text, or has no column `file`.
        CalibrationDataError: A label is no number from 0 on.
    """
    path = Path(location)
    images = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "file" not in columns:
                raise InputFileError(
                    f"CSV {path}",
                    f"columns {', '.join(columns) or 'none'}",
                    "the columns file and, if known, label",
                )
            for row in reader:
                if row["file"]:
                    label = _label(row["label"], path, reader.line_num) if "label" in columns else None
                    images.append(FileImage(name=row["file"], label=label, path=path.parent / row["file"]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"CSV {path}", str(error), "UTF-8 text") from error
    return ListedSource(kind="csv", location=str(location), root=path.parent, images=tuple(images))


def _label(text: str | None, path: Path, line: int) -> int:
    try:
        label = int(text or "")
    except ValueError:
        label = -1
    if label < 0:
        raise CalibrationDataError(f"label in {path}, line {line}", repr(text), "a class number from 0 on")
    return label


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX), open=open_csv, suffix=SUFFIX, place=1
)
