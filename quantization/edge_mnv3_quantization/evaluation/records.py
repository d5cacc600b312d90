"""What is kept of the images of a shard: columns of numbers with a row an image, and their form as bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

# Name of a column to its numbers, (images, ...), of any dtype but objects.
Columns: TypeAlias = dict[str, npt.NDArray[Any]]
_LENGTH_BYTES = 4


class Skipped(NamedTuple):
    """An image of a shard that could not be read.

    Attributes:
        place: Its place in the shard, from 0 on.
        reason: Why.
    """

    place: int
    reason: str


class ShardRecords(NamedTuple):
    """What is known of the images of a shard.

    Attributes:
        places: Places in the shard of the images that could be read, ascending: the rows of the columns.
        columns: What was kept of the outputs to them; empty where no image could be read.
        skipped: The other images, ascending.
    """

    places: tuple[int, ...]
    columns: Columns
    skipped: tuple[Skipped, ...]


def to_bytes(records: ShardRecords) -> bytes:
    """Writes records: the length of a header in JSON (4 bytes, little endian), the header, the numbers."""
    arrays = {name: np.ascontiguousarray(column) for name, column in records.columns.items()}
    header = {
        "places": records.places,
        "skipped": records.skipped,
        "columns": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
    }
    text = json.dumps(header).encode("utf-8")
    length = len(text).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, text, *(array.tobytes() for array in arrays.values())))


def from_bytes(content: bytes) -> ShardRecords:
    """Reads what `to_bytes` wrote.

    Raises:
        ValueError: It is something else.
    """
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        header = json.loads(content[_LENGTH_BYTES:end])
        columns: Columns = {}
        for name, code, shape in header["columns"]:
            count = math.prod(shape)
            columns[name] = np.frombuffer(content, np.dtype(code), count, end).reshape(shape)
            end += columns[name].nbytes
        places = tuple(int(place) for place in header["places"])
        skipped = tuple(Skipped(int(place), str(reason)) for place, reason in header["skipped"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no records of a shard: {error!r}") from error
    if end != len(content) or any(len(column) != len(places) for column in columns.values()):
        raise ValueError("no records of a shard: other lengths than its header says")
    return ShardRecords(places, columns, skipped)


class JoinedRecords:
    """The records of all shards, put together as they come, in any order: an image takes its row alone.

    Attributes:
        read: Which images could be read, (images,).
        skipped: The others, each by its place among all images, in the order in which they came.
    """

    def __init__(self, images: int) -> None:
        """Makes room for the rows of so many images."""
        self.read: npt.NDArray[np.bool_] = np.zeros(images, np.bool_)
        self.skipped: list[Skipped] = []
        self._columns: Columns = {}

    def add(self, start: int, records: ShardRecords) -> None:
        """Takes the records of a shard.

        Args:
            start: The place of its first image among all.
            records: The records.

        Raises:
            ValueError: A column has another shape or dtype than those of other shards.
        """
        rows = np.array(records.places, np.intp) + start
        for name, column in records.columns.items():
            shape = (len(self.read), *column.shape[1:])
            if name not in self._columns:
                self._columns[name] = np.empty(shape, column.dtype)
            joined = self._columns[name]
            if (joined.shape, joined.dtype) != (shape, column.dtype):
                raise ValueError(
                    f"column {name}: {column.dtype} {shape}, {joined.dtype} {joined.shape} before"
                )
            joined[rows] = column
        self.read[rows] = True
        self.skipped += (Skipped(start + place, reason) for place, reason in records.skipped)

    @property
    def columns(self) -> Columns:
        """A row for each image that could be read."""
        if self.read.all():
            return dict(self._columns)
        return {name: column[self.read] for name, column in self._columns.items()}


def joined(parts: Sequence[Columns]) -> Columns:
    """Puts columns below one another; parts without any column count for nothing."""
    filled = [part for part in parts if part]
    if not filled:
        return {}
    return {name: np.concatenate([part[name] for part in filled]) for name in filled[0]}


def prefixed(parts: Iterable[Mapping[str, npt.NDArray[Any]]]) -> Columns:
    """Puts the columns of several outputs side by side: `0.NAME` is the first output's."""
    return {f"{place}.{name}": column for place, part in enumerate(parts) for name, column in part.items()}


def unprefixed(columns: Columns, place: int) -> Columns:
    """Takes the columns of one output from what `prefixed` gave."""
    start = f"{place}."
    return {name[len(start) :]: column for name, column in columns.items() if name.startswith(start)}
