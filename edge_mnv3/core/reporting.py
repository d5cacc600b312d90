"""How a stage tells what it is doing; it knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A step that is to come.

    Attributes:
        text: What `step` will be told when it begins.
        expected_s: Seconds that it takes on a machine like ours, at least 0. What counts is the ratio to the
            other phases of the same plan.
    """

    text: str
    expected_s: float


class Reporter:
    """The one way in which anything tells of its progress: this one takes it and says nothing.

    Commands use one that writes to the terminal; in Python, derive one and pass it as `reporter`. It may be
    called from several threads.
    """

    def plan(self, phases: Sequence[Phase]) -> None:
        """The steps that are to come, in order; told while a step runs, those that it consists of."""

    def step(self, text: str) -> None:
        """A step begins, and the one before has ended. Some steps are left out, others were not planned."""

    def progress(self, done: int, total: int) -> None:
        """The current step has done this much; a total of 0 is not known."""

    def note(self, text: str) -> None:
        """How it went: what no figure of the result depends on."""

    def warn(self, text: str) -> None:
        """The user must know this."""


SILENT = Reporter()


@contextmanager
def timed(timings_s: dict[str, float], key: str, text: str, reporter: Reporter) -> Iterator[None]:
    """Reports a step, and notes how long it took."""
    reporter.step(text)
    started = time.perf_counter()
    yield
    timings_s[key] = time.perf_counter() - started
