"""A reporter that keeps what it was told."""

from __future__ import annotations

from edge_mnv3.core.reporting import Reporter


class RecordingReporter(Reporter):
    """Keeps everything in the order in which it came.

    Attributes:
        steps: Texts of the steps that began.
        done_and_total: Each progress.
        warnings: Texts of the warnings.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.done_and_total: list[tuple[int, int]] = []
        self.warnings: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def progress(self, done: int, total: int) -> None:
        self.done_and_total.append((done, total))

    def warn(self, text: str) -> None:
        self.warnings.append(text)
