"""Throttling is found by clocks and by drift, also where the thermal status stays 0: no figure then."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from bench_records import (
    BY_GPU,
    LITTLE_KHZ,
    MAX_KHZ,
    PIXEL,
    STATE,
    changed_conditions,
    device_result,
    launch_timings,
    steady,
)
from bench_records import launch as counted_launch
from edge_mnv3.core.results.bench import ClockSample, DeviceBenchResult, LaunchRecord
from edge_mnv3.core.results.throttling import ThrottlingFinding
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.launch_statistics import launch_problems, launch_warnings, summarize
from edge_mnv3_android_bench.measuring.throttling import drift
from edge_mnv3_android_bench.published.verdicts import judge

CLOCKS = {0: LITTLE_KHZ, 1: LITTLE_KHZ, 2: MAX_KHZ, 3: MAX_KHZ}
RISING = (64_000.0, 70_000.0, 77_000.0, 84_000.0, 90_000.0)
SLOW_KHZ = 1_400_000
UNPINNED = {"cpus": (), "cpu_mask": "all", "kernels": "xnnpack", "num_threads": 4}


@pytest.mark.parametrize(
    ("figures_us", "drifts"),
    [
        (RISING, True),
        ((64_000.0, 64_100.0, 64_200.0, 64_300.0, 64_400.0), False),  # in order, but by little
        (RISING[::-1], False),  # a phone that cools down
        ((64_000.0, 77_000.0, 70_000.0, 90_000.0, 84_000.0), False),  # chance: 1 order in 20
        (RISING[:4], False),  # too few to tell
        (tuple(64_000.0 + 1_000 * number + 900 * (number % 2) for number in range(15)), True),
    ],
)
@pytest.mark.parametrize("protocol", [{}, UNPINNED, {"accelerator": "gpu"}])
def test_launches_that_become_slower_are_no_figure(
    figures_us: tuple[float, ...], drifts: bool, protocol: dict[str, object]
) -> None:
    assert (drift(figures_us) is not None) == drifts
    on_gpu = {"delegate": "GPU", "partitionings": BY_GPU} if "accelerator" in protocol else {}
    delegate = "XNNPACK" if protocol is UNPINNED else "none"
    result = device_result(figures_us, **{"delegate": delegate, **on_gpu, **protocol})  # type: ignore[arg-type]
    assert [finding.found_by for finding in result.throttling] == (["drift"] if drifts else [])
    if drifts:
        assert (result.median_us, result.stable) == (None, False)
        assert "while the thermal status stayed 0" in result.problems[0]
        assert result.problems[0] == result.throttling[0].text


def test_the_phone_that_went_from_64_to_90_ms() -> None:
    result = device_result(RISING)
    assert result.throttling == (
        ThrottlingFinding(
            found_by="drift",
            first_us=64_000.0,
            last_us=90_000.0,
            highest_thermal_status=0,
            accepted=False,
            text="the launches became slower one after the other, from 64.000 to 90.000 ms, while the "
            "thermal status stayed 0: the phone throttles, or something else runs on it",
        ),
    )
    verdict = judge(result, 64.0, phone="Pixel 1")
    assert verdict.measured_ms is None
    assert result.problems[0] in verdict.reasons


def test_drift_that_is_taken_all_the_same_says_so() -> None:
    launches = [
        counted_launch(launch_timings(figure), number=number) for number, figure in enumerate(RISING, start=1)
    ]
    result = summarize(changed_conditions(), launches, acceptance=Acceptance(variation=True))
    assert (result.median_us, result.throttling[0].accepted) == (77_000.0, True)
    assert result.throttling[0].text in result.accepted
    assert f"accepted: {result.throttling[0].text}" in result.warnings


def unpinned(fastest_khz: Sequence[int | None], figure_us: float = 1000.0) -> LaunchRecord:
    """A launch that was not pinned; the fastest cores' clock at each sample."""
    samples = tuple(
        ClockSample(time_s=0.25 * (place + 2), khz=(LITTLE_KHZ, LITTLE_KHZ, khz, None), celsius=40.0)
        for place, khz in enumerate(fastest_khz)
    )
    timings = launch_timings(figure_us, delegate="XNNPACK")
    return counted_launch(timings, samples=samples, mask_verified=False)


