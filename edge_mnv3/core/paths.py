"""What errors say of a path at which a file was expected."""

from __future__ import annotations

from pathlib import Path

_FOLDER = "a folder"


def no_file(path: Path) -> str:
    """Says what is at a path that is no file: a folder, or nothing."""
    return _FOLDER if path.is_dir() else "no such file"


def why_unreadable(path: Path, error: OSError) -> str:
    """Says why a file could not be read, in the system's words; systems say different things of folders."""
    return _FOLDER if path.is_dir() else (error.strerror or str(error)).lower()
