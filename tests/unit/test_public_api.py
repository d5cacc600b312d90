"""The Python API: what it exports, that its names are documented, and that importing it is light."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import edge_mnv3

FUNCTIONS = [
    name for name in edge_mnv3.__all__ if name.islower() and inspect.isfunction(getattr(edge_mnv3, name))
]
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


@pytest.mark.parametrize("name", [name for name in edge_mnv3.__all__ if name != "__version__"])
def test_names_are_there_and_documented(name: str) -> None:
    value = getattr(edge_mnv3, name)
    assert value.__module__ == edge_mnv3._PUBLIC[name]
    assert inspect.getdoc(value)
    assert name in dir(edge_mnv3)


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
    assert list(parameters) == ["request", "reporter"]
    assert parameters["reporter"].default is not inspect.Parameter.empty
    assert "Raises:" in (inspect.getdoc(stage) or "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edge_mnv3' has no attribute 'nothing'"):
        _ = edge_mnv3.nothing


def test_importing_the_package_is_light() -> None:
    code = "import edge_mnv3, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {
        "tensorflow",
        "keras",
        "numpy",
        "PIL",
        "h5py",
        "ai_edge_litert",
        "click",
    }
