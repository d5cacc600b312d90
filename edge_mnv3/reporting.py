"""How a stage tells what it is doing; it knows no terminal."""

from __future__ import annotations


class Reporter:
    """Takes what happens and says nothing; commands use one that writes to the terminal."""

    def step(self, text: str) -> None:
        """A step begins."""

    def progress(self, done: int, total: int) -> None:
        """The current step has done this much."""

    def warn(self, text: str) -> None:
        """The user must know this."""
