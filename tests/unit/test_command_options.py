"""Every option of a command reaches its stage's request, or the command itself."""

from __future__ import annotations

import dataclasses
import importlib
import inspect

import pytest

from edge_mnv3.cli import COMMANDS
from edge_mnv3.commands.options import REQUEST_ATTRIBUTE
from edge_mnv3.model.graphs import GraphRequest

GRAPH = {field.name for field in dataclasses.fields(GraphRequest)} | {
    "alpha",
    "input_range",
    "input_size",
    "model",
}


def commands_with_requests() -> list[str]:
    modules = {
        name: importlib.import_module(f"edge_mnv3.commands.{COMMANDS[name].module}") for name in COMMANDS
    }
    return [name for name in modules if hasattr(modules[name].command.callback, REQUEST_ATTRIBUTE)]


def test_most_commands_are_options_and_a_request() -> None:
    assert {"build", "calibrate", "diagnose", "package", "published", "quantize", "validate"} <= {
        *commands_with_requests()
    }


@pytest.mark.parametrize("name", commands_with_requests())
def test_no_option_is_lost(name: str) -> None:
    command = importlib.import_module(f"edge_mnv3.commands.{COMMANDS[name].module}").command
    module, _, request_class = getattr(command.callback, REQUEST_ATTRIBUTE).rpartition(".")
    fields = dataclasses.fields(getattr(importlib.import_module(module), request_class))
    options = {parameter.name for parameter in command.params if parameter.expose_value}
    if "graph" in {field.name for field in fields}:
        options = (options - GRAPH) | {"graph"}
    direct = set(inspect.signature(inspect.unwrap(command.callback)).parameters) - {"request"}
    assert options - {field.name for field in fields} == direct
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    assert required <= options
