"""The one door to other programs: an argv list, a timeout, both streams kept."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_POLL_S = 0.1  # how soon a stop is noticed
_DRAIN_S = 1.0  # for what a killed program had written; one that it started may hold its streams open
_LINE_END = re.compile(r"\r+\n")


class Completed(NamedTuple):
    """A program that has ended.

    Attributes:
        returncode: Exit code; negative for the number of the signal that killed it; None after a timeout.
        stdout: Text; lines end in a line feed whatever the program wrote. After a timeout what there was.
        stderr: Text, with the same line ends.
    """

    returncode: int | None
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stop: threading.Event | None = None,
    stdin: Path | None = None,
    stdout: Path | None = None,
) -> Completed:
    """Runs a program; kills it after `timeout_s` seconds.

    It runs in a new session: Ctrl-C in the terminal reaches this program only, which then ends the
    other, so that it may still be spoken to in an orderly way.

    Args:
        argv: Program and arguments.
        timeout_s: Longest time that it may take.
        stop: When set by another thread, the program is killed and `KeyboardInterrupt` is raised here.
        stdin: File that it reads; None for nothing.
        stdout: File that what it prints is written to, byte by byte; None for `Completed.stdout`.

    Raises:
        KeyboardInterrupt: `stop` was set.
        OSError: The program cannot be started, or a file cannot be opened.
    """
    deadline = time.monotonic() + timeout_s
    with contextlib.ExitStack() as files:
        program = subprocess.Popen(  # noqa: S603 - argv list, no shell
            list(argv),
            stdin=files.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL,
            stdout=files.enter_context(stdout.open("wb")) if stdout else subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    try:
        while True:
            left_s = deadline - time.monotonic()
            try:
                streams = program.communicate(timeout=left_s if stop is None else min(left_s, _POLL_S))
                return Completed(program.returncode, *map(_text, streams))
            except subprocess.TimeoutExpired:
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt from None
                if time.monotonic() >= deadline:
                    return Completed(None, *_kill(program))
    except BaseException:
        _kill(program)
        raise


class Held:
    """A program that runs until it is told to end.

    Its standard input stays open for as long: it ends when this process does, however that comes about.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Starts it, in a session of its own; what it prints is dropped.

        Raises:
            OSError: It cannot be started.
        """
        self._program = subprocess.Popen(  # noqa: S603 - argv list, no shell
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self, line: str, *, timeout_s: float) -> None:
        """Writes a line to it and waits for its end; kills it where that does not come in time."""
        stdin = self._program.stdin
        try:
            if stdin is not None and timeout_s > 0:
                with contextlib.suppress(OSError):
                    stdin.write(f"{line}\n".encode())
                    stdin.flush()
                self._program.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self._program)
            self._program.wait()
            if stdin is not None:
                with contextlib.suppress(OSError):
                    stdin.close()


def _kill_group(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended just now
            if hasattr(os, "killpg"):
                os.killpg(program.pid, signal.SIGKILL)
            else:
                program.kill()


def _kill(program: subprocess.Popen[bytes]) -> tuple[str, str]:
    _kill_group(program)
    try:
        streams = program.communicate(timeout=_DRAIN_S)
    except subprocess.TimeoutExpired as late:
        streams = late.stdout or b"", late.stderr or b""
        for stream in (program.stdout, program.stderr):
            if stream:
                stream.close()
    return _text(streams[0]), _text(streams[1])


def _text(stream: bytes | None) -> str:
    return _LINE_END.sub("\n", stream.decode("utf-8", "replace")) if stream else ""
