"""Zip archives whose bytes depend on their content only: stored, in the order given, of one fixed time."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that zip can name
_UNIX = 3
_REGULAR_FILE_READABLE = 0o100644 << 16


def write_entries(archive: zipfile.ZipFile, files: Mapping[str, bytes]) -> None:
    """Adds files, uncompressed: MediaPipe reads no others from a model, and weights hardly shrink."""
    for name, content in files.items():
        info = zipfile.ZipInfo(name, date_time=_TIME)
        info.create_system = _UNIX
        info.external_attr = _REGULAR_FILE_READABLE
        info.compress_type = zipfile.ZIP_STORED
        archive.writestr(info, content)
