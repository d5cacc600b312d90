"""A file that holds many images, and what tells that it is still the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError
from edge_mnv3.core.special_files import check_no_special_file
from edge_mnv3_calibration_data.archives.remote_files import is_url, look, open_url, read_url, still_same

_ASKED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when its images were listed; cheap to send to another process.

    Attributes:
        location: Its path, or a URL.
        size_bytes: Its size.
        facts: What else tells that it is the same file.
        settled: The facts surely change with the bytes; of files behind URLs.
    """

    location: str
    size_bytes: int
    facts: str
    settled: bool = field(default=False, compare=False)

    @property
    def path(self) -> Path | None:
        """The file on this machine; None where it is behind a URL."""
        return None if is_url(self.location) else Path(self.location)

    @property
    def name(self) -> str:
        """What the names of its images begin with: the last part of a path, all of a URL."""
        return self.location if is_url(self.location) else self.location.rpartition("/")[2]

    def open(self) -> BinaryIO:
        """Opens the whole file, to be read from anywhere in it.

        Raises:
            InputFileError: It cannot be read.
        """
        if is_url(self.location):
            return open_url(self.location)
        try:
            return Path(self.location).open("rb")
        except OSError as error:
            raise _unreadable(self.location, error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Reads a part.

        Args:
            offset: Where it begins, in bytes.
            length: How many bytes.

        Raises:
            InputFileError: It cannot be read whole, or the file is not what it was when it was listed.
        """
        if is_url(self.location):
            data = read_url(self.location, offset, length)
            if len(data) != length:
                raise self.changed()
            return data
        try:
            with Path(self.location).open("rb", buffering=0) as file:
                facts = os.fstat(file.fileno())
                if (facts.st_size, _facts(facts)) != (self.size_bytes, self.facts):
                    raise self.changed()
                file.seek(offset)
                data = _read_fully(file, length)
        except OSError as error:
            raise _unreadable(self.location, error) from error
        if len(data) != length:
            raise self.changed()
        return data

    def check_same(self) -> None:
        """Looks whether the file is what it was when it was listed.

        Raises:
            InputFileError: It is not.
        """
        if stored_file(self.location) != self:
            raise self.changed()

    def still_same(self) -> bool | None:
        """Asks whether a file behind a URL is what it was when it was listed; None where nothing tells."""
        try:
            now = stored_file(self.location)
        except EdgeMnv3Error:
            return None
        return still_same(self.facts, now.facts) if now.size_bytes == self.size_bytes else False

    def changed(self) -> InputFileError:
        """The error of a file that is another one now."""
        return InputFileError(
            f"file {self.location}", "changed since its images were listed", "one that stays as it is"
        )


def stored_file(location: str | Path) -> StoredFile:
    """Looks at a file.

    Raises:
        InputFileError: It is not there, or no regular file.
    """
    if is_url(location):
        return StoredFile(str(location), *look(str(location)))
    path = Path(location)
    check_no_special_file(path, f"file {path}")
    try:
        facts = path.stat()
    except OSError as error:
        raise _unreadable(str(path), error) from error
    return StoredFile(path.as_posix(), facts.st_size, _facts(facts))


def stored_urls(urls: Sequence[str]) -> tuple[StoredFile, ...]:
    """Looks at files behind URLs, several at once.

    Raises:
        EdgeMnv3Error: As `stored_file` does, of the first one of which that can be said.
    """
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        return tuple(pool.map(stored_file, urls))


def _facts(facts: os.stat_result) -> str:
    """The device is left out: a folder that machines share has another number on each."""
    return f"{facts.st_ino}:{facts.st_mtime_ns}"


def _read_fully(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    while len(data) < length and (more := file.read(length - len(data))):
        data += more
    return data


def _unreadable(location: str, error: OSError) -> InputFileError:
    return InputFileError(f"file {location}", (error.strerror or str(error)).lower())
