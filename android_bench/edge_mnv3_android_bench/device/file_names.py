"""Names of devices and builds as parts of file names."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def safe_file_name(text: str) -> str:
    """Writes a text, such as the serial `127.0.0.1:5555`, so that every file system takes it as a name.

    Returns:
        Letters, digits, dots, dashes and underscores; empty where none but those that a name may not begin
        with are left.
    """
    return _UNSAFE.sub("_", text).lstrip("._-")
