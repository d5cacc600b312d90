"""Models under builds on devices, by a protocol: many launches, accepted, repeated or called unstable."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from edge_mnv3.core.choices import Accelerator
from edge_mnv3.core.hashing import sha256_model
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult, LaunchRecord
from edge_mnv3.core.results.delegation import UNKNOWN_DELEGATE
from edge_mnv3.core.results.device import DeviceState
from edge_mnv3_android_bench.benchmark_model.era import dated, later_evidence
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.device.file_names import safe_file_name
from edge_mnv3_android_bench.device.settings import changed_settings
from edge_mnv3_android_bench.device.state import read_device_state
from edge_mnv3_android_bench.measuring.accelerator_flags import accelerator_flags
from edge_mnv3_android_bench.measuring.cooling import Cooling, wait_until_cool
from edge_mnv3_android_bench.measuring.fleet import Fleet
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launch_statistics import state_warnings
from edge_mnv3_android_bench.measuring.launching import ClockRule, read_launch, run_launch, stored_output
from edge_mnv3_android_bench.measuring.npu_libraries import (
    library_environment,
    library_flags,
    place_libraries,
)
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import (
    RESULT_FLAG,
    benchmark_flags,
    check_flags,
    custom_protocol,
    is_litert,
)
from edge_mnv3_android_bench.measuring.resume_file import MAX_AGE_HOURS, ResumeFile, split_by_age
from edge_mnv3_android_bench.measuring.schedule import Cell, next_cells
from edge_mnv3_android_bench.measuring.session import (
    DeviceSession,
    ReadyBinary,
    place_binary,
    place_model,
)
from edge_mnv3_android_bench.measuring.sweep import Placement, placed, words


def measure_fleet(
    fleet: Fleet, plan: MeasurementPlan, registry: BinaryRegistry, reporter: Reporter = SILENT
) -> tuple[DeviceBenchResult, ...]:
    """Measures on all devices at once.

    A device that fails leaves the others alone: it is in the fleet's `failures`. The same call goes on where
    this one ended, until `forget_launches` says that the results are where they belong.

    Args:
        fleet: The devices.
        plan: What to measure.
        registry: The builds.
        reporter: Told of progress over the launches of all devices, and warned of those that do not count;
            the calls come from the devices' threads, one at a time.

    Returns:
        A result for each device, model and build that was finished, in the order asked for.

    Raises:
        InputFileError: A model cannot be read.
        KeyboardInterrupt: Ctrl-C. By the time that the fleet is left nothing runs on the devices, and their
            settings are restored.
    """
    shared = share_run(fleet, plan, registry, reporter)
    runs = {session.serial: DeviceRun(session, shared) for session in fleet.sessions}
    fleet.on_each(lambda session: runs[session.serial].measure())
    return tuple(cell.result() for run in runs.values() for cell in run.cells if cell.is_done)


def share_run(fleet: Fleet, plan: MeasurementPlan, registry: BinaryRegistry, reporter: Reporter) -> SharedRun:
    """Makes what the devices' runs have in common; the arguments are those of `measure_fleet`."""
    return SharedRun(
        plan=plan,
        registry=registry,
        hashes={model: sha256_model(model) for model in plan.models},
        resume=ResumeFile(plan.resume_path) if plan.resume_path else None,
        stop=fleet.stop,
        progress=Progress(reporter),
    )


def forget_launches(plan: MeasurementPlan) -> None:
    """Removes the resume file: all is measured, and the results are written."""
    if plan.resume_path:
        ResumeFile(plan.resume_path).remove()


class Progress(Reporter):
    """Tells of launches, which end in several threads: one at a time, counted over all devices."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def warn(self, text: str) -> None:
        """Passes a warning on."""
        with self._lock:
            self._reporter.warn(text)

    def launch_ended(self, serial: str, cells: Sequence[Cell], cell: Cell, record: LaunchRecord) -> None:
        """Says why a launch does not count, and how many count by now."""
        with self._lock:
            self._counts[serial] = (
                sum(cell.counted for cell in cells),
                sum(max(cell.needed, cell.counted + (not cell.is_done)) for cell in cells),
            )
            for problem in record.problems[:1]:
                self._reporter.warn(
                    f"device {serial}: {cell.label}: launch {record.number} does not count: {problem}; "
                    f"see {record.log_path}"
                )
            self._tell()

    def went_on(self, serial: str, done: int, total: int) -> None:
        """Says how far a device is, in whatever is counted on all of them."""
        with self._lock:
            self._counts[serial] = (done, total)
            self._tell()

    def _tell(self) -> None:
        done, wanted = (sum(counts) for counts in zip(*self._counts.values(), strict=True))
        self._reporter.progress(done, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRun:
    """What the devices' runs of one measurement have in common."""

    plan: MeasurementPlan
    registry: BinaryRegistry
    hashes: dict[Path, str]
    resume: ResumeFile | None
    stop: threading.Event
    progress: Progress


