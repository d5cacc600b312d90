"""The Python API: what it exports, and that its names are documented."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from pathlib import Path

import pytest

import edge_mnv3
from edge_mnv3.core import errors

FUNCTIONS = [
    name for name in edge_mnv3.__all__ if name.islower() and inspect.isfunction(getattr(edge_mnv3, name))
]
CONSTANTS = [name for name in edge_mnv3.__all__ if name.isupper()]
CLASSES = [name for name in edge_mnv3.__all__ if inspect.isclass(getattr(edge_mnv3, name))]
REQUESTS = [name for name in CLASSES if name.endswith("Request")]


def test_type_checkers_see_what_is_exported() -> None:
    tree = ast.parse(Path(edge_mnv3.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == edge_mnv3._PUBLIC


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_names_are_there_and_documented(name: str) -> None:
    value = getattr(edge_mnv3, name)
    assert value.__module__ == edge_mnv3._PUBLIC[name]
    assert inspect.getdoc(value)
    assert name in dir(edge_mnv3)


def test_nothing_else_is_public() -> None:
    assert {*FUNCTIONS, *CLASSES, *CONSTANTS, "__version__"} == {*edge_mnv3.__all__}
    assert {"PREPROCESSES", "PROTOCOLS", "VARIANTS"} == {*CONSTANTS}
    assert all(isinstance(getattr(edge_mnv3, name), dict) for name in CONSTANTS)


def test_all_errors_are_public() -> None:
    assert {name for name, value in vars(errors).items() if inspect.isclass(value)} <= {*CLASSES}


def public_results() -> set[type]:
    """What the stages return, with the union of `bench`."""
    return {
        result
        for name in FUNCTIONS
        if "request" in inspect.signature(getattr(edge_mnv3, name)).parameters
        for hint in [typing.get_type_hints(getattr(edge_mnv3, name))["return"]]
        for result in (typing.get_args(hint) or (hint,))
    }


def test_all_results_are_public() -> None:
    assert len(public_results()) == 21
    assert {result.__name__ for result in public_results()} <= {*CLASSES}


def dataclasses_in(kind: typing.Any) -> set[type]:
    """The dataclasses of this project that a type is made of, itself included."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        parts = [hints[field.name] for field in dataclasses.fields(kind)]
        return {typing.cast(type, kind)}.union(*map(dataclasses_in, parts))
    return set().union(*map(dataclasses_in, typing.get_args(kind)))


RESULTS = sorted(
    set().union(*map(dataclasses_in, {*public_results(), edge_mnv3.Published})),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_results_document_every_field(kind: type) -> None:
    """All but `schema_version`, which every format has."""
    assert vars(kind)["__dataclass_params__"].frozen
    text = inspect.getdoc(kind) or ""
    names = [field.name for field in dataclasses.fields(kind) if field.name != "schema_version"]
    assert [name for name in names if f"\n    {name}: " not in text] == []


EXAMPLES = sorted((Path(edge_mnv3.__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_use_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {alias.name: alias.asname for node in ast.walk(tree) if isinstance(node, ast.Import)
               for alias in node.names if alias.name.startswith("edge_mnv3")}  # fmt: skip
    assert modules == {"edge_mnv3": "em"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge_mnv3"):
            assert (node.module, [alias.name for alias in node.names]) == ("edge_mnv3", ["builder"])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "em":
            assert node.attr in edge_mnv3.__all__


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_frozen_and_document_every_field(name: str) -> None:
    request = getattr(edge_mnv3, name)
    assert dataclasses.is_dataclass(request)
    assert vars(request)["__dataclass_params__"].frozen
    text = inspect.getdoc(request) or ""
    missing = [field.name for field in dataclasses.fields(request) if f"\n    {field.name}: " not in text]
    assert missing == []


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if f"{name.title()}Request" in REQUESTS])
def test_stages_take_a_request_and_a_reporter(name: str) -> None:
    stage = getattr(edge_mnv3, name)
    parameters = inspect.signature(stage).parameters
    assert list(parameters)[:2] == ["request", "reporter"]
    assert {*parameters} <= {"request", "reporter", "files"}
    assert parameters["reporter"].default is not inspect.Parameter.empty
    assert "Raises:" in (inspect.getdoc(stage) or "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edge_mnv3' has no attribute 'nothing'"):
        _ = edge_mnv3.nothing
