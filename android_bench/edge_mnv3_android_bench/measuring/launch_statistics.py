"""Summarizes launches: which of them count, their median, its interval, and whether it is stable."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.bench import (
    DeviceBenchConditions,
    DeviceBenchResult,
    LaunchRecord,
    LaunchTimings,
    ObservedLatency,
)
from edge_mnv3.core.results.delegation import UNKNOWN_DELEGATE, XNNPACK_DELEGATE, Delegated
from edge_mnv3.core.results.device import EMULATED_DEVICE, DeviceState
from edge_mnv3.core.results.throttling import CLOCKS, DRIFT
from edge_mnv3_android_bench.benchmark_model.accelerators import delegated, delegation_problem
from edge_mnv3_android_bench.device.cpu_topology import list_cores
from edge_mnv3_android_bench.measuring.acceptance import DEFAULT_ACCEPTANCE, Acceptance, median_interval_us
from edge_mnv3_android_bench.measuring.throttling import (
    SETTLE_S,
    clock_problems,
    find_throttling,
    highest_clocks,
    settled_clocks,
    tells_fastest,
)

LOW_BATTERY_PERCENT = 20  # where Android offers its battery saver
WARM_BATTERY_CELSIUS = 40.0  # a phone in use has 25 to 35
_FIRMWARE_NOW, _SINCE_START = 0xF, 16
ACCEPTED = "accepted: "  # begins the warning of what was taken against the rules
_VOLTAGE = 0x1  # which no heat brings about
_FIRMWARE_BITS = ("too little voltage", "clocks capped", "throttled", "soft temperature limit")
EMULATED_WARNING = f"{EMULATED_DEVICE}: the figures say nothing about a phone"


def launch_problems(
    record: LaunchRecord,
    *,
    cpus: Sequence[int],
    max_khz: Mapping[int, int | None],
    accept_clock: bool = False,
    accept_heat: bool = False,
) -> tuple[str, ...]:
    """Says why a launch does not count; nothing where it does.

    A device that does not tell its thermal status or its clocks is not held against it: `launch_warnings`
    says so.

    Args:
        record: Its samples must have been taken while the program ran.
        cpus: Cores that it was pinned to, in the order of the samples' clocks; empty where it was not pinned.
        max_khz: Highest clock of each core.
        accept_clock: Lower clocks are not held against it.
        accept_heat: The thermal status is not held against it, nor a board's firmware that holds clocks down,
            unless that has too little voltage.
    """
    problems = []
    against = _VOLTAGE if accept_heat else _FIRMWARE_NOW
    if record.timings is None:
        problems.append("it gave no figures")
    if cpus and not record.mask_verified:
        problems.append("the core mask of the running program was not seen")
    if record.after is None:
        problems.append("the device could not be read after it")
    for name, state in (("before", record.before), ("after", record.after)):
        if state is not None and state.thermal_status and not accept_heat:
            problems.append(f"thermal status {state.thermal_status} {name} it, 0 is demanded")
        if state is not None and (state.firmware_throttling or 0) & against:
            problems.append(f"{name} it the board's firmware held clocks down: {firmware_words(state)}")
    happened = _firmware_past(record.after) & ~_firmware_past(record.before)
    if happened & against:
        problems.append(f"during it the board's firmware held clocks down: {_firmware_bits(happened)}")
    settled = any(sample.time_s >= SETTLE_S for sample in record.samples)
    if accept_clock:
        return tuple(problems)
    if cpus and not settled:
        return (*problems, "its clocks were not sampled")
    return (*problems, *(slow.text for slow in clock_problems(record, cpus, max_khz)))


def launch_warnings(
    record: LaunchRecord,
    *,
    cpus: Sequence[int],
    max_khz: Mapping[int, int | None],
    accept_heat: bool = False,
) -> tuple[str, ...]:
    """Says which of the conditions of a launch the device does not tell; the arguments as above."""
    warnings = []
    if record.before.thermal_status is None:
        warnings.append("the device does not tell its thermal status: heat was seen by the clocks alone")
    clocks = [khz for sample in record.samples for khz in sample.khz]
    if clocks and all(khz is None for khz in clocks):
        warnings.append("the device does not tell its clocks: throttling would not be seen")
    elif silent := _without_clock(record, cpus):
        names = list_cores(silent)
        warnings.append(f"{names} seldom or never told the clock: throttling there would not be seen")
    elif not cpus and not tells_fastest(record, max_khz):
        warnings.append("the clocks of the fastest cores were not seen: throttling would not be seen")
    if past := _firmware_past(record.before) & (_VOLTAGE if accept_heat else _FIRMWARE_NOW):
        words = _firmware_bits(past)
        warnings.append(
            f"the board's firmware held clocks down before ({words}): whether it does so again during a "
            "launch is seen by the clocks alone; restart the board"
        )
    return (*warnings, *state_warnings(record.before))


def _without_clock(record: LaunchRecord, cpus: Sequence[int]) -> tuple[int, ...]:
    """Cores that a launch was pinned to and that told no clock for most of the time once it had settled."""
    settled = sum(sample.time_s >= SETTLE_S and len(sample.khz) == len(cpus) for sample in record.samples)
    told = settled_clocks(record, cpus)
    return tuple(cpu for cpu in cpus if 2 * len(told.get(cpu, ())) < settled)


def firmware_in_sustained_use(records: Sequence[LaunchRecord]) -> str:
    """Why a board's firmware held clocks down in launches that followed each other; empty for no reason."""
    bits = 0
    for record in records:
        for state in (record.before, record.after):
            bits |= (state.firmware_throttling or 0) & _FIRMWARE_NOW if state else 0
        bits |= _firmware_past(record.after) & ~_firmware_past(records[0].before)
    return _firmware_bits(bits)


