"""A reporter that keeps what it was told."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.reporting import Phase, Reporter


class RecordingReporter(Reporter):
    """Keeps everything in the order in which it came.

    Attributes:
        plans: Texts of the phases of each plan.
        steps: Texts of the steps that began.
        done_and_total: Each progress.
        notes: Texts of the notes.
        warnings: Texts of the warnings.
    """

    def __init__(self) -> None:
        self.plans: list[list[str]] = []
        self.steps: list[str] = []
        self.done_and_total: list[tuple[int, int]] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def plan(self, phases: Sequence[Phase]) -> None:
        self.plans.append([phase.text for phase in phases])

    def step(self, text: str) -> None:
        self.steps.append(text)

    def progress(self, done: int, total: int) -> None:
        self.done_and_total.append((done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
