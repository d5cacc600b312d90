"""Models under builds on devices, by a protocol: many launches, accepted, repeated or called unstable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult, LaunchRecord
from edge_mnv3_android_bench.adb.client import AdbDevice
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.device.settings import changed_settings
from edge_mnv3_android_bench.device.state import read_device_state
from edge_mnv3_android_bench.measuring.launching import read_launch, run_launch
from edge_mnv3_android_bench.measuring.protocols import Protocol, benchmark_flags
from edge_mnv3_android_bench.measuring.resume_file import ResumeFile
from edge_mnv3_android_bench.measuring.schedule import Cell, next_cells
from edge_mnv3_android_bench.measuring.session import (
    DeviceSession,
    ReadyBinary,
    open_session,
    place_binary,
    place_model,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """How long to wait after a launch that does not count.

    Attributes:
        min_s: At first; twice as long after each further one, up to `max_s`.
        max_s: Then the next launch is tried, cool or not.
        poll_s: Between looks at the thermal status.
    """

    min_s: float = 10.0
    max_s: float = 180.0
    poll_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What to measure, on each device.

    Attributes:
        models: `.tflite` files.
        binaries: Names of builds in the registry.
        protocol: How.
        log_folder: For the raw logs.
        resume_path: Where finished launches are kept until all are; None keeps none.
        fixed_performance: Hold sustainable clocks, which are lower: for comparing, not for published figures.
        cool_down: Between a launch that does not count and the next.
    """

    models: tuple[Path, ...]
    binaries: tuple[str, ...]
    protocol: Protocol
    log_folder: Path
    resume_path: Path | None = None
    fixed_performance: bool = False
    cool_down: CoolDown = CoolDown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A launch has ended.

    Attributes:
        label: Model and build.
        done: Launches on this device that count, of all models and builds.
        wanted: How many must.
        record: The launch.
    """

    serial: str
    label: str
    done: int
    wanted: int
    record: LaunchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevices:
    """What came of a measurement.

    Attributes:
        results: Of each device, model and build that was finished, in the order asked for.
        failures: Serial and error of each device that could not be measured to the end.
    """

    results: tuple[DeviceBenchResult, ...]
    failures: tuple[tuple[str, EdgeMnv3Error], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Whom to tell. The calls come from the devices' threads, at times from several at once.

    Attributes:
        progress: Called after each launch.
        warn: Called with lines that a user should read.
    """

    progress: Callable[[Progress], None] | None = None
    warn: Callable[[str], None] | None = None


def measure_devices(
    devices: Sequence[AdbDevice],
    measurement: Measurement,
    registry: BinaryRegistry,
    listeners: Listeners | None = None,
) -> MeasuredDevices:
    """Measures on all devices at once.

    A device that fails leaves the others alone. When all are finished the resume file is removed; otherwise
    the same call goes on where this one ended.

    Raises:
        InputFileError: A model cannot be read.
        KeyboardInterrupt: Ctrl-C. By then nothing runs on the devices, and their settings are restored.
    """
    hashes = _hashes(measurement.models)
    stop = threading.Event()
    resume = ResumeFile(measurement.resume_path) if measurement.resume_path else None
    runs = [
        _DeviceRun(device, measurement, registry, hashes, resume, stop, listeners or Listeners())
        for device in devices
    ]
    with ThreadPoolExecutor(max_workers=max(1, len(runs))) as pool:
        futures = [pool.submit(run.measure) for run in runs]
        try:
            wait(futures)
        except BaseException:
            stop.set()  # leaving the pool waits until each thread has put its device in order
            raise
    for future in futures:
        future.result()
    failures = tuple((run.device.serial, run.failure) for run in runs if run.failure)
    if resume and not failures:
        resume.remove()
    results = tuple(cell.result() for run in runs for cell in run.cells if cell.is_done)
    return MeasuredDevices(results=results, failures=failures)