def state_warnings(state: DeviceState) -> tuple[str, ...]:
    """Says what may slow a device down, or make it vary, though nothing is wrong with it."""
    warnings = []
    if state.battery_percent is not None and state.battery_percent < LOW_BATTERY_PERCENT:
        warnings.append(
            f"the battery is below {LOW_BATTERY_PERCENT} %: phones hold their clocks down to spare it"
        )
    if state.battery_celsius is not None and state.battery_celsius > WARM_BATTERY_CELSIUS:
        warnings.append(f"the battery is warmer than {WARM_BATTERY_CELSIUS:g} °C: let the phone cool down")
    if state.power_save:
        warnings.append("Android saves power: end its battery saver, which holds clocks down")
    if state.screen_on is False:
        warnings.append("the screen is off: some phones switch cores off or hold clocks down then")
    if state.dozing:
        warnings.append("the phone dozes: wake it")
    return tuple(warnings)


def firmware_words(state: DeviceState) -> str:
    """Says why a Raspberry Pi's firmware holds clocks down just now, which its clocks may not show."""
    return _firmware_bits(state.firmware_throttling or 0)


def _firmware_past(state: DeviceState | None) -> int:
    """What the firmware did since the board was started, in the bits of what it does now."""
    return ((state.firmware_throttling or 0) >> _SINCE_START & _FIRMWARE_NOW) if state else 0


def _firmware_bits(bits: int) -> str:
    return ", ".join(words for bit, words in enumerate(_FIRMWARE_BITS) if bits >> bit & 1)


def statistic_of(timings: Sequence[LaunchTimings]) -> str:
    """Names what the launches have in common: `median`, or `avg` where a build prints no median."""
    return "median" if timings and all(t.median_us is not None for t in timings) else "avg"


def launch_figures_us(timings: Sequence[LaunchTimings], statistic: str) -> tuple[float, ...]:
    """The statistic of each launch."""
    if statistic == "avg":
        return tuple(t.avg_us for t in timings)
    return tuple(t.median_us for t in timings if t.median_us is not None)


def counted_figures_us(result: DeviceBenchResult) -> tuple[float, ...]:
    """The statistic of each launch of a result that counts."""
    return launch_figures_us(_counted(result.launches), result.statistic)


def variation_percent(figures_us: Sequence[float]) -> float | None:
    """Coefficient of variation: sample standard deviation by mean; None with fewer than two figures."""
    if len(figures_us) < 2:
        return None
    return 100.0 * statistics.stdev(figures_us) / statistics.fmean(figures_us)


def summarize(
    conditions: DeviceBenchConditions,
    launches: Sequence[LaunchRecord],
    *,
    min_launches: int = 5,
    acceptance: Acceptance = DEFAULT_ACCEPTANCE,
) -> DeviceBenchResult:
    """Makes one result of the launches whose `problems` are empty.

    Without enough of them, or with an interval that is too wide, there is no figure to quote: the result says
    what was observed. What `acceptance` takes nevertheless is noted in it.
    """
    timings = _counted(launches)
    statistic = statistic_of(timings)
    figures_us = launch_figures_us(timings, statistic)
    delegates = tuple(dict.fromkeys(t.delegate for t in timings))
    clocks_count = acceptance.clock and conditions.accelerator == "cpu"
    problems, accepted = [], _accepted_clocks(conditions, launches) if clocks_count else []
    needed = acceptance.launches_needed(min_launches)
    wide = acceptance.why_wide(figures_us)
    elsewhere = _not_delegated(launches, conditions.accelerator)
    if elsewhere and not timings:
        problems.append(elsewhere)
    elif len(timings) < needed:
        counted = count(len(timings), "launch counts", "launches count")
        problems.append(f"{counted}, {needed} are demanded{_first_problem(launches)}")
    elif wide is not None and acceptance.variation:
        accepted.append(wide)
    elif wide is not None:
        problems.append(wide)
    problems += delegate_problems(conditions, delegates)
    throttling = find_throttling(
        conditions, launches, figures_us, accepted={DRIFT: acceptance.variation, CLOCKS: acceptance.clock}
    )
    accepted += [finding.text for finding in throttling if finding.accepted]
    refused = [finding.text for finding in throttling if not finding.accepted]
    problems = [*refused, *problems] if len(timings) >= needed else [*problems, *refused]
    taken = _delegated(timings, conditions.accelerator)
    if len(taken) > 1:
        parts = "; ".join(part.text for part in taken)
        problems.append(f"the launches were delegated in different parts: {parts}")
    conditions = dataclasses.replace(conditions, delegate=delegates[0] if delegates else UNKNOWN_DELEGATE)
    return DeviceBenchResult(
        conditions=conditions,
        launches=tuple(launches),
        delegated=taken[0] if taken else None,
        statistic=statistic,
        median_us=None if problems else statistics.median(figures_us),
        ci95_us=None if problems else median_interval_us(figures_us),
        coefficient_of_variation_percent=variation_percent(figures_us),
        observed=_observed(figures_us),
        throttling=throttling,
        stable=not problems,
        problems=tuple(problems),
        accepted=tuple(accepted),
        warnings=(
            *(f"{ACCEPTED}{text}" for text in accepted),
            *result_warnings(conditions, launches, timings, statistic),
        ),
    )


