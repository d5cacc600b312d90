"""Requests: what a caller asks of a stage, checked against its annotations when it is made."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.reporting import Reporter

# What a parameter that names a file or folder takes.
AnyPath: TypeAlias = str | Path


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The least number that a field takes, for `Annotated`."""

    least: float


Count: TypeAlias = Annotated[int, AtLeast(1)]
Seconds: TypeAlias = Annotated[float, AtLeast(0)]

_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    type(None): "None",
}


def optional_path(location: AnyPath | None) -> Path | None:
    """Turns a location into a path; None stays None."""
    return None if location is None else Path(location)


class Request:
    """The base of all requests, which are frozen dataclasses.

    A value that does not fit its field's annotation is refused when the request is made. `check` adds what an
    annotation cannot say.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        """Checks all fields.

        Raises:
            ArgumentError: A value is of another type, out of range or unknown; the text names the field.
        """
        hints = typing.get_type_hints(type(self), include_extras=True)
        for field in fields(typing.cast(Any, self)):
            value, kind = getattr(self, field.name), hints[field.name]
            if not _fits(value, kind):
                raise ArgumentError(f"{type(self).__name__}: {field.name}", repr(value), expected(kind))
        self.check()

    def check(self) -> None:
        """Checks what annotations do not say.

        Raises:
            ArgumentError: A value is wrong.
        """


def check_call(function: str, kinds: tuple[type[Request], ...], request: object, reporter: object) -> None:
    """Refuses arguments of a stage that are no request of its, or no reporter.

    Args:
        function: The stage's name, for the error.
        kinds: The requests that it takes.
        request: What it was given.
        reporter: What it was given to report to.

    Raises:
        ArgumentError: One of the two is something else.
    """
    check_kind(f"{function}: request", request, *kinds)
    check_kind(f"{function}: reporter", reporter, Reporter)


def check_kind(what: str, value: object, *kinds: type) -> None:
    """Refuses a value that is an instance of none of the classes.

    Raises:
        ArgumentError: With the value's class.
    """
    if not isinstance(value, kinds):
        got = f"the class {value.__name__} itself" if isinstance(value, type) else f"a {type(value).__name__}"
        raise ArgumentError(what, got, _listed([f"a {kind.__name__}" for kind in kinds]))


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Refuses a value that is none of the choices.

    Raises:
        ArgumentError: With all choices.
    """
    if value not in choices:
        raise ArgumentError(name, repr(value), _listed([repr(choice) for choice in choices]))


def expected(kind: Any) -> str:
    """Writes an annotation for people: `a whole number, at least 1`."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return ", ".join(
            [
                expected(args[0]),
                *(f"at least {rule.least:g}" for rule in args[1:] if isinstance(rule, AtLeast)),
            ]
        )
    if origin is Literal:
        return _listed([repr(choice) for choice in args])
    if origin in (typing.Union, types.UnionType):
        if {str, Path} <= set(args):
            args = (Path, *(each for each in args if each not in (str, Path)))
        return _listed([expected(each) for each in args])
    if _is_sequence(origin):
        return f"a list or tuple, each item {expected(args[0])}"
    return _WORDS.get(kind) or f"a {kind.__name__}"


def _fits(value: Any, kind: Any) -> bool:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        least = max((rule.least for rule in args[1:] if isinstance(rule, AtLeast)), default=-math.inf)
        return _fits(value, args[0]) and (value is None or value >= least)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in args)
    if _is_sequence(origin):
        return isinstance(value, (list, tuple)) and all(_fits(item, args[0]) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind)


def _is_sequence(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _listed(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
