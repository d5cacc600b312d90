"""Keeping native libraries' chatter off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


class NativeOutput:
    """What was written to file descriptors 1 and 2; complete once the block has ended."""

    text = ""


@contextmanager
def captured_native_output() -> Iterator[NativeOutput]:
    """Captures what C++ code and child processes write to the process's stdout and stderr.

    Python's own `sys.stderr` keeps its terminal, so that progress stays visible. The descriptors belong to
    the whole process: other threads' native output is captured too, and nested use waits for its turn.
    """
    captured = NativeOutput()
    with _LOCK, tempfile.TemporaryFile() as log:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        python_stderr = sys.stderr
        try:
            own_stderr = python_stderr.fileno() == 2
        except (OSError, ValueError, AttributeError):
            own_stderr = False
        terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") if own_stderr else None
        if terminal:
            sys.stderr = terminal
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield captured
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in saved:
                os.close(descriptor)
            if terminal:
                sys.stderr = python_stderr
                terminal.close()
            log.seek(0)
            captured.text = log.read().decode("utf-8", "replace")
