"""The one door to other programs: an argv list, a timeout, both streams kept."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import NamedTuple


class Completed(NamedTuple):
    """A program that has ended.

    Attributes:
        returncode: Exit code; negative for the number of the signal that killed it; None after a timeout.
    """

    returncode: int | None
    stdout: str
    stderr: str


def run(argv: Sequence[str], *, timeout_s: float) -> Completed:
    """Runs a program without standard input; kills it after `timeout_s` seconds."""
    try:
        done = subprocess.run(  # noqa: S603 - argv list, no shell
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired as timeout:
        return Completed(None, _text(timeout.stdout), _text(timeout.stderr))
    return Completed(done.returncode, done.stdout, done.stderr)


def _text(stream: bytes | str | None) -> str:
    return stream.decode("utf-8", "replace") if isinstance(stream, bytes) else stream or ""
