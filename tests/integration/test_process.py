"""Other programs: ended in time, with all that they started, and stoppable."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mnv3.core import process
from hanging import HANGS_AFTER_S


def test_lines_end_in_a_line_feed_only() -> None:
    done = process.run(["printf", r"a\r\nb\r\r\nc\rd\n"], timeout_s=10)
    assert done == (0, "a\nb\nc\rd\n", "")


@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_timeout_keeps_what_was_printed_and_ends_what_the_program_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed, alive = tmp_path / "printed", tmp_path / "alive"
    os.mkfifo(alive)
    reading = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{alive}; echo begun; echo problem >&2; sleep 600 & touch {printed}; wait"
    # Its time is up once all is printed, however long that takes here.
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 1000 * printed.exists())
    monkeypatch.setattr(process, "time", clock)
    done = process.run(["sh", "-c", script], timeout_s=900, stop=threading.Event())
    assert done == (None, "begun\n", "problem\n")
    # `sleep` has the pipe open as the shell has: its end is read once neither is left.
    os.set_blocking(reading, True)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""


@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_stop_ends_it_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(KeyboardInterrupt):
        process.run(["sleep", "600"], timeout_s=900, stop=stop)


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are a POSIX thing")
def test_the_terminals_interrupt_does_not_reach_it() -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    assert process.run([sys.executable, "-S", "-c", code], timeout_s=20).stdout == "True\n"


def test_it_has_no_standard_input() -> None:
    assert process.run(["cat"], timeout_s=10) == (0, "", "")
