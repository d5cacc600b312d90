"""The tables of a config, read off the commands' own options: what the command line takes, a file takes.

A key is an option's long name with underscores, or the name of an argument. Values are checked twice: their
type in TOML here, all else by the option itself.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from edge_mnv3.commands.list_type import LIST_ITEM
from edge_mnv3.commands.types import PathOrWord, PathType
from edge_mnv3.core.choices import DIGITS, SYNTHETIC
from edge_mnv3.core.results.run import StageName

# What `run` gives every command itself.
OWN_KEYS = frozenset({"output", "output_dir", "force", "json", "quiet", "verbose", "run"})
# What `run` takes from earlier stages where a table does not give it.
FROM_EARLIER: Mapping[StageName, tuple[str, ...]] = {
    "quantize": (),
    "validate": ("float", "int8"),
    "diagnose": ("float", "int8"),
    "cost": ("files",),
    "bench": ("files",),
    "package": ("models",),
    "report": ("run",),
}
IMAGE_KEYS = frozenset({"calibration", "data", "golden", "images"})
# Paths that are written, or need not be there: pictures that belong to a stage, and what outlives it.
WRITTEN_KEYS = frozenset({"model_explorer", "plot"})
_LASTING_KEYS = frozenset({"history", "logs", "models_dir", "store"})


class Key(NamedTuple):
    """A key of a table.

    Attributes:
        name: As it stands in the file.
        parameter: The option or argument that it is.
    """

    name: str
    parameter: click.Parameter

    @property
    def takes_list(self) -> bool:
        """Whether the value may be a list."""
        return self.parameter.multiple or self.parameter.nargs == -1 or self.joined_item is not None

    @property
    def joined_item(self) -> Any:
        """The type of one value of a list that is one text on the command line; None for others."""
        return getattr(self.parameter.callback, LIST_ITEM, None)

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return bool(getattr(self.parameter, "is_flag", False))

    @property
    def is_location(self) -> bool:
        """Whether a value may name a file or folder."""
        return isinstance(self.parameter.type, (PathType, PathOrWord))

    @property
    def is_read(self) -> bool:
        """Whether what a value names is read, and so part of what the stage depends on."""
        return self.is_location and self.name not in WRITTEN_KEYS | _LASTING_KEYS

    @property
    def words(self) -> frozenset[str]:
        """Words that stand for something, and are no paths."""
        metavar = self.parameter.metavar or ""
        return frozenset({DIGITS, SYNTHETIC, *(word for word in metavar.split("|") if word.islower())})

    def expected(self) -> str:
        """Says what a value must be."""
        if self.is_flag:
            return "true or false"
        one = _expected(self.joined_item or self.parameter.type)
        return f"{one}, or a list" if self.takes_list else one


def stage_command(stage: StageName) -> click.Command:
    """Imports the command of a stage."""
    command: click.Command = importlib.import_module(f"edge_mnv3.commands.{stage}").command
    return command


def keys(stage: StageName) -> dict[str, Key]:
    """All keys of a stage's table, in the order of `--help`."""
    found = {}
    for parameter in stage_command(stage).params:
        name = _name(parameter)
        if name not in OWN_KEYS:
            found[name] = Key(name, parameter)
    return found


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return str(parameter.name)
    return next(option for option in parameter.opts if option.startswith("--"))[2:].replace("-", "_")


def default_of(key: Key) -> object:
    """What a key has without being given, as TOML has it; None where that is nothing."""
    option = key.parameter
    if key.is_flag:
        # `--no-store` is a switch for False: the switch itself is off.
        return bool(option.default) if option.secondary_opts else False
    value = option.default
    if callable(value) or value is None or type(value).__name__ == "Sentinel" or value == ():
        return None
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if isinstance(value, (int, float)) else str(value)


def texts(key: Key, value: object) -> list[str]:
    """The texts of a value, one for each time that the option is given; `true` and `false` of a flag.

    Raises:
        ValueError: It is of another type; the text says what was expected.
    """
    values = list(value) if isinstance(value, list) and key.takes_list else [value]
    kind = click.BOOL if key.is_flag else key.joined_item or key.parameter.type
    found = [_text(kind, each, is_joined=key.joined_item is not None) for each in values]
    if None in found:
        raise ValueError(key.expected())
    return [each for each in found if each is not None]


def words(key: Key, given: list[str]) -> list[str]:
    """The words of the command line that give an option these texts."""
    option = max(key.parameter.opts, key=len)
    if key.is_flag:
        if given[0] == "true":
            return [option]
        return list(key.parameter.secondary_opts[:1])
    if key.joined_item is not None:
        return [f"{option}={','.join(given)}"]
    return [f"{option}={text}" for text in given]


def located(key: Key, text: str, base: Path) -> tuple[str, str | None]:
    """A text as the command gets it, and the file or folder in it.

    Args:
        key: The key.
        text: What stands in the file.
        base: The folder of the file, to which paths are relative.

    Returns:
        The text with its path; and the path alone, a word or URL of images as it is, None where there is
        none.
    """
    if not key.is_location or not text:
        return text, None
    if isinstance(key.parameter.type, PathType):
        path = str(base / text)
        return path, path
    name, separator, rest = text.partition("=")
    metavar = key.parameter.metavar or ""
    if separator and rest and "NAME=" in metavar and not (base / text).exists():
        path = str(base / rest)
        return f"{name}={path}", path
    if text in key.words or "://" in text:
        return text, text if key.name in IMAGE_KEYS else None
    if metavar.endswith("|NAME") and not (base / text).exists():
        return text, None
    path = str(base / text)
    return path, path


def _text(kind: Any, value: object, *, is_joined: bool) -> str | None:
    """One value as the command line would have it; None where it is of another type."""
    if isinstance(kind, click.types.BoolParamType):
        return ("true" if value else "false") if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        numeric = isinstance(kind, (click.types.IntParamType, click.types.FloatParamType))
        return None if numeric and not is_joined else value
    if isinstance(value, int) and not isinstance(kind, (click.Choice, click.Path, PathOrWord)):
        return str(value)
    if isinstance(value, float) and math.isfinite(value) and not isinstance(kind, click.types.IntParamType):
        return None if isinstance(kind, (click.Choice, click.Path, PathOrWord)) else repr(value)
    return None


def _expected(kind: Any) -> str:
    if isinstance(kind, click.Choice):
        return " or ".join(f'"{choice}"' for choice in kind.choices)
    if isinstance(kind, click.types.IntParamType):
        return "a whole number"
    if isinstance(kind, click.types.FloatParamType):
        return "a number"
    return "a text"
