"""Launches and results of devices, as measurements make them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from edge_mnv3.core.results.bench import (
    ClockSample,
    DeviceBenchConditions,
    DeviceBenchResult,
    HostBenchConditions,
    HostBenchResult,
    HostProtocol,
    LaunchRecord,
    LaunchTimings,
    ProtocolSettings,
    UnconfirmedFigures,
)
from edge_mnv3.core.results.binaries import LATER_ERA, PUBLISHED_ERA, BinaryInfo
from edge_mnv3.core.results.delegation import Partitioning
from edge_mnv3.core.results.device import CpuCluster, DeviceInfo, DeviceState
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.launch_statistics import summarize
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED

MAX_KHZ = 2_150_400
LITTLE_KHZ = 1_593_600

PIXEL = DeviceInfo(
    serial="A1",
    hardware_serial=None,
    model="Pixel",
    manufacturer="Maker",
    system="Android 10",
    android_version="10",
    sdk=29,
    build_fingerprint="maker/pixel:10/A/1",
    abi="arm64-v8a",
    abis=("arm64-v8a", "armeabi-v7a"),
    soc="soc821",
    clusters=(
        CpuCluster(cpus=(0, 1), max_khz=LITTLE_KHZ, governor="schedutil"),
        CpuCluster(cpus=(2, 3), max_khz=MAX_KHZ, governor="schedutil"),
    ),
    present_cpus=(0, 1, 2, 3),
    total_memory_bytes=4_000_000_000,
    emulated=False,
)
STATE = DeviceState(
    battery_percent=80.0,
    battery_celsius=25.0,
    charging=True,
    thermal_status=0,
    firmware_throttling=None,
    governors=("schedutil", "schedutil"),
    current_khz=(LITTLE_KHZ, LITTLE_KHZ, MAX_KHZ, MAX_KHZ),
    online_cpus=(0, 1, 2, 3),
    screen_on=True,
    power_save=False,
    dozing=False,
    free_memory_bytes=2_000_000_000,
    uptime_s=1000.0,
)
CONDITIONS = DeviceBenchConditions(
    device=PIXEL,
    binary=BinaryInfo(
        name="era-2019",
        sha256="b" * 64,
        version=None,
        runtime="TensorFlow Lite",
        era=PUBLISHED_ERA,
        era_evidence=("flags",),
    ),
    protocol=PUBLISHED.settings,
    delegate="unknown",
    cpus=(2, 3),
    cpu_mask="c",
    fixed_performance=False,
    model_path="small.tflite",
    model_sha256="a" * 64,
)
_PROTOCOL_FIELDS = {field.name for field in dataclasses.fields(ProtocolSettings)} - {"name"}


def changed_conditions(**changes: Any) -> DeviceBenchConditions:
    """`CONDITIONS` but for changes: fields, settings of the protocol, or the `binary`'s name or hash."""
    settings = {name: changes.pop(name) for name in _PROTOCOL_FIELDS & changes.keys()}
    build = {"binary": "name", "binary_sha256": "sha256", "runtime": "runtime"}
    given: dict[str, Any] = {field: changes.pop(name) for name, field in build.items() if name in changes}
    if not given.get("name", "era").startswith("era"):
        given = {"sha256": "d" * 64, "era": LATER_ERA, "era_evidence": ("knows --dry_run",)} | given
    changes["binary"] = dataclasses.replace(CONDITIONS.binary, **given)
    protocol = dataclasses.replace(CONDITIONS.protocol, **settings)
    return dataclasses.replace(CONDITIONS, protocol=protocol, **changes)


BY_GPU = (Partitioning(delegate="GPU", replaced_nodes=58, nodes=58, partitions=1, subgraph=0),)


