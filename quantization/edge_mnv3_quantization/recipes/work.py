"""How far a recipe is, and how long its phases took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edge_mnv3.core.reporting import Reporter


class Work(Reporter):
    """Adds up the units of work of all phases: each report of a phase's progress is one unit.

    Attributes:
        phases_s: Phase to seconds of wall time.
    """

    def __init__(self, total: int, reporter: Reporter) -> None:
        self.phases_s: dict[str, float] = {}
        self._done, self._total, self._reporter = 0, total, reporter

    def progress(self, done: int, total: int) -> None:
        """Counts one more unit as done, whatever numbers the phase gives."""
        self._done = min(self._done + 1, self._total)
        self._reporter.progress(self._done, self._total)

    def finish(self) -> None:
        """Reports all units as done, for there are no reports of nodes that were folded away."""
        self._reporter.progress(self._total, self._total)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measures how long a phase takes."""
        started = time.perf_counter()
        yield
        self.phases_s[name] = round(time.perf_counter() - started, 3)