@pytest.mark.parametrize(
    ("fastest_khz", "problems"),
    [
        ((MAX_KHZ, SLOW_KHZ, SLOW_KHZ), ()),  # idle cores clock down: once is enough
        ((None, None), ()),  # nothing is told
        (
            (SLOW_KHZ, LITTLE_KHZ),
            ("cores 2 and 3, the fastest, reached 1594 of 2150 MHz, 98 % are demanded once",),
        ),
    ],
)
def test_clocks_of_a_launch_that_is_not_pinned(
    fastest_khz: tuple[int | None, ...], problems: tuple[str, ...]
) -> None:
    record = unpinned(fastest_khz)
    assert launch_problems(record, cpus=(), max_khz=CLOCKS) == problems
    assert launch_problems(record, cpus=(), max_khz=CLOCKS, accept_clock=True) == ()


def test_a_device_that_tells_no_clock_at_all_is_a_warning() -> None:
    silent = (ClockSample(time_s=1.0, khz=(None,) * 4, celsius=None),)
    record = dataclasses.replace(unpinned([MAX_KHZ]), samples=silent)
    assert launch_warnings(record, cpus=(), max_khz=CLOCKS) == (
        "the device does not tell its clocks: throttling would not be seen",
    )


@pytest.mark.parametrize(
    ("figures_ms", "ends"),
    [
        ((64.0, 64.1, *(90.1, 90.0, 90.05) * 3), (64.05, 90.05)),
        ((64.0, *(90.0,) * 9), (64.0, 90.0)),
        ((16.0, 16.1, 22.5, 22.4, 22.45), (16.05, 22.45)),
        ((64.0, 64.0, 64.1, 64.0, 90.0), None),  # one slow launch
        ((64.0, 90.0, 64.0, *(90.0,) * 8), None),  # it came back
        ((64.0, 65.0, *(65.9,) * 8), None),  # less than 3 %
        ((64.0, *(70.0, 80.0) * 4), None),  # the rest spreads more
        ((90.0, *(64.0,) * 9), None),  # faster
    ],
)
def test_a_step_is_a_drift(figures_ms: tuple[float, ...], ends: tuple[float, float] | None) -> None:
    found = drift([1000 * ms for ms in figures_ms])
    if ends is None:
        assert found is None
    else:
        assert found is not None
        assert (found.first_us, found.last_us) == pytest.approx([1000 * ms for ms in ends], rel=1e-3)
        assert found.how == "at one point"


def test_a_core_of_unknown_clock_may_be_the_one_that_worked() -> None:
    clocks = {**CLOCKS, max(CLOCKS): None}
    record = unpinned((1_200_000, None))
    assert launch_problems(record, cpus=(), max_khz=clocks) == ()
    assert launch_warnings(record, cpus=(), max_khz=clocks) != ()


def test_one_core_of_a_pinned_pair_that_tells_no_clock_is_a_warning() -> None:
    def told(khz: tuple[int | None, int | None]) -> tuple[str, ...]:
        return told_one_by_one([khz] * 3)

    assert told((None, MAX_KHZ)) == (
        "core 2 seldom or never told the clock: throttling there would not be seen",
    )
    assert told((MAX_KHZ, MAX_KHZ)) == ()
    assert told((None, None)) == ("the device does not tell its clocks: throttling would not be seen",)


def told_one_by_one(readings: Sequence[tuple[int | None, int | None]]) -> tuple[str, ...]:
    """The warnings of a launch pinned to two cores that told these clocks, one after the other."""
    samples = tuple(
        ClockSample(time_s=0.5 * place, khz=khz, celsius=30.0) for place, khz in enumerate(readings, start=1)
    )
    record = counted_launch(launch_timings(20_000.0), samples=samples)
    assert launch_problems(record, cpus=(2, 3), max_khz=CLOCKS) == ()
    return launch_warnings(record, cpus=(2, 3), max_khz=CLOCKS)


