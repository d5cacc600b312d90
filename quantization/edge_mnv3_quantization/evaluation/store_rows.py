"""What the store of results gives and takes: rows of its table, without their hashes."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class StoredShard(NamedTuple):
    """A shard's row.

    Attributes:
        contents: What identifies each of its images.
        records: Their records, as bytes.
    """

    contents: tuple[str, ...]
    records: bytes


class StoredImages(NamedTuple):
    """A row about the images of an evaluation: what `labelled` writes and reads.

    Attributes:
        key: What it is found by.
        description: JSON.
        content: Names, labels and shards.
    """

    key: str
    description: str
    content: bytes


class StoredRun(NamedTuple):
    """An evaluation's row.

    Attributes:
        key: What its shards are found by.
        description: What it is, as JSON.
        used_s: When it was used last, in seconds since 1970.
    """

    key: str
    description: str
    used_s: int


def read_text(text: bytes) -> str:
    """A text of the file: where it was damaged so that it is no UTF-8, its row's hash must tell so."""
    return text.decode("utf-8", "surrogateescape")


def check_whole(connection: sqlite3.Connection | None) -> None:
    """Checks a file for what reading alone would not show: where an index is damaged, rows are passed over.

    Raises:
        sqlite3.DatabaseError: The file is damaged.
    """
    if connection is not None:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
