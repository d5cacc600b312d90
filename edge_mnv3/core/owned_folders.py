"""Folders that one command fills over several runs: marked as its own, and one run in them at a time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.outputs import STAGING_PREFIX, check_writable


def check_owned_folder(folder: Path, *, mark: str, kind: str) -> None:
    """Refuses a folder that is neither new nor empty nor of an earlier run of the same kind.

    Args:
        folder: The folder.
        mark: Name of the file that tells such folders from others.
        kind: What errors call such a run.

    Raises:
        OutputError: It is another one, or cannot be written to.
    """
    check_writable([folder / mark], force=True)
    if folder.is_dir() and not (folder / mark).is_file() and any(folder.iterdir()):
        raise OutputError(
            f"output folder {folder}", "a folder with other files", f"a new one, or that of an earlier {kind}"
        )


@contextmanager
def owned_folder(folder: Path, *, mark: str, kind: str) -> Iterator[None]:
    """Makes such a folder, and keeps other runs out of it for the time of a block.

    Args:
        folder: The folder.
        mark: As `check_owned_folder`; the file is locked.
        kind: As `check_owned_folder`.

    Raises:
        OutputError: It is in use, is another one, or cannot be written to.
    """
    check_owned_folder(folder, mark=mark, kind=kind)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / mark).open("a+b")
    except OSError as error:
        raise OutputError(f"output folder {folder}: {error.strerror}", next_step="use another -o") from error
    try:
        with file:
            if not _locked(file.fileno()):
                raise OutputError(
                    f"output folder {folder}",
                    f"one that another {kind} is writing in",
                    next_step="use another -o",
                )
            yield
    finally:
        # What was interrupted before its first result leaves nothing.
        if made and {path.name for path in folder.iterdir()} == {mark}:
            (folder / mark).unlink()
            folder.rmdir()


def remove_unfinished(folder: Path) -> None:
    """Removes what a killed run was just writing in a folder."""
    for path in folder.glob(f"{STAGING_PREFIX}*") if folder.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)


def _locked(descriptor: int) -> bool:
    """Locks a file until it is closed, or its process ends in any way."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
