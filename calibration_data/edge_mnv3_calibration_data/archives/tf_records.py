"""TFRecord files of `tf.train.Example`, without TensorFlow.

A record is its length (8 bytes), a checksum of that (4), the data, and a checksum of the data (4): CRC-32C,
masked (tensorflow/core/lib/io/record_writer.h). An example is a map of features in protobuf's wire format
(tensorflow/core/example/example.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edge_mnv3.core.errors import InputFileError, MissingExtraError
from edge_mnv3_calibration_data.archives.stored_files import StoredFile

TFRECORD_EXTRA = "edge-mnv3[tfrecord]"
_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"
_AGAIN = "copy or make it again"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Record(NamedTuple):
    """A record.

    Attributes:
        offset: Where it begins, its length first.
        length: All of it, in bytes.
        check: The checksum of its data, as it is stored.
        data: What it holds.
    """

    offset: int
    length: int
    check: int
    data: bytes


class Feature(NamedTuple):
    """The values of one feature of an example: bytes or integers, or neither for numbers with a point."""

    texts: list[bytes]
    integers: list[int]


def records(file: StoredFile, opened: BinaryIO) -> Iterator[Record]:
    """Reads all records of a file.

    Raises:
        InputFileError: It is packed, cut off, damaged, or no such file.
        MissingExtraError: The package that computes checksums is not installed.
    """
    what, offset, number = f"TFRecord {file.location}", 0, 0
    while header := opened.read(_HEADER.size):
        if offset == 0 and header.startswith(_GZIP):
            raise InputFileError(
                what, "one that is packed by gzip", "a plain one", "write it without compression"
            )
        if len(header) < _HEADER.size:
            raise InputFileError(what, f"a cut in record {number}", "a whole file", _AGAIN)
        length, check = _HEADER.unpack(header)
        if masked_crc(header[:8]) != check:
            packed = offset == 0 and header.startswith(_ZLIB)
            raise InputFileError(
                what,
                f"a wrong checksum of the length of record {number}",
                "a TFRecord file" + (" without compression" if packed else ""),
                _AGAIN,
            )
        data, footer = opened.read(length), opened.read(_FOOTER.size)
        if len(data) < length or len(footer) < _FOOTER.size:
            raise InputFileError(what, f"a cut in record {number}", "a whole file", _AGAIN)
        (check,) = _FOOTER.unpack(footer)
        if masked_crc(data) != check:
            raise InputFileError(what, f"a wrong checksum of record {number}", "whole records", _AGAIN)
        total = _HEADER.size + length + _FOOTER.size
        yield Record(offset, total, check, data)
        offset, number = offset + total, number + 1


def read_record(file: StoredFile, offset: int, length: int, check: int) -> bytes:
    """Reads the data of a record, if it is still the one that was listed.

    Raises:
        InputFileError: It is not, or cannot be read.
    """
    whole = file.read(offset, length)
    data = whole[_HEADER.size : -_FOOTER.size]
    if _FOOTER.unpack(whole[-_FOOTER.size :]) != (check,) or masked_crc(data) != check:
        raise file.changed()
    return data


def masked_crc(data: bytes) -> int:
    """The checksum that TFRecord files have.

    Raises:
        MissingExtraError: The package that computes it is not installed.
    """
    try:
        import google_crc32c
    except ImportError as error:
        raise MissingExtraError(
            "TFRecord files have checksums, which google-crc32c computes, and it is not installed",
            next_step=f"pip install '{TFRECORD_EXTRA}'",
        ) from error
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def features(data: bytes) -> dict[str, Feature]:
    """Reads an example.

    Raises:
        ValueError: It is none.
    """
    found: dict[str, Feature] = {}
    for _, _, part in _fields(data, 1):
        for _, _, entry in _fields(part, 1):
            name, value = b"", b""
            for number, _, field in _fields(entry, 1, 2):
                name, value = (field, value) if number == 1 else (name, field)
            feature = Feature([], [])
            for kind, _, values in _fields(value, 1, 3):
                _take(feature, kind, values)
            found[name.decode()] = feature
    return found


def _take(feature: Feature, kind: int, values: bytes) -> None:
    """Reads a list of bytes (1) or of integers (3), which may be packed."""
    if kind == 1:
        feature.texts.extend(field for _, _, field in _fields(values, 1))
        return
    for _, wire, field in _fields(values, 1, wires=(_BYTES, _VARINT)):
        place = 0
        while place < len(field):
            number, place = _varint(field, place)
            feature.integers.append(number - (1 << 64) if number >> 63 else number)
        if wire == _VARINT and place != len(field):
            raise ValueError("more than one integer")


def _fields(
    data: bytes, *numbers: int, wires: tuple[int, ...] = (_BYTES,)
) -> Iterator[tuple[int, int, bytes]]:
    """Fields of a message with these numbers and wire types: number, wire type, bytes; others are skipped."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        start = place
        if wire == _VARINT:
            _, place = _varint(data, place)
        elif wire == _BYTES:
            length, start = _varint(data, place)
            place = start + length
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if place > len(data):
            raise ValueError("a field beyond the end")
        if number in numbers and wire in wires:
            yield number, wire, data[start:place]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("an integer beyond the end")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
