"""What minutes under load did to a latency: the launches of the first minute against those of the last."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.bench import DeviceBenchConditions, LaunchRecord
from edge_mnv3.core.results.delegation import UNKNOWN_DELEGATE, Delegated
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.core.results.sustained import TIME_IS_UP, SustainedResult, SustainedWindow
from edge_mnv3_android_bench.benchmark_model.accelerators import delegated
from edge_mnv3_android_bench.comparison.launch_figures import MIN_DIFFERENCE, is_open, ratio_interval
from edge_mnv3_android_bench.measuring.acceptance import MIN_LAUNCHES_TO_QUOTE
from edge_mnv3_android_bench.measuring.launch_statistics import (
    delegate_problems,
    firmware_in_sustained_use,
    launch_figures_us,
    result_warnings,
    statistic_of,
)
from edge_mnv3_android_bench.measuring.throttling import highest_clocks, settled_clocks, watched_cpus

MINUTE_S = 60.0
INTERVAL_METHOD = (
    "95 % percentile bootstrap over launches, of the ratio of the medians of both minutes, widened for few "
    "launches: as compare"
)


def summarize_sustained(
    conditions: DeviceBenchConditions,
    records: Sequence[LaunchRecord],
    spans: Sequence[tuple[float, float]],
    *,
    asked_s: float,
    ended_by: str,
) -> SustainedResult:
    """Makes the result of launches that followed each other.

    Args:
        conditions: Their conditions.
        records: The launches, at least one.
        spans: When each began and was done, in seconds since the first one began.
        asked_s: How long was asked for.
        ended_by: `time is up`, `interrupted`, or what failed.
    """
    counted = [record.timings for record in records if record.timings and not record.problems]
    statistic = statistic_of(counted)
    watched = watched_cpus(conditions.cpus, highest_clocks(conditions))
    windows = tuple(
        _window(record, span, statistic, watched) for record, span in zip(records, spans, strict=True)
    )
    delegates = tuple(dict.fromkeys(timings.delegate for timings in counted))
    conditions = replace(conditions, delegate=delegates[0] if delegates else UNKNOWN_DELEGATE)
    accelerator = conditions.accelerator
    taken = [delegated(timings, accelerator) for timings in counted] if accelerator != "cpu" else []
    asked, measured = asked_s / MINUTE_S, windows[-1].end_s / MINUTE_S
    first, last = _minutes(windows)
    problems = (
        [f"it lasted {measured:.1f} of {asked:g} minutes: {ended_by}"] if ended_by != TIME_IS_UP else []
    )
    problems += _too_few("first", first) + _too_few("last", last)
    elsewhere = delegate_problems(conditions, delegates)
    if not elsewhere and len(set(taken)) > 1:
        elsewhere = [f"the accelerator took other parts in some launches: {'; '.join(_texts(taken))}"]
    if elsewhere:
        problems += elsewhere
        first, last = (), ()
    heat = _heat(windows, firmware_in_sustained_use(records))
    warnings = result_warnings(conditions, records, counted, statistic, accept_heat=True)
    result = SustainedResult(
        conditions=conditions,
        asked_minutes=asked,
        measured_minutes=measured,
        ended_by=ended_by,
        statistic=statistic,
        watched_cpus=watched,
        windows=windows,
        delegated=taken[0] if taken else None,
        first_us=None,
        last_us=None,
        ratio=None,
        ratio_ci95=None,
        interval_method=INTERVAL_METHOD,
        slower=None,
        problems=tuple(problems),
        warnings=(*warnings, *_hot_from_the_start(records[0])),
        text=f"no comparison of the first minute with the last: {'; '.join(filter(None, (*problems, heat)))}",
    )
    if min(len(first), len(last)) < MIN_LAUNCHES_TO_QUOTE:
        return result
    return _compared(result, first, last, heat)


def _window(
    record: LaunchRecord, span: tuple[float, float], statistic: str, watched: Sequence[int]
) -> SustainedWindow:
    timings = record.timings if not record.problems else None
    clocks = settled_clocks(record, watched)
    warmth = [sample.celsius for sample in record.samples if sample.celsius is not None]
    return SustainedWindow(
        start_s=round(span[0], 2),
        end_s=round(span[1], 2),
        figure_us=launch_figures_us([timings], statistic)[0] if timings else None,
        num_runs=timings.num_runs if timings else 0,
        khz=tuple(int(statistics.median_high(clocks[cpu])) if cpu in clocks else None for cpu in watched),
        celsius=max(warmth, default=None),
        thermal_status=record.after.thermal_status if record.after else None,
        log_path=record.log_path,
        problems=record.problems,
    )


def _minutes(windows: Sequence[SustainedWindow]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Figures of the launches that began in the first minute, and in the last one; none is in both."""
    total_s = windows[-1].end_s
    first = tuple(w.figure_us for w in windows if w.start_s < MINUTE_S and w.figure_us is not None)
    after_s = max(MINUTE_S, total_s - MINUTE_S)
    last = tuple(w.figure_us for w in windows if w.start_s >= after_s and w.figure_us is not None)
    return first, last


