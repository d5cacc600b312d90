"""One measurement against one published latency."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.results.bench import (
    NO_DELEGATE,
    UNKNOWN_DELEGATE,
    XNNPACK_DELEGATE,
    DeviceBenchConditions,
    DeviceBenchResult,
)
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
from edge_mnv3_android_bench.device.cpu_topology import big_cores, list_cores

# Published figures state neither spread nor build: closer than this they cannot be told apart.
TOLERANCE = 0.15


def differences_from_published(conditions: DeviceBenchConditions, phone: str | None) -> tuple[str, ...]:
    """Names the conditions that differ from those that the sources state, or that their time implies.

    Stated are one thread, a large core and batch 1; the kernels of that time ran without XNNPACK.

    Args:
        conditions: Conditions of a measurement.
        phone: The device's name in the published figures; None where it has none there.
    """
    binary = conditions.binary
    why = "; ".join(binary.era_evidence)
    build = (
        ()
        if binary.of_published_time
        else (f"build era: '{binary.name}' is no build of the published figures' time: {why}",)
    )
    return (*_differences_beside_build(conditions, phone), *build)


def differs_by_build_alone(conditions: DeviceBenchConditions, phone: str | None) -> bool:
    """Whether nothing but the build sets a measurement apart from the published ones.

    The arguments are those of `differences_from_published`.
    """
    return not _differences_beside_build(conditions, phone)


def _differences_beside_build(conditions: DeviceBenchConditions, phone: str | None) -> list[str]:
    differences = []
    if conditions.device.emulated:
        differences.append(EMULATED_REASON)
    if phone is None:
        differences.append(f"device model: {conditions.device.model}")
    threads, kernels, delegate = (
        conditions.protocol.num_threads,
        conditions.protocol.kernels,
        conditions.delegate,
    )
    if threads != 1:
        count = "chosen by the build" if threads < 1 else str(threads)
        differences.append(f"threads: {count}, published with 1")
    differences += _core_differences(conditions)
    is_named = delegate not in (NO_DELEGATE, UNKNOWN_DELEGATE)
    if kernels == "default" and delegate == UNKNOWN_DELEGATE:
        differences.append("XNNPACK: neither demanded nor told by the log")
    elif kernels == "xnnpack" or is_named:
        name = delegate if is_named else XNNPACK_DELEGATE
        differences.append(f"delegate: {name}, published with the built-in kernels")
    if conditions.fixed_performance:
        differences.append("clocks: held below the highest by the fixed-performance mode")
    return differences


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
) -> MeasuredCell:
    """Holds a measurement against a published latency.

    Args:
        result: The measurement.
        published_ms: None where there is none.
        phone: The device's name in the published figures; None where it has none there.
        differences: How the file differs, such as by another graph; this function adds how the conditions do.
    """
    accepted = (f"accepted against the rules: {text}" for text in result.accepted)
    all_differences = (*differences_from_published(result.conditions, phone), *differences, *accepted)
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
        measured_ms=measured_ms,
        ci95_ms=interval_ms,
        ratio=ratio,
        ratio_ci95=interval,
        by_ratio=by_ratio,
        verdict=verdict,
        reasons=reasons,
    )


def _scale(interval: tuple[float, float] | None, factor: float) -> tuple[float, float] | None:
    return (interval[0] * factor, interval[1] * factor) if interval else None


def _by_ratio(ratio: float) -> str:
    if ratio < 1 - TOLERANCE:
        return FASTER
    return SLOWER if ratio > 1 + TOLERANCE else REPRODUCED


def _doubt(by_ratio: str, interval: tuple[float, float] | None) -> tuple[str, ...]:
    others = sorted({_by_ratio(end) for end in interval or ()} - {by_ratio})
    return (f"the interval reaches into {' and '.join(others)}",) if others else ()
