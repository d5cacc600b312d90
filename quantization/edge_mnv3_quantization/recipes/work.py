"""What a recipe does one after the other: reported as steps, and how long each took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from edge_mnv3.core.reporting import Phase, Reporter
from edge_mnv3_quantization.recipes.expected import PhaseName

_TEXTS: dict[PhaseName, str] = {
    "observe": "running the float network on the images",
    "measure": "measuring what errors cost",
    "equalize": "equalizing channels",
    "choose_exponent": "comparing equalization exponents",
    "quantize_weights": "quantizing weights",
}


class Work(Reporter):
    """Reports each phase of a recipe as a step, with its own progress.

    Attributes:
        phases_s: Phase to seconds of wall time.
    """

    def __init__(self, expected_s: Mapping[PhaseName, float], reporter: Reporter) -> None:
        """Reports what is to come.

        Args:
            expected_s: The phases in order, with the seconds that they take; their ratios count.
            reporter: Who is told.
        """
        self.phases_s: dict[str, float] = {}
        self._reporter = reporter
        self._repeats = 1
        self._units = 0
        self._lock = threading.Lock()
        reporter.plan([Phase(_TEXTS[name], seconds) for name, seconds in expected_s.items()])

    def progress(self, done: int, total: int) -> None:
        """Reports how much of the phase is done; where work is repeated, each report counts as one unit."""
        if self._repeats > 1:
            with self._lock:
                self._units += 1
                done, total = min(self._units, self._repeats * total), self._repeats * total
        self._reporter.progress(done, total)

    @contextmanager
    def phase(self, name: PhaseName, *, repeats: int = 1) -> Iterator[None]:
        """Reports that a phase begins, and measures how long it takes.

        Args:
            name: The phase.
            repeats: How often what tells of its progress is done, one after the other or side by side.
        """
        self._repeats, self._units = repeats, 0
        self._reporter.step(_TEXTS[name])
        started = time.perf_counter()
        yield
        self.phases_s[name] = round(time.perf_counter() - started, 3)
