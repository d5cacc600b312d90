"""What commands print for people: lines that fit the terminal, and what can be done next."""

from __future__ import annotations

import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

import click

from edge_mnv3.commands.verbosity import QUIET, verbosity

Result = TypeVar("Result")
_LEAST_WIDTH = 40  # narrower than that, words are longer than lines
_GAP = re.compile(r"\s{2,}(?=\S)")  # between columns; what is broken goes on under the last that is not far


def show(result: Result, table: Callable[[Result], str], *, as_json: bool) -> None:
    """Prints a result on stdout: as JSON, or as a table whose lines fit the terminal."""
    from edge_mnv3.core.results.json_format import to_json

    if as_json:
        click.echo(to_json(result), nl=False)
    else:
        say(table(result))


def say(text: str, *, err: bool = False) -> None:
    """Prints lines that fit the terminal, on stdout or stderr."""
    click.echo(fitted(text, columns(sys.stderr if err else sys.stdout)), err=err)


def suggest(*commands: tuple[str | Path, ...]) -> None:
    """Says on stderr what can be run now, but not under `-q` and `--json`.

    Args:
        commands: Words of each, without `edge-mnv3`. Paths are quoted for the shell; a text is taken as it
            is, since it may stand for what the user has to fill in.
    """
    if verbosity() == QUIET or click.get_current_context().params.get("as_json"):
        return
    for words in commands:
        quoted = (shlex.quote(str(word)) if isinstance(word, Path) else word for word in words)
        click.echo(f"Next: edge-mnv3 {' '.join(quoted)}", err=True)


def columns(stream: TextIO) -> int:
    """Width of a terminal, or what COLUMNS says of it; 0 of what is none: programs want whole lines."""
    try:
        if not stream.isatty():
            return 0
        told = os.environ.get("COLUMNS", "")
        if told.isascii() and told.isdigit() and int(told):
            return int(told)
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # closed, or no file behind it
        return 0


def fitted(text: str, width: int) -> str:
    """Breaks lines between words so that they fit; a word, such as a path, is never broken.

    Args:
        text: Lines; what follows two spaces or more is a column of its own, under which the line goes on.
        width: Columns; 0 leaves the text as it is.
    """
    if not width:
        return text
    return "\n".join(
        piece for line in text.split("\n") for piece in _fitted_line(line, max(width, _LEAST_WIDTH))
    )


def _fitted_line(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    gaps = [gap.end() for gap in _GAP.finditer(line) if gap.end() <= width // 2]
    indent = gaps[-1] if gaps else len(line) - len(line.lstrip())
    pieces = textwrap.wrap(
        line[indent:],
        width,
        initial_indent=line[:indent],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    return [part for piece in pieces for part in _moved_left(piece, indent, width)]


def _moved_left(piece: str, indent: int, width: int) -> list[str]:
    """Gives a word that is longer than its column, but not than a line, a line where it is whole."""
    word = piece[indent:]
    if len(piece) <= width or len(word) > width:
        return [piece]
    head = [piece[:indent].rstrip()] if piece[:indent].strip() else []
    return [*head, f"{'':{width - len(word)}}{word}"]
