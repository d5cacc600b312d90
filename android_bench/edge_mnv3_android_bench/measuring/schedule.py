"""Which launch comes next: models interleaved, order alternated, offending launches repeated up to a limit.

In odd rounds the cells (a model under a build) run first to last, in even ones last to first: A B C, C B A,
A B C, …. Over each pair of rounds the mean time of a cell's launches is then the same for all cells, so that
a drift that is linear in time shifts all of them alike and cancels in their ratios; with an odd number of
rounds half a round's drift is left, divided by the number of launches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult, LaunchRecord
from edge_mnv3_android_bench.benchmark_model.accelerators import delegation_problem
from edge_mnv3_android_bench.measuring.acceptance import DEFAULT_ACCEPTANCE, Acceptance
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launch_statistics import (
    launch_figures_us,
    statistic_of,
    summarize,
)
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan

FAILURES_PER_LAUNCH = 2  # launches that do not count, for each that is demanded, before it is given up
MAX_TIMES = 3  # so many times as many launches as are demanded narrow an interval that is too wide
MAX_ALIKE = 3  # a program that fails so many times in the same way will go on doing so


@dataclass(slots=True, kw_only=True)
class Cell:
    """A model under a build of `benchmark_model`, and its launches so far.

    Attributes:
        label: Name in messages.
        conditions: Conditions of the measurement.
        command: Command of each launch.
        min_launches: Number of launches that must count.
        acceptance: How narrow the interval must be, and what is taken nevertheless.
        launches: All launches, those that do not count included.
    """

    label: str
    conditions: DeviceBenchConditions
    command: LaunchCommand
    min_launches: int
    acceptance: Acceptance = DEFAULT_ACCEPTANCE
    launches: list[LaunchRecord] = field(default_factory=list)

    def add(self, record: LaunchRecord) -> None:
        """Enters a launch. None is picked out afterwards: that would bias the figure."""
        self.launches.append(record)

    @property
    def counted(self) -> int:
        """Launches that count."""
        return sum(not launch.problems for launch in self.launches)

    @property
    def needed(self) -> int:
        """Launches that must count at least."""
        return self.acceptance.launches_needed(self.min_launches)

    @property
    def is_done(self) -> bool:
        """Enough launches count and their interval is narrow, or further ones would be in vain."""
        if len(self.launches) - self.counted >= FAILURES_PER_LAUNCH * self.needed:
            return True
        if self.counted >= self.needed:
            return self.acceptance.variation or self.counted >= MAX_TIMES * self.needed or self._is_narrow()
        last = self.launches[-MAX_ALIKE:]
        failed = all(self.is_in_vain(launch) for launch in last)
        return len(last) == MAX_ALIKE and failed and len({launch.problems for launch in last}) == 1

    def is_in_vain(self, launch: LaunchRecord) -> bool:
        """Whether a launch failed by something else than the phone's present state: no wait helps."""
        if launch.timings is None:
            return True
        return delegation_problem(launch.timings, self.conditions.accelerator) is not None

    def result(self) -> DeviceBenchResult:
        """What the launches say."""
        return summarize(
            self.conditions, self.launches, min_launches=self.min_launches, acceptance=self.acceptance
        )

    def _is_narrow(self) -> bool:
        timings = [launch.timings for launch in self.launches if launch.timings and not launch.problems]
        return self.acceptance.why_wide(launch_figures_us(timings, statistic_of(timings))) is None


def next_cells(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yields the cell to launch next until all are done; the caller adds the launch before it asks again."""
    forwards = True
    while any(not cell.is_done for cell in cells):
        for cell in cells if forwards else reversed(cells):
            if not cell.is_done:
                yield cell
        forwards = not forwards


def announcement(plan: MeasurementPlan, devices: int) -> str:
    """Says how many launches there will be on each device: those that are demanded, and how many at most.

    Of a sweep only the most is told: a phone may lack some of the cores.
    """
    needed = plan.acceptance.launches_needed(plan.protocol.launches)
    counted = needed if plan.acceptance.variation else MAX_TIMES * needed
    most = counted + FAILURES_PER_LAUNCH * needed - 1
    cells = len(plan.models) * len(plan.binaries) * len(plan.protocols) * len(plan.accelerators)
    where = f"each of {devices} devices" if devices > 1 else "the device"
    if len(plan.protocols) > 1:
        return f"at most {cells * most} launches on {where}"
    return f"{cells * needed} launches on {where}, at most {cells * most}"
