"""Messages of the adb protocol, as they travel between an adb server and a phone."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

A_CNXN = 0x4E584E43
A_AUTH = 0x48545541
A_OPEN = 0x4E45504F
A_OKAY = 0x59414B4F
A_WRTE = 0x45545257
A_CLSE = 0x45534C43

VERSION_WITH_CHECKSUM = 0x01000000
VERSION_WITHOUT_CHECKSUM = 0x01000001
MAX_PAYLOAD_BYTES = 256 * 1024

AUTH_TOKEN = 1
AUTH_SIGNATURE = 2
AUTH_PUBLIC_KEY = 3

_HEADER = struct.Struct("<6I")


class Message(NamedTuple):
    """One message; `arg0` and `arg1` are stream numbers except in CNXN and AUTH."""

    command: int
    arg0: int
    arg1: int
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        """The message as it is sent; with the checksum that servers older than 2017 check."""
        checksum = sum(self.payload) & 0xFFFFFFFF
        magic = self.command ^ 0xFFFFFFFF
        header = _HEADER.pack(self.command, self.arg0, self.arg1, len(self.payload), checksum, magic)
        return header + self.payload


def receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    """Reads `size` bytes; None when the other side has gone."""
    parts = bytearray()
    while len(parts) < size:
        try:
            part = connection.recv(min(size - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def receive_message(connection: socket.socket) -> Message | None:
    """Reads one message; None when the other side has gone or talks another protocol.

    The checksum is not looked at: a server that reconnects sends none.
    """
    header = receive_exactly(connection, _HEADER.size)
    if header is None:
        return None
    command, arg0, arg1, size, _checksum, magic = _HEADER.unpack(header)
    if magic != command ^ 0xFFFFFFFF or size > 64 * 1024 * 1024:
        return None
    payload = receive_exactly(connection, size) if size else b""
    return None if payload is None else Message(command, arg0, arg1, payload)
