"""Writes the JSON Schema of every JSON that commands give, from the classes of their results.

The files lie in `edge_mnv3/data/schemas`, and go into the package. A test compares them with the classes:
after a result has changed, run this again.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import doc_tables
import structure

from edge_mnv3.core.results.formats import VERSION_KEY, Format
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.package import BundleManifest

FOLDER = structure.ROOT / "edge_mnv3" / "data" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What stands in files, and is the `--json` of no command.
FILES = {"calibration manifest": CalibrationManifest, "bundle manifest": BundleManifest}
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schemas() -> dict[str, dict[str, Any]]:
    """Returns name to schema: a command's words, joined by hyphens, or what its file is called."""
    kinds = {**doc_tables.TOP_RESULTS, **FILES}
    return {schema_name(words): _schema(schema_name(words), words, kind) for words, kind in kinds.items()}


def schema_name(words: str) -> str:
    """Makes a name of a command's words: `bench --host` becomes `bench-host`."""
    return re.sub(r"[ -]+", "-", words)


def text_of(schema: dict[str, Any]) -> str:
    """The content of a schema's file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _schema(name: str, words: str, kind: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    _add(kind, parts)
    written: Format | None = getattr(kind, "FORMAT", None)
    version = "" if written is None else f":{written.version}"
    made_by = words if words in FILES else f"edge-mnv3 {words}, with --json"
    return {
        "$schema": DIALECT,
        "$id": f"urn:edge-mnv3:{name}{version}",
        "title": made_by,
        "$ref": f"#/$defs/{kind.__name__}",
        "$defs": dict(sorted(parts.items())),
    }


def _add(kind: Any, parts: dict[str, Any]) -> None:
    """Describes a class and those of its fields, once each. Unknown keys are allowed: more may come."""
    if kind.__name__ in parts:
        return
    notes, hints = doc_tables.attribute_notes(kind.__doc__), typing.get_type_hints(kind)
    written: Format | None = getattr(kind, "FORMAT", None)
    properties: dict[str, Any] = {}
    parts[kind.__name__] = {
        "type": "object",
        "description": kind.__doc__.splitlines()[0],
        "properties": properties,
    }
    for field in dataclasses.fields(kind):
        told = _of(hints[field.name], parts)
        if field.name == VERSION_KEY and written is not None:
            told = {"const": written.version}
        note = notes.get(field.name)
        properties[field.name.rstrip("_")] = told if note is None else {"description": note, **told}
    parts[kind.__name__]["required"] = list(properties)


def _of(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of one field's type.

    Raises:
        TypeError: The type has no form in JSON.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if dataclasses.is_dataclass(kind):
        _add(kind, parts)
        return {"$ref": f"#/$defs/{typing.cast(type, kind).__name__}"}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(each, parts) for each in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], parts)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _of(arguments[0], parts)}
    if origin is tuple:
        items = [_of(each, parts) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    raise TypeError(f"{kind} has no form in JSON")


def main() -> None:
    """Writes the files, and removes those of formats that are gone."""
    made = {FOLDER / f"{name}.json": text_of(schema) for name, schema in schemas().items()}
    FOLDER.mkdir(exist_ok=True)
    for path in set(FOLDER.glob("*.json")) - made.keys():
        path.unlink()
    for path, text in made.items():
        Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
