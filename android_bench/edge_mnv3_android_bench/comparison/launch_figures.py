"""Whether two results differ in what a launch gives beside the latency: start-up, first inference, memory.

The interval is that of latencies: of the ratio of medians, by resampling the launches of both. There is a
verdict only where both results have as many launches with that figure as a latency needs to be quoted.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.launch_figures import LAUNCH_FIGURES, START_UP, LaunchFigure
from edge_mnv3.core.results.verdicts import FigureComparison
from edge_mnv3_android_bench.measuring.acceptance import MIN_LAUNCHES_TO_QUOTE, bootstrap_interval

MIN_DIFFERENCE = 0.02


def ratio_interval(samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """95 % interval of the second sample's median by the first one's, from resampling both."""
    return bootstrap_interval(
        samples,
        lambda drawn_a, drawn_b: np.median(drawn_b, axis=1) / np.median(drawn_a, axis=1),
        widened=True,
    )


def is_open(interval: tuple[float, float]) -> bool:
    """Whether an interval of a ratio shows neither a difference nor that there is none to speak of."""
    return interval[0] <= 1 <= interval[1] and max(abs(end - 1) for end in interval) > MIN_DIFFERENCE


def compare_launch_figures(
    a: HostBenchResult | DeviceBenchResult, b: HostBenchResult | DeviceBenchResult
) -> tuple[FigureComparison, ...]:
    """Compares each figure that both results tell; results of this machine tell their start-up, once."""
    if isinstance(a, DeviceBenchResult) and isinstance(b, DeviceBenchResult):
        told = [(figure, figure.of_result(a), figure.of_result(b)) for figure in LAUNCH_FIGURES]
    elif isinstance(a, HostBenchResult) and isinstance(b, HostBenchResult):
        told = [(START_UP, (a.init_us,), (b.init_us,))]
    else:
        return ()
    return tuple(_compare(*each) for each in told if each[1] and each[2])


def _compare(figure: LaunchFigure, of_a: Sequence[float], of_b: Sequence[float]) -> FigureComparison:
    medians = [statistics.median(sample) / figure.unit_scale for sample in (of_a, of_b)]
    ratio = medians[1] / medians[0] if medians[0] > 0 else None
    fewest = min(len(of_a), len(of_b))
    interval = None
    if ratio is not None and min(of_a) > 0 and fewest >= MIN_LAUNCHES_TO_QUOTE:
        interval = ratio_interval([of_a, of_b])
    differ = None
    if interval is not None and ratio is not None:
        differ = not interval[0] <= 1 <= interval[1] and abs(ratio - 1) > MIN_DIFFERENCE
    shown = " and ".join(f"{median:.{figure.decimals}f}" for median in medians)
    return FigureComparison(
        name=figure.name,
        unit=figure.unit,
        median_a=medians[0],
        median_b=medians[1],
        ratio=ratio,
        ratio_ci95=interval,
        differ=differ,
        text=f"{figure.name}: {shown} {figure.unit}, {_verdict(ratio, interval, differ, fewest)}",
    )


def _verdict(
    ratio: float | None, interval: tuple[float, float] | None, differ: bool | None, fewest: int
) -> str:
    if ratio is None:
        return "no verdict: a figure is 0"
    percent = f"{100 * (ratio - 1):+.1f} %"
    if interval is None:
        launches = "1 figure" if fewest == 1 else f"{fewest} launches"
        return f"{percent}, no verdict: {launches}, {MIN_LAUNCHES_TO_QUOTE} are needed"
    spread = f"{percent} (95 % interval {100 * (interval[0] - 1):+.1f} to {100 * (interval[1] - 1):+.1f} %)"
    if differ:
        return f"B has {'more' if ratio > 1 else 'less'}: {spread}"
    return f"no difference is shown: {spread}"
