"""Files measured on phones: devices chosen, builds fetched, then results, profiles, outputs, verdicts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError, ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.published import read_published
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport, DeviceFailure, PublishedCells
from edge_mnv3.core.results.device import DeviceInfo, PhoneOutputs
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.profile import DeviceProfileResult
from edge_mnv3.core.runtime import Kernels, open_model
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.stages.variant_files import VariantFile, identify
from edge_mnv3_android_bench.adb.binary import find_adb
from edge_mnv3_android_bench.adb.client import Adb, AdbDevice
from edge_mnv3_android_bench.benchmark_model.choice import ready_binary
from edge_mnv3_android_bench.benchmark_model.download import pick_abi
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry, cache_folder
from edge_mnv3_android_bench.device.selection import select_devices
from edge_mnv3_android_bench.device.settings import changed_settings
from edge_mnv3_android_bench.device.state import read_device_info
from edge_mnv3_android_bench.measuring.measurement import (
    CoolDown,
    Listeners,
    Measurement,
    Progress,
    measure_devices,
)
from edge_mnv3_android_bench.measuring.phone_outputs import check_phone_outputs, seeded_pixels
from edge_mnv3_android_bench.measuring.profiling import profile_model
from edge_mnv3_android_bench.measuring.protocols import Protocol
from edge_mnv3_android_bench.measuring.session import DeviceSession, open_session, place_binary
from edge_mnv3_android_bench.published.reproduction import Measurement as PublishedMeasurement
from edge_mnv3_android_bench.published.reproduction import reproduce

OUTPUT_IMAGES = 8  # of noise, from coarse to fine; see `seeded_pixels`
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchRequest:
    """What to measure, on which devices and how.

    Attributes:
        models: `.tflite` files.
        serials: As in `select_devices`.
        binaries: Files, or names in the registry.
        adb: The adb binary; None for the one that is found.
        fixed_performance: As in `Measurement`.
        profile: Launch each file once more with the profiler on.
        check_outputs: Compare each file's outputs with this machine's.
        log_folder: For raw logs; None for a new folder in the cache.
        fresh: Forget the launches of an unfinished run.
        cool_down: As in `Measurement`.
    """

    models: tuple[Path, ...]
    serials: tuple[str, ...]
    binaries: tuple[str, ...]
    protocol: Protocol
    adb: Path | None = None
    fixed_performance: bool = False
    profile: bool = False
    check_outputs: bool = False
    log_folder: Path | None = None
    fresh: bool = False
    cool_down: CoolDown = field(default_factory=CoolDown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """A request on its devices."""

    request: DeviceBenchRequest
    registry: BinaryRegistry
    devices: tuple[AdbDevice, ...]
    binaries: tuple[str, ...]
    log_folder: Path


def bench_devices(request: DeviceBenchRequest, reporter: Reporter) -> DeviceBenchReport:
    """Measures files on devices, side by side.

    A device that fails leaves the others alone: it is in the report's `failures`.

    Raises:
        InputFileError: A file cannot be read.
        ModelFileError: A file is no `.tflite`.
        AdbUnavailableError: There is no adb, or it does not work.
        DeviceUnavailableError: As in `select_devices`.
        KeyboardInterrupt: Ctrl-C: nothing runs on the devices, and the same call goes on with what is done.
    """
    models = _distinct(request.models)
    adb = Adb(find_adb(request.adb))
    reporter.step("devices")
    devices = select_devices(adb, request.serials, warn=reporter.warn)
    bench, failures = _prepare(replace(request, models=models), devices, reporter)
    try:
        results: tuple[DeviceBenchResult, ...] = ()
        if bench.devices:
            results, lost = _measure(bench, reporter)
            failures += lost
        profiles, outputs, lost = _look_closer(bench, results, reporter)
    except KeyboardInterrupt:
        reporter.warn("interrupted: the launches that are done are kept, and the same command goes on")
        raise
    return DeviceBenchReport(
        results=results,
        published=_published_cells(results),
        profiles=profiles,
        outputs=outputs,
        failures=(*failures, *lost),
    )


def is_unfinished(path: Path) -> bool:
    """Whether a file is the report of a measurement that was not finished, and so may be written again."""
    try:
        return bool(from_json(DeviceBenchReport, path.read_text(encoding="utf-8")).failures)
    except (OSError, ValueError):
        return False


def published_abi(serial: str, adb: Path | None) -> str:
    """Returns the preferred ABI of a device among those that a build is published for.

    Raises:
        BenchmarkBinaryError: There is none.
        EdgeMnv3Error: As `select_devices` and `read_device_info` raise.
    """
    (device,) = select_devices(Adb(find_adb(adb)), (serial,))
    return pick_abi(read_device_info(device).abis)


def cool_down(max_s: float) -> CoolDown:
    """Returns the usual waits, none longer than `max_s`."""
    usual = CoolDown()
    return CoolDown(
        min_s=min(usual.min_s, max_s), max_s=max_s, poll_s=max(min(usual.poll_s, max_s / 2), 0.05)
    )


def _distinct(models: Sequence[Path]) -> tuple[Path, ...]:
    """The files, each content once; that they are models is seen here, not in a crash on the phone."""
    found: dict[str, Path] = {}
    for model in models:
        try:
            sha256 = sha256_file(model)
        except OSError as error:
            raise InputFileError(f"model {model}", error.strerror or str(error), "a .tflite file") from error
        read_file(model)
        found.setdefault(sha256, model)
    return tuple(found.values())


def _prepare(
    request: DeviceBenchRequest, devices: Sequence[AdbDevice], reporter: Reporter
) -> tuple[_Bench, tuple[DeviceFailure, ...]]:
    """Finds out what the devices are, and has the builds ready that they need."""
    registry = BinaryRegistry()
    reporter.step("benchmark_model")
    infos, failures = _on_each(devices, lambda device, _: read_device_info(device))
    usable: list[AdbDevice] = []
    names: tuple[str, ...] = ()
    for device, info in infos:
        try:
            names = tuple(
                ready_binary(registry, wanted, info.abis, on_progress=reporter.progress, warn=reporter.warn)
                for wanted in request.binaries
            )
            usable.append(device)
        except EdgeMnv3Error as error:
            failures += (DeviceFailure(serial=device.serial, error=str(error)),)
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    log_folder = request.log_folder or cache_folder() / "bench" / "logs" / now
    bench = _Bench(
        request=request,
        registry=registry,
        devices=tuple(usable),
        binaries=tuple(dict.fromkeys(names)),
        log_folder=log_folder,
    )
    return bench, failures


def _measure(
    bench: _Bench, reporter: Reporter
) -> tuple[tuple[DeviceBenchResult, ...], tuple[DeviceFailure, ...]]:
    request = bench.request
    resume_path = _resume_path(bench)
    if request.fresh:
        resume_path.unlink(missing_ok=True)
    measurement = Measurement(
        models=request.models,
        binaries=bench.binaries,
        protocol=request.protocol,
        log_folder=bench.log_folder,
        resume_path=resume_path,
        fixed_performance=request.fixed_performance,
        cool_down=request.cool_down,
    )
    launches = len(request.models) * len(bench.binaries) * request.protocol.launches
    count = f"{len(bench.devices)} devices" if len(bench.devices) > 1 else "the device"
    reporter.step(f"{launches} launches on {count}")
    listeners = Listeners(progress=_Told(reporter), warn=reporter.warn)
    measured = measure_devices(bench.devices, measurement, bench.registry, listeners)
    failures = tuple(DeviceFailure(serial=serial, error=str(error)) for serial, error in measured.failures)
    return measured.results, failures


class _Told:
    """Tells of launches, which end in several threads."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._done: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._done[progress.serial] = progress.done, progress.wanted
            for problem in progress.record.problems[:1]:
                self._reporter.warn(
                    f"device {progress.serial}: {progress.label}: launch {progress.record.number} does not "
                    f"count: {problem}"
                )
            done, wanted = (sum(counts) for counts in zip(*self._done.values(), strict=True))
            self._reporter.progress(done, wanted)


