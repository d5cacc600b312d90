"""Which launch comes next: models interleaved, order alternated, offending launches repeated up to a limit.

In odd rounds the cells (a model under a build) run first to last, in even ones last to first: A B C, C B A,
A B C, …. Over each pair of rounds the mean time of a cell's launches is then the same for all cells, so that
a drift that is linear in time shifts all of them alike and cancels in their ratios; with an odd number of
rounds half a round's drift is left, divided by the number of launches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult, LaunchRecord
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launch_statistics import (
    MAX_VARIATION_PERCENT,
    launch_figures_us,
    statistic_of,
    summarize,
    variation_percent,
)

# A set whose launches vary too much is repeated as a whole: to pick among them would bias the figure.
MAX_SETS = 3
TRIES_PER_LAUNCH = 2
MAX_ALIKE = 3  # a program that fails so many times in the same way will go on doing so


@dataclass(slots=True, kw_only=True)
class Cell:
    """A model under a build of `benchmark_model`, and its launches so far.

    Attributes:
        label: Name in messages.
        conditions: Conditions of the measurement.
        command: Command of each launch.
        min_launches: Number of launches that must count.
        launches: All launches, those that do not count included.
        sets: Sets of launches begun.
        tries: Launches in the present set.
    """

    label: str
    conditions: DeviceBenchConditions
    command: LaunchCommand
    min_launches: int
    launches: list[LaunchRecord] = field(default_factory=list)
    sets: int = 1
    tries: int = 0

    def add(self, record: LaunchRecord) -> None:
        """Enters a launch; a full set that varies too much is set aside, and another begun if one is left."""
        self.launches.append(record)
        self.tries += 1
        variation = self._variation_percent()
        if self.counted < self.min_launches or variation is None or variation <= MAX_VARIATION_PERCENT:
            return
        if self.sets < MAX_SETS:
            problem = f"it belongs to a set of launches that vary by {variation:.1f} %"
            self.launches = [
                launch if launch.problems else dataclasses.replace(launch, problems=(problem,))
                for launch in self.launches
            ]
            self.sets += 1
            self.tries = 0

    @property
    def counted(self) -> int:
        """Launches that count."""
        return sum(not launch.problems for launch in self.launches)

    @property
    def is_done(self) -> bool:
        """Enough launches count, or further ones would be in vain."""
        if self.counted >= self.min_launches or self.tries >= TRIES_PER_LAUNCH * self.min_launches:
            return True
        last = self.launches[-MAX_ALIKE:]
        failed = all(launch.timings is None for launch in last)
        return len(last) == MAX_ALIKE and failed and len({launch.problems for launch in last}) == 1

    def result(self) -> DeviceBenchResult:
        """What the launches say."""
        return summarize(self.conditions, self.launches, min_launches=self.min_launches)

    def _variation_percent(self) -> float | None:
        timings = [launch.timings for launch in self.launches if launch.timings and not launch.problems]
        return variation_percent(launch_figures_us(timings, statistic_of(timings)))


def next_cells(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yields the cell to launch next until all are done; the caller adds the launch before it asks again."""
    forwards = True
    while any(not cell.is_done for cell in cells):
        for cell in cells if forwards else reversed(cells):
            if not cell.is_done:
                yield cell
        forwards = not forwards
