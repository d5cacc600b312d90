"""Latencies of files, on this machine or on phones; on phones also profiles, outputs and verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import overload

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.cores import big_cores
from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error
from edge_mnv3.core.hashing import sha256_file, sha256_model
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.outputs import check_appendable
from edge_mnv3.core.published import read_published
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import check_call, check_kind, optional_path
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.bench_log import BenchLogResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport, DeviceFailure, NotMeasured, PublishedCells
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3.core.results.sustained import INTERRUPTED
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.stages.bench_files import NO_FILES, ResultFiles
from edge_mnv3.stages.bench_requests import BenchRequest, DeviceBenchRequest, check_files
from edge_mnv3.stages.cloud_bench import bench_in_clouds, find_clouds_and_devices
from edge_mnv3.stages.phone_checks import PhoneCheckRequest, check_before, check_phones, later_flags
from edge_mnv3.stages.variant_files import (
    VariantFile,
    identify,
    variant_files,
)
from edge_mnv3_android_bench.benchmark_model.choice import distinct_builds, ready_binary
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.comparison.sustained_use import summarize_sustained
from edge_mnv3_android_bench.comparison.turns import compare_in_turns
from edge_mnv3_android_bench.measuring.fleet import Fleet, open_fleet
from edge_mnv3_android_bench.measuring.host import bench_host, bench_in_turns
from edge_mnv3_android_bench.measuring.log_files import read_logs
from edge_mnv3_android_bench.measuring.npu_libraries import read_libraries
from edge_mnv3_android_bench.measuring.plan import (
    BenchLogRequest,
    HostBenchRequest,
    HostTurnsRequest,
    MeasurementPlan,
)
from edge_mnv3_android_bench.measuring.runs import forget_launches, measure_fleet
from edge_mnv3_android_bench.measuring.schedule import announcement
from edge_mnv3_android_bench.measuring.sustained import SustainedRun, begin_sustained, go_on
from edge_mnv3_android_bench.measuring.sweep import place
from edge_mnv3_android_bench.published.reproduction import MeasuredFile, reproduce
from edge_mnv3_android_bench.transport.device import Device

_REQUESTS = (HostBenchRequest, HostTurnsRequest, DeviceBenchRequest, BenchLogRequest)


@overload
def bench(
    request: HostBenchRequest, reporter: Reporter = SILENT, files: ResultFiles = NO_FILES
) -> HostBenchResult: ...
@overload
def bench(
    request: HostTurnsRequest, reporter: Reporter = SILENT, files: ResultFiles = NO_FILES
) -> HostTurnsResult: ...
@overload
def bench(
    request: DeviceBenchRequest, reporter: Reporter = SILENT, files: ResultFiles = NO_FILES
) -> DeviceBenchReport: ...
@overload
def bench(
    request: BenchLogRequest, reporter: Reporter = SILENT, files: ResultFiles = NO_FILES
) -> BenchLogResult: ...
def bench(
    request: BenchRequest,
    reporter: Reporter = SILENT,
    files: ResultFiles = NO_FILES,
) -> HostBenchResult | HostTurnsResult | DeviceBenchReport | BenchLogResult:
    """Measures latencies, or reads those of logs.

    Args:
        request: One file on this machine, several in turns, files on devices, side by side, or logs of
            launches that are done.
        reporter: Told of steps and progress, and warned of what is measured but must be known.
        files: Where the result is written, and which history it goes into.

    Returns:
        For devices a report: a device that fails leaves the others alone, and is in its `failures`; so is a
        log that gives no figure.

    Raises:
        ArgumentError: The request is none of the four, or `files` has a history for logs.
        OutputError: A file of `files` cannot be written; this is seen before anything is measured.
        InputFileError: A file cannot be read.
        ModelFileError: A file is no `.tflite`, or does not load on this machine.
        RuntimeUnavailableError: The runtime on this machine cannot be used.
        AdbUnavailableError: There is no adb, or it does not work.
        DeviceUnavailableError: As in `find_devices`.
        EdgeMnv3Error: As `variant_files` raises.
        KeyboardInterrupt: Ctrl-C: nothing runs on the devices, and the same call goes on with what is done.
    """
    check_call("bench", _REQUESTS, request, reporter)
    check_kind("bench: files", files, ResultFiles)
    if isinstance(request, BenchLogRequest):
        return _bench_logs(request, reporter, files)
    check_files(request, files)
    if isinstance(request, HostBenchRequest):
        reporter.step("running")
        result = bench_host(request, reporter)
        for warning in result.warnings:
            reporter.warn(warning)
        files.write(result, (result,), reporter)
        return result
    if isinstance(request, HostTurnsRequest):
        return _bench_in_turns(request, reporter, files)
    report, plan = _bench_variants(request, reporter)
    for warning in dict.fromkeys(warning for result in report.results for warning in result.warnings):
        reporter.warn(warning)
    for sustained in report.sustained:
        for warning in sustained.warnings:
            reporter.warn(warning)
    files.write(report, report.results, reporter)
    if plan is not None and not report.failures:
        forget_launches(plan)
    return report


def _bench_in_turns(request: HostTurnsRequest, reporter: Reporter, files: ResultFiles) -> HostTurnsResult:
    reporter.step("running")
    results = bench_in_turns(request, reporter)
    for result in results:
        for warning in result.warnings:
            reporter.warn(f"{result.conditions.model_path}: {warning}")
    compared = tuple(compare_in_turns(results[0], other) for other in results[1:])
    measured = HostTurnsResult(results=results, comparisons=compared)
    files.write(measured, results, reporter)
    return measured


def _bench_logs(request: BenchLogRequest, reporter: Reporter, files: ResultFiles) -> BenchLogResult:
    if files.history is not None:
        raise ArgumentError(
            "bench: files.history", str(files.history), "None: logs do not tell their conditions"
        )
    check_files(request, files)
    read = read_logs(request)
    for launch in read.launches:
        for warning in launch.timings.warnings:
            reporter.warn(f"{launch.log_path}: {warning}")
    files.write(read, (), reporter)
    return read


def _bench_variants(
    request: DeviceBenchRequest, reporter: Reporter
) -> tuple[DeviceBenchReport, MeasurementPlan | None]:
    """Has the files of the variants ready, and measures them beside the others."""
    if request.variants is not None:
        made = tuple(file.path for file in variant_files(request.variants, reporter))
        request = replace(request, models=(*request.models, *made), variants=None)
    return _bench_devices(request, reporter)


def _bench_devices(
    request: DeviceBenchRequest, reporter: Reporter
) -> tuple[DeviceBenchReport, MeasurementPlan | None]:
    models = _distinct([Path(model) for model in request.models])
    input_range = stated_range(request.input_range)
    if request.check_outputs:
        check_before(models, request.protocol.kernels, input_range, reporter)
    clouds, devices = find_clouds_and_devices(request, reporter)
    registry = BinaryRegistry()
    reporter.step("benchmark_model")
    if request.sustained_minutes is not None:
        return _put_under_load(request, models, devices, reporter), None
    try:
        with open_fleet(devices, reporter) as fleet:
            plan = _plan(request, models, _ready_binaries(request, fleet, registry, reporter), fleet)
            results: tuple[DeviceBenchResult, ...] = ()
            if fleet.sessions:
                reporter.step(announcement(plan, len(fleet.sessions)))
                results = measure_fleet(fleet, plan, registry, reporter)
            wanted = PhoneCheckRequest(
                plan=plan,
                profile=request.profile,
                check_outputs=request.check_outputs,
                input_range=input_range,
            )
            checks = check_phones(fleet, wanted, results, registry, reporter)
        elsewhere = bench_in_clouds(clouds, request, plan, reporter)
    except KeyboardInterrupt:
        reporter.warn(_interrupted(clouds, devices))
        raise
    results += elsewhere.results
    failures = tuple(DeviceFailure(serial=serial, error=str(error)) for serial, error in fleet.failures)
    report = DeviceBenchReport(
        results=results,
        not_measured=_not_measured(results, plan),
        published=_published_cells(results),
        profiles=tuple(checks.profiles),
        outputs=tuple(checks.outputs),
        failures=(*failures, *elsewhere.failures),
    )
    return report, plan


def _interrupted(clouds: Sequence[str], devices: Sequence[Device]) -> str:
    """What becomes of the launches that are done when the user ends the command."""
    told = []
    if devices:
        told.append("the launches that are done are kept, and the same command goes on")
    if clouds:
        told.append(f"launches of {', '.join(clouds)} begin anew")
    return f"interrupted: {'; '.join(told)}"


def _put_under_load(
    request: DeviceBenchRequest, models: tuple[Path, ...], devices: Sequence[Device], reporter: Reporter
) -> DeviceBenchReport:
    """Measures one file for minutes on each device; what was measured before Ctrl-C is in the report."""
    registry, minutes = BinaryRegistry(), request.sustained_minutes or 0.0
    runs: tuple[SustainedRun, ...] = ()
    try:
        with open_fleet(devices, reporter) as fleet:
            plan = _plan(request, models, _ready_binaries(request, fleet, registry, reporter), fleet)
            reporter.step(f"{minutes:g} minutes under load")
            runs = begin_sustained(fleet, plan, registry, minutes, reporter)
            go_on(fleet, runs)
    except KeyboardInterrupt:
        if not any(run.spans for run in runs):
            raise
        reporter.warn("interrupted: what was measured until then is the result, which says so")
    errors = {serial: str(error) for serial, error in fleet.failures}
    return DeviceBenchReport(
        results=(),
        not_measured=(),
        sustained=tuple(
            summarize_sustained(
                run.cells[0].conditions,
                run.records,
                run.spans,
                asked_s=run.seconds,
                ended_by=run.ended_by or errors.get(run.session.serial, INTERRUPTED),
            )
            for run in runs
            if run.spans
        ),
        published=(),
        profiles=(),
        outputs=(),
        failures=tuple(DeviceFailure(serial=serial, error=text) for serial, text in errors.items()),
    )


def _not_measured(results: Sequence[DeviceBenchResult], plan: MeasurementPlan) -> tuple[NotMeasured, ...]:
    """What of the plan the devices do not have that gave results."""
    devices = dict.fromkeys(result.conditions.device for result in results)
    return tuple(left_out for info in devices for left_out in place(info, plan.protocols).left_out)


def _distinct(models: Sequence[Path]) -> tuple[Path, ...]:
    """The files, each content once; that they are models is seen here, not in a crash on the phone."""
    by_content: dict[str, Path] = {}
    for model in models:
        sha256 = sha256_model(model)
        read_file(model)
        by_content.setdefault(sha256, model)
    return tuple(by_content.values())


def _ready_binaries(
    request: DeviceBenchRequest, fleet: Fleet, registry: BinaryRegistry, reporter: Reporter
) -> tuple[str, ...]:
    """Has the builds ready that the devices need; a device that there is none for is left out."""
    names: dict[str, None] = {}
    for session in fleet.sessions:
        try:
            ready = [
                ready_binary(registry, wanted, session.info.abis, reporter)
                for wanted in map(str, request.binaries)
            ]
        except EdgeMnv3Error as error:
            fleet.leave_out(session, error)
        else:
            names |= dict.fromkeys(distinct_builds(registry, ready, session.info.abis, reporter))
    return tuple(names)


def _plan(
    request: DeviceBenchRequest, models: tuple[Path, ...], binaries: tuple[str, ...], fleet: Fleet
) -> MeasurementPlan:
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    plan = MeasurementPlan(
        models=models,
        binaries=binaries,
        protocol=request.protocol,
        sweep=request.sweep,
        log_folder=optional_path(request.log_folder) or cache_folder() / "bench" / "logs" / now,
        fixed_performance=request.fixed_performance,
        cool_down=request.cool_down,
        acceptance=request.acceptance,
        stay_awake=request.stay_awake,
        litert_by_xnnpack=request.litert_by_xnnpack,
        accelerators=tuple(request.accelerators),
        npu_libraries=read_libraries(libraries)
        if (libraries := optional_path(request.npu_libraries))
        else None,
        later_flags=later_flags(profile=request.profile, check_outputs=request.check_outputs),
    )
    resume_path = (
        cache_folder() / "bench" / resume_name(plan, [session.info.identity for session in fleet.sessions])
    )
    if request.fresh:
        resume_path.unlink(missing_ok=True)
    check_appendable(resume_path, name="unfinished launches (in $EDGE_MNV3_CACHE)")
    check_appendable(plan.log_folder / "launch.log", name="raw logs (--logs names another folder)")
    return replace(plan, resume_path=resume_path)


def resume_name(plan: MeasurementPlan, devices: Sequence[str]) -> str:
    """Names the file for unfinished launches of the same files, devices, builds and protocol, in any order.

    Devices are given by their `identity`. The protocol is written as earlier releases did, so that what they
    left unfinished goes on.
    """
    protocol, settings = plan.protocol, plan.protocol.settings
    described = (
        f"Protocol(name={settings.name!r}, num_threads={settings.num_threads!r}, cores={protocol.cores!r}, "
        f"use_xnnpack={protocol.kernels == 'xnnpack'!r}, num_runs={settings.num_runs!r}, "
        f"warmup_runs={settings.warmup_runs!r}, min_secs={settings.min_secs!r}, "
        f"max_secs={settings.max_secs!r}, warmup_min_secs={settings.warmup_min_secs!r}, "
        f"launches={protocol.launches!r})"
    )
    parts = [
        *sorted(sha256_file(model) for model in plan.models),
        *sorted(devices),
        *plan.binaries,
        described,
        str(plan.fixed_performance),
        *([f"{sorted(plan.sweep.threads)} {sorted(plan.sweep.cores)}"] if len(plan.protocols) > 1 else []),
        *(sorted(plan.accelerators) if plan.accelerators != ("cpu",) else ()),
        *([plan.npu_libraries.sha256] if plan.npu_libraries else []),
        *(["slower clocks are taken"] if plan.acceptance.clock else []),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"unfinished-{key[:16]}.jsonl"


def _published_cells(results: Sequence[DeviceBenchResult]) -> tuple[PublishedCells, ...]:
    """Holds results of files whose network is known against the published figures.

    Of a sweep that is what ran as the published figures did, on one thread of the fastest cores. What was
    asked of a GPU or an NPU is left out: the published figures are of CPUs.
    """
    results = _as_published([result for result in results if result.conditions.accelerator == "cpu"])
    known = {path: identify(Path(path)) for path in {result.conditions.model_path for result in results}}
    devices: dict[str, DeviceInfo] = {r.conditions.device.serial: r.conditions.device for r in results}
    published = []
    for serial, info in devices.items():
        files = [
            measured_file(file, result)
            for result in results
            if result.conditions.device.serial == serial and (file := known[result.conditions.model_path])
        ]
        if files:
            cells = reproduce(read_published(), info, files).cells
            published.append(PublishedCells(serial=serial, cells=cells))
    return tuple(published)


def _as_published(results: Sequence[DeviceBenchResult]) -> Sequence[DeviceBenchResult]:
    """The results that are alone with their device, file and build, and of the others those that fit best."""
    groups: dict[tuple[str, ...], list[DeviceBenchResult]] = {}
    for result in results:
        conditions = result.conditions
        key = (conditions.device.serial, conditions.model_sha256, conditions.binary.sha256)
        groups.setdefault(key, []).append(result)
    chosen = []
    for group in groups.values():
        fits = [
            result
            for result in group
            if result.conditions.protocol.num_threads == 1
            and result.conditions.cpus == big_cores(result.conditions.device.clusters)
        ]
        chosen += group if len(group) == 1 else fits
    return chosen


def measured_file(file: VariantFile, result: DeviceBenchResult) -> MeasuredFile:
    """Puts a measured file's network beside its result."""
    return MeasuredFile(network=file.network, recipe=file.recipe, result=result, differences=file.differences)