def _resume_path(bench: _Bench) -> Path:
    """A file of this command's own: the same files, devices, builds and protocol, whatever their order."""
    parts = [
        *sorted(sha256_file(model) for model in bench.request.models),
        *sorted(device.serial for device in bench.devices),
        *bench.binaries,
        repr(bench.request.protocol),
        str(bench.request.fixed_performance),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return cache_folder() / "bench" / f"unfinished-{key[:16]}.jsonl"


def _look_closer(
    bench: _Bench, results: Sequence[DeviceBenchResult], reporter: Reporter
) -> tuple[tuple[DeviceProfileResult, ...], tuple[PhoneOutputs, ...], tuple[DeviceFailure, ...]]:
    """Profiles, and compares outputs, as the request says."""
    request = bench.request
    measured = {result.conditions.device.serial for result in results}
    devices = [device for device in bench.devices if device.serial in measured]
    if not (request.profile or request.check_outputs) or not devices:
        return (), (), ()
    reporter.step("profiles and outputs")

    def look(device: AdbDevice, stop: threading.Event) -> _Closer:
        own = [result for result in results if result.conditions.device.serial == device.serial]
        return _Closer.of(bench, device, own, reporter, stop)

    found, failures = _on_each(devices, look)
    return (
        tuple(profile for _, closer in found for profile in closer.profiles),
        tuple(output for _, closer in found for output in closer.outputs),
        (*failures, *(failure for _, closer in found for failure in closer.failures)),
    )


@dataclass(slots=True, kw_only=True)
class _Closer:
    """What was seen on one device beside its latencies."""

    profiles: list[DeviceProfileResult] = field(default_factory=list)
    outputs: list[PhoneOutputs] = field(default_factory=list)
    failures: list[DeviceFailure] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        bench: _Bench,
        device: AdbDevice,
        results: Sequence[DeviceBenchResult],
        reporter: Reporter,
        stop: threading.Event,
    ) -> _Closer:
        """Looks at all files of a device; a file that fails leaves the others alone."""
        closer = cls()
        session = open_session(device, bench.binaries)
        with changed_settings(
            session.folder,
            fixed_performance=bench.request.fixed_performance,
            sdk=session.info.sdk,
            warn=reporter.warn,
        ):
            for result in results:
                try:
                    closer._look(bench, session, result, stop)
                except EdgeMnv3Error as error:
                    closer.failures.append(DeviceFailure(serial=device.serial, error=str(error)))
        return closer

    def _look(
        self, bench: _Bench, session: DeviceSession, result: DeviceBenchResult, stop: threading.Event
    ) -> None:
        conditions, request = result.conditions, bench.request
        model = Path(conditions.model_path)
        ready = place_binary(session, bench.registry, conditions.binary, stop=stop)
        if request.profile:
            log = bench.log_folder / f"profile_{model.stem}_{conditions.binary}_{session.info.serial}.log"
            log = log.with_name(log.name.replace(":", "_"))
            graph = read_file(model).main_graph
            profile = profile_model(session, ready, conditions, request.protocol, graph, log, stop=stop)
            self.profiles.append(profile)
        if request.check_outputs:
            kernels: Kernels = "xnnpack" if request.protocol.use_xnnpack else "builtin"
            images = seeded_pixels(_side_px(model, kernels), OUTPUT_IMAGES)
            self.outputs.append(
                check_phone_outputs(session, ready, model, images, kernels=kernels, stop=stop)
            )