@dataclass(slots=True)
class DeviceRun:
    """The measurement on one device, in the device's thread.

    Attributes:
        session: The device.
        shared: What it has in common with the others.
        cells: What is measured, once it is prepared.
    """

    session: DeviceSession
    shared: SharedRun
    cells: list[Cell] = field(default_factory=list)
    _binaries: dict[str, ReadyBinary] = field(default_factory=dict)
    _versions: dict[str, str | None] = field(default_factory=dict)  # of the builds that ran
    _cooling: Cooling = field(default_factory=Cooling)
    _libraries: str | None = None  # for the NPU: their folder on the device

    def measure(self) -> None:
        """Launches until each cell is done.

        Raises:
            EdgeMnv3Error: The device, a build or a file failed.
        """
        plan = self.shared.plan
        self._cooling.next_s = plan.cool_down.min_s
        with changed_settings(
            self.session.folder,
            fixed_performance=plan.fixed_performance,
            stay_awake=plan.stay_awake,
            sdk=self.session.info.sdk,
            reporter=self.shared.progress,
        ):
            self._prepare()
            if self.session.info.is_board:
                self._cooling.begin(self.session.folder.device, self.session.temperature_file)
            self.work()

    def work(self) -> None:
        """Launches what is prepared."""
        for cell in next_cells(self.cells):
            self._launch(cell)

    def _prepare(self) -> None:
        """Brings builds and models to the device, and takes up launches of an earlier run."""
        session, shared = self.session, self.shared
        state = read_device_state(session.folder.device)
        for warning in state_warnings(state):
            shared.progress.warn(f"device {session.serial}: {warning}")
        placements = self._placements(state)
        for name in shared.plan.binaries:
            ready = place_binary(session, shared.registry, name, stop=shared.stop)
            check_flags(ready.known_flags, shared.plan.later_flags, f"benchmark binary '{name}'")
            self._binaries[name] = ready
        if shared.plan.npu_libraries is not None:
            self._libraries = place_libraries(session.folder, shared.plan.npu_libraries, stop=shared.stop)
        for model in shared.plan.models:
            remote = place_model(session, model, shared.hashes[model], stop=shared.stop)
            for ready in self._binaries.values():
                suited = [self._suited(placement, ready) for placement in placements]
                for placement, accelerator in itertools.product(suited, shared.plan.accelerators):
                    where = f", {words(session.info, placement)}" if len(placements) > 1 else ""
                    where += "" if accelerator == "cpu" else f", {accelerator}"
                    cell = Cell(
                        label=f"{model.name} ({ready.binary.name}{where})",
                        conditions=self._conditions(placement, ready, model, accelerator),
                        command=self._command(placement, ready, remote, accelerator),
                        min_launches=placement.protocol.launches,
                        acceptance=shared.plan.acceptance,
                    )
                    self._take_up(cell)
                    self.cells.append(cell)

    def _suited(self, placement: Placement, ready: ReadyBinary) -> Placement:
        """The placement with XNNPACK for a build that knows no other kernels, where the plan lets it."""
        if not (self.shared.plan.litert_by_xnnpack and is_litert(ready.known_flags)):
            return placement
        return placement._replace(protocol=custom_protocol(placement.protocol, kernels="xnnpack"))

    def _command(
        self, placement: Placement, ready: ReadyBinary, remote: str, accelerator: Accelerator
    ) -> LaunchCommand:
        settings, known = placement.protocol.settings, ready.known_flags
        what, libraries = f"benchmark binary '{ready.binary.name}'", self._libraries
        asked = [
            *accelerator_flags(accelerator, known, what),
            *library_flags(accelerator, libraries, known, what),
        ]
        flags = benchmark_flags(settings, graph=remote, known=known, extra=asked)
        command = self.session.command(ready.program, flags, placement.cpus, settings.max_secs)
        return replace(
            command,
            writes_result=RESULT_FLAG in known,
            environment=library_environment(accelerator, libraries),
        )

    def _placements(self, state: DeviceState) -> tuple[Placement, ...]:
        """Threads and cores of the plan that the device has; what it has not is told of.

        Raises:
            DeviceUnavailableError: It has none, or does not tell which cores are which.
        """
        protocols, info = self.shared.plan.protocols, self.session.info
        for cores in dict.fromkeys(protocol.cores for protocol in protocols):
            self.session.check_cores(cores, state)
        return placed(info, protocols, self.shared.progress)

    def _take_up(self, cell: Cell) -> None:
        stored = self.shared.resume.load(cell.conditions) if self.shared.resume else []
        records, old = split_by_age(stored, datetime.now(timezone.utc))
        if old:
            self.shared.progress.warn(
                f"device {self.session.serial}: {cell.label}: {len(old)} launches of {old[0].started_at} are "
                f"older than {MAX_AGE_HOURS} hours, and are not mixed in"
            )
        for record in records:
            cell.add(record)
            if record.timings is not None:
                log_text = stored_output(Path(record.log_path), cell.conditions.cpus)
                self._date(cell, cell.conditions.binary.version, log_text)
        if records:
            self.shared.progress.warn(
                f"device {self.session.serial}: {cell.label}: taken from the unfinished run of "
                f"{records[0].started_at}: {len(records)} of its launches"
            )

    def record(self, cell: Cell, clocks: ClockRule) -> LaunchRecord:
        """Launches once.

        Raises:
            KeyboardInterrupt: The run is to stop.
            EdgeMnv3Error: As `run_launch` raises.
        """
        shared, number = self.shared, len(cell.launches) + 1
        if shared.stop.is_set():
            raise KeyboardInterrupt
        raw = run_launch(self.session.folder, cell.command, self._log_path(cell, number), stop=shared.stop)
        record = read_launch(
            raw,
            number,
            self.session.info,
            expected_runs=cell.conditions.protocol.num_runs,
            clocks=clocks,
            accelerator=cell.conditions.accelerator,
        )
        if record.timings is not None:
            self._confirm_version(cell, f"{raw.output.stdout}\n{raw.output.stderr}")
        return record

    def _launch(self, cell: Cell) -> None:
        shared, plan = self.shared, self.shared.plan
        rule = ClockRule(fixed_performance=plan.fixed_performance, accepted=plan.acceptance.clock)
        record = self.record(cell, rule)
        if shared.resume:
            shared.resume.append(cell.conditions, record)
        cell.add(record)
        shared.progress.launch_ended(self.session.serial, self.cells, cell, record)
        offended = bool(record.problems) and not cell.is_in_vain(record)
        if offended and not all(c.is_done for c in self.cells):
            wait_until_cool(
                self.session.folder.device, plan.cool_down, self._cooling, shared.progress, shared.stop
            )
        elif not record.problems:
            self._cooling.next_s = plan.cool_down.min_s

    def _confirm_version(self, cell: Cell, log_text: str) -> None:
        ready = self._binaries[cell.conditions.binary.name]
        name = ready.binary.name
        if name not in self._versions:
            confirmed = self.shared.registry.confirm(
                name, ready.binary.abi, help_text=ready.help_text, log_text=log_text
            )
            self._versions[name] = confirmed.version
        self._date(cell, self._versions[name], log_text)

    def _date(self, cell: Cell, version: str | None, log_text: str) -> None:
        """Notes what a launch says of the build's time; so does a launch of an earlier run."""
        flags = self._binaries[cell.conditions.binary.name].known_flags
        evidence = later_evidence(known_flags=flags, version=version, log_text=log_text)
        binary = dated(replace(cell.conditions.binary, version=version), flags, evidence)
        cell.conditions = replace(cell.conditions, binary=binary)

    def _log_path(self, cell: Cell, number: int) -> Path:
        conditions = cell.conditions
        stem = f"{Path(conditions.model_path).stem}_{conditions.model_sha256[:8]}_{conditions.binary.name}"
        if len(self.shared.plan.protocols) > 1:
            stem += f"_{conditions.protocol.num_threads}t_{conditions.cpu_mask}"
        stem += "" if conditions.accelerator == "cpu" else f"_{conditions.accelerator}"
        folder = self.shared.plan.log_folder / safe_file_name(self.session.serial)
        return folder / f"{stem}_{number:02d}.log"

    def _conditions(
        self, placement: Placement, ready: ReadyBinary, model: Path, accelerator: Accelerator
    ) -> DeviceBenchConditions:
        plan, cpus = self.shared.plan, placement.cpus
        libraries = plan.npu_libraries if accelerator == "npu" else None
        return DeviceBenchConditions(
            device=self.session.info,
            binary=ready.info,
            protocol=placement.protocol.settings,
            delegate=UNKNOWN_DELEGATE,
            cpus=cpus,
            cpu_mask=cpu_mask(cpus) if cpus else "all",
            fixed_performance=plan.fixed_performance,
            model_path=str(model),
            model_sha256=self.shared.hashes[model],
            accelerator=accelerator,
            libraries_sha256=libraries.sha256 if libraries else None,
        )
