"""Paths that a table or list of images gives, relative to its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_calibration_data.image_files import is_there


class ListedPath(NamedTuple):
    """A file that a list names.

    Attributes:
        name: What manifests say, with slashes.
        location: The file's path, as `FileImage` has it.
    """

    name: str
    location: str


def find_listed(names: Sequence[str], *, base: Path, what: str) -> list[ListedPath]:
    r"""Finds the files that a list names; one that is missing is found to be so when it is read.

    A backslash is a slash, as on Windows, unless a file is there whose name has one.

    Args:
        names: Paths, absolute or relative to `base`.
        base: The list's folder.
        what: What messages call the list.

    Raises:
        CalibrationDataError: None of them is there, or one is empty of meaning for a path.
    """
    paths = [_found(name, base, what) for name in names]
    if paths and not any(is_there(Path(path.location)) for path in paths):
        count = f"none of its {len(paths)} files is there" if len(paths) > 1 else "its one file is not there"
        raise CalibrationDataError(
            f"{what}: {count}",
            f"first {paths[0].name}, looked for in {base.resolve()}",
            "paths relative to that folder, or absolute ones",
            "move the list beside the images, or mend the paths",
        )
    return paths


def _found(name: str, base: Path, what: str) -> ListedPath:
    if "\0" in name:
        raise CalibrationDataError(what, f"the path {name!r}", "no zero bytes")
    if "\\" in name and not is_there(base / name):
        name = name.replace("\\", "/")
    return ListedPath(name, str(base / name))