def _too_few(minute: str, figures: Sequence[float]) -> list[str]:
    if len(figures) >= MIN_LAUNCHES_TO_QUOTE:
        return []
    counted = count(len(figures), "launch counts", "launches count")
    return [f"{counted} in the {minute} minute, {MIN_LAUNCHES_TO_QUOTE} are needed"]


def _compared(
    result: SustainedResult, first: Sequence[float], last: Sequence[float], heat: str
) -> SustainedResult:
    first_us, last_us = statistics.median(first), statistics.median(last)
    ratio, interval = last_us / first_us, ratio_interval([first, last])
    beyond_doubt = not interval[0] <= 1 <= interval[1] and abs(ratio - 1) > MIN_DIFFERENCE
    mark = f"; {EMULATED_DEVICE}" if result.conditions.device.emulated else ""
    times = (
        f"{first_us / 1e3:.3f} ms in the first minute, {last_us / 1e3:.3f} ms in the last one, {ratio:.2f} "
        f"times (95 % interval {interval[0]:.2f} to {interval[1]:.2f}{mark})"
    )
    over = f"over {result.measured_minutes:.1f} minutes"
    if is_open(interval) and not beyond_doubt:
        verdict = f"no change {over} is shown, as the interval includes equality and more"
    elif not beyond_doubt:
        verdict = f"it does not become slower {over}"
    elif ratio > 1:
        verdict = f"it becomes slower {over}"
        heat = heat or _without_heat(result.windows)
    else:
        verdict = f"it becomes faster {over}"
    verdict += f", while {heat}" if heat else ""
    return replace(
        result,
        first_us=first_us,
        last_us=last_us,
        ratio=ratio,
        ratio_ci95=interval,
        slower=None if is_open(interval) and not beyond_doubt else beyond_doubt and ratio > 1,
        text=f"{verdict}: {times}",
    )


def _heat(windows: Sequence[SustainedWindow], held: str) -> str:
    """Says how the device was held down meanwhile; empty where nothing tells that it was."""
    if held:
        return f"the board's firmware held clocks down ({held})"
    highest = max((window.thermal_status or 0 for window in windows), default=0)
    return f"the thermal status rose to {highest}" if highest else ""


def _without_heat(windows: Sequence[SustainedWindow]) -> str:
    if any(window.thermal_status is not None for window in windows):
        return "the thermal status stayed 0"
    return "the device tells no thermal status"


def _hot_from_the_start(first: LaunchRecord) -> list[str]:
    """A device that is held down from the beginning shows little of what load does to it."""
    begun = replace(first, after=None)
    heat = firmware_in_sustained_use([begun])
    status = first.before.thermal_status if first.before else None
    if not heat and status:
        heat = f"thermal status {status}"
    return [f"it was held down before the first launch ({heat}): begin with a cool device"] if heat else []


def _texts(taken: Sequence[Delegated | None]) -> list[str]:
    return list(dict.fromkeys("nothing" if each is None else each.text for each in taken))
