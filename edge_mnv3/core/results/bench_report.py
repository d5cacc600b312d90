"""All that one `bench --device` measured; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.device import PhoneOutputs
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.profile import DeviceProfileResult
from edge_mnv3.core.results.sustained import SustainedResult
from edge_mnv3.core.results.verdicts import ReproduceCell


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFailure:
    """Why something on a device was not done to the end.

    Attributes:
        serial: adb's name for the device.
        error: One line: what failed, and what to do.
    """

    serial: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCells:
    """Published latencies beside what one device measured.

    Attributes:
        serial: adb's name for the device.
        cells: One for each measured file of a known network, and source.
    """

    serial: str
    cells: tuple[ReproduceCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """What was asked for and a device cannot give.

    Attributes:
        serial: adb's name for the device.
        what: Threads and cores, or cores.
        why: What the device has.
    """

    serial: str
    what: str
    why: str


def _add_not_measured(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a report of version 1, all on the same threads and cores, and never for minutes."""
    return {**data, "not_measured": [], "sustained": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchReport:
    """All that one `bench --device` measured.

    Attributes:
        results: One for each device, file, binary, cores and number of threads that was finished.
        not_measured: Threads and cores that were asked for, and that a device does not have.
        sustained: With `--sustained`, one for each device that gave figures, and no `results`.
        published: Published latencies of files whose network is known, by the `quantize.json` beside them.
        profiles: With `--profile`, one for each result.
        outputs: With `--check-outputs`, one for each result.
        failures: Devices that were not finished; the launches that are done are kept for the same command.
    """

    FORMAT: ClassVar[Format] = Format("device bench report", (_add_not_measured,))
    schema_version: int = FORMAT.version
    results: tuple[DeviceBenchResult, ...]
    not_measured: tuple[NotMeasured, ...]
    sustained: tuple[SustainedResult, ...] = ()
    published: tuple[PublishedCells, ...]
    profiles: tuple[DeviceProfileResult, ...]
    outputs: tuple[PhoneOutputs, ...]
    failures: tuple[DeviceFailure, ...]