def test_a_clock_that_is_told_once_is_not_watched() -> None:
    both, one, none = (MAX_KHZ, MAX_KHZ), (MAX_KHZ, None), (None, None)
    words = "seldom or never told the clock: throttling there would not be seen"
    assert told_one_by_one([both, *[one] * 9]) == (f"core 3 {words}",)
    assert told_one_by_one([both, *[none] * 9]) == (f"cores 2 and 3 {words}",)
    assert told_one_by_one([*[both] * 6, *[one] * 4]) == ()


def test_fastest_cores_that_tell_no_clock_are_a_warning() -> None:
    unseen = ("the clocks of the fastest cores were not seen: throttling would not be seen",)
    record = unpinned([MAX_KHZ])
    assert launch_warnings(record, cpus=(), max_khz=CLOCKS) == ()
    early = tuple(dataclasses.replace(sample, time_s=0.0) for sample in record.samples)
    assert launch_warnings(dataclasses.replace(record, samples=early), cpus=(), max_khz=CLOCKS) == unseen
    slow_ones = tuple(
        dataclasses.replace(
            sample, khz=tuple(k if CLOCKS[cpu] != max(filter(None, CLOCKS.values())) else None
                              for cpu, k in zip(sorted(CLOCKS), sample.khz, strict=True))
        )
        for sample in record.samples
    )  # fmt: skip
    assert launch_warnings(dataclasses.replace(record, samples=slow_ones), cpus=(), max_khz=CLOCKS) == unseen


def slowed(result_acceptance: Acceptance, **conditions: object) -> DeviceBenchResult:
    """Six launches of one latency, the last two of them on slower clocks."""
    launches = [
        unpinned([MAX_KHZ if number < 4 else SLOW_KHZ] * 2, us)
        for number, us in enumerate((*steady(9.0), 9.0))
    ]
    return summarize(changed_conditions(**UNPINNED, **conditions), launches, acceptance=result_acceptance)


def test_clocks_that_fall_from_launch_to_launch() -> None:
    held = slowed(Acceptance(), fixed_performance=True)
    (finding,) = held.throttling
    assert (finding.found_by, finding.cpus, finding.first_khz) == ("clocks", (2,), MAX_KHZ)
    assert (finding.last_khz, finding.highest_thermal_status) == (LITTLE_KHZ, 0)
    assert held.median_us is None
    assert held.problems[0] == (
        "throttling, while the thermal status stayed 0: core 2 ran at 2150 MHz at first, and no core above "
        "1594 MHz at last"
    )
    taken = slowed(Acceptance(clock=True))
    assert (taken.median_us, taken.throttling[0].accepted) == (9.0, True)
    assert taken.throttling[0].text in taken.accepted


def test_slow_from_the_first_launch_on() -> None:
    slow = [
        dataclasses.replace(unpinned([SLOW_KHZ] * 2), problems=("too slow",), before=state, after=state)
        for state in (STATE, dataclasses.replace(STATE, thermal_status=None))
    ]
    (finding,) = summarize(changed_conditions(**UNPINNED), slow).throttling
    assert (finding.found_by, finding.first_khz, finding.last_khz) == ("clocks", MAX_KHZ, SLOW_KHZ)
    (untold,) = summarize(changed_conditions(**UNPINNED), slow[1:]).throttling
    assert untold.highest_thermal_status is None
    assert "while the device tells no thermal status" in untold.text


def test_cores_that_wait_for_a_gpu_may_clock_down() -> None:
    launches = [
        dataclasses.replace(
            unpinned([MAX_KHZ if number < 3 else SLOW_KHZ] * 2),
            timings=launch_timings(us, delegate="GPU", partitionings=BY_GPU),
        )
        for number, us in enumerate(steady(9.0))
    ]
    result = summarize(changed_conditions(**UNPINNED, accelerator="gpu", device=PIXEL), launches)
    assert (result.throttling, result.median_us) == ((), 9.0)
