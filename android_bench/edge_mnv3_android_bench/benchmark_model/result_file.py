"""The file that newer builds write with `--result_file_path`, held against what the same launch printed.

It is a protocol buffer, `tflite/tools/benchmark/proto/benchmark_result.proto`: a second copy of all figures,
those among them that stand once in the text, such as the median, and with all digits where LiteRT's closing
block has two decimals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3_android_bench.benchmark_model.printed_numbers import rounding

_LATENCY, _MISC = 2, 4  # fields of the message; the others are its name and memory
_FLOATS = {
    1: "average",
    2: "minimum",
    3: "maximum",
    4: "standard deviation",
    5: "median",
    6: "5th percentile",
    7: "95th percentile",
    8: "start-up",
    9: "first inference",
    10: "average of the warm-up",
}
_COUNTS = {2: "number of runs", 3: "number of warm-up runs"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_SINGLE_PRECISION = 2e-7  # relative error of a figure stored as float


class _Field(NamedTuple):
    number: int
    wire_type: int
    value: int | bytes


def contradiction(content: bytes, timings: LaunchTimings) -> str | None:
    """Names what of the file is damaged, missing, or not what the launch printed; None where all agrees.

    Args:
        content: The file.
        timings: The figures of the text.
    """
    try:
        told = _read(content)
    except ValueError as error:
        return f"a damaged result file ({error})"
    for name, (us, slack_us) in _printed(timings).items():
        if name not in told:
            return f"a result file without {name}"
        if not abs(told[name] - us) <= slack_us + us * _SINGLE_PRECISION:
            return f"{name} {us:g}, which the result file contradicts: {told[name]:g}"
    return None


def _printed(timings: LaunchTimings) -> dict[str, tuple[float, float]]:
    """The figures of the text by the names above, each with how far it may be rounded; times in us."""
    more = timings.unconfirmed
    exact = {
        "number of runs": timings.num_runs,
        "number of warm-up runs": timings.warmup_runs,
        "median": timings.median_us,
        "minimum": more.min_us,
        "maximum": more.max_us,
        "standard deviation": more.std_us,
        "5th percentile": more.p5_us,
        "95th percentile": more.p95_us,
        "first inference": timings.first_inference_us,
    }
    rounded = {
        "average": timings.avg_us,
        "average of the warm-up": timings.warmup_avg_us,
        "start-up": timings.init_us,
    }
    return {
        **{name: (value, 1e-4) for name, value in exact.items() if value is not None},
        **{name: (value, rounding(value)) for name, value in rounded.items() if value is not None},
    }


def _read(content: bytes) -> Mapping[str, float]:
    """Reads the figures; times in us.

    Raises:
        ValueError: The bytes are no such message.
    """
    figures: dict[str, float] = {}
    parts: dict[int, bytes] = {}
    for field in _fields(content):
        if field.number in (_LATENCY, _MISC):
            if not isinstance(field.value, bytes) or field.number in parts:
                raise ValueError(f"field {field.number}")
            parts[field.number] = field.value
    for number, names, wire_type in ((_LATENCY, _FLOATS, _FIXED32), (_MISC, _COUNTS, _VARINT)):
        for field in _fields(parts.get(number, b"")):
            name = names.get(field.number)
            if name is None:
                continue
            if field.wire_type != wire_type or name in figures:
                raise ValueError(name)
            figures[name] = _number(field.value)
    return figures


def _number(value: int | bytes) -> float:
    if isinstance(value, int):
        return float(value)
    (milliseconds,) = struct.unpack("<f", value)
    return float(milliseconds) * 1e3


def _fields(content: bytes) -> Iterator[_Field]:
    """Splits a message into its fields.

    Raises:
        ValueError: It is cut, or no message.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, place = _varint(content, place)
            yield _Field(number, wire_type, value)
            continue
        if wire_type == _BYTES:
            size, place = _varint(content, place)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire_type}")
        if place + size > len(content):
            raise ValueError("cut")
        yield _Field(number, wire_type, content[place : place + size])
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if place >= len(content):
            raise ValueError("cut")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than 64 bits")
