"""Pipes, sockets and devices, reading which may wait for ever, and paths that are no text."""

from __future__ import annotations

import stat
from pathlib import Path

from edge_mnv3.core.errors import InputFileError

_KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def special_kind(path: Path) -> str | None:
    """Says what a path is (`pipe`, `socket`, `device`); None for files, folders, and where nothing is.

    Raises:
        OSError: The path cannot be looked at: its name is too long, a folder on the way is closed.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _KINDS.get(stat.S_IFMT(mode))


def check_no_special_file(path: Path, what: str) -> None:
    """Refuses what is neither a file nor a folder, before anything waits for it.

    Args:
        path: Need not exist.
        what: What an error calls it.

    Raises:
        InputFileError: A pipe, socket or device, or a path that cannot be looked at.
    """
    try:
        kind = special_kind(path)
    except OSError as error:
        raise InputFileError(what, (error.strerror or str(error)).lower(), "the path of a file") from error
    if kind is not None:
        raise InputFileError(what, f"a {kind}", "a file")


def is_text(path: Path) -> bool:
    """Whether a path is text; on Linux it may be any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
