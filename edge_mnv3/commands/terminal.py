"""Progress on stderr: on a terminal a line that is redrawn, elsewhere one now and then; warnings always."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.showing import fitted, say
from edge_mnv3.commands.verbosity import NORMAL, QUIET, VERBOSE, verbosity
from edge_mnv3.core.estimate import Estimate
from edge_mnv3.core.reporting import Phase, Reporter

if TYPE_CHECKING:
    from rich.console import Console, ConsoleRenderable
    from rich.live import Live

# A log needs few lines, and none at all of a command that ends before the first.
LINES_APART_S = 5.0
_NO_TIME = "0 s"
_LEAST_SHOWN = 12  # letters of what a step is part of; fewer say nothing
REPORTER = "edge_mnv3.reporter"  # of a context: who is told in place of the terminal
WARNINGS = "edge_mnv3.warnings"  # of a context: the list of those that were given, where one is kept


class TerminalReporter(Reporter):
    """Shows the step, its number, how much of it is done, the time that it took and the time that is left.

    On a terminal it is one line that is redrawn, and each step that ends leaves its name and duration,
    unless it consists of others, which do. Where the others are named after it, `point 1` and
    `point 1: opening`, it leaves its own line in place of theirs. A long name is shortened, so that the time
    left is always seen. Elsewhere it is a whole line, every five seconds at most. `-q` shows none, and `-v` a
    line when each step begins and one when it ends.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, console: Console | None = None
    ) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._estimate = Estimate()
        self._step, self._done, self._total = "", 0, 0
        self._begun_s = self._shown_s = clock()
        self._line = ""
        self._is_divided = False  # the step consists of others
        self._whole: tuple[str, float] | None = None  # what the steps are named after, and its begin
        self._verbosity = verbosity()
        context = click.get_current_context(silent=True)
        self._told: Reporter | None = None if context is None else context.meta.get(REPORTER)
        redraws = console is not None or (_is_terminal() and self._verbosity == NORMAL)
        self._live = _live(console, self._redrawn) if redraws and self._told is None else None
        if context is not None:
            # After an error and after Ctrl-C as well: the cursor is hidden while lines are redrawn.
            context.call_on_close(self.close)
        self._warned: list[str] | None = None if context is None else context.meta.get(WARNINGS)

    def plan(self, phases: Sequence[Phase]) -> None:
        """Notes what is to come."""
        if self._told is not None:
            self._told.plan(phases)
            return
        with self._lock:
            self._is_divided = self._estimate.plan(phases)

    def step(self, text: str) -> None:
        """Ends the step before and begins one."""
        if self._told is not None:
            self._told.step(text)
            return
        with self._lock:
            if text.startswith(f"{self._step}: "):
                self._is_divided, self._whole = True, (self._step, self._begun_s)
            self._end_step()
            if not self._is_part(text):
                self._end_whole()
            self._step, self._done, self._total, self._begun_s = text, 0, 0, self._clock()
            self._estimate.step(text, self._begun_s)
            self._show(begins=True)

    def progress(self, done: int, total: int) -> None:
        """Shows how much of the step is done."""
        if self._told is not None:
            self._told.progress(done, total)
            return
        with self._lock:
            self._done, self._total = done, total
            self._estimate.progress(done, total)
            self._show()

    def note(self, text: str) -> None:
        """Writes how it went, on a terminal or not, but where nothing is to be told."""
        if self._told is not None:
            self._told.note(text)
        elif self._verbosity != QUIET:
            with self._lock:
                self._write(text)

    def warn(self, text: str) -> None:
        """Writes a warning, on a terminal or not."""
        with self._lock:
            if self._told is not None:
                self._told.warn(text)
            else:
                self._write(f"warning: {text}")
            if self._warned is not None:
                self._warned.append(text)

    def close(self) -> None:
        """Ends the current step, and the line."""
        with self._lock:
            self._end_step()
            self._end_whole()
            live = self._live
        # Not under the lock, for which the thread that redraws may wait.
        if live is not None:
            live.stop()

    def _end_step(self) -> None:
        ended, self._step = self._step, ""
        is_divided, self._is_divided = self._is_divided, False
        if ended and not is_divided and not (self._live is not None and self._is_part(ended)):
            self._write_ended(ended, self._begun_s)

    def _is_part(self, text: str) -> bool:
        return self._whole is not None and text.startswith(f"{self._whole[0]}: ")

    def _end_whole(self) -> None:
        whole, self._whole = self._whole, None
        if whole is not None:
            self._write_ended(*whole)

    def _write_ended(self, step: str, begun_s: float) -> None:
        if self._live is not None or self._verbosity == VERBOSE:
            self._write(self._fitted("", step, f": {self._clock() - begun_s:.1f} s"))

    def _write(self, line: str) -> None:
        if self._live is not None and self._live.is_started:
            width = self._live.console.width
            self._live.console.print(fitted(line, width), markup=False, highlight=False, soft_wrap=True)
        else:
            say(line, err=True)

    def _show(self, *, begins: bool = False) -> None:
        now_s = self._clock()
        if self._live is not None:
            self._live.start()
            if begins:
                self._live.refresh()  # progress is shown by the thread that redraws
        elif self._verbosity == QUIET:
            return
        elif (begins and self._verbosity == VERBOSE) or now_s - self._shown_s >= LINES_APART_S:
            self._shown_s = now_s
            click.echo(self._status(now_s), err=True)

    def _redrawn(self) -> ConsoleRenderable:
        """What the thread that redraws shows; it waits for nobody, for others wait for it."""
        from rich.text import Text

        if self._lock.acquire(blocking=False):
            try:
                self._line = self._status(self._clock()) if self._step else ""
            finally:
                self._lock.release()
        return Text(self._line, no_wrap=True, overflow="ellipsis")

    def _status(self, now_s: float) -> str:
        position = self._estimate.position(now_s)
        number = f"[{position.number}/{position.of}] " if position.number else ""
        share = f" {self._done}/{self._total}," if self._total else f" {self._done}," if self._done else ""
        times = [duration(now_s - self._begun_s)]
        if self._live is None and not share and times == [_NO_TIME]:
            times = []  # no line of a log says that a step that begins took no time
        if position.remaining_s is not None:
            times.append(f"about {duration(max(position.remaining_s, 1.0))} left")
        told = f":{share} {', '.join(times)}" if times else ""
        return self._fitted(number, self._step, told)

    def _fitted(self, number: str, step: str, told: str) -> str:
        """A line with a step's name, which is shortened on a terminal where the line would not fit."""
        if self._live is not None:
            step = _shortened(step, self._live.console.width - len(number) - len(told))
        return f"{number}{step}{told}"


def _shortened(step: str, room: int) -> str:
    """Keeps the end of a name, `equalizing` of `point 1 of 8, a: equalizing`, longer than what it is of."""
    if len(step) <= room:
        return step
    whole, _, part = step.rpartition(": ")
    left = room - len(part) - 3  # of `…` and `: `
    if whole and left >= _LEAST_SHOWN:
        return f"{whole[: left - left // 3]}…{whole[len(whole) - left // 3 :]}: {part}"
    return part if len(part) <= room else f"{part[: max(room - 1, 0)].rstrip()}…"


def duration(seconds: float) -> str:
    """Writes a time for people: `7 s`, `1:05`, `2:00:00`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds_left = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}:{minutes_left:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _live(console: Console | None, redrawn: Callable[[], ConsoleRenderable]) -> Live:
    from rich.console import Console as TerminalConsole
    from rich.live import Live

    return Live(
        console=console or TerminalConsole(stderr=True),
        get_renderable=redrawn,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
