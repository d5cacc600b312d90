"""How help texts are set: lines fit the terminal, and no name of an option or command is broken in two."""

from __future__ import annotations

from collections.abc import Iterable

import click

_INDENT = 2  # of options and commands, as click sets them
# What stands for a value, in place of the names of click's types.
_NUMBERS = (("INTEGER RANGE", "N"), ("INTEGER", "N"), ("FLOAT RANGE", "X"), ("FLOAT", "X"))
_KEPT = "\N{NON-BREAKING HYPHEN}"  # stands for a hyphen while lines are broken


class HelpText(click.HelpFormatter):
    """Breaks lines at spaces alone, and a long list of choices between two of them."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Writes the usage line."""
        super().write_usage(prog, _whole(args), prefix)

    def write_text(self, text: str) -> None:
        """Writes paragraphs."""
        super().write_text(_whole(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Writes names with what they are."""
        room = self.width - self.current_indent
        super().write_dl(
            [(_choices(first, room), _whole(second)) for first, second in rows], col_max, col_spacing
        )

    def getvalue(self) -> str:
        """The text."""
        return super().getvalue().replace(_KEPT, "-")


class HelpContext(click.Context):
    """The context of a command whose help is set in this way."""

    formatter_class = HelpText


def _whole(text: str) -> str:
    return text.replace("-", _KEPT)


def _choices(first: str, room: int) -> str:
    """Names numbers, and breaks `--option [one|another]` between choices, where it is longer than a line."""
    for name, short in _NUMBERS:
        first = first.replace(f" {name}", f" {short}")
    if len(first) <= room or "[" not in first:
        return first
    indent = first.index("[") + 1
    lines = [first[:indent]]
    for place, choice in enumerate(first[indent:].split("|")):
        piece = choice if not place else f"|{choice}"
        if place and len(lines[-1]) + len(piece) >= room:
            lines[-1] += "|"
            lines.append(" " * (indent + _INDENT) + choice)
        else:
            lines[-1] += piece
    return "\n".join(lines)
