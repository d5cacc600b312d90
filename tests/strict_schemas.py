"""The published JSON Schemas, made strict: what a test's output has beyond them is refused as well."""

from __future__ import annotations

import json
from typing import Any

from edge_mnv3.stages.schema import SchemaRequest, schema


def problems(name: str, data: Any) -> list[str]:
    """What a strict reader finds wrong, each with its place."""
    import jsonschema

    strict = json.loads(schema(SchemaRequest(name=name)))
    for part in strict["$defs"].values():
        part["additionalProperties"] = False
    validator = jsonschema.Draft202012Validator(strict)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(data)]
