"""Images that a text file names, a path a line."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_calibration_data.listed_images import FileImage, ListedSource
from edge_mnv3_calibration_data.listed_paths import find_listed
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix

SUFFIX = ".txt"


def open_list(location: str | Path) -> ListedSource:
    """Reads paths relative to the list's folder; empty lines and those that begin with `#` do not count.

    Raises:
        InputFileError: It is no UTF-8 text.
        CalibrationDataError: No file is there.
    """
    path = Path(location)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputFileError(f"list {path}", str(error), "UTF-8 text, a path a line") from error
    names = [line for line in lines if line and not line.startswith("#")]
    files = find_listed(names, base=path.parent, what=f"list {path}")
    images = tuple(FileImage(name=file.name, label=None, path=file.path) for file in files)
    return ListedSource(kind="list", location=str(location), root=path.parent, images=images)


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX), open=open_list, suffix=SUFFIX, place=2
)
