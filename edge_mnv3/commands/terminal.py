"""Progress on stderr, and only on a terminal; warnings always."""

from __future__ import annotations

import sys
import time

import click

from edge_mnv3.core.reporting import Reporter

_REFRESH_S = 0.1


class TerminalReporter(Reporter):
    """Writes each step on a line of its own, with its progress and, when the next begins, its duration."""

    def __init__(self) -> None:
        self._step = ""
        self._started = 0.0
        self._drawn = 0.0

    def step(self, text: str) -> None:
        """Ends the step before and begins one."""
        self.close()
        self._step, self._started, self._drawn = text, time.monotonic(), 0.0
        self._draw(f"{text} …")

    def progress(self, done: int, total: int) -> None:
        """Redraws the step's line, at most ten times a second."""
        now = time.monotonic()
        if now - self._drawn >= _REFRESH_S or done == total:
            self._drawn = now
            share = f"{done}/{total}" if total else f"{done}"
            self._draw(f"{self._step} … {share}")

    def warn(self, text: str) -> None:
        """Writes a warning, on a terminal or not."""
        self._draw("")
        click.echo(f"warning: {text}", err=True)

    def close(self) -> None:
        """Ends the current step's line."""
        if self._step:
            self._draw(f"{self._step}: {time.monotonic() - self._started:.1f} s", end="\n")
            self._step = ""

    @staticmethod
    def _draw(text: str, end: str = "") -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{text}{end}", err=True, nl=False)
