"""Starts and ends the process that runs models for emulated phones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
