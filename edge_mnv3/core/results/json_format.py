"""Results as JSON, and back.

A field's name is its JSON key, less a trailing underscore (`float_` is written `float`). NaN and infinity
have no JSON form and are refused.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any, TypeVar

from edge_mnv3.core.results.formats import VERSION_KEY, Format

R = TypeVar("R")


def to_jsonable(value: Any) -> Any:
    """Turns a result into what `json.dumps` takes: dicts, lists, strings, numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name.rstrip("_"): to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: to_jsonable(item) for key, item in value.items()}
    return value


def to_json(result: Any) -> str:
    """Writes a result as indented JSON.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return json.dumps(to_jsonable(result), indent=2, allow_nan=False) + "\n"


def from_json(kind: type[R], text: str) -> R:
    """Reads a result written by `to_json`.

    Raises:
        ValueError: It is no JSON object, lacks a key, has an unknown one, one of another type, or another
            `schema_version` than this program reads, or a number is not finite; the text names the key.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"a JSON object was expected, got {type(data).__name__}")
    return typing.cast(R, _parse(kind, data, kind.__name__))


def _parse(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(typing.cast(type, kind), value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _parse(next(a for a in args if a is not type(None)), value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) == len(value):
            return tuple(
                _parse(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
            )
    if origin is dict and isinstance(value, dict):
        return {key: _parse(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is typing.Literal and value in args:
        return value
    if kind is float and type(value) in (int, float):
        return _finite(value, where)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{where}: {kind} was expected, got {value!r}")


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}: a finite number was expected, got {number}")
    return number


@functools.cache
def _type_hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _parse_dataclass(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object was expected, got {value!r}")
    class_format: Format | None = getattr(kind, "FORMAT", None)
    if class_format and (VERSION_KEY in value or class_format.first_is_silent):
        value = class_format.upgraded(value)
    names = {field.name.rstrip("_"): field.name for field in dataclasses.fields(kind)}
    if value.keys() != names.keys():
        missing, unknown = names.keys() - value.keys(), value.keys() - names.keys()
        raise ValueError(f"{where}: missing keys {sorted(missing)}, unknown keys {sorted(unknown)}")
    hints = _type_hints(kind)
    fields = {names[key]: _parse(hints[names[key]], item, f"{where}.{key}") for key, item in value.items()}
    try:
        return kind(**fields)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
