"""Stored measurements as series of one file, device and set of conditions, with the changes in them."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.trends import Trend, TrendChange, TrendPoint
from edge_mnv3.core.results.verdicts import ReproduceResult
from edge_mnv3_android_bench.comparison.change_points import LEVEL, MIN_SEGMENT, ChangePoint, change_points
from edge_mnv3_android_bench.comparison.history import HistoryEntry
from edge_mnv3_android_bench.comparison.latencies import (
    AnyBenchResult,
    condition_differences,
    conditions_of,
    host_spread,
)
from edge_mnv3_android_bench.comparison.launch_figures import MIN_DIFFERENCE
from edge_mnv3_android_bench.measuring.host import UNSTABLE_SPREAD

# What may change within a series, and make it slower; whatever else differs begins another series.
CAUSES = {
    "model": "the file",
    "binary": "the build of benchmark_model",
    "delegate": "the delegate",
    "build": "Android's build",
    "runtime": "the runtime",
    "system": "the system",
}
_HASH_OF_A_FILE = re.compile(r"-[0-9a-f]{8,}$")  # in the name under which a build given as a file is kept
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Stored(NamedTuple):
    recorded_at: str
    result: AnyBenchResult
    median_us: float | None


def trends(entries: Sequence[HistoryEntry], *, level: float = LEVEL) -> tuple[Trend, ...]:
    """Makes series of what is stored, and finds where they change.

    Args:
        entries: Oldest first.
        level: Chance of a change that is none in all series together, at most.
    """
    series = [_quotable(stored) for stored in _series(entries)]
    testable = sum(len(quotable) >= 2 * MIN_SEGMENT for quotable, _ in series)
    return tuple(
        _trend(quotable, left_out, level / max(1, testable)) for quotable, left_out in series if quotable
    )


def figure_us(result: AnyBenchResult) -> float | None:
    """The figure of a measurement; None where it is not to be quoted, or was taken against the rules."""
    if isinstance(result, HostBenchResult):
        return None if host_spread(result) > UNSTABLE_SPREAD else result.median_us
    return None if result.accepted else result.median_us


def _series(entries: Sequence[HistoryEntry]) -> list[list[_Stored]]:
    stored = [
        _Stored(entry.recorded_at, result, figure_us(result))
        for entry in sorted(entries, key=lambda entry: entry.recorded_at)
        for result in _measurements(entry)
    ]
    groups: dict[tuple[str, ...], list[_Stored]] = {}
    for each in stored:
        groups.setdefault(_key(each.result), []).append(each)
    series = []
    for group in groups.values():
        # Two of one command are two builds of one name side by side, and no series.
        if len({each.recorded_at for each in group}) == len(group):
            series.append(group)
            continue
        apart: dict[str, list[_Stored]] = {}
        for each in group:
            apart.setdefault(_program_hash(each.result), []).append(each)
        series += apart.values()
    return series


def _measurements(entry: HistoryEntry) -> tuple[AnyBenchResult, ...]:
    return entry.result.results if isinstance(entry.result, ReproduceResult) else (entry.result,)


def _key(result: AnyBenchResult) -> tuple[str, ...]:
    same = [f"{name}={value}" for name, value in _same(result).items()]
    name = "" if isinstance(result, HostBenchResult) else result.conditions.binary.name
    return (result.conditions.model_path, _HASH_OF_A_FILE.sub("", name), *same)


def _same(result: AnyBenchResult) -> dict[str, str]:
    return {name: value for name, value in conditions_of(result).items() if name not in CAUSES}


def _program_hash(result: AnyBenchResult) -> str:
    return "" if isinstance(result, HostBenchResult) else result.conditions.binary.sha256


def _quotable(stored: Sequence[_Stored]) -> tuple[list[_Stored], int]:
    quotable = [each for each in stored if each.median_us is not None]
    return quotable, len(stored) - len(quotable)


def _trend(stored: Sequence[_Stored], left_out: int, level: float) -> Trend:
    result = stored[0].result
    points = [_point(each) for each in stored]
    found = change_points([math.log(point.median_us) for point in points], level=level)
    changes = [_change(stored, points, found, number) for number in range(len(found))]
    on_host = isinstance(result, HostBenchResult)
    return Trend(
        model_path=result.conditions.model_path,
        device=result.conditions.device if isinstance(result, HostBenchResult) else _device_name(result),
        conditions={name: value for name, value in _same(result).items() if name != "device" or on_host},
        emulated=isinstance(result, DeviceBenchResult) and result.conditions.device.emulated,
        points=tuple(points),
        not_quotable=left_out,
        changes=tuple(change for change in changes if abs(change.ratio - 1) > MIN_DIFFERENCE),
    )


def _device_name(result: DeviceBenchResult) -> str:
    device = result.conditions.device
    return f"{device.model} ({device.identity})"


def _point(stored: _Stored) -> TrendPoint:
    result, conditions = stored.result, stored.result.conditions
    if isinstance(result, HostBenchResult):
        interval, program, system = None, result.conditions.runtime, result.conditions.platform
    else:
        binary = result.conditions.binary
        version = f" {binary.version}" if binary.version else ""
        interval, program = result.ci95_us, f"{binary.name}{version} {binary.sha256[:12]}"
        system = result.conditions.device.build_fingerprint
    return TrendPoint(
        recorded_at=stored.recorded_at,
        median_us=stored.median_us or 0.0,
        ci95_us=interval,
        model_sha256=conditions.model_sha256,
        program=program,
        system=system,
    )


def _change(
    stored: Sequence[_Stored], points: Sequence[TrendPoint], found: Sequence[ChangePoint], number: int
) -> TrendChange:
    ends = [0, *(point.place for point in found), len(points)]
    start, middle, end = ends[number : number + 3]
    before_us = statistics.median(point.median_us for point in points[start:middle])
    after_us = statistics.median(point.median_us for point in points[middle:end])
    ratio, p_value = after_us / before_us, found[number].p_value
    differences = tuple(
        difference
        for difference in condition_differences(stored[middle - 1].result, stored[middle].result)
        if difference.name in CAUSES
    )
    told = "; ".join(
        f"{CAUSES[difference.name]}: {_short(difference.a)}, then {_short(difference.b)}"
        for difference in differences
    )
    how = "slower" if ratio > 1 else "faster"
    return TrendChange(
        recorded_at=points[middle].recorded_at,
        before_us=before_us,
        after_us=after_us,
        ratio=ratio,
        p_value=p_value,
        differences=differences,
        text=f"{how} from {points[middle].recorded_at} on: {before_us / 1e3:.3f} to {after_us / 1e3:.3f} ms, "
        f"{100 * (ratio - 1):+.1f} % (p = {p_value:.4f}); what differs there: {told or 'nothing recorded'}",
    )


def _short(value: str) -> str:
    return value[:12] if _SHA256.fullmatch(value) else value
