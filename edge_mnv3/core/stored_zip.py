"""Zip archives: written so that their bytes depend on their content only, and what broken ones raise."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that zip can name
_UNIX = 3
_REGULAR_FILE_READABLE = 0o100644 << 16
# What `zipfile` raises on archives that are cut, altered, encrypted (RuntimeError), or packed by unknown
# methods (NotImplementedError, which is one).
DAMAGED_ZIP = (
    *(
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        RuntimeError,
        EOFError,
        ValueError,
        OSError,
    ),
    KeyError,  # an entry that is not there
)


def write_entries(archive: zipfile.ZipFile, files: Mapping[str, bytes]) -> None:
    """Adds files in this order, of one fixed time, uncompressed: MediaPipe reads no others from a model."""
    for name, content in files.items():
        info = zipfile.ZipInfo(name, date_time=_TIME)
        info.create_system = _UNIX
        info.external_attr = _REGULAR_FILE_READABLE
        info.compress_type = zipfile.ZIP_STORED
        archive.writestr(info, content)
