"""What is told of progress, on a terminal and off it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from edge_mnv3.commands.terminal import TerminalReporter, duration
from edge_mnv3.commands.verbosity import NORMAL, QUIET, VERBOSE, add_verbosity, verbosity
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.reporting import Phase

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def console(written: io.StringIO) -> Console:
    return Console(file=written, force_terminal=True, width=40, _environ={"TERM": "xterm"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (7384, "2:03:04"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    reporter = TerminalReporter(clock=clock)
    reporter.plan([Phase("reading", 10), Phase("fitting", 50)])
    reporter.step("reading")
    for done in range(1, 101):
        clock.now_s += 0.12
        reporter.progress(done, 100)
    reporter.step("fitting")
    reporter.warn("few images")
    clock.now_s += 4
    reporter.progress(5, 54)
    reporter.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "[1/2] reading: 42/100, 5 s, about 57 s left",
        "[1/2] reading: 84/100, 10 s, about 52 s left",
        "warning: few images",
        "[2/2] fitting: 5/54, 4 s, about 39 s left",
    ]


def test_what_ends_at_once_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    reporter = TerminalReporter(clock=clock)
    reporter.step("reading")
    reporter.progress(1, 1)
    clock.now_s += 4.9
    reporter.step("writing")
    reporter.close()
    assert capsys.readouterr() == ("", "")


def test_a_line_that_is_redrawn_on_a_terminal() -> None:
    clock, written = Clock(), io.StringIO()
    reporter = TerminalReporter(clock=clock, console=console(written))
    reporter.plan([Phase("reading", 10), Phase("fitting all weights", 50)])
    reporter.step("reading")
    clock.now_s += 5
    reporter.progress(50, 100)
    reporter.warn("not [bold] " + 40 * "x")
    clock.now_s += 5
    reporter.step("fitting all weights")
    reporter.close()
    text = written.getvalue()
    assert text.index(HIDDEN) < text.rindex(SHOWN)
    lines = [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", text)) if line]
    # Warnings are whole, in words that are; the status is cut to the terminal's width.
    at = lines.index("warning: not [bold]")
    assert lines[at + 1] == 40 * "x"
    assert "reading: 10.0 s" in lines
    assert "fitting all weights: 0.0 s" in lines
    assert "[1/2] reading: 0 s, about 1:00 left" in lines
    assert "[2/2] fitting all…: 0 s, about 50 s left" in lines
    assert all(len(line) <= 40 for line in lines if line.startswith("["))


def shown(width: int, tell: Callable[[TerminalReporter, Clock], None]) -> list[str]:
    """All lines on a terminal of so many columns."""
    clock, written = Clock(), io.StringIO()
    reporter = TerminalReporter(
        clock=clock,
        console=Console(file=written, force_terminal=True, width=width, _environ={"TERM": "xterm"}),
    )
    tell(reporter, clock)
    reporter.close()
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", written.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line]


POINT = "point 1 of 8, mobilenet_v3_small_minimalistic_0.35_64_fast_budget0_seed0"


@pytest.mark.parametrize(
    ("step", "width", "line"),
    [
        (
            f"{POINT}: equalizing channels",
            80,
            "[1/2] point 1 of 8, mobile…get0_seed0: equalizing channels: 0 s, about 20 s left",
        ),
        (f"{POINT}: equalizing channels", 60, "[1/2] equalizing channels: 0 s, about 20 s left"),
        (f"{POINT}: equalizing channels", 50, "[1/2] equalizing channels: 0 s, about 20 s left"),
        (f"{POINT}: equalizing channels", 40, "[1/2] equalizing…: 0 s, about 20 s left"),
        (
            "building the network and converting it to a float .tflite",
            80,
            "[1/2] building the network and converting it to a float .…: 0 s, about 20 s left",
        ),
        ("reading", 20, "[1/2] …: 0 s, about…"),
    ],
)
def test_the_time_left_is_seen_behind_long_names(step: str, width: int, line: str) -> None:
    def tell(reporter: TerminalReporter, _: Clock) -> None:
        reporter.plan([Phase(step, 10), Phase("checking", 10)])
        reporter.step(step)

    lines = shown(width, tell)
    assert line in lines
    assert all(len(each) <= width for each in lines)


def test_a_step_that_consists_of_others_leaves_them_alone() -> None:
    """Of those that are named after it, only the line of the whole stays."""

    def tell(reporter: TerminalReporter, clock: Clock) -> None:
        reporter.plan([Phase("reading", 1), Phase("quantizing", 9), Phase("checking", 1)])
        reporter.step("quantizing")
        reporter.plan([Phase("fitting", 1), Phase("rounding", 1)])
        for step in ("fitting", "rounding", "checking", *points):
            reporter.step(step)
            clock.now_s += 2

    points = ("point 1", "point 1: opening", "point 1: closing", "point 2", "point 2: opening")
    lines = shown(80, tell)
    assert [line for line in lines if re.search(r"\d\.\d s$", line)] == [
        "fitting: 2.0 s",
        "rounding: 2.0 s",
        "checking: 2.0 s",
        "point 1: 6.0 s",
        "point 2: 4.0 s",
    ]
    numbers = {line[:5]: line.split()[1] for line in lines if line.startswith("[")}
    assert {*numbers} == {"[2/3]", "[3/3]"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ArgumentError("alpha", "0", "more"), ValueError("!")])
def test_the_cursor_comes_back_after_errors(error: BaseException) -> None:
    written = io.StringIO()

    @click.command()
    def command() -> None:
        reporter = TerminalReporter(console=console(written))
        reporter.step("reading")
        raise error

    done = CliRunner().invoke(command)
    assert done.exit_code == 1
    assert written.getvalue().index(HIDDEN) < written.getvalue().rindex(SHOWN)


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        (QUIET, ["warning: few images"]),
        (NORMAL, ["warning: few images"]),
        (
            VERBOSE,
            [*("reading", "warning: few images", "reading: 0.0 s"), "fitting", "fitting: 0.0 s"],
        ),
    ],
)
def test_how_much_is_said(capsys: pytest.CaptureFixture[str], level: int, lines: list[str]) -> None:
    command = click.Command("command", callback=lambda: None)
    add_verbosity(command)
    flags = {QUIET: ["-q"], NORMAL: [], VERBOSE: ["-v"]}[level]
    with command.make_context("command", flags):
        assert verbosity() == level
        reporter = TerminalReporter(clock=Clock())
        reporter.step("reading")
        reporter.warn("few images")
        reporter.step("fitting")
        reporter.close()
    assert capsys.readouterr().err.splitlines() == lines
    assert verbosity() == NORMAL