def _side_px(model: Path, kernels: Kernels) -> int:
    shape = open_model(model, kernels=kernels).inputs[0].shape
    if len(shape) != 4 or shape[1] != shape[2]:
        raise ModelFileError(f"model {model}", f"an input of shape {shape}", "a square image")
    return int(shape[1])


def _published_cells(results: Sequence[DeviceBenchResult]) -> tuple[PublishedCells, ...]:
    """Holds results of files whose network is known against the published figures."""
    known = {path: identify(Path(path)) for path in {result.conditions.model_path for result in results}}
    devices: dict[str, DeviceInfo] = {r.conditions.device.serial: r.conditions.device for r in results}
    found = []
    for serial, info in devices.items():
        own = [result for result in results if result.conditions.device.serial == serial]
        measurements = [
            published_measurement(file, r) for r in own if (file := known[r.conditions.model_path])
        ]
        if measurements:
            cells = reproduce(read_published(), info, measurements).cells
            found.append(PublishedCells(serial=serial, cells=cells))
    return tuple(found)


def published_measurement(file: VariantFile, result: DeviceBenchResult) -> PublishedMeasurement:
    """Puts a measured file's network beside its result."""
    return PublishedMeasurement(
        network=file.network, recipe=file.recipe, result=result, differences=file.differences
    )


def _on_each(
    devices: Sequence[AdbDevice], call: Callable[[AdbDevice, threading.Event], T]
) -> tuple[list[tuple[AdbDevice, T]], tuple[DeviceFailure, ...]]:
    """Does something on all devices at once; Ctrl-C waits until each has been put in order."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=max(1, len(devices))) as pool:
        futures = [pool.submit(call, device, stop) for device in devices]
        try:
            wait(futures)
        except BaseException:
            stop.set()
            raise
    done, failures = [], []
    for device, future in zip(devices, futures, strict=True):
        try:
            done.append((device, future.result()))
        except EdgeMnv3Error as error:
            failures.append(DeviceFailure(serial=device.serial, error=str(error)))
    return done, tuple(failures)