class _DeviceRun:
    """The measurement on one device, in a thread of its own."""

    def __init__(
        self,
        device: AdbDevice,
        measurement: Measurement,
        registry: BinaryRegistry,
        hashes: dict[Path, str],
        resume: ResumeFile | None,
        stop: threading.Event,
        listeners: Listeners,
    ) -> None:
        self.device = device
        self.cells: list[Cell] = []
        self.failure: EdgeMnv3Error | None = None
        self._measurement = measurement
        self._registry = registry
        self._hashes = hashes
        self._resume = resume
        self._stop = stop
        self._listeners = listeners
        self._binaries: dict[str, ReadyBinary] = {}
        self._versions: dict[str, str | None] = {}  # of the builds that ran
        self._cool_down_s = measurement.cool_down.min_s

    def measure(self) -> None:
        """Measures; an expected error is kept in `failure`."""
        measurement = self._measurement
        try:
            session = open_session(self.device, measurement.binaries)
            with changed_settings(
                session.folder,
                fixed_performance=measurement.fixed_performance,
                sdk=session.info.sdk,
                warn=self._listeners.warn,
            ):
                self._prepare(session)
                for cell in next_cells(self.cells):
                    self._launch(session, cell)
        except EdgeMnv3Error as error:
            self.failure = error

    def _prepare(self, session: DeviceSession) -> None:
        """Brings builds and models to the device, and takes up launches of an earlier run."""
        protocol = self._measurement.protocol
        cpus = session.cpus(protocol.cores)
        for name in self._measurement.binaries:
            self._binaries[name] = place_binary(session, self._registry, name, stop=self._stop)
        for model in self._measurement.models:
            remote = place_model(session, model, self._hashes[model], stop=self._stop)
            for ready in self._binaries.values():
                flags = benchmark_flags(protocol, graph=remote, known=ready.known_flags)
                cell = Cell(
                    label=f"{model.name} ({ready.binary.name})",
                    conditions=self._conditions(session, cpus, ready, model),
                    command=session.command(ready.program, flags, cpus, protocol.max_secs),
                    min_launches=protocol.launches,
                )
                self._take_up(cell)
                self.cells.append(cell)

    def _take_up(self, cell: Cell) -> None:
        records = self._resume.load(cell.conditions) if self._resume else []
        for record in records:
            cell.add(record)
        if records and self._listeners.warn:
            self._listeners.warn(
                f"device {self.device.serial}: {cell.label}: taken from the unfinished run of "
                f"{records[0].started_at}: {len(records)} of its launches"
            )

    def _launch(self, session: DeviceSession, cell: Cell) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        number = len(cell.launches) + 1
        raw = run_launch(
            session.folder,
            cell.command,
            self._log_path(cell, number),
            stop=self._stop,
        )
        record = read_launch(
            raw,
            number,
            session.info,
            expected_runs=self._measurement.protocol.num_runs,
            fixed_performance=self._measurement.fixed_performance,
        )
        if record.timings is not None:
            self._confirm_version(cell, f"{raw.output.stdout}\n{raw.output.stderr}")
        if self._resume:
            self._resume.append(cell.conditions, record)
        sets = cell.sets
        cell.add(record)
        self._tell(cell, record)
        offended = record.timings is not None and bool(record.problems)
        if (offended or cell.sets > sets) and not all(c.is_done for c in self.cells):
            self._wait_until_cool()
        elif not record.problems:
            self._cool_down_s = self._measurement.cool_down.min_s

    def _wait_until_cool(self) -> None:
        cool_down = self._measurement.cool_down
        waited_s, at_least_s = 0.0, self._cool_down_s
        self._cool_down_s = min(2 * at_least_s, cool_down.max_s)
        while waited_s < cool_down.max_s:
            if self._stop.wait(cool_down.poll_s):
                raise KeyboardInterrupt
            waited_s += cool_down.poll_s
            if waited_s >= at_least_s and not read_device_state(self.device).thermal_status:
                return

    def _confirm_version(self, cell: Cell, log_text: str) -> None:
        ready = self._binaries[cell.conditions.binary]
        name = ready.binary.name
        if name not in self._versions:
            confirmed = self._registry.confirm(
                name, ready.binary.abi, help_text=ready.help_text, log_text=log_text
            )
            self._versions[name] = confirmed.version
        cell.conditions = replace(cell.conditions, binary_version=self._versions[name])

    def _tell(self, cell: Cell, record: LaunchRecord) -> None:
        if self._listeners.progress:
            self._listeners.progress(
                Progress(
                    serial=self.device.serial,
                    label=cell.label,
                    done=sum(c.counted for c in self.cells),
                    wanted=sum(c.min_launches for c in self.cells),
                    record=record,
                )
            )

    def _log_path(self, cell: Cell, number: int) -> Path:
        serial = "".join(c if c.isalnum() else "_" for c in self.device.serial)
        conditions = cell.conditions
        stem = f"{Path(conditions.model_path).stem}_{conditions.model_sha256[:8]}_{conditions.binary}"
        return self._measurement.log_folder / serial / f"{stem}_{number:02d}.log"

    def _conditions(
        self, session: DeviceSession, cpus: tuple[int, ...], ready: ReadyBinary, model: Path
    ) -> DeviceBenchConditions:
        protocol = self._measurement.protocol
        return DeviceBenchConditions(
            device=session.info,
            protocol=protocol.name,
            binary=ready.binary.name,
            binary_sha256=ready.binary.sha256,
            binary_version=ready.binary.version,
            kernels=protocol.kernels,
            delegate="unknown",
            cpus=cpus,
            cpu_mask=cpu_mask(cpus) if cpus else "all",
            num_threads=protocol.num_threads,
            num_runs=protocol.num_runs,
            warmup_runs=protocol.warmup_runs,
            min_secs=protocol.min_secs,
            max_secs=protocol.max_secs,
            warmup_min_secs=protocol.warmup_min_secs,
            fixed_performance=self._measurement.fixed_performance,
            model_path=str(model),
            model_sha256=self._hashes[model],
        )


def _hashes(models: Sequence[Path]) -> dict[Path, str]:
    hashes = {}
    for model in models:
        try:
            hashes[model] = sha256_file(model)
        except OSError as error:
            raise InputFileError(f"model {model}", error.strerror or str(error), "a .tflite file") from error
    return hashes
