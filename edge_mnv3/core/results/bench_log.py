"""What `bench --log` reads; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3.core.results.formats import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedLaunch:
    """One launch of `benchmark_model`, as its log tells of it.

    Attributes:
        log_path: Path of the log.
        graph: The `.tflite` file that the log names; None where it names none.
        flags: The other flags that it names, with their values as printed.
        timings: The figures.
    """

    log_path: str
    graph: str | None
    flags: dict[str, str]
    timings: LaunchTimings


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFailure:
    """A log that gave no figure.

    Attributes:
        log_path: Path of the log.
        error: One line: what was wrong with it.
    """

    log_path: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchLogResult:
    """The figures of logs. On which phone, cores and clocks they were measured no log tells.

    Attributes:
        launches: One for each log that was read, in the order given.
        failures: Logs that gave no figure.
    """

    FORMAT: ClassVar[Format] = Format("bench log")
    schema_version: int = FORMAT.version
    launches: tuple[LoggedLaunch, ...]
    failures: tuple[LogFailure, ...]
