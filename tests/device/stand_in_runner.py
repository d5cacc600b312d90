"""Starts and ends the process that runs models for emulated phones."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_TIMEOUT_S = 60.0


@contextmanager
def running_stand_in(folder: Path) -> Iterator[str]:
    """Runs `stand_in_server.py`; yields the words by which a phone's `benchmark_model` reaches it."""
    here = Path(__file__).parent
    socket_path = folder / "stand_in"
    with (folder / "stand_in.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(here / "stand_in_server.py"), str(socket_path)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={"OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    try:
        yield f"{sys.executable} -I -S {here / 'stand_in_client.py'} {socket_path}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(socket_path: Path) -> None:
    """Waits until models can be run.

    Raises:
        RuntimeError: The process did not start.
    """
    end = time.monotonic() + _START_TIMEOUT_S
    while not socket_path.exists():
        if time.monotonic() > end:
            raise RuntimeError("the process that runs models did not start")
        time.sleep(0.01)