def launch_timings(
    figure_us: float,
    *,
    median: bool = True,
    delegate: str = "none",
    warnings: Sequence[str] = (),
    partitionings: Sequence[Partitioning] = (),
) -> LaunchTimings:
    """Timings whose statistic is the given one; the average lies 10 % above a median."""
    return LaunchTimings(
        num_runs=50,
        avg_us=1.1 * figure_us if median else figure_us,
        median_us=figure_us if median else None,
        warmup_runs=1,
        warmup_avg_us=2 * figure_us,
        first_inference_us=2 * figure_us,
        init_us=1000.0,
        unconfirmed=UnconfirmedFigures(
            min_us=0.9 * figure_us,
            max_us=2 * figure_us,
            std_us=10.0,
            p5_us=None,
            p95_us=None,
            memory_mb=None,
            peak_memory_mb=None,
        ),
        delegate=delegate,
        partitionings=tuple(partitionings),
        warnings=tuple(warnings),
    )


def launch(timings: LaunchTimings | None, *, number: int = 1, **changes: Any) -> LaunchRecord:
    """A launch that counts, but for `changes`."""
    samples = tuple(ClockSample(time_s=t, khz=(MAX_KHZ, MAX_KHZ), celsius=30.0) for t in (0.1, 1.0, 1.5))
    record = LaunchRecord(
        number=number,
        started_at="2026-01-02T03:04:05Z",
        duration_s=2.0,
        timings=timings,
        before=STATE,
        after=STATE,
        samples=samples,
        mask_verified=True,
        log_path=f"launch_{number}.log",
        problems=(),
    )
    return dataclasses.replace(record, **changes)


def device_result(
    figures_us: Sequence[float],
    *,
    median: bool = True,
    delegate: str = "none",
    partitionings: Sequence[Partitioning] = (),
    **conditions: Any,
) -> DeviceBenchResult:
    """A result of one launch for each figure."""
    launches = [
        launch(
            launch_timings(figure, median=median, delegate=delegate, partitionings=partitionings),
            number=number,
        )
        for number, figure in enumerate(figures_us, start=1)
    ]
    return summarize(changed_conditions(**conditions), launches)


def steady(figure_us: float) -> tuple[float, ...]:
    """Five figures within 0.4 % around the given one."""
    return tuple(figure_us * factor for factor in (0.998, 0.999, 1.0, 1.001, 1.002))


def result_of_launches(
    init_us: Sequence[float], first_us: Sequence[float | None], memory_mb: Sequence[float | None]
) -> DeviceBenchResult:
    """A result of one launch for each start-up, whose first inferences and memory are the other values."""
    base = device_result(steady(1000.0)[:1] * len(init_us))
    launches = []
    for launch, init, first, memory in zip(base.launches, init_us, first_us, memory_mb, strict=True):
        assert launch.timings is not None
        unconfirmed = dataclasses.replace(launch.timings.unconfirmed, memory_mb=memory)
        timings = dataclasses.replace(
            launch.timings, init_us=init, first_inference_us=first, unconfirmed=unconfirmed
        )
        launches.append(dataclasses.replace(launch, timings=timings))
    return summarize(base.conditions, launches, min_launches=1, acceptance=Acceptance(variation=True))


def host_result(blocks_us: Sequence[float], **conditions: Any) -> HostBenchResult:
    """A result of this machine; conditions and what its protocol has may be given by name."""
    protocol = HostProtocol(kernels="xnnpack", num_threads=1, num_runs=200, warmup_runs=20)
    names = {field.name for field in dataclasses.fields(protocol)}
    timed = {name: conditions.pop(name) for name in names & conditions.keys()}
    defaults = HostBenchConditions(
        device="processor",
        platform="system",
        runtime="litert 2",
        protocol=dataclasses.replace(protocol, **timed),
        cpu_mask="3",
        model_path="host.tflite",
        model_sha256="a" * 64,
    )
    ordered = sorted(blocks_us)
    return HostBenchResult(
        conditions=dataclasses.replace(defaults, **conditions),
        median_us=ordered[len(ordered) // 2],
        block_medians_us=tuple(blocks_us),
        p5_us=ordered[0],
        p95_us=ordered[-1],
        min_us=ordered[0],
        max_us=ordered[-1],
        mean_us=sum(ordered) / len(ordered),
        std_us=0.0,
        init_us=1.0,
        warnings=(),
    )
