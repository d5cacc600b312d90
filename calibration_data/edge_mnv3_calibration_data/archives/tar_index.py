"""Where the members of a tar lie, and whether it is whole."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_calibration_data.archives.stored_files import StoredFile

_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_CHUNK = 1 << 20
_WHOLE = "a whole tar"
_AGAIN = "copy or make it again"


class Member(NamedTuple):
    """What stands in a tar.

    Attributes:
        name: Its path, without `./` in front.
        offset: Where its bytes begin.
        length: How many they are.
        check: CRC-32 of the header before it.
        kind: Empty for a regular file, else `folder`, `hard link`, `link`, `sparse file` or `special file`.
    """

    name: str
    offset: int
    length: int
    check: int
    kind: str = ""


def members(file: StoredFile, opened: BinaryIO) -> Iterator[Member]:
    """Lists what stands in a tar, in its order.

    Args:
        file: The tar, for messages.
        opened: The tar; may be read from elsewhere between two members.

    Raises:
        InputFileError: It is packed, no tar, damaged or cut off, or several in one.
    """
    what = f"tar {file.location}"
    start = opened.read(6)
    packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
    if packed is not None:
        raise InputFileError(
            what,
            f"one that is packed by {packed}",
            "a plain tar, whose images are read where they lie",
            "unpack it to a .tar",
        )
    if not start:
        raise InputFileError(what, "an empty file", _WHOLE, _AGAIN)
    opened.seek(0)
    try:
        with tarfile.open(fileobj=opened, mode="r:", errorlevel=2) as tar:
            while (info := tar.next()) is not None:
                vars(tar)["members"].clear()  # else all of them are kept
                opened.seek(info.offset_data - tarfile.BLOCKSIZE)
                header = opened.read(tarfile.BLOCKSIZE)
                name = info.name.removeprefix("./")
                yield Member(name, info.offset_data, info.size, zlib.crc32(header), _kind(info))
            end = tar.offset
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise InputFileError(what, str(error) or type(error).__name__, _WHOLE, _AGAIN) from error
    _check_end(what, opened, end)


def _kind(info: tarfile.TarInfo) -> str:
    kinds = {
        "folder": info.isdir(),
        "hard link": info.islnk(),
        "link": info.issym(),
        "sparse file": info.issparse(),
        "special file": not info.isreg(),
    }
    return next((kind for kind, is_so in kinds.items() if is_so), "")


def read_member(file: StoredFile, offset: int, length: int, check: int) -> bytes:
    """Reads a member, if it is still the one that was listed.

    Raises:
        InputFileError: It is not, or cannot be read.
    """
    data = file.read(offset - tarfile.BLOCKSIZE, tarfile.BLOCKSIZE + length)
    if zlib.crc32(data[: tarfile.BLOCKSIZE]) != check:
        raise file.changed()
    return data[tarfile.BLOCKSIZE :]


def _check_end(what: str, opened: BinaryIO, end: int) -> None:
    """A damaged header ends the list of members as the end mark does, and so does a cut between two."""
    opened.seek(end)
    block = opened.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise InputFileError(what, "no end mark: it is cut off", _WHOLE, _AGAIN)
    if any(block):
        raise InputFileError(what, f"a damaged header at byte {end}", _WHOLE, _AGAIN)
    while chunk := opened.read(_CHUNK):
        if any(chunk):
            raise InputFileError(
                what,
                "more behind its end mark",
                "one tar",
                "join tars with tar --concatenate, or give a folder of them",
            )
