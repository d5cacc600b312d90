"""The stage `schema`: JSON Schemas of what commands print with `--json`, and of the files that they write."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import Request, check_call

_FOLDER = resources.files("edge_mnv3") / "data" / "schemas"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRequest(Request):
    """Which schema.

    Attributes:
        name: One of `schema_names`, such as `quantize` or `bench-host`; None for the list of all names.
    """

    name: str | None = None


def schema_names() -> tuple[str, ...]:
    """Returns the names of all schemas, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def schema(request: SchemaRequest, reporter: Reporter = SILENT) -> str:
    """Reads a schema.

    Returns:
        JSON Schema of the dialect 2020-12; or the names, one a line.

    Raises:
        ArgumentError: There is no schema of this name.
    """
    check_call("schema", (SchemaRequest,), request, reporter)
    names = schema_names()
    if request.name is None:
        return "\n".join(names) + "\n"
    if request.name not in names:
        meant = difflib.get_close_matches(request.name, names, n=1)
        hint = f"Did you mean '{meant[0]}'?" if meant else "edge-mnv3 schema lists them"
        raise ArgumentError("schema", repr(request.name), "the name of a schema", hint)
    return (_FOLDER / f"{request.name}.json").read_text(encoding="utf-8")
