"""The frozen result of `bench --sustained`; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.bench import DeviceBenchConditions
from edge_mnv3.core.results.delegation import Delegated
from edge_mnv3.core.results.formats import Format

# Why a measurement ended; else the text of what failed.
TIME_IS_UP, INTERRUPTED = "time is up", "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SustainedWindow:
    """One launch of a sustained measurement.

    Attributes:
        start_s: Time since the first launch began, by the device's clock where it tells one.
        end_s: Time when it was done.
        figure_us: Its latency, of the result's statistic; None where it gave none.
        num_runs: Its timed inferences; 0 where it gave none.
        khz: Median clock of each core of `SustainedResult.watched_cpus`; None where it is unreadable.
        celsius: Highest temperature of the processor, or of the battery; None where neither can be read.
        thermal_status: Thermal status after it, 0 to 6; None where the device tells none.
        log_path: Path of the raw log.
        problems: Why it gave no figure; empty where it did.
    """

    start_s: float
    end_s: float
    figure_us: float | None
    num_runs: int
    khz: tuple[int | None, ...]
    celsius: float | None
    thermal_status: int | None
    log_path: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SustainedResult:
    """Latency, clocks and temperature of one file on one device, under load for minutes.

    Attributes:
        conditions: Under which conditions it was measured.
        asked_minutes: How long was asked for.
        measured_minutes: How long it lasted.
        ended_by: `time is up`, `interrupted`, or what failed.
        statistic: Which figure of each launch is used: `median`, or `avg` where the build prints no median.
        watched_cpus: Cores whose clocks were sampled.
        windows: The series, in order of time.
        delegated: What the accelerator that was asked for took; None for the CPU.
        first_us: Median of the launches that began in the first minute; None where there are too few.
        last_us: Median of those that began in the last minute; None as well.
        ratio: `last_us` by `first_us`; None where either is.
        ratio_ci95: 95 % interval of the ratio, as `interval_method` says; None where there is no ratio.
        interval_method: How the interval was computed.
        slower: Whether the last minute is slower than the first beyond doubt and by more than 2 %; None where
            there is no ratio, or its interval leaves it open.
        problems: Why there is no comparison, or one of less than was asked for; empty where all is well.
        warnings: What must be known before it is used; says so where the device is emulated.
        text: The comparison in words.
    """

    FORMAT: ClassVar[Format] = Format("sustained use")
    schema_version: int = FORMAT.version
    conditions: DeviceBenchConditions
    asked_minutes: float
    measured_minutes: float
    ended_by: str
    statistic: str
    watched_cpus: tuple[int, ...]
    windows: tuple[SustainedWindow, ...]
    delegated: Delegated | None
    first_us: float | None
    last_us: float | None
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    interval_method: str
    slower: bool | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    text: str
