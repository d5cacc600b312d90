"""The line of statistics that `benchmark_model` prints for a series of runs, and whether it can be true.

Builds print `count=0`; `count=1 curr=7`; `count=3 curr=7(all same)`; or `count=50 first=… curr=… min=… max=…
avg=… std=…`. Newer ones append `p5=… median=… p95=…`, each of them the run at that place of the sorted runs.
The figures of one line bound one another, so that most damaged ones are found.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge_mnv3_android_bench.benchmark_model.printed_numbers import (
    print_float,
    read_float,
    read_integer,
    rounding,
)

_PERCENTILES = (5, 50, 95)
_TAIL = r"(?: p5=(?P<p5>\d+) median=(?P<p50>\d+) p95=(?P<p95>\d+))?"
_NONE = re.compile(rf"count=(?P<count>0){_TAIL}", re.ASCII)
_SAME = re.compile(rf"count=(?P<count>\d+) curr=(?P<curr>\d+)(?P<same>\(all same\))?{_TAIL}", re.ASCII)
_MANY = re.compile(
    r"count=(?P<count>\d+) first=(?P<first>\d+) curr=(?P<curr>\d+) min=(?P<min>\d+) max=(?P<max>\d+) "
    rf"avg=(?P<avg>\S+) std=(?P<std>\d+){_TAIL}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics:
    """One line of statistics, in microseconds.

    Attributes:
        count: Number of runs.
        first: The first run.
        curr: The last run.
        avg_text: The mean as a summary prints it.
        std: Standard deviation, rounded down.
        percentiles: The 5th, 50th and 95th; None where the build prints none.
    """

    count: int
    first: int
    curr: int
    min: int
    max: int
    avg: float
    avg_text: str
    std: int
    percentiles: tuple[int, int, int] | None


def read_run_statistics(line: str) -> RunStatistics | None:
    """Reads a line without prefix; None where it is not such a line from end to end, or cannot be true."""
    match = _NONE.fullmatch(line) or _SAME.fullmatch(line) or _MANY.fullmatch(line)
    if match is None:
        return None
    texts = {name: text for name, text in match.groupdict().items() if text is not None}
    average_text, same = texts.pop("avg", None), texts.pop("same", None)
    whole = {name: read_integer(text) for name, text in texts.items()}
    values = {name: value for name, value in whole.items() if value is not None}
    average = read_float(average_text) if average_text else float(values.get("curr", 0))
    if len(values) < len(whole) or average is None:
        return None
    only = values.get("curr", 0)
    runs = RunStatistics(
        count=values["count"],
        first=values.get("first", only),
        curr=only,
        min=values.get("min", only),
        max=values.get("max", only),
        avg=average,
        avg_text=average_text or print_float(average),
        std=values.get("std", 0),
        percentiles=(values["p5"], values["p50"], values["p95"]) if "p5" in values else None,
    )
    if average_text is None:
        fits = (runs.count > 1) == bool(same) and runs.percentiles in (None, (only,) * 3)
        return runs if fits and (runs.count > 0) == ("curr" in values) else None
    return runs if runs.count > 1 and runs.min < runs.max and _is_possible(runs) else None


def _is_possible(runs: RunStatistics) -> bool:
    ordered = [runs.min, *(runs.percentiles or ()), runs.max]
    known = {runs.first, runs.curr, *ordered}
    return (
        ordered == sorted(ordered)
        and min(known) == runs.min
        and max(known) == runs.max
        and len(known) <= runs.count
        and _mean_is_possible(runs, known)
        and _deviation_is_possible(runs, known)
        and _percentiles_are_possible(runs)
    )


def _mean_is_possible(runs: RunStatistics, known: set[int]) -> bool:
    """Whether the runs that are not known, all between the bounds, can complete this mean."""
    slack = runs.count * rounding(runs.avg)
    others = runs.count - len(known)
    rest = runs.count * runs.avg - sum(known)
    return others * runs.min - slack <= rest <= others * runs.max + slack


def _deviation_is_possible(runs: RunStatistics, known: set[int]) -> bool:
    """Whether it lies between what the known runs make at least, and the bound of Bhatia and Davis."""
    mean_slack = rounding(runs.avg)
    most = (runs.max - runs.avg + mean_slack) * (runs.avg - runs.min + mean_slack)
    least = sum(max(0.0, abs(run - runs.avg) - mean_slack) ** 2 for run in known) / runs.count
    return runs.std**2 <= most + _variance_slack(runs) and least <= _largest_variance(runs)


def _percentiles_are_possible(runs: RunStatistics) -> bool:
    """Whether they fit the mean: through the sum of all runs, and through Cantelli's inequality."""
    if runs.percentiles is None:
        return True
    places = [runs.count * percent // 100 for percent in _PERCENTILES]  # from 0 on, as the builds compute it
    ends = (*places, runs.count)
    least = _weigh(ends, (runs.min, *runs.percentiles))
    most = _weigh((*(place + 1 for place in places), runs.count), (*runs.percentiles, runs.max))
    slack = runs.count * rounding(runs.avg)
    if not least - slack <= runs.count * runs.avg <= most + slack:
        return False
    deviation = math.sqrt(_largest_variance(runs))
    for place, value in zip(places, runs.percentiles, strict=True):
        above = deviation * math.sqrt(place / (runs.count - place)) + rounding(runs.avg)
        below = deviation * math.sqrt((runs.count - place - 1) / (place + 1)) + rounding(runs.avg)
        if not -below <= value - runs.avg <= above:
            return False
    return True


def _weigh(ends: tuple[int, ...], values: tuple[int, ...]) -> int:
    """Sums `values`, each as often as there are places between its end and the one before."""
    return sum((end - start) * value for start, end, value in zip((0, *ends), ends, values, strict=False))


def _largest_variance(runs: RunStatistics) -> float:
    return float((runs.std + 1) ** 2) + _variance_slack(runs)


def _variance_slack(runs: RunStatistics) -> float:
    """The builds subtract two large numbers in double precision."""
    return 2.3e-16 * runs.count * runs.max**2
