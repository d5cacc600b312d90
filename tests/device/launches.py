"""Launches of `benchmark_model` on the phone, as its process and the phone tell each other by files.

The phone says when a launch begins and when it may end, so that nothing depends on how fast this computer is:
it begins when its cores are clocked up, and it lasts until whoever samples it has done so a few times.
"""

from __future__ import annotations

import fcntl
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from device import phone_processes
from device.stand_in_behaviour import Behaviour, Figures

SAMPLES = 3  # from the second one on clocks are looked at, and the last one is left out
_GIVES_UP_AFTER_S = 300.0  # longer than any test: the phone is gone then
_POLL_S = 0.002


class RunningLaunch(NamedTuple):
    """A launch that has begun.

    Attributes:
        number: Of all launches on this phone, from 1 on.
        pid: The process.
        watch: Name of the script that samples it, as in `watching.py`; empty where none does.
    """

    number: int
    pid: int
    watch: str


class Launches:
    """What was launched, and how the next launches behave.

    A process that starts notes its command line, asks, and begins only when the phone has answered: by then
    its cores are clocked up, and what a test wants to happen at this launch has happened.
    """

    def __init__(self, root: Path, state: Path) -> None:
        self._root = root
        self._state = state
        self._started = state / "started"
        self._behaviours = state / "behaviours"
        self._watches = state / "watches"
        self._running: dict[int, RunningLaunch] = {}
        for folder in (self._started, self._behaviours, self._watches):
            folder.mkdir()

    def command_lines(self) -> list[list[str]]:
        """Reads the command lines of all launches so far."""
        return [launch["argv"] for launch in self._launched()]

    def set_up(self, behaviour: Behaviour | None, figures: Figures | None) -> dict[str, str | None]:
        """The files that tell each process how to behave and what to print."""
        return {
            "behaviour.json": json.dumps(asdict(behaviour)) if behaviour else None,
            "figures.json": json.dumps(asdict(figures)) if figures else None,
        }

    def asking(self) -> list[int]:
        """Numbers of the processes that wait for an answer, in order of their start."""
        return sorted(pid for pid in self._pids() if self._read(pid) == "asks")

    def answer(self, pid: int, behaviour: Behaviour | None) -> None:
        """Lets a process begin, with another behaviour or none."""
        if behaviour is not None:
            (self._behaviours / f"{pid}.json").write_text(json.dumps(asdict(behaviour)))
        launched = self._launched()
        number = max(place for place, launch in enumerate(launched, 1) if launch["pid"] == pid)
        self._running[pid] = RunningLaunch(number, pid, launched[number - 1]["watch"])
        self._tell(pid, "knows")

    def running(self) -> list[RunningLaunch]:
        """The launches that have begun and may not end yet."""
        return list(self._running.values())

    def is_seen(self, launch: RunningLaunch) -> bool:
        """Whether a launch was sampled, if anything samples it."""
        return not launch.watch or self._samples(launch) > 0

    def let_end(self, launch: RunningLaunch) -> None:
        """Lets a process end, if it was sampled often enough."""
        if launch.pid in self._running and (not launch.watch or self._samples(launch) >= SAMPLES):
            del self._running[launch.pid]
            self._tell(launch.pid, "may end")

    def forget(self, pid: int) -> None:
        """A process has ended."""
        self._running.pop(pid, None)
        (self._started / str(pid)).unlink(missing_ok=True)

    def busy_cpus(self, cores: int) -> frozenset[int]:
        """Cores on which a launch computes, or may."""
        masks = [phone_processes.shown_mask(str(self._root), pid) or 0 for pid in self._pids()]
        return frozenset(cpu for cpu in range(cores) if any(mask >> cpu & 1 for mask in masks))

    def _samples(self, launch: RunningLaunch) -> int:
        """How often a launch was sampled to the end: a sample lies between two naps."""
        try:
            naps = (self._watches / f"{launch.watch}.naps").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0
        return max(0, naps - 1)

    def _launched(self) -> list[dict[str, Any]]:
        path = self._state / "launches.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _tell(self, pid: int, word: str) -> None:
        part = self._state / "answer"
        part.write_text(word)
        part.replace(self._started / str(pid))

    def _pids(self) -> list[int]:
        return [int(path.name) for path in self._started.iterdir()]

    def _read(self, pid: int) -> str:
        try:
            return (self._started / str(pid)).read_text()
        except FileNotFoundError:
            return ""


def wait_until_it_may_end(state: Path, pid: int) -> None:
    """Called by a launch that has done its work.

    Raises:
        TimeoutError: The phone never said so.
    """
    told = state / "started" / str(pid)
    end = time.monotonic() + _GIVES_UP_AFTER_S
    while told.read_text() != "may end":
        if time.monotonic() > end:
            raise TimeoutError("the emulated phone does not let the launch end")
        time.sleep(_POLL_S)


def launch_number(state: Path, model: str) -> int:
    """Counts the launches of a model, from 0 on."""
    with (state / "launch_numbers.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        numbers = json.loads(file.read() or "{}")
        number: int = numbers.get(model, 0)
        file.truncate(0)
        file.write(json.dumps({**numbers, model: number + 1}))
    return number
