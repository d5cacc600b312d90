"""Types of options: paths that can be read or written without waiting, choices that know what was meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from edge_mnv3.core.special_files import special_kind

_ALIKE = 0.6  # difflib's own measure, 0 to 1, of what is worth a suggestion


class PathType(click.Path):
    """A path that need not exist; a pipe, a socket or a device is refused, for reading it may never end."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Gives a `Path`."""
        _check(self, os.fsdecode(value), param, ctx)
        return super().convert(value, param, ctx)


class PathOrWord(click.types.StringParamType):
    """A path, NAME=PATH, or a word that stands for something; as text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Gives the text as it is."""
        text = super().convert(value, param, ctx)
        for path in {text, text.partition("=")[2] or text}:
            _check(self, path, param, ctx)
        return text


class Choice(click.Choice[str]):
    """One of several words; what is like one of them is answered with it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Gives the word."""
        meant = None if value in self.choices else alike(str(value), self.choices)
        if meant is None:
            return super().convert(value, param, ctx)
        words = ", ".join(self.choices)
        return self.fail(f"'{value}' is none of {words}. Did you mean '{meant}'?", param, ctx)


PATH = PathType()
PATH_OR_WORD = PathOrWord()


def alike(word: str, words: Iterable[str]) -> str | None:
    """The word of several that was most probably meant, whatever its case, hyphens and underscores."""
    folded = {_folded(each): each for each in words}
    found = difflib.get_close_matches(_folded(word), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")


def _check(
    kind: click.Path | click.types.StringParamType,
    path: str,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> None:
    if not path:  # an unset variable of a script, which pathlib takes for the current folder
        kind.fail("it is empty, and a file or folder is expected.", param, ctx)
    try:
        special = special_kind(Path(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        kind.fail(f"'{path}' cannot be a file or folder: {(reason or str(error)).lower()}.", param, ctx)
    if special is not None:
        kind.fail(f"'{path}' is a {special}, and a file or folder is expected.", param, ctx)
