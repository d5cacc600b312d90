"""A Dask scheduler and its workers, real processes that tests may kill, stop or replace."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


class Cluster:
    """A scheduler and its workers, each a process with one thread."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{port}"
        self._scheduler = self._start("scheduler", folder, "--host", "127.0.0.1", "--port", port)
        self._workers: list[tuple[subprocess.Popen[bytes], Path]] = []

    def have(self, *folders: Path) -> None:
        """Ends what is left of earlier workers, and has one in each of these folders."""
        earlier, self._workers = self._workers, []
        for each, folder in earlier:
            usable = each.poll() is None and not stopped(each)
            if usable and folder in folders[len(self._workers) :][:1]:
                self._workers.append((each, folder))
            else:
                end(each)
        for folder in folders[len(self._workers) :]:
            self._workers.append((self._start("worker", folder, self.address, "--nthreads", "1"), folder))
        distributed: Any = importlib.import_module("distributed")
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(folders), timeout=60)
            while len(client.nthreads()) != len(folders):
                pass  # those that were ended are about to be missed

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        return [each for each, _ in self._workers]

    def end(self) -> None:
        for each in (*self.processes, self._scheduler):
            end(each)

    @staticmethod
    def _start(kind: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            # One worker that ends is enough to look at what it was at.
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }
        more = ["--no-dashboard", *(["--no-nanny"] if kind == "worker" else [])]
        return subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *arguments, *more],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def stopped(process: subprocess.Popen[bytes]) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process.pid)], capture_output=True, check=False)
    return state.stdout.strip().startswith(b"T")


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
