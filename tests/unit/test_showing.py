"""What commands print: lines that fit the terminal, and what can be run next."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.commands.showing import columns, fitted, suggest
from edge_mnv3.commands.verbosity import add_verbosity

WORDS = st.lists(st.text("abc-/.", min_size=1, max_size=12), min_size=1, max_size=30).map(" ".join)


def test_a_long_value_goes_on_under_its_beginning() -> None:
    """The name stays alone in its column."""
    line = f"{'XNNPACK':<17}loads, 1 partition; left to the built-in kernels: 2 QUANTIZE, 1 SOFTMAX"
    assert fitted(line, 60).split("\n") == [
        "XNNPACK          loads, 1 partition; left to the built-in",
        "                 kernels: 2 QUANTIZE, 1 SOFTMAX",
    ]


def test_a_sentence_goes_on_at_its_own_indent() -> None:
    """Spaces in front stay, and a hyphen is no place to break."""
    assert fitted("  for the built-in kernels and others of their kind", 40).split("\n") == [
        "  for the built-in kernels and others of",
        "  their kind",
    ]


def test_what_fits_is_left_alone() -> None:
    """With all its spaces."""
    table = "a    b   c\n\n     1   2"
    assert fitted(table, 80) == table
    assert fitted("x" * 200, 0) == "x" * 200


@given(lines=st.lists(WORDS, max_size=4), width=st.integers(40, 100))
def test_no_word_is_lost_or_broken(lines: list[str], width: int) -> None:
    """Only a word that is longer than a line makes one that is too long."""
    text = "\n".join(lines)
    result = fitted(text, width)
    assert result.split() == text.split()
    assert all(len(line) <= width for line in result.split("\n"))


class Terminal(io.StringIO):
    """A terminal of unknown size."""

    def isatty(self) -> bool:
        """Says so."""
        return True


@pytest.mark.parametrize(("told", "width"), [("72", 72), ("", 0), ("0", 0), ("wide", 0), ("²", 0)])
def test_columns(monkeypatch: pytest.MonkeyPatch, told: str, width: int) -> None:
    """COLUMNS is obeyed on a terminal; elsewhere lines are whole."""
    monkeypatch.setenv("COLUMNS", told)
    assert columns(Terminal()) == width
    assert columns(io.StringIO()) == 0


@pytest.mark.parametrize(("options", "expected"), [([], True), (["-q"], False), (["--json"], False)])
def test_what_comes_next_is_said_once_and_can_be_pasted(options: list[str], expected: bool) -> None:
    """On stderr; not to programs, and not to who wants quiet."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json: bool) -> None:
        suggest(("package", Path("my models/int8.tflite"), "--labels", "LABELS.txt"))

    add_verbosity(command)
    result = CliRunner().invoke(command, options)
    line = "Next: edge-mnv3 package 'my models/int8.tflite' --labels LABELS.txt\n"
    assert result.stderr == (line if expected else "")
    assert result.stdout == ""


def test_a_word_that_is_longer_than_its_column_stays_whole() -> None:
    name = "x" * 50
    assert fitted(f"sha256             {name} and more", 60).split("\n") == [
        "sha256",
        f"{'':10}{name}",
        f"{'':19}and more",
    ]
    assert fitted(f"key                first {name}", 60).split("\n")[1] == f"{'':10}{name}"
    # What no line has room for is left to the terminal.
    assert fitted(f"sha256             {'y' * 61}", 60) == f"sha256             {'y' * 61}"
