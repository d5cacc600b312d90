"""Metadata and associated files put on a `.tflite`, and read from it.

The model's bytes are not touched. A new root, with the metadata, is written in front of the old file,
whose offsets are relative and stay right; the associated files are zipped behind. So the quantized file that
was measured lies inside the packaged one byte for byte, with its alignment, and can be compared by its hash.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.stored_zip import DAMAGED_ZIP, write_entries
from edge_mnv3.core.tflite.objects import IDENTIFIER, invalid_file

MODEL_ENTRY = "TFLITE_METADATA"  # name of the metadata entry that holds the file's description
_ALIGNMENT_BYTES = 16  # of weights in a .tflite
# Ids of the root's fields, from the TFLite schema. All but the version are references.
_VERSION, _BUFFERS, _METADATA, _FIELDS = 0, 4, 6, 10
_OFFSET = number_types.UOffsetTFlags


def with_metadata(model: bytes, metadata: bytes, files: Mapping[str, bytes], *, name: str) -> bytes:
    """Returns a `.tflite` with this metadata and these associated files, in place of those that it had.

    Args:
        model: The file's bytes.
        metadata: The description: a flatbuffer of the metadata schema's `ModelMetadata`.
        files: Name to content.
        name: What errors call the file.

    Raises:
        ModelFileError: It is no valid `.tflite`, or one whose schema is newer than this program.
    """
    body = flatbuffer_part(model)
    body += bytes(-len(body) % _ALIGNMENT_BYTES)
    try:
        packed = _new_root(body, metadata)
    except (struct.error, IndexError, AttributeError, TypeError) as error:
        raise invalid_file(name, "it may be truncated") from error
    if packed is None:
        raise ModelFileError(f"model {name}", "parts that this program does not know", "a .tflite below 2 GB")
    if not files:
        return packed
    archive = io.BytesIO(packed)
    with zipfile.ZipFile(archive, "a") as appended:
        write_entries(appended, files)
    return archive.getvalue()


def read_metadata(model: bytes, *, name: str) -> tuple[bytes | None, dict[str, bytes]]:
    """Reads what `with_metadata` wrote.

    Returns:
        The metadata's flatbuffer, None if there is none, and the associated files.

    Raises:
        ModelFileError: It is no valid `.tflite`, or its associated files cannot be read.
    """
    try:
        root = _root(model)
        entries = {
            root.Metadata(index).Name(): root.Metadata(index) for index in range(root.MetadataLength())
        }
        entry = entries.get(MODEL_ENTRY.encode())
        metadata = None if entry is None else root.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    except (struct.error, IndexError, AttributeError, TypeError, ValueError) as error:
        raise invalid_file(name, "it may be truncated") from error
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
    except DAMAGED_ZIP as error:
        if metadata is None or "not a zip file" in str(error).lower():
            return metadata, {}
        raise ModelFileError(f"model {name}: its associated files", str(error), "a zip archive") from error
    return metadata, files


def flatbuffer_part(model: bytes) -> bytes:
    """Cuts off the archive of associated files behind a model."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            starts = [info.header_offset for info in archive.infolist()]
    except DAMAGED_ZIP:
        return model
    return model[: min(starts)] if starts else model


def measured_model(model: bytes, *, size_bytes: int) -> bytes:
    """Cuts out the file as it was before `with_metadata`, of the size that it had."""
    packed = flatbuffer_part(model)
    padded = size_bytes + -size_bytes % _ALIGNMENT_BYTES
    start = len(packed) - padded
    return packed[start : start + size_bytes]


def _root(model: bytes) -> Any:
    if model[4:8] != IDENTIFIER:
        raise ValueError("not a .tflite")
    return schema.Model.GetRootAs(model, 0)


def _new_root(body: bytes, metadata: bytes) -> bytes | None:
    """Writes a root in front of a model; None if the model has parts whose meaning is not known.

    The builder counts offsets from the end, so a place in the body is its distance from the body's end.
    """
    if body[4:8] != IDENTIFIER:
        raise IndexError("not a .tflite")
    root = _root(body)
    fields = _references(root)
    buffers = [root.Buffers(index) for index in range(root.BuffersLength())]
    entries = [root.Metadata(index) for index in range(root.MetadataLength())]
    # Buffers beyond the flatbuffer are addressed by their place in the file, which a new root would move.
    if fields is None or any(buffer.Offset() > 1 for buffer in buffers):
        return None
    builder = flatbuffers.Builder(len(body) + len(metadata) + 4 * len(buffers) + 4096)
    _append_body(builder, body)
    builder.StartVector(1, len(metadata), _ALIGNMENT_BYTES)
    builder.head -= len(metadata)
    builder.Bytes[builder.head : builder.head + len(metadata)] = metadata
    data = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    new_buffer = schema.BufferEnd(builder)
    places = [len(body) - buffer._tab.Pos for buffer in buffers]
    old = next((entry for entry in entries if entry.Name() == MODEL_ENTRY.encode()), None)
    entry_places = [len(body) - entry._tab.Pos for entry in entries]
    if old is not None:
        places[old.Buffer()] = new_buffer
    else:
        entry_name = builder.CreateString(MODEL_ENTRY)
        schema.MetadataStart(builder)
        schema.MetadataAddName(builder, entry_name)
        schema.MetadataAddBuffer(builder, len(places))
        entry_places.append(schema.MetadataEnd(builder))
        places.append(new_buffer)
    fields[_BUFFERS] = _vector(builder, places)
    fields[_METADATA] = _vector(builder, entry_places)
    builder.StartObject(_FIELDS)
    builder.PrependUint32Slot(_VERSION, root.Version(), 0)
    for number, place in fields.items():
        builder.PrependUOffsetTRelativeSlot(number, place, 0)
    builder.Finish(builder.EndObject(), IDENTIFIER)
    return bytes(builder.Output())


def _references(root: Any) -> dict[int, int] | None:
    """Maps the id of each reference of the root to its distance from the body's end; None for unknown ids."""
    table = root._tab
    vtable = table.Pos - table.Get(number_types.SOffsetTFlags, table.Pos)
    count = (table.Get(number_types.VOffsetTFlags, vtable) - 4) // 2
    references = {}
    for number in range(count):
        at = table.Offset(4 + 2 * number)
        if at and number >= _FIELDS:
            return None
        if at and number != _VERSION:
            position = table.Pos + at
            target = position + encode.Get(_OFFSET.packer_type, table.Bytes, position)
            if target >= len(table.Bytes):
                raise IndexError(target)
            references[number] = len(table.Bytes) - target
    return references


def _append_body(builder: Any, body: bytes) -> None:
    """Puts the old file at the very end, as a vector that nothing refers to."""
    builder.StartVector(1, len(body), _ALIGNMENT_BYTES)
    builder.head -= len(body)
    builder.Bytes[builder.head : builder.head + len(body)] = body
    builder.EndVector()


def _vector(builder: Any, places: list[int]) -> int:
    builder.StartVector(_OFFSET.bytewidth, len(places), _OFFSET.bytewidth)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
