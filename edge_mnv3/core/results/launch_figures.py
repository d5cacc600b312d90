"""What a launch of `benchmark_model` gives beside the latency: start-up, first inference, peak memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_mnv3.core.results.bench import DeviceBenchResult, LaunchTimings


@dataclass(frozen=True, slots=True)
class LaunchFigure:
    """A figure that each launch gives once.

    Attributes:
        name: What people call it.
        unit: Unit in which it is shown.
        unit_scale: What it is divided by to be shown.
        decimals: Digits that are shown after the point.
        read: Reads it from a launch; None where the launch does not tell.
    """

    name: str
    unit: str
    unit_scale: float
    decimals: int
    read: Callable[[LaunchTimings], float | None]

    def of_result(self, result: DeviceBenchResult) -> tuple[float, ...]:
        """The figure of each launch that counts and tells it, in the order of the launches."""
        counted = [launch.timings for launch in result.launches if launch.timings and not launch.problems]
        return tuple(value for timings in counted if (value := self.read(timings)) is not None)


START_UP = LaunchFigure("start-up", "ms", 1e3, 3, lambda timings: timings.init_us)
FIRST_INFERENCE = LaunchFigure("first inference", "ms", 1e3, 3, lambda timings: timings.first_inference_us)
# The growth of the process's highest resident memory (ru_maxrss) from the program's start to its end. The
# peak that `--report_peak_memory_footprint` watches is not taken: its thread disturbs what is timed.
PEAK_MEMORY = LaunchFigure("peak memory", "MB", 1.0, 2, lambda timings: timings.unconfirmed.memory_mb)
LAUNCH_FIGURES = (START_UP, FIRST_INFERENCE, PEAK_MEMORY)
