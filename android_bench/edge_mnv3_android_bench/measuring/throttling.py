"""Throttling, found by clocks and by drift over launches: also where the thermal status stays 0."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge_mnv3.core.results.bench import DeviceBenchConditions, LaunchRecord
from edge_mnv3.core.results.throttling import CLOCKS, DRIFT, ThrottlingFinding
from edge_mnv3_android_bench.device.cpu_topology import list_cores

MIN_CLOCK_SHARE = 0.98
SETTLE_S = 0.5  # the governor raises the clock while the program loads and warms up
MIN_LAUNCHES_OF_DRIFT = 5  # of five in ascending order, one arrangement in 120
MIN_DRIFT = 0.03
_ONE_PERCENT = 2.326  # standard deviations, one-sided
_LEAST_BEHIND_STEP = 3
_SPREADS_OF_STEP, _SPREADS_BEHIND_FIRST = 2, 3  # a single launch before it tells no spread of its own


class SlowClock(NamedTuple):
    """Cores that ran below the clock that is demanded of them.

    Attributes:
        cpus: Their numbers.
        khz: What they ran at.
        highest_khz: Their highest clock.
        text: Which, when and how slow.
    """

    cpus: tuple[int, ...]
    khz: int
    highest_khz: int
    text: str


class Drift(NamedTuple):
    """Launches that became slower.

    Attributes:
        first_us: Median of the first third of them; of all before a step.
        last_us: Median of the last third; of all behind it.
        how: `one after the other`, or `at one point`.
    """

    first_us: float
    last_us: float
    how: str


def watched_cpus(cpus: Sequence[int], max_khz: Mapping[int, int | None]) -> tuple[int, ...]:
    """The cores whose clocks are sampled, in that order: those that a launch is pinned to, else all.

    Args:
        cpus: Cores that it is pinned to; empty where it is not pinned.
        max_khz: Highest clock of each core.
    """
    return tuple(cpus) or tuple(sorted(max_khz))


def highest_clocks(conditions: DeviceBenchConditions) -> dict[int, int | None]:
    """Highest clock of each core of the device that tells any."""
    return {cpu: cluster.max_khz for cluster in conditions.device.clusters for cpu in cluster.cpus}


def clock_problems(
    record: LaunchRecord, cpus: Sequence[int], max_khz: Mapping[int, int | None]
) -> list[SlowClock]:
    """Finds cores by whose clocks a launch does not count.

    A core that it was pinned to must hold its highest clock. Where it was not pinned Android chooses among
    the cores, and leaves some of them idle: then one of the fastest must have reached its highest clock once.

    Args:
        record: The launch.
        cpus: Cores that it was pinned to; empty where it was not pinned.
        max_khz: Highest clock of each core.
    """
    if not cpus:
        return _unreached(settled_clocks(record, watched_cpus(cpus, max_khz)), max_khz)
    settled = [sample for sample in record.samples if sample.time_s >= SETTLE_S]
    slow = []
    for place, cpu in enumerate(cpus):
        highest = max_khz.get(cpu)
        clocks = [(khz, s.time_s) for s in settled if (khz := s.khz[place]) is not None]
        if highest is None or not clocks:
            continue
        lowest, time_s = min(clocks)
        if lowest < MIN_CLOCK_SHARE * highest:
            text = f"core {cpu} ran at {lowest / 1e3:.0f} of {highest / 1e3:.0f} MHz after {time_s:.1f} s"
            demanded = f"{text}, {100 * MIN_CLOCK_SHARE:g} % are demanded"
            slow.append(SlowClock((cpu,), lowest, highest, demanded))
    return slow


def settled_clocks(record: LaunchRecord, watched: Sequence[int]) -> dict[int, list[int]]:
    """The clocks of each watched core, once a launch has settled; none of those that tell none."""
    clocks: dict[int, list[int]] = {}
    for sample in record.samples:
        if sample.time_s >= SETTLE_S and len(sample.khz) == len(watched):
            for cpu, khz in zip(watched, sample.khz, strict=True):
                if khz is not None:
                    clocks.setdefault(cpu, []).append(khz)
    return clocks


def tells_fastest(record: LaunchRecord, max_khz: Mapping[int, int | None]) -> bool:
    """Whether a launch that was not pinned tells a clock of the fastest cores, once it has settled."""
    highest, fastest = _fastest(max_khz)
    clocks = settled_clocks(record, watched_cpus((), max_khz))
    if highest is not None and any(khz is None for khz in max_khz.values()):
        return any(max(clocks.get(cpu, (0,))) >= MIN_CLOCK_SHARE * highest for cpu in fastest)
    return not fastest or any(clocks.get(cpu) for cpu in fastest)


def _fastest(max_khz: Mapping[int, int | None]) -> tuple[int | None, tuple[int, ...]]:
    highest = max((khz for khz in max_khz.values() if khz), default=None)
    return highest, tuple(cpu for cpu, khz in sorted(max_khz.items()) if khz and khz == highest)


def _unreached(clocks: Mapping[int, Sequence[int]], max_khz: Mapping[int, int | None]) -> list[SlowClock]:
    highest, fastest = _fastest(max_khz)
    reached = max((max(clocks[cpu]) for cpu in fastest if clocks.get(cpu)), default=None)
    if highest is None or reached is None or reached >= MIN_CLOCK_SHARE * highest:
        return []
    if any(khz is None for khz in max_khz.values()):
        return []  # a core of unknown clock may be faster, and have worked while these were idle
    text = (
        f"{list_cores(fastest)}, the fastest, reached {reached / 1e3:.0f} of {highest / 1e3:.0f} MHz, "
        f"{100 * MIN_CLOCK_SHARE:g} % are demanded once"
    )
    return [SlowClock(fastest, reached, highest, text)]


def drift(figures_us: Sequence[float]) -> Drift | None:
    """Says by how much launches became slower one after the other; None where it may be chance, or is little.

    The order of the launches is held against their figures by Kendall's count of pairs: in random order so
    many pairs in order have a chance of at most 1 %. A step is found by itself, since few launches before it
    leave most pairs in no order: all launches before are faster than all behind it, by more than twice what
    either part spreads.

    Args:
        figures_us: One figure for each launch that counts, in the order in which they ran.
    """
    count = len(figures_us)
    if count < MIN_LAUNCHES_OF_DRIFT:
        return None
    pairs = [(a, b) for i, a in enumerate(figures_us) for b in figures_us[i + 1 :]]
    score = sum((b > a) - (b < a) for a, b in pairs)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    third = max(1, count // 3)
    first, last = statistics.median(figures_us[:third]), statistics.median(figures_us[-third:])
    if score <= _ONE_PERCENT * deviation or last <= (1 + MIN_DRIFT) * first:
        return _step(figures_us)
    return Drift(first, last, "one after the other")


def _step(figures_us: Sequence[float]) -> Drift | None:
    """Finds a step with three launches behind it; noise looks like one in less than 1 % of cases."""
    for place in range(1, len(figures_us) - _LEAST_BEHIND_STEP + 1):
        before, behind = figures_us[:place], figures_us[place:]
        gap = min(behind) - max(before)
        spread = max(max(part) - min(part) for part in (before, behind))
        times = _SPREADS_OF_STEP if len(before) > 1 else _SPREADS_BEHIND_FIRST
        if gap > max(times * spread, MIN_DRIFT * max(before)):
            return Drift(statistics.median(before), statistics.median(behind), "at one point")
    return None


def find_throttling(
    conditions: DeviceBenchConditions,
    launches: Sequence[LaunchRecord],
    figures_us: Sequence[float],
    *,
    accepted: Mapping[str, bool],
) -> tuple[ThrottlingFinding, ...]:
    """Finds throttling over the launches of a result.

    Args:
        conditions: Of the result.
        launches: All of it, those that do not count included.
        figures_us: The statistic of each that counts, in their order.
        accepted: Whether `drift` and `clocks` were asked to be taken.
    """
    status = _highest_status(launches)
    findings = []
    slower = drift(figures_us)
    if slower is not None:
        text = (
            f"the launches became slower {slower.how}, from {slower.first_us / 1e3:.3f} to "
            f"{slower.last_us / 1e3:.3f} ms, {_while(status)}: the phone throttles, or something else runs "
            "on it"
        )
        findings.append(
            ThrottlingFinding(
                found_by=DRIFT,
                first_us=slower.first_us,
                last_us=slower.last_us,
                highest_thermal_status=status,
                accepted=accepted[DRIFT],
                text=text,
            )
        )
    slow = _slow_clock(conditions, launches) if conditions.accelerator == "cpu" else None
    if slow is not None:
        findings.append(
            ThrottlingFinding(
                found_by=CLOCKS,
                cpus=slow.cpus,
                first_khz=slow.highest_khz,
                last_khz=slow.khz,
                highest_thermal_status=status,
                accepted=accepted[CLOCKS],
                text=f"throttling, {_while(status)}: {slow.text}",
            )
        )
    return tuple(findings)


def _slow_clock(conditions: DeviceBenchConditions, launches: Sequence[LaunchRecord]) -> SlowClock | None:
    """Clocks that fell from the first launches to the last ones, or that no launch had."""
    max_khz = highest_clocks(conditions)
    counted = [launch for launch in launches if launch.timings and not launch.problems]
    fallen = _fallen(conditions, counted, max_khz)
    if fallen is not None or any(not launch.problems for launch in launches) or conditions.fixed_performance:
        return fallen
    slow = [
        worst
        for launch in launches
        if launch.timings and (worst := next(iter(clock_problems(launch, conditions.cpus, max_khz)), None))
    ]
    return slow[0] if slow else None


def _fallen(
    conditions: DeviceBenchConditions, counted: Sequence[LaunchRecord], max_khz: Mapping[int, int | None]
) -> SlowClock | None:
    """The fastest core's clock, where the last third of the launches is below all of the first third."""
    if len(counted) < MIN_LAUNCHES_OF_DRIFT:
        return None
    watched = watched_cpus(conditions.cpus, max_khz)
    reached: list[tuple[int, int]] = []
    for launch in counted:
        clocks = settled_clocks(launch, watched)
        if not clocks:
            return None
        typical = {cpu: int(statistics.median_high(seen)) for cpu, seen in clocks.items()}
        cpu = max(typical, key=lambda cpu: (typical[cpu], -cpu))
        reached.append((typical[cpu], cpu))
    third = max(1, len(reached) // 3)
    first, last = min(reached[:third]), max(reached[-third:])
    if last[0] >= MIN_CLOCK_SHARE * first[0]:
        return None
    text = (
        f"core {first[1]} ran at {first[0] / 1e3:.0f} MHz at first, and no core above "
        f"{last[0] / 1e3:.0f} MHz at last"
    )
    return SlowClock((first[1],), last[0], first[0], text)


def _highest_status(launches: Sequence[LaunchRecord]) -> int | None:
    states = [state for launch in launches for state in (launch.before, launch.after) if state is not None]
    return max((s.thermal_status for s in states if s.thermal_status is not None), default=None)


def _while(status: int | None) -> str:
    if status is None:
        return "while the device tells no thermal status"
    return "while the thermal status stayed 0" if status == 0 else f"with a thermal status up to {status}"
