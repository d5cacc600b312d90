"""How a stage tells what it is doing; it knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Reporter:
    """The one way in which anything tells of its progress: this one takes it and says nothing.

    Commands use one that writes to the terminal; in Python, derive one and pass it as `reporter`. It may be
    called from several threads.
    """

    def step(self, text: str) -> None:
        """A step begins."""

    def progress(self, done: int, total: int) -> None:
        """The current step has done this much."""

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