def _not_delegated(launches: Sequence[LaunchRecord], accelerator: str) -> str | None:
    """Why no launch ran where it was asked to; None where one did, and on the CPU."""
    told = [delegation_problem(launch.timings, accelerator) for launch in launches if launch.timings]
    return next((text for text in told if text), None) if all(told) else None


def _delegated(timings: Sequence[LaunchTimings], accelerator: str) -> list[Delegated]:
    """What launches that count had delegated: each that differs once."""
    if accelerator == "cpu":
        return []
    return list(dict.fromkeys(taken for one in timings if (taken := delegated(one, accelerator))))


def _observed(figures_us: Sequence[float]) -> ObservedLatency | None:
    if not figures_us:
        return None
    median = statistics.median(figures_us)
    return ObservedLatency(
        median_us=median,
        min_us=min(figures_us),
        spread_percent=100.0 * (max(figures_us) - min(figures_us)) / median,
    )


def delegate_problems(conditions: DeviceBenchConditions, delegates: Sequence[str]) -> list[str]:
    """Says what is against quoting figures of launches under these delegates, each once."""
    problems = []
    if len(delegates) > 1:
        problems.append(f"the launches ran under different delegates: {', '.join(delegates)}")
    if conditions.protocol.kernels == "builtin" and any(XNNPACK_DELEGATE in d.split("+") for d in delegates):
        problems.append("XNNPACK ran, the built-in kernels were demanded")
    return problems


def _accepted_clocks(conditions: DeviceBenchConditions, launches: Sequence[LaunchRecord]) -> list[str]:
    """Says of the launches that count which ran below the highest clock: the first, and how many."""
    max_khz = highest_clocks(conditions)
    slow = [
        problems[0].text
        for launch in launches
        if not launch.problems and (problems := clock_problems(launch, conditions.cpus, max_khz))
    ]
    return [f"{slow[0]} (in {len(slow)} launches)"] if slow else []


def _counted(launches: Sequence[LaunchRecord]) -> list[LaunchTimings]:
    return [launch.timings for launch in launches if launch.timings is not None and not launch.problems]


def _first_problem(launches: Sequence[LaunchRecord]) -> str:
    failed = [launch for launch in launches if launch.problems]
    return f" (launch {failed[0].number}: {failed[0].problems[0]})" if failed else ""


def result_warnings(
    conditions: DeviceBenchConditions,
    launches: Sequence[LaunchRecord],
    timings: Sequence[LaunchTimings],
    statistic: str,
    *,
    accept_heat: bool = False,
) -> tuple[str, ...]:
    """Says what must be known before a result is used.

    Args:
        conditions: Its conditions, with the delegate of the logs.
        launches: All its launches.
        timings: Those of the launches that count.
        statistic: As `statistic_of` tells.
        accept_heat: As in `launch_problems`.
    """
    warnings = [EMULATED_WARNING] if conditions.device.emulated else []
    unknown = conditions.device.cpus_of_unknown_clock
    if unknown:
        warnings.append(
            f"{list_cores(unknown)} tell no highest clock: whether these are the fastest is not known"
        )
    if timings and statistic == "avg":
        warnings.append("this build prints no median: the figure is the median of the launches' averages")
    on_cpu = conditions.accelerator == "cpu" and conditions.protocol.kernels == "xnnpack"
    if on_cpu and timings and conditions.delegate != XNNPACK_DELEGATE:
        warnings.append(f"XNNPACK was demanded, the delegate of the log is: {conditions.delegate}")
    for launch in launches:
        warnings += launch_warnings(
            launch, cpus=conditions.cpus, max_khz=highest_clocks(conditions), accept_heat=accept_heat
        )
    warnings += [warning for timing in timings for warning in timing.warnings]
    return tuple(dict.fromkeys(warnings))
