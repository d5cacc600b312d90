"""One measurement against one published latency."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.cores import big_cores
from edge_mnv3.core.published import (
    BENCHMARK_MODEL,
    FIRST_FIGURES,
    LARGE_CORES,
    ONE_THREAD,
    THREAD_PER_LARGE_CORE,
    UNSTATED,
    Source,
)
from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult
from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3.core.results.delegation import NO_DELEGATE, UNKNOWN_DELEGATE, XNNPACK_DELEGATE
from edge_mnv3.core.results.verdicts import (
    CONDITIONS_DIFFER,
    EMULATED_REASON,
    FASTER,
    NOT_PUBLISHED,
    REPRODUCED,
    SLOWER,
    UNSTABLE,
    MeasuredCell,
)
from edge_mnv3_android_bench.device.cpu_topology import list_cores

# Published figures state neither spread nor build: closer than this they cannot be told apart.
TOLERANCE = 0.15


def differences_from_published(
    conditions: DeviceBenchConditions, phone: str | None, source: Source = FIRST_FIGURES
) -> tuple[str, ...]:
    """Names the conditions that differ from those that a source states, or that its time implies.

    The first figures state one thread, a large core and batch 1; the kernels of that time ran without
    XNNPACK.

    Args:
        conditions: Conditions of a measurement.
        phone: The device's name in the published figures; None where it has none there.
        source: The source.
    """
    return (
        *_differences_beside_build(conditions, phone, source),
        *_build_differences(conditions.binary, source),
        *((f"graph: {source.graph}",) if source.graph else ()),
    )


def differs_by_build_alone(conditions: DeviceBenchConditions, phone: str | None) -> bool:
    """Whether nothing but the build sets a measurement apart from the first figures.

    The arguments are those of `differences_from_published`.
    """
    return not _differences_beside_build(conditions, phone, FIRST_FIGURES)


def _build_differences(binary: BinaryInfo, source: Source) -> list[str]:
    if source.version is not None:
        # TensorFlow 2.2 and LiteRT 2.2 share their numbers, but not their time.
        is_same = not binary.of_published_time and binary.version == source.version.split()[-1]
        return [] if is_same else [f"build: '{binary.name}', published with {source.version}"]
    if binary.of_published_time:
        return []
    why = "; ".join(binary.era_evidence)
    return [f"build era: '{binary.name}' is no build of the published figures' time: {why}"]


def _differences_beside_build(
    conditions: DeviceBenchConditions, phone: str | None, source: Source
) -> list[str]:
    differences = []
    if conditions.device.emulated:
        differences.append(EMULATED_REASON)
    if phone is None:
        differences.append(f"device model: {conditions.device.model}")
    if source.program != BENCHMARK_MODEL:
        differences.append(f"program: {BENCHMARK_MODEL}, published with {source.program}")
    differences += _thread_differences(conditions, source)
    if source.cores == LARGE_CORES:
        differences += _core_differences(conditions)
    else:
        differences.append("cores: not stated by the source")
    differences += _kernel_differences(conditions, source)
    if conditions.accelerator != "cpu":
        differences.append(f"accelerator: {conditions.accelerator}, published on a CPU")
    if conditions.fixed_performance:
        differences.append("clocks: held below the highest by the fixed-performance mode")
    return differences


def _thread_differences(conditions: DeviceBenchConditions, source: Source) -> list[str]:
    threads = conditions.protocol.num_threads
    count = "chosen by the build" if threads < 1 else str(threads)
    if source.threads == ONE_THREAD:
        return [] if threads == 1 else [f"threads: {count}, published with 1"]
    if source.threads == THREAD_PER_LARGE_CORE:
        large = len(big_cores(conditions.device.clusters))
        return [] if threads == large else [f"threads: {count}, published with {source.threads}"]
    return ["threads: not stated by the source"]


def _kernel_differences(conditions: DeviceBenchConditions, source: Source) -> list[str]:
    if source.kernels == UNSTATED:
        return ["kernels: not stated by the source"]
    kernels, delegate = conditions.protocol.kernels, conditions.delegate
    is_named = delegate not in (NO_DELEGATE, UNKNOWN_DELEGATE)
    if kernels == "default" and delegate == UNKNOWN_DELEGATE:
        return ["XNNPACK: neither demanded nor told by the log"]
    used = delegate if is_named else XNNPACK_DELEGATE if kernels == "xnnpack" else NO_DELEGATE
    wanted = XNNPACK_DELEGATE if source.kernels == "xnnpack" else NO_DELEGATE
    if used == wanted:
        return []
    published = "the built-in kernels" if wanted == NO_DELEGATE else XNNPACK_DELEGATE
    return [f"delegate: {used}, published with {published}"]


def _core_differences(conditions: DeviceBenchConditions) -> list[str]:
    if not conditions.cpus:
        return ["cores: not pinned, published on a large core"]
    large = big_cores(conditions.device.clusters)
    if not large:
        return ["cores: the device does not tell which are large"]
    unknown = conditions.device.cpus_of_unknown_clock
    if unknown:
        return [f"cores: {list_cores(unknown)} of unknown clock, published on a large core"]
    if set(conditions.cpus) <= set(large):
        return []
    return [f"cores: mask {conditions.cpu_mask}, published on a large core"]


def judge(
    result: DeviceBenchResult,
    published_ms: float | None,
    *,
    phone: str | None,
    differences: Sequence[str] = (),
    source: Source = FIRST_FIGURES,
) -> MeasuredCell:
    """Holds a measurement against a published latency.

    Args:
        result: The measurement.
        published_ms: None where there is none.
        phone: The device's name in the published figures; None where it has none there.
        differences: How the file differs, such as by another graph; this function adds how the conditions do.
        source: Where the latency was published.
    """
    accepted = (f"accepted against the rules: {text}" for text in result.accepted)
    all_differences = (
        *differences_from_published(result.conditions, phone, source),
        *_state_differences(result),
        *differences,
        *accepted,
    )
    measured_ms = result.median_us / 1e3 if result.median_us is not None else None
    interval_ms = _scale(result.ci95_us, 1e-3)
    ratio = measured_ms / published_ms if measured_ms is not None and published_ms else None
    interval = _scale(interval_ms, 1 / published_ms) if published_ms and ratio is not None else None
    by_ratio = _by_ratio(ratio) if ratio is not None else None
    if published_ms is None and not result.conditions.device.emulated:
        verdict, reasons = NOT_PUBLISHED, result.problems
    elif all_differences:
        verdict, reasons = CONDITIONS_DIFFER, (*all_differences, *result.problems)
    elif by_ratio is None:
        verdict, reasons = UNSTABLE, result.problems
    else:
        verdict, reasons = by_ratio, _doubt(by_ratio, interval)
    return MeasuredCell(
        binary=result.conditions.binary.name,
        of_published_time=result.conditions.binary.of_published_time,
        runtime=result.conditions.binary.runtime,
        measured_ms=measured_ms,
        ci95_ms=interval_ms,
        ratio=ratio,
        ratio_ci95=interval,
        by_ratio=by_ratio,
        verdict=verdict,
        reasons=reasons,
    )


def _state_differences(result: DeviceBenchResult) -> list[str]:
    """How the device was while it was measured, where that is not as published figures are taken."""
    counted = [launch for launch in result.launches if not launch.problems]
    differences = []
    if any(launch.before is not None and launch.before.power_save for launch in counted):
        differences.append("power saving: on")
    clocks = [khz for launch in counted for sample in launch.samples for khz in sample.khz]
    if clocks and all(khz is None for khz in clocks):
        differences.append("clocks: not told by the device, so that throttling would not be seen")
    return differences


def _scale(interval: tuple[float, float] | None, factor: float) -> tuple[float, float] | None:
    return (interval[0] * factor, interval[1] * factor) if interval else None


def _by_ratio(ratio: float) -> str:
    if ratio < 1 - TOLERANCE:
        return FASTER
    return SLOWER if ratio > 1 + TOLERANCE else REPRODUCED


def _doubt(by_ratio: str, interval: tuple[float, float] | None) -> tuple[str, ...]:
    others = sorted({_by_ratio(end) for end in interval or ()} - {by_ratio})
    return (f"the interval reaches into {' and '.join(others)}",) if others else ()
