"""What the store of results gives and takes: rows of its table, without their hashes."""

from __future__ import annotations

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
