"""Launches of `benchmark_model` on the phone, as its process and the phone tell each other by files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from device import phone_processes
from device.stand_in_behaviour import Behaviour, Figures


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
        for folder in (self._started, self._behaviours):
            folder.mkdir()

    def command_lines(self) -> list[list[str]]:
        """Reads the command lines of all launches so far."""
        path = self._state / "launches.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

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
        part = self._state / "answer"
        part.write_text("knows")
        part.replace(self._started / str(pid))

    def forget(self, pid: int) -> None:
        """A process has ended."""
        (self._started / str(pid)).unlink(missing_ok=True)

    def busy_cpus(self, cores: int) -> frozenset[int]:
        """Cores on which a launch computes, or may."""
        masks = [phone_processes.shown_mask(str(self._root), pid) or 0 for pid in self._pids()]
        return frozenset(cpu for cpu in range(cores) if any(mask >> cpu & 1 for mask in masks))

    def _pids(self) -> list[int]:
        return [int(path.name) for path in self._started.iterdir()]

    def _read(self, pid: int) -> str:
        try:
            return (self._started / str(pid)).read_text()
        except FileNotFoundError:
            return ""
