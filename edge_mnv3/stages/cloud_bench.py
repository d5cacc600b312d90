"""Phones of the Developer Device Platform in `bench`: what can be asked of them, and their results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import optional_path
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.bench_report import DeviceFailure
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3_android_bench.benchmark_model.choice import distinct_builds, ready_binary
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.ddp.cloud import PREFIX, Cloud, CloudWaits, find_gcloud, parse_model
from edge_mnv3_android_bench.device.selection import find_devices
from edge_mnv3_android_bench.measuring.cloud_runs import CLOUD_ABI, measure_in_cloud
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.transport.device import Device

WAITS = CloudWaits()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudResults:
    """What came of the phones of the cloud.

    Attributes:
        results: One for each model, build, and kind of cores and threads, phone by phone.
        failures: Phones that were not measured to the end; each leaves the others alone.
    """

    results: tuple[DeviceBenchResult, ...] = ()
    failures: tuple[DeviceFailure, ...] = ()


def split_clouds(serials: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Phones of the cloud, and other devices."""
    clouds = tuple(dict.fromkeys(serial for serial in serials if serial.startswith(PREFIX)))
    return clouds, tuple(serial for serial in serials if serial not in clouds)


def check_clouds(clouds: Sequence[str], request: DeviceBenchRequest) -> None:
    """Refuses what cannot be asked of phones on which one script runs, and a computer without gcloud.

    Raises:
        ArgumentError: An address is none, or an option needs a phone that can be spoken to.
        CloudUnavailableError: There is no gcloud.
    """
    for serial in clouds:
        parse_model(serial)
    if not clouds:
        return
    for option, asked in (
        ("--profile", request.profile),
        ("--check-outputs", request.check_outputs),
        ("--fixed-performance", request.fixed_performance),
        ("--sustained", request.sustained_minutes is not None),
        ("--npu-libraries", request.npu_libraries is not None),
    ):
        if asked:
            raise ArgumentError(
                f"{option} with --device {clouds[0]}",
                "a session in which nobody can speak to the phone",
                f"a phone that adb reaches, or no {option}",
            )
    find_gcloud()


def find_clouds_and_devices(
    request: DeviceBenchRequest, reporter: Reporter
) -> tuple[tuple[str, ...], tuple[Device, ...]]:
    """Phones of the cloud, and the other devices, which are looked for where any is wanted.

    Raises:
        EdgeMnv3Error: As `check_clouds` and `find_devices` raise.
    """
    clouds, serials = split_clouds(request.serials)
    check_clouds(clouds, request)
    reporter.step("devices")
    if clouds and not serials:
        return clouds, ()
    return clouds, find_devices(optional_path(request.adb), serials, reporter)


def bench_in_clouds(
    clouds: Sequence[str], request: DeviceBenchRequest, plan: MeasurementPlan, reporter: Reporter
) -> CloudResults:
    """Measures on each phone of the cloud, one after the other.

    Raises:
        KeyboardInterrupt: Ctrl-C; the session that ran is cancelled.
    """
    registry = BinaryRegistry()
    results: list[DeviceBenchResult] = []
    failures: list[DeviceFailure] = []
    for serial in clouds:
        try:
            names = [ready_binary(registry, str(b), (CLOUD_ABI,), reporter) for b in request.binaries]
            distinct = distinct_builds(registry, names, (CLOUD_ABI,), reporter)
            mine = replace(plan, binaries=distinct, resume_path=None)
            cloud = Cloud(program=find_gcloud(), serial=serial, waits=WAITS, stop=threading.Event())
            measured = measure_in_cloud(cloud, mine, registry, reporter)
            results += measured.results
            if measured.unreached:
                error = f"device {serial}: no launch came back whole: {', '.join(measured.unreached)}"
                failures.append(DeviceFailure(serial=serial, error=error))
        except EdgeMnv3Error as problem:
            failures.append(DeviceFailure(serial=serial, error=str(problem)))
    return CloudResults(results=tuple(results), failures=tuple(failures))
