"""Flatbuffers written from, and read into, dataclasses whose fields stand in the order of the schema's ids.

A field may be an annotated scalar or tuple of scalars, `str`, `bytes`, a table, a tuple of strings or tables,
or a union of tables. Empty and zero values are left out, as the format does; so a value that is absent is
read as the field's default.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
import types
import typing
from typing import Any, NamedTuple, TypeVar

import flatbuffers
from flatbuffers import encode, number_types

T = TypeVar("T")

_SCALARS = {
    "int8": number_types.Int8Flags,
    "uint8": number_types.Uint8Flags,
    "int32": number_types.Int32Flags,
    "uint32": number_types.Uint32Flags,
    "float32": number_types.Float32Flags,
}
_OFFSET = number_types.UOffsetTFlags
_UNION_TYPE = "uint8"


class _Slot(NamedTuple):
    """A field: its name, id, kind, and what it holds: a scalar's name, a table, or a union's tables."""

    name: str
    id: int
    kind: typing.Literal["scalar", "scalars", "string", "bytes", "strings", "table", "tables", "union"]
    holds: Any


def pack(table: Any, *, identifier: bytes) -> bytes:
    """Writes a table and all that it holds as a flatbuffer; equal tables give equal bytes."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write_table(builder, table), identifier)
    return bytes(builder.Output())


def unpack(kind: type[T], content: bytes, *, identifier: bytes) -> T:
    """Reads a flatbuffer.

    Raises:
        ValueError: The bytes are no flatbuffer of this schema.
    """
    if content[4:8] != identifier:
        raise ValueError(f"its identifier is {content[4:8]!r}, not {identifier!r}")
    try:
        position = encode.Get(_OFFSET.packer_type, content, 0)
        return typing.cast(T, _read_table(kind, flatbuffers.Table(content, position)))
    except (struct.error, IndexError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError("an offset leads outside the buffer") from error


@functools.cache
def _slots(kind: type) -> tuple[tuple[_Slot, ...], int]:
    """Lists the fields of a table, and counts their ids."""
    hints = typing.get_type_hints(kind, include_extras=True)
    slots: list[_Slot] = []
    next_id = 0
    for field in dataclasses.fields(kind):
        slot = _slot(field.name, next_id, hints[field.name])
        slots.append(slot)
        next_id = slot.id + 1
    return tuple(slots), next_id


def _slot(name: str, number: int, hint: Any) -> _Slot:
    if typing.get_origin(hint) is typing.Annotated:
        base, scalar = typing.get_args(hint)
        return _Slot(name, number, "scalars" if typing.get_origin(base) is tuple else "scalar", scalar)
    if hint is str:
        return _Slot(name, number, "string", None)
    if hint is bytes:
        return _Slot(name, number, "bytes", None)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return _Slot(name, number, "strings", None) if item is str else _Slot(name, number, "tables", item)
    # What is left can only be a union of tables, with None for its absence.
    tables = tuple(item for item in typing.get_args(hint) if item is not types.NoneType)
    if len(tables) == 1:
        return _Slot(name, number, "table", tables[0])
    return _Slot(name, number + 1, "union", tables)  # the id before is its type's


def _write_table(builder: Any, table: Any) -> int:
    slots, count = _slots(typing.cast(Any, type(table)))
    values = {slot.name: getattr(table, slot.name) for slot in slots}
    offsets = {
        slot.name: _write_value(builder, slot, values[slot.name])
        for slot in slots
        if slot.kind != "scalar" and values[slot.name] not in (None, "", b"", ())
    }
    builder.StartObject(count)
    for slot in slots:
        if slot.kind == "scalar":
            flags = _SCALARS[slot.holds]
            builder.PrependSlot(flags, slot.id, flags.py_type(values[slot.name]), flags.py_type(0))
        elif slot.name in offsets:
            builder.PrependUOffsetTRelativeSlot(slot.id, offsets[slot.name], 0)
            if slot.kind == "union":
                number = 1 + slot.holds.index(type(values[slot.name]))
                builder.PrependSlot(_SCALARS[_UNION_TYPE], slot.id - 1, number, 0)
    return int(builder.EndObject())


def _write_value(builder: Any, slot: _Slot, value: Any) -> int:
    if slot.kind == "string":
        return int(builder.CreateString(value))
    if slot.kind == "bytes":
        return int(builder.CreateByteVector(value))
    if slot.kind in ("table", "union"):
        return _write_table(builder, value)
    if slot.kind == "scalars":
        flags = _SCALARS[slot.holds]
        builder.StartVector(flags.bytewidth, len(value), flags.bytewidth)
        for item in reversed(value):
            builder.Prepend(flags, item)
        return int(builder.EndVector())
    write = builder.CreateString if slot.kind == "strings" else functools.partial(_write_table, builder)
    offsets = [write(item) for item in value]
    builder.StartVector(_OFFSET.bytewidth, len(offsets), _OFFSET.bytewidth)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _read_table(kind: type, table: Any) -> Any:
    values = {}
    for slot in _slots(kind)[0]:
        at = table.Offset(4 + 2 * slot.id)
        if not at:
            continue
        value = _read_value(slot, table, at + table.Pos)
        if value is not None:
            values[slot.name] = value
    return kind(**values)


def _read_value(slot: _Slot, table: Any, position: int) -> Any:
    if slot.kind == "scalar":
        return table.Get(_SCALARS[slot.holds], position)
    if slot.kind == "string":
        return table.String(position).decode("utf-8")
    if slot.kind == "table":
        return _read_table(slot.holds, flatbuffers.Table(table.Bytes, table.Indirect(position)))
    if slot.kind == "union":
        type_at = table.Offset(4 + 2 * (slot.id - 1))
        number = table.Get(_SCALARS[_UNION_TYPE], type_at + table.Pos) if type_at else 0
        if not 1 <= number <= len(slot.holds):
            return None  # a member that this program does not know
        return _read_table(slot.holds[number - 1], flatbuffers.Table(table.Bytes, table.Indirect(position)))
    at = position - table.Pos
    start, length = table.Vector(at), table.VectorLen(at)
    if slot.kind == "bytes":
        if start + length > len(table.Bytes):
            raise IndexError(start)
        return bytes(table.Bytes[start : start + length])
    if slot.kind == "scalars":
        flags = _SCALARS[slot.holds]
        return tuple(table.Get(flags, start + index * flags.bytewidth) for index in range(length))
    items = (start + index * _OFFSET.bytewidth for index in range(length))
    if slot.kind == "strings":
        return tuple(table.String(item).decode("utf-8") for item in items)
    return tuple(
        _read_table(slot.holds, flatbuffers.Table(table.Bytes, table.Indirect(item))) for item in items
    )
