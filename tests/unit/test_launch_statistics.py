"""Which launches count, and what their figures are worth."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bench_records import CONDITIONS, MAX_KHZ, PIXEL, STATE, device_result, launch, launch_timings, steady
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.bench import ClockSample, ObservedLatency
from edge_mnv3_android_bench.measuring.acceptance import (
    Acceptance,
    bootstrap_interval,
    half_width_percent,
    median_interval_us,
)
from edge_mnv3_android_bench.measuring.launch_statistics import (
    EMULATED_WARNING,
    launch_problems,
    launch_warnings,
    state_warnings,
    summarize,
    variation_percent,
)

CLOCKS = {0: 1_593_600, 1: 1_593_600, 2: MAX_KHZ, 3: MAX_KHZ}


def hot(status: int | None) -> Any:
    return dataclasses.replace(STATE, thermal_status=status)


def clocks(*samples: tuple[float, int | None]) -> tuple[ClockSample, ...]:
    return tuple(ClockSample(time_s=time_s, khz=(MAX_KHZ, khz), celsius=None) for time_s, khz in samples)


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, ()),
        ({"timings": None}, ("it gave no figures",)),
        ({"mask_verified": False}, ("the core mask of the running program was not seen",)),
        ({"after": None}, ("the device could not be read after it",)),
        ({"before": hot(1)}, ("thermal status 1 before it, 0 is demanded",)),
        ({"after": hot(3)}, ("thermal status 3 after it, 0 is demanded",)),
        ({"before": hot(None)}, ()),
        ({"samples": ()}, ("its clocks were not sampled",)),
        ({"samples": clocks((0.1, MAX_KHZ))}, ("its clocks were not sampled",)),
        # 98 % of 2,150,400 kHz is 2,107,392
        ({"samples": clocks((0.2, 300_000), (1.0, 2_107_392))}, ()),
        (
            {"samples": clocks((1.0, 2_107_391), (2.0, 1_900_800))},
            ("core 3 ran at 1901 of 2150 MHz after 2.0 s, 98 % are demanded",),
        ),
        ({"samples": clocks((1.0, None))}, ()),
    ],
)
def test_launches_that_do_not_count(changes: dict[str, Any], problems: tuple[str, ...]) -> None:
    record = launch(changes.pop("timings", launch_timings(1000.0)), **changes)
    assert launch_problems(record, cpus=(2, 3), max_khz=CLOCKS) == problems


def test_unpinned_launch_needs_neither_mask_nor_clocks() -> None:
    record = launch(launch_timings(1000.0), mask_verified=False, samples=())
    assert launch_problems(record, cpus=(), max_khz=CLOCKS) == ()
    assert launch_warnings(record, cpus=(), max_khz=dict.fromkeys(CLOCKS)) == ()
    assert launch_warnings(record, cpus=(), max_khz=CLOCKS) == (
        "the clocks of the fastest cores were not seen: throttling would not be seen",
    )


def test_what_a_device_does_not_tell_is_a_warning() -> None:
    silent = tuple(ClockSample(time_s=1.0, khz=(None, None), celsius=None) for _ in range(2))
    record = launch(launch_timings(1000.0), before=hot(None), samples=silent)
    assert launch_warnings(record, cpus=(2, 3), max_khz=CLOCKS) == (
        "the device does not tell its thermal status: heat was seen by the clocks alone",
        "the device does not tell its clocks: throttling would not be seen",
    )


def test_variation() -> None:
    # Sample standard deviation of 98, 100, 102 is 2, their mean 100.
    assert variation_percent([98.0, 100.0, 102.0]) == pytest.approx(2.0)
    assert variation_percent([1.0]) is None


def test_interval_of_few_launches_reaches_from_the_lowest_to_the_highest() -> None:
    # The median of 5 drawn from 5 is the lowest in 5.8 % of the draws, which is more than 2.5 %.
    assert median_interval_us([10.0, 11.0, 12.0, 13.0, 14.0]) == (10.0, 14.0)
    assert median_interval_us([10.0, 11.0]) is None


def test_interval_of_many_launches_is_narrower() -> None:
    figures = [100.0 + i for i in range(41)]
    low, high = median_interval_us(figures) or (0.0, 0.0)
    # Exact 95 % interval of the median by order statistics: from the 14th to the 28th of 41.
    assert abs(low - 113) <= 2  # a step of the order statistics, and the chance of resampling
    assert abs(high - 127) <= 2
    assert median_interval_us(figures) == (low, high)


def test_interval_resamples_each_sample_by_itself() -> None:
    low, high = bootstrap_interval([[1.0] * 5, [3.0] * 9], lambda a, b: b[:, 0] / a[:, 0])
    assert (low, high) == (3.0, 3.0)


def test_median_of_launch_medians() -> None:
    result = device_result((1000.0, 1002.0, 1004.0, 1006.0, 1030.0))
    assert (result.median_us, result.statistic, result.stable, result.problems) == (
        1004.0,
        "median",
        True,
        (),
    )
    assert result.ci95_us == (1000.0, 1030.0)
    assert result.coefficient_of_variation_percent == pytest.approx(
        1.2178, abs=1e-4
    )  # squared deviations from 1008.4 sum to 603.2; sqrt(603.2 / 4) / 1008.4
    assert result.conditions.delegate == "none"
    assert result.warnings == ()


def test_builds_without_median() -> None:
    result = device_result(steady(1000.0), median=False)
    assert (result.median_us, result.statistic) == (1000.0, "avg")
    assert result.warnings == (
        "this build prints no median: the figure is the median of the launches' averages",
    )


def test_a_wide_interval_is_no_figure_but_is_shown() -> None:
    result = device_result((990.0, 1000.0, 1000.0, 1000.0, 1100.0))
    assert (result.median_us, result.ci95_us, result.stable) == (None, None, False)
    assert result.problems == ("the 95 % interval is ± 5.50 % wide, ± 2 % is asked for",)
    assert result.observed == ObservedLatency(median_us=1000.0, min_us=990.0, spread_percent=11.0)


@pytest.mark.parametrize("launches", [1, 2, 4])
def test_few_launches_are_no_figure(launches: int) -> None:
    records = [launch(launch_timings(1000.0)) for _ in range(launches)]
    result = summarize(CONDITIONS, records, min_launches=launches)
    assert (result.median_us, result.stable) == (None, False)
    counted = "1 launch counts" if launches == 1 else f"{launches} launches count"
    assert result.problems == (f"{counted}, 5 are demanded",)


def test_fifteen_launches_with_one_slow_one_are_a_figure() -> None:
    figures = (*(1000.0 + us for us in range(14)), 1030.0)
    result = device_result(figures)
    assert (result.median_us, result.stable) == (1007.0, True)
    assert half_width_percent(figures) == pytest.approx(0.4, abs=0.15)


def test_what_is_accepted_is_said_for_ever() -> None:
    acceptance = Acceptance(variation=True)
    wide = [launch(launch_timings(us)) for us in (900.0, 1000.0, 1000.0, 1000.0, 1100.0)]
    result = summarize(CONDITIONS, wide, acceptance=acceptance)
    text = "the 95 % interval is ± 10.00 % wide, ± 2 % is asked for"
    assert (result.median_us, result.stable, result.accepted) == (1000.0, True, (text,))
    assert result.warnings == (f"accepted: {text}",)
    one = summarize(CONDITIONS, wide[:1], min_launches=1, acceptance=acceptance)
    assert (one.median_us, one.accepted) == (900.0, ("1 launch counts, 5 are needed to quote a figure",))
    # Nothing is accepted that keeps the rules, and nothing where there is too little.
    narrow = [launch(launch_timings(us)) for us in steady(1000.0)]
    assert summarize(CONDITIONS, narrow, acceptance=acceptance).accepted == ()
    assert summarize(CONDITIONS, [], min_launches=1, acceptance=acceptance).problems


def test_slow_clocks_are_accepted_where_that_is_asked_for() -> None:
    records = [launch(launch_timings(us), samples=clocks((1.0, 1_900_800))) for us in steady(1000.0)]
    assert launch_problems(records[0], cpus=(2, 3), max_khz=CLOCKS, accept_clock=True) == ()
    (accepted,) = summarize(CONDITIONS, records, acceptance=Acceptance(clock=True)).accepted
    assert accepted == "core 3 ran at 1901 of 2150 MHz after 1.0 s, 98 % are demanded (in 5 launches)"


@pytest.mark.parametrize("width", [0.0, -1.0, 101.0])
def test_no_such_width(width: float) -> None:
    with pytest.raises(ArgumentError, match="more than 0, at most 100 %"):
        Acceptance(width_percent=width)


def test_launches_with_problems_do_not_count() -> None:
    launches = [launch(launch_timings(us), number=n) for n, us in enumerate(steady(1000.0), start=1)]
    slow = launch(launch_timings(2000.0), number=6, problems=("core 3 ran at 300 of 2150 MHz",))
    assert summarize(CONDITIONS, [slow, *launches]).median_us == 1000.0
    short = summarize(CONDITIONS, [slow, *launches[:3]])
    assert short.problems == ("3 launches count, 5 are demanded (launch 6: core 3 ran at 300 of 2150 MHz)",)
    few = Acceptance(variation=True)
    assert summarize(CONDITIONS, launches[:3], min_launches=3, acceptance=few).median_us == 999.0


def test_no_launch_at_all() -> None:
    result = summarize(CONDITIONS, [])
    assert (result.median_us, result.coefficient_of_variation_percent) == (None, None)
    assert result.problems == ("0 launches count, 5 are demanded",)
    assert result.conditions.delegate == "unknown"


def test_launches_under_different_delegates() -> None:
    launches = [launch(launch_timings(us)) for us in steady(1000.0)]
    other = launch(launch_timings(1000.0, delegate="XNNPACK"))
    assert summarize(CONDITIONS, [*launches, other]).problems == (
        "the launches ran under different delegates: none, XNNPACK",
        "XNNPACK ran, the built-in kernels were demanded",
    )


def test_xnnpack_is_no_figure_of_the_built_in_kernels() -> None:
    ran = device_result(steady(1000.0), kernels="builtin", delegate="GPU+XNNPACK")
    assert (ran.median_us, ran.problems) == (None, ("XNNPACK ran, the built-in kernels were demanded",))
    assert device_result(steady(1000.0), kernels="xnnpack", delegate="XNNPACK").stable


def test_warnings_of_results() -> None:
    emulated = dataclasses.replace(PIXEL, emulated=True)
    result = device_result(steady(1000.0), device=emulated, kernels="xnnpack", delegate="GPU")
    assert result.warnings == (EMULATED_WARNING, "XNNPACK was demanded, the delegate of the log is: GPU")
    told = [launch(launch_timings(us, warnings=("refused",))) for us in steady(1.0)]
    assert summarize(CONDITIONS, told).warnings == ("refused",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ()),
        ({"battery_percent": 19.0}, ("the battery is below 20 %",)),
        ({"battery_percent": 20.0, "battery_celsius": 40.0}, ()),
        ({"battery_celsius": 40.1}, ("the battery is warmer than 40 °C",)),
        ({"power_save": True, "dozing": True}, ("Android saves power", "the phone dozes")),
        ({"screen_on": False}, ("the screen is off",)),
        ({"battery_percent": None, "battery_celsius": None, "screen_on": None, "power_save": None}, ()),
    ],
)
def test_what_slows_phones_down_is_said(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    state = dataclasses.replace(STATE, **changes)
    warnings = state_warnings(state)
    assert len(warnings) == len(words)
    assert all(warning.startswith(text) for warning, text in zip(warnings, words, strict=True))
    record = launch(launch_timings(1.0), before=state)
    assert launch_warnings(record, cpus=(2, 3), max_khz=CLOCKS) == warnings
