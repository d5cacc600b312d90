"""What images hold: the hash of each file's bytes, and when an earlier hash may be taken for it."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.special_files import special_kind

# A file system may note times in steps of up to two seconds (FAT): what changed within one looks unchanged.
_SETTLED_NS = 2_000_000_000


class Hashed(NamedTuple):
    """A file as it was read.

    Attributes:
        sha256: Of its bytes, in hexadecimal.
        signature: As `signature` gives it.
        settled: The signature changes with any later change of the bytes, and so stands for them.
    """

    sha256: str
    signature: str
    settled: bool


def signature(path: Path) -> str | None:
    """What the system says of a file; None where it cannot be opened.

    Device, number, size, and the times at which bytes (mtime) and anything (ctime) were changed last. A
    program can set mtime, and does when it copies, unpacks or restores; ctime is the system's alone. The file
    is opened, for NFS asks its server about a file when that is opened, and not when it is looked at.
    """
    try:
        if special_kind(path) is not None:  # opening a pipe may wait for ever
            return None
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        return _signature(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def hashed(path: Path) -> Hashed | None:
    """Reads a file; None where it cannot be read, or is written at the same time."""
    digest = hashlib.sha256()
    try:
        if special_kind(path) is not None:
            return None
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            after = os.fstat(file.fileno())
    except OSError:
        return None
    if _signature(before) != _signature(after):
        return None
    # Windows has the time of creation where others have ctime: there the bytes are read every time.
    settled = os.name != "nt" and time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
    return Hashed(digest.hexdigest(), _signature(after), settled)


def _signature(facts: os.stat_result) -> str:
    parts = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return ":".join(map(str, parts))
