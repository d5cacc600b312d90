"""The published JSON Schemas: those of the classes as they are, and true of results of every version."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import doc_tables
import json_schemas
import pytest

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.stages.schema import SchemaRequest, schema, schema_names
from strict_schemas import problems

jsonschema = pytest.importorskip("jsonschema", reason="needs the extra: pip install -e '.[dev]'")
GOLDEN = Path(__file__).parent.parent / "golden" / "formats"
KINDS: dict[str, Any] = {
    json_schemas.schema_name(words): kind
    for words, kind in {**doc_tables.TOP_RESULTS, **json_schemas.FILES}.items()
}
# Beginnings of the stored files' names to the schema, where these are not the same words.
STORED = {
    "host-bench-v": "bench-host",
    "device-bench-report-v": "bench-device",
    "manifest-v": "calibration-manifest",
}
STORED |= {"sweep-plan-v": "sweep-dry-run", **{f"{name}-v": name for name in KINDS}}


def test_the_files_are_those_of_the_classes() -> None:
    """After a result has changed: `python tools/json_schemas.py`."""
    made = {name: json_schemas.text_of(each) for name, each in json_schemas.schemas().items()}
    assert {name: schema(SchemaRequest(name=name)) for name in schema_names()} == made


@pytest.mark.parametrize("name", KINDS)
def test_each_is_a_schema_of_its_dialect(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema(SchemaRequest(name=name))))


def stored() -> list[tuple[str, str]]:
    found = []
    for path in sorted(GOLDEN.glob("*.json")):
        found += [(path.name, name) for begins, name in STORED.items() if path.name.startswith(begins)]
    return found


def test_most_formats_have_a_stored_file() -> None:
    assert len({name for _, name in stored()}) >= 14


@pytest.mark.parametrize(("file", "name"), stored())
def test_results_that_were_stored_are_true_to_it(file: str, name: str) -> None:
    """Of old versions, as they are read today; and a strict schema finds what was changed."""
    data = to_jsonable(from_json(KINDS[name], (GOLDEN / file).read_text(encoding="utf-8")))
    assert problems(name, json.loads(json.dumps(data))) == []
    key = next(iter(data))
    assert problems(name, {other: value for other, value in data.items() if other != key})
    assert problems(name, {**data, key: [[]]})
    assert problems(name, {**data, "unknown": 1})


@dataclasses.dataclass
class Pair:
    """Two of a kind.

    Attributes:
        both: Them.
    """

    both: tuple[int, float]
    float_: object = None


def test_types_without_a_form_in_json_are_refused() -> None:
    with pytest.raises(TypeError, match="object'> has no form in JSON"):
        json_schemas._schema("pair", "pair", Pair)


def test_the_names_are_listed_and_others_are_refused() -> None:
    listed = schema(SchemaRequest()).splitlines()
    assert set(listed) == KINDS.keys()
    with pytest.raises(ArgumentError, match=r"schema: got 'quantise', .*; Did you mean 'quantize'\?"):
        schema(SchemaRequest(name="quantise"))
    with pytest.raises(ArgumentError, match=r"got 'xyz', .*; edge-mnv3 schema lists them"):
        schema(SchemaRequest(name="xyz"))
