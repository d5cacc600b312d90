"""Paths that a table or list of images gives, relative to its folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_calibration_data.image_files import is_there
from edge_mnv3_calibration_data.packed import Texts


def find_listed(names: Iterable[str], *, base: Path, what: str) -> Texts:
    r"""Finds the files that a list names; one that is missing is found to be so when it is read.

    A backslash is a slash, as on Windows, unless a file is there whose name has one.

    Args:
        names: Paths, absolute or relative to `base`.
        base: The list's folder.
        what: What messages call the list.

    Returns:
        The names as manifests have them, with slashes.

    Raises:
        CalibrationDataError: None of them is there, or one is empty of meaning for a path.
    """
    found = Texts(_found(name, base, what) for name in names)
    if found and not any(is_there(base / name) for name in found):
        count = f"none of its {len(found)} files is there" if len(found) > 1 else "its one file is not there"
        raise CalibrationDataError(
            f"{what}: {count}",
            f"first {found[0]}, looked for in {base.resolve()}",
            "paths relative to that folder, or absolute ones",
            "move the list beside the images, or mend the paths",
        )
    return found


def _found(name: str, base: Path, what: str) -> str:
    if "\0" in name:
        raise CalibrationDataError(what, f"the path {name!r}", "no zero bytes")
    return name.replace("\\", "/") if "\\" in name and not is_there(base / name) else name
