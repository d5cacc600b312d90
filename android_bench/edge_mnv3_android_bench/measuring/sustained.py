"""One file under load for minutes: launches that follow each other at once, whatever heat and clocks do.

Each launch is a window of the series: `benchmark_model` tells one figure a launch. Between two of them the
phone rests for the second or so that reading its state and loading the file take.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import LaunchRecord
from edge_mnv3.core.results.sustained import TIME_IS_UP
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.measuring.fleet import Fleet
from edge_mnv3_android_bench.measuring.launching import ClockRule
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, Protocol, custom_protocol
from edge_mnv3_android_bench.measuring.runs import DeviceRun, share_run
from edge_mnv3_android_bench.measuring.schedule import MAX_ALIKE

WINDOW_S = 8.0  # with what lies between two launches, five or more begin in each minute
MIN_MINUTES = 2.0  # the first minute and the last one are two
_AS_IT_IS = ClockRule(accepted=True, heat_accepted=True)


def check_minutes(minutes: float, protocol: Protocol) -> None:
    """Refuses what has no first and last minute, and a protocol that no window can follow.

    Raises:
        ArgumentError: It is so.
    """
    if not MIN_MINUTES <= minutes < float("inf"):
        raise ArgumentError(
            "--sustained",
            f"{minutes:g} minutes",
            f"{MIN_MINUTES:g} at least: the first and the last are compared",
        )
    sustained_protocol(protocol)


def sustained_protocol(protocol: Protocol) -> Protocol:
    """A protocol whose launches last a window each, however slow the file is.

    Raises:
        ArgumentError: Its longest time is less than that.
    """
    settings, usual = protocol.settings, PUBLISHED.settings.num_runs
    return custom_protocol(
        protocol,
        min_secs=max(WINDOW_S, settings.min_secs),
        num_runs=1 if settings.num_runs == usual else settings.num_runs,
    )


@dataclass(slots=True)
class SustainedRun(DeviceRun):
    """The measurement on one device, in the device's thread.

    Attributes:
        seconds: How long it goes on.
        spans: When each launch began and was done, in seconds since the first one began.
        ended_by: Why it ended; None while it goes on, and where the device failed.
    """

    seconds: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)
    ended_by: str | None = None

    @property
    def records(self) -> Sequence[LaunchRecord]:
        """The launches so far."""
        return self.cells[0].launches if self.cells else ()

    def work(self) -> None:
        """Launches until the time is up, or the program fails three times in the same way."""
        cell, began = self.cells[0], time.monotonic()
        while self.ended_by is None:
            started_s = time.monotonic() - began
            record = self.record(cell, _AS_IT_IS)
            cell.add(record)
            self.spans.append(self._span(record, started_s, time.monotonic() - began))
            done_s = self.spans[-1][1]
            self.shared.progress.went_on(
                self.session.serial, round(min(done_s, self.seconds)), round(self.seconds)
            )
            for problem in record.problems[:1]:
                self.shared.progress.warn(
                    f"device {self.session.serial}: {cell.label}: launch {record.number} gave no figure: "
                    f"{problem}; see {record.log_path}"
                )
            self.ended_by = TIME_IS_UP if done_s >= self.seconds else self._in_vain()

    def _span(self, record: LaunchRecord, started_s: float, done_s: float) -> tuple[float, float]:
        """By the device's clock, which does not stop while this machine is busy; else by this one's."""
        first, after = self.records[0].before.uptime_s, record.after.uptime_s if record.after else None
        before = record.before.uptime_s
        if first is None or before is None or after is None or not first <= before <= after:
            return started_s, done_s
        return before - first, after - first

    def _in_vain(self) -> str | None:
        last = self.records[-MAX_ALIKE:]
        failed = len(last) == MAX_ALIKE and all(self.cells[0].is_in_vain(launch) for launch in last)
        return last[-1].problems[0] if failed and len({launch.problems for launch in last}) == 1 else None


def begin_sustained(
    fleet: Fleet,
    plan: MeasurementPlan,
    registry: BinaryRegistry,
    minutes: float,
    reporter: Reporter = SILENT,
) -> tuple[SustainedRun, ...]:
    """Makes a run for each device, which `go_on` does; what came of it is in it, also after Ctrl-C.

    Args:
        fleet: The devices.
        plan: One model, one build, one protocol and one accelerator.
        registry: The builds.
        minutes: How long.
        reporter: Told of the seconds done, and warned of launches without figure.

    Raises:
        InputFileError: The model cannot be read.
    """
    plan = replace(plan, protocol=sustained_protocol(plan.protocol), resume_path=None)
    shared = share_run(fleet, plan, registry, reporter)
    return tuple(SustainedRun(session, shared, seconds=60 * minutes) for session in fleet.sessions)


def go_on(fleet: Fleet, runs: Sequence[SustainedRun]) -> None:
    """Puts the devices under load, side by side; one that fails is in the fleet's `failures`.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    by_serial = {run.session.serial: run for run in runs}
    fleet.on_each(lambda session: by_serial[session.serial].measure())
