"""Every `--help` fits a terminal of 80 columns, and breaks no name in two."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.commands.help_text import HelpText

COLUMNS = 80


def commands(
    command: click.Command = main, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words."""
    yield words, command
    if isinstance(command, click.Group):
        context = command.context_class(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_fits_80_columns(words: tuple[str, ...]) -> None:
    width = COLUMNS - 2  # click leaves two columns of a terminal free
    shown = CliRunner().invoke(main, [*words, "--help"], prog_name="edge-mnv3", terminal_width=width)
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert [line for line in lines if len(line) > COLUMNS] == []
    # A line that ends in a hyphen broke a word: `edge-` and `mnv3`.
    assert [line for line in lines if re.search(r"\S-$", line)] == []
    for parameter in ALL[words].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert not name.startswith("-") or re.search(rf"(^|\s){re.escape(name)}\b", shown.output), name
    assert "...\n" not in shown.output.partition("\nCommands:")[2]  # no summary is cut short
    assert not re.search(r"(INTEGER|FLOAT)( RANGE)?\b", shown.output)


def test_the_help_of_a_command_is_the_same() -> None:
    """Whichever way it is asked for."""
    one, other = (
        CliRunner().invoke(main, words, prog_name="edge-mnv3", terminal_width=COLUMNS).output
        for words in (["quantize", "--help"], ["help", "quantize"])
    )
    assert one == other


def test_choices_are_broken_between_two_of_them() -> None:
    formatter = HelpText(width=38)
    with formatter.section("Options"):
        formatter.write_dl([("--kind [first|second|third|fourth-one]", "Take one.")])
    formatter.write_text("In the first line fits one hyphen-or-two.")
    assert formatter.getvalue().splitlines() == [
        "Options:",
        "  --kind [first|second|third|",
        "          fourth-one]",
        " " * 34 + "Take one.",
        "In the first line fits one",
        "hyphen-or-two.",
    ]
