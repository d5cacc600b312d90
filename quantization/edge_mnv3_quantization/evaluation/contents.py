"""What images hold: the hash of each file's bytes, and when an earlier hash may be taken for it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.special_files import special_kind

# A file system may note times in steps of up to two seconds (FAT): what changed within one looks unchanged.
_SETTLED_NS = 2_000_000_000
_STATE_BYTES = 16
_READ = 16  # images whose bytes tell a source from others of the same names and sizes


class Looked(NamedTuple):
    """A file as it was looked at.

    Attributes:
        signature: What the system says of it.
        settled: The signature changes with any later change of the bytes, and so stands for them.
    """

    signature: str
    settled: bool


class Hashed(NamedTuple):
    """A file as it was read.

    Attributes:
        sha256: Of its bytes, in hexadecimal.
        signature: As `Looked` has it.
        settled: As `Looked` has it.
    """

    sha256: str
    signature: str
    settled: bool


def looked(path: Path) -> Looked | None:
    """What the system says of a file; None where it cannot be opened.

    The signature is device, number, size, and the times at which bytes (mtime) and anything (ctime) were
    changed last. A program can set mtime, and does when it copies, unpacks or restores; ctime is the system's
    alone. The file is opened, for NFS asks its server about a file when that is opened, and not when it is
    looked at.
    """
    try:
        if special_kind(path) is not None:  # opening a pipe may wait for ever
            return None
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        return _looked(os.fstat(descriptor))
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
    now = _looked(after)
    return None if _looked(before).signature != now.signature else Hashed(digest.hexdigest(), *now)


def decoded_file(path: Path, before: Looked | None, sha256: str | None) -> Hashed | None:
    """Tells what a file held when it was decoded.

    Args:
        path: The file.
        before: What it looked like before that.
        sha256: Of the bytes that were decoded; None where that is not known, and the file is read again.

    Returns:
        The file; None where it cannot be told. Bytes that came after `before` have another signature, by
        which they are never looked for, if `before` was settled.
    """
    if before is None:
        return None
    if sha256 is not None:
        return Hashed(sha256, *before)
    again = hashed(path)
    return again if again is not None and again.signature == before.signature else None


class ImagesState:
    """What the system says of the files of images at one moment, 16 bytes an image; no image is read."""

    def __init__(self, images: ImageSource, indices: Sequence[int]) -> None:
        """Looks at the files.

        Args:
            images: The images.
            indices: Numbers of those that count, in order.
        """
        digests = bytearray()
        last, signature = None, ""  # images in one archive follow one another
        for index in indices:
            content = images.content(index)
            words = [images.name(index)]
            remote = images.remote(index) if content is None else None
            if remote is not None:
                words += [remote.facts, remote.part]
            if content is not None:
                words.append(content.tag)
                if content.path is not None:
                    if content.path != last:
                        found = looked(content.path)
                        last, signature = content.path, found.signature if found else ""
                    words += [signature, content.part]
            digests += hashlib.sha256(_line(words)).digest()[:_STATE_BYTES]
        self._digests = np.frombuffer(digests, np.uint8).reshape(-1, _STATE_BYTES)

    def sha256(self, counted: npt.NDArray[np.bool_]) -> str:
        """A hash in hexadecimal over what it is of some images, which any change of their files changes.

        So does a copy or a move, which leave the images what they are.

        Args:
            counted: Which images count, (images,), in the order of the indices.
        """
        digests = np.where(counted[:, None], self._digests, np.uint8(0))
        return hashlib.sha256(digests.tobytes()).hexdigest()


def images_identity(images: ImageSource, indices: Sequence[int]) -> str:
    """A hash, in hexadecimal, that tells images from others, wherever they lie.

    It is over the names in their order, the sizes of the files, and the bytes of `_READ` images that are
    spread over them. For files behind URLs, what servers tell of them counts, and bytes where no tag does.

    Args:
        images: The images.
        indices: Numbers of those that count, in order.
    """
    digest = hashlib.sha256()
    last, size = None, ""
    for index in indices:
        content = images.content(index)
        words = [images.name(index)]
        remote = images.remote(index) if content is None else None
        if remote is not None:
            words += [remote.facts, remote.part]
        if content is not None:
            words += [content.tag, content.part]
            if content.path is not None:
                if content.path != last:
                    last, size = content.path, _size(content.path)
                words.append(size)
        digest.update(_line(words))
    spread = {round(place * (len(indices) - 1) / (_READ - 1)) for place in range(_READ)} if indices else set()
    for place in sorted(spread):
        digest.update(f"{_stored_sha256(images, indices[place])}\n".encode())
    return digest.hexdigest()


def _stored_sha256(images: ImageSource, index: int) -> str | None:
    content = images.content(index)
    if content is None:
        remote = images.remote(index)
        return images.part_sha256(index) if remote is not None and not remote.tagged else None
    if content.path is None:
        return None
    if content.part:
        return images.part_sha256(index)
    found = hashed(content.path)
    return None if found is None else found.sha256


def _size(path: Path) -> str:
    try:
        return str(path.stat().st_size)
    except OSError:
        return ""


def _line(words: Sequence[str]) -> bytes:
    return "\0".join(words).encode("utf-8", "surrogateescape") + b"\n"


def same_here(path: Path, elsewhere: Hashed) -> bool:
    """Whether a file that another machine read has the same bytes here; so where it cannot be read here.

    Args:
        path: The file, under the path that it has on all machines.
        elsewhere: What the other machine read.
    """
    here = looked(path)
    if here is None or without_device(here.signature) == without_device(elsewhere.signature):
        return True
    found = hashed(path)  # a copy of the folder has other times
    return found is None or found.sha256 == elsewhere.sha256


def without_device(signature: str) -> str:
    """A signature without the number of the device, which is another on each machine that shares a folder."""
    return signature.partition(":")[2]


def _looked(facts: os.stat_result) -> Looked:
    parts = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    # Windows has the time of creation where others have ctime: there the bytes are read every time.
    settled = os.name != "nt" and time.time_ns() - max(parts[-2:]) > _SETTLED_NS
    return Looked(":".join(map(str, parts)), settled)
