"""`sync:`, the service behind `adb push` and `adb pull`, in both versions that adb asks for."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from device.adbd import Stream, StreamClosedError
from device.cable import Cable

_DATA_BYTES = 64 * 1024


class Storage(Protocol):
    """What `sync:` needs of a phone."""

    cable: Cable

    def host_path(self, device_path: str) -> Path:
        """Where the emulator keeps a file of the phone."""

    def refusal_to_write(self, device_path: str) -> int | None:
        """The error number with which the phone refuses to write there; None when it does not."""

    def free_data_bytes(self) -> int:
        """Bytes that still fit on /data."""

    def stored_mode(self, mode: int) -> int:
        """The permissions which a pushed file gets."""

    def corrupted(self, data: bytes) -> bytes:
        """A block of a pushed file as it arrives."""


class _RefusedError(Exception):
    """The phone cannot do it; the text goes to the computer."""


def serve_sync(phone: Storage, stream: Stream) -> None:
    """Answers requests until the computer says QUIT.

    Raises:
        StreamClosedError: The computer is gone.
    """
    while True:
        kind, size = struct.unpack("<4sI", stream.read_exactly(8))
        if kind == b"QUIT":
            return
        path = stream.read_exactly(size).decode("utf-8", "surrogateescape")
        if kind == b"STAT":
            stream.write(_stat_v1(phone.host_path(path)))
        elif kind in (b"STA2", b"LST2"):
            stream.write(_stat_v2(kind, phone.host_path(path), follow=kind == b"STA2"))
        elif kind in (b"LIST", b"LIS2"):
            stream.write(b"".join(_listing(kind, phone.host_path(path))))
        elif kind == b"SEND":
            path, _, mode = path.rpartition(",")
            _receive_file(phone, stream, path, int(mode))
        elif kind == b"SND2":
            _kind, mode_bits, _flags = struct.unpack("<4sII", stream.read_exactly(12))
            _receive_file(phone, stream, path, mode_bits)
        elif kind in (b"RECV", b"RCV2"):
            if kind == b"RCV2":
                stream.read_exactly(8)
            _send_file(phone, stream, path)
        else:
            stream.write(_fail(f"unknown command {kind!r}"))
            return


def _fail(text: str) -> bytes:
    return struct.pack("<4sI", b"FAIL", len(text.encode())) + text.encode()


def _stat_v1(path: Path) -> bytes:
    try:
        status = path.lstat()
    except OSError:
        return struct.pack("<4sIII", b"STAT", 0, 0, 0)
    size = min(status.st_size, 0xFFFFFFFF)
    return struct.pack("<4sIII", b"STAT", status.st_mode, size, int(status.st_mtime))


def _stat_v2(kind: bytes, path: Path, *, follow: bool) -> bytes:
    try:
        status = path.stat() if follow else path.lstat()
    except OSError as error:
        return struct.pack("<4sIQQIIIIQqqq", kind, error.errno or errno.EIO, *[0] * 10)
    return struct.pack("<4sIQQIIIIQqqq", kind, 0, *_stat_fields(status))


def _stat_fields(status: os.stat_result) -> tuple[int, ...]:
    times = (int(status.st_atime), int(status.st_mtime), int(status.st_ctime))
    owner = (status.st_uid, status.st_gid)
    return (status.st_dev, status.st_ino, status.st_mode, status.st_nlink, *owner, status.st_size, *times)


def _listing(kind: bytes, folder: Path) -> Iterator[bytes]:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for entry in entries:
        name = entry.name.encode("utf-8", "surrogateescape")
        status = entry.lstat()
        if kind == b"LIST":
            size = min(status.st_size, 0xFFFFFFFF)
            fields = (status.st_mode, size, int(status.st_mtime), len(name))
            yield struct.pack("<4sIIII", b"DENT", *fields) + name
        else:
            yield struct.pack("<4sIQQIIIIQqqqI", b"DNT2", 0, *_stat_fields(status), len(name)) + name
    if kind == b"LIST":
        yield struct.pack("<4sIIII", b"DONE", 0, 0, 0, 0)
    else:
        yield struct.pack("<4sIQQIIIIQqqqI", b"DONE", *[0] * 12)


def _receive_file(phone: Storage, stream: Stream, path: str, mode: int) -> None:
    refusal: str | None = None
    target = phone.host_path(path)
    try:
        _prepare(phone, path, target, mode)
    except _RefusedError as error:
        refusal = str(error)
    if refusal is not None:
        stream.write(_fail(refusal))
    for block in _blocks(stream):
        if refusal is None:
            refusal = _store(phone, target, block)
            if refusal is not None:
                stream.write(_fail(refusal))
                target.unlink()
    if refusal is None:
        stream.write(struct.pack("<4sI", b"OKAY", 0))


def _prepare(phone: Storage, path: str, target: Path, mode: int) -> None:
    if number := phone.refusal_to_write(path):
        raise _RefusedError(f"couldn't create file: {os.strerror(number)}")
    if target.is_dir():
        raise _RefusedError("couldn't create file: Is a directory")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _RefusedError(f"secure_mkdirs failed: {error.strerror}") from error
    target.unlink(missing_ok=True)
    target.touch()
    owner = stat.S_IMODE(mode) & 0o700
    target.chmod(phone.stored_mode(owner | owner >> 3 | owner >> 6))


def _blocks(stream: Stream) -> Iterator[bytes]:
    """The file's blocks up to DONE; all of them, although the file has been refused."""
    while True:
        kind, size = struct.unpack("<4sI", stream.read_exactly(8))
        if kind != b"DATA":
            return
        yield stream.read_exactly(size)


def _store(phone: Storage, target: Path, block: bytes) -> str | None:
    """Appends a block; the reason when it does not fit. The cable may come off in the middle."""
    arrived, cut = phone.cable.take_push(block)
    fitting = arrived[: phone.free_data_bytes()]
    with target.open("ab") as file:
        file.write(phone.corrupted(fitting))
    if cut:
        phone.cable.come_off()
        raise StreamClosedError
    return None if len(fitting) == len(arrived) else f"write failed: {os.strerror(errno.ENOSPC)}"


def _send_file(phone: Storage, stream: Stream, path: str) -> None:
    try:
        with phone.host_path(path).open("rb") as file:
            while block := file.read(_DATA_BYTES):
                stream.write(struct.pack("<4sI", b"DATA", len(block)) + block)
    except OSError as error:
        stream.write(_fail(f"open failed: {error.strerror}"))
        return
    stream.write(struct.pack("<4sI", b"DONE", 0))
