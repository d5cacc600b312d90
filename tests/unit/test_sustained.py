"""Minutes under load: the first minute against the last, and what is shorter than was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench_records import BY_GPU, CONDITIONS, MAX_KHZ, STATE, changed_conditions, launch, launch_timings
from edge_mnv3.commands.sustained_tables import sustained_table
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.results.bench import ClockSample, LaunchRecord
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.device import DeviceState
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.sustained import INTERRUPTED, TIME_IS_UP, SustainedResult
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3_android_bench.comparison.latencies import read_bench_results
from edge_mnv3_android_bench.comparison.sustained_use import summarize_sustained
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launch_statistics import launch_problems
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, Sweep, custom_protocol
from edge_mnv3_android_bench.measuring.schedule import MAX_ALIKE, Cell
from edge_mnv3_android_bench.measuring.sustained import SustainedRun, check_minutes, sustained_protocol

GOLDEN = Path(__file__).parent.parent / "golden" / "formats" / "sustained-v1.json"
COMMAND = LaunchCommand(
    folder="/f", program="/f/b", flags=(), cpus=(), other_cpus=(), temperature_file=None, limit_s=1.0
)


def window(us: float, *, khz: int = MAX_KHZ, celsius: float = 30.0, status: int = 0) -> LaunchRecord:
    samples = (ClockSample(time_s=1.0, khz=(khz, khz), celsius=celsius),) * 2
    after = dataclasses.replace(STATE, thermal_status=status)
    return launch(launch_timings(us), samples=samples, after=after)


def summarized(
    records: Sequence[LaunchRecord], *, window_s: float = 10.0, ended_by: str = TIME_IS_UP, **conditions: Any
) -> SustainedResult:
    """The result of windows that follow each other at once; as many minutes were asked for as they last."""
    spans = [(place * window_s, (place + 1) * window_s) for place in range(len(records))]
    return summarize_sustained(
        changed_conditions(**conditions), records, spans, asked_s=spans[-1][1], ended_by=ended_by
    )


def from_64_to_90(status: int = 0) -> list[LaunchRecord]:
    """Eight minutes, as a phone was seen to throttle; its clocks fall and it becomes warm."""
    return [
        window(us + 100 * (number % 3), khz=khz, celsius=celsius, status=status)
        for us, khz, celsius in (
            (64_000, MAX_KHZ, 30.0),
            *[(80_000, 1_800_000, 45.0)] * 6,
            (90_000, 1_500_000, 51.5),
        )
        for number in range(6)
    ]


def test_the_first_minute_against_the_last() -> None:
    result = summarized(from_64_to_90())
    assert (result.first_us, result.last_us, result.slower) == (64_100.0, 90_100.0, True)
    assert result.ratio == pytest.approx(90_100 / 64_100)
    assert result.ratio_ci95 is not None
    assert result.ratio is not None
    low, high = result.ratio_ci95
    # No ratio of medians of three values each is outside of these.
    assert 90_000 / 64_200 <= low <= result.ratio <= high <= 90_200 / 64_000
    assert result.text == (
        "it becomes slower over 8.0 minutes, while the thermal status stayed 0: 64.100 ms in the first "
        f"minute, 90.100 ms in the last one, 1.41 times (95 % interval {low:.2f} to {high:.2f})"
    )
    assert (result.asked_minutes, result.measured_minutes, result.problems) == (8.0, 8.0, ())
    assert [w.start_s for w in result.windows[:3]] == [0.0, 10.0, 20.0]
    assert (result.windows[-1].khz, result.windows[-1].celsius) == ((1_500_000, 1_500_000), 51.5)
    assert ", while the thermal status rose to 2: " in summarized(from_64_to_90(status=2)).text


@pytest.mark.parametrize(
    ("figures_us", "words"),
    [
        ((1000.0,) * 12, "it does not become slower over 2.0 minutes: 1.000 ms in the first minute"),
        ((1000.0,) * 6 + (1015.0,) * 6, "it does not become slower"),  # less than 2 %
        ((1000.0,) * 6 + (800.0,) * 6, "it becomes faster"),
    ],
)
def test_words(figures_us: tuple[float, ...], words: str) -> None:
    result = summarized([window(us) for us in figures_us])
    assert result.text.startswith(words)
    assert result.slower is False


def test_an_interval_that_leaves_it_open_is_no_verdict() -> None:
    result = summarized([window(us) for us in (1000.0, 1400.0) * 6])
    assert result.text.startswith("no change over 2.0 minutes is shown, as the interval includes")
    assert (result.ratio, result.slower) == (1.0, None)


def test_a_launch_of_the_first_minute_is_none_of_the_last() -> None:
    """Nine windows of 15 s: four begin in the first minute, which are too few."""
    result = summarized([window(1000.0)] * 9, window_s=15.0)
    assert (result.ratio, result.slower) == (None, None)
    assert result.problems == (
        "4 launches count in the first minute, 5 are needed",
        "4 launches count in the last minute, 5 are needed",
    )
    assert result.text == f"no comparison of the first minute with the last: {'; '.join(result.problems)}"


def test_what_was_interrupted_is_labelled() -> None:
    spans = [(10.0 * place, 10.0 * (place + 1)) for place in range(15)]
    records = [window(1000.0)] * 15
    result = summarize_sustained(CONDITIONS, records, spans, asked_s=600.0, ended_by=INTERRUPTED)
    assert result.problems == ("it lasted 2.5 of 10 minutes: interrupted",)
    assert (result.ratio, result.measured_minutes) == (1.0, 2.5)  # of the minutes that there are
    assert "over 2.5 minutes" in result.text
    soon = summarize_sustained(CONDITIONS, records[:3], spans[:3], asked_s=600.0, ended_by=INTERRUPTED)
    assert soon.ratio is None
    assert len(soon.problems) == 3


def test_launches_without_figure_are_windows_without_figure() -> None:
    failed = launch(None, problems=("death by SIGSEGV",), after=None, samples=())
    result = summarized([*[window(1000.0)] * 6, failed, *[window(1000.0)] * 6])
    assert (result.windows[6].figure_us, result.windows[6].num_runs) == (None, 0)
    assert (result.windows[6].khz, result.windows[6].problems) == ((None, None), ("death by SIGSEGV",))
    assert result.ratio == 1.0


def test_what_ran_elsewhere_from_some_launch_on_is_not_compared() -> None:
    on_gpu = launch(launch_timings(500.0, delegate="GPU", partitionings=BY_GPU))
    part = (dataclasses.replace(BY_GPU[0], replaced_nodes=40),)
    partly = launch(launch_timings(900.0, delegate="GPU", partitionings=part))
    alike = summarized([on_gpu] * 12, accelerator="gpu")
    assert alike.delegated is not None
    assert (alike.delegated.nodes, alike.ratio) == (58, 1.0)
    mixed = summarized([*[on_gpu] * 6, *[partly] * 6], accelerator="gpu")
    assert (mixed.ratio, mixed.slower) == (None, None)
    assert "took other parts in some launches" in mixed.problems[0]


def test_table() -> None:
    result = summarized(from_64_to_90())
    report = DeviceBenchReport(
        results=(), not_measured=(), sustained=(result,), published=(), profiles=(), outputs=(), failures=()
    )
    lines = sustained_table(report).splitlines()
    assert lines[2] == "small.tflite with 'era-2019' under load for 8.0 of 8 minutes"
    assert lines[4].split() == [
        "minute",
        "median",
        "ms",
        "fastest",
        "core",
        "MHz",
        "°C",
        "thermal",
        "status",
        "launches",
    ]
    assert lines[5].split() == ["1", "64.100", "2150", "30.0", "0", "6", "of", "6"]
    assert lines[12].split() == ["8", "90.100", "1500", "51.5", "0", "6", "of", "6"]
    assert lines[-1] == result.text


def test_it_is_neither_compared_nor_exported(tmp_path: Path) -> None:
    """As a report without results it would be a table without rows."""
    path = tmp_path / "load.json"
    result = summarized(from_64_to_90())
    path.write_text(
        to_json(
            DeviceBenchReport(
                results=(),
                not_measured=(),
                sustained=(result,),
                published=(),
                profiles=(),
                outputs=(),
                failures=(),
            )
        )
    )
    with pytest.raises(InputFileError, match=r"load.json: got a measurement under load \(--sustained\)"):
        read_bench_results(path)


def test_format() -> None:
    result = from_json(SustainedResult, GOLDEN.read_text())
    assert from_json(SustainedResult, to_json(result)) == result
    assert [w.figure_us for w in result.windows] == [64_000.0, 64_100.0, 90_200.0]
    assert (result.schema_version, result.ended_by, result.watched_cpus) == (1, TIME_IS_UP, (2, 3))


class Told:
    """What a run tells of."""

    def __init__(self) -> None:
        self.progress = self
        self.seconds: list[tuple[int, int]] = []
        self.warnings: list[str] = []

    def went_on(self, serial: str, done: int, total: int) -> None:
        self.seconds.append((done, total))

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Played(SustainedRun):
    """A run whose launches are given."""

    played: Iterator[LaunchRecord]

    def record(self, cell: Cell, clocks: Any) -> LaunchRecord:
        assert (clocks.accepted, clocks.heat_accepted) == (True, True)
        return next(self.played)


def play(records: Iterator[LaunchRecord], **conditions: Any) -> tuple[Played, Told]:
    told, session = Told(), dataclasses.make_dataclass("Session", ["serial"])("A1")
    run = Played(session, told, seconds=120.0)  # type: ignore[arg-type]
    run.played = records
    cell = Cell(label="a", conditions=changed_conditions(**conditions), command=COMMAND, min_launches=1)
    run.cells.append(cell)
    run.work()
    return run, told


def at(uptime_s: float) -> Any:
    return dataclasses.replace(STATE, uptime_s=uptime_s)


def test_it_goes_on_until_the_time_is_up_by_the_phone_s_clock() -> None:
    records = (
        dataclasses.replace(window(1000.0), before=at(500 + 50 * n), after=at(545 + 50 * n)) for n in range(9)
    )
    run, told = play(records)
    assert (run.ended_by, len(run.records)) == (TIME_IS_UP, 3)
    assert run.spans == [(0.0, 45.0), (50.0, 95.0), (100.0, 145.0)]
    assert told.seconds == [(45, 120), (95, 120), (120, 120)]


@pytest.mark.parametrize(
    ("record", "conditions", "ended_by"),
    [
        (launch(None, problems=("death by SIGSEGV",)), {}, "death by SIGSEGV"),
        (
            launch(launch_timings(1.0), problems=("not delegated: ran on cpu",)),
            {"accelerator": "gpu"},
            "not delegated: ran on cpu",
        ),
    ],
)
def test_it_is_given_up_where_it_is_in_vain(
    record: LaunchRecord, conditions: dict[str, Any], ended_by: str
) -> None:
    run, told = play(iter([record] * 9), **conditions)
    assert (run.ended_by, len(run.records), len(told.warnings)) == (ended_by, MAX_ALIKE, MAX_ALIKE)


def test_heat_is_what_is_measured() -> None:
    hot = dataclasses.replace(STATE, thermal_status=3)
    record = launch(launch_timings(1.0), before=hot, after=hot)
    assert launch_problems(record, cpus=(), max_khz={}, accept_heat=True) == ()


def test_a_board_at_its_temperature_limit_is_measured_and_said() -> None:
    """The firmware of a Raspberry Pi holds clocks down when it is hot; too little voltage is no heat."""
    cool = dataclasses.replace(STATE, thermal_status=None, firmware_throttling=0)
    hot, weak = (dataclasses.replace(cool, firmware_throttling=bits) for bits in (0xE000E, 0x50005))
    for before, after, told, told_else in (
        (cool, hot, [], ["after", "during"]),
        (hot, hot, [], ["before", "after"]),
        (cool, weak, ["after", "during"], ["after", "during"]),
        (weak, weak, ["before", "after"], ["before", "after"]),
    ):
        record = launch(launch_timings(1.0), before=before, after=after)
        for accepted, words in ((True, told), (False, told_else)):
            problems = launch_problems(record, cpus=(), max_khz={}, accept_heat=accepted)
            assert [text.partition(" it ")[0] for text in problems] == words
    windows = [dataclasses.replace(window(64_000.0), before=cool, after=cool)] * 6
    windows += [dataclasses.replace(window(90_000.0), before=hot, after=hot)] * 6
    result = summarized(windows)
    assert (result.slower, result.problems) == (True, ())
    held = "while the board's firmware held clocks down (clocks capped, throttled, soft temperature limit)"
    assert held in result.text
    assert not [text for text in result.warnings if "firmware" in text]


@pytest.mark.parametrize(
    ("figures_us", "verdict"),
    [
        ((90_000.0,) * 12, "it does not become slower over 2.0 minutes, while "),
        ((90_000.0,) * 6 + (64_000.0,) * 6, "it becomes faster over 2.0 minutes, while "),
        ((64_000.0,) * 6 + (90_000.0,) * 6, "it becomes slower over 2.0 minutes, while "),
        (
            (1000.0, 1400.0) * 6,
            "no change over 2.0 minutes is shown, as the interval includes equality and more, ",
        ),
        ((90_000.0,) * 4, "no comparison of the first minute with the last: "),
    ],
)
@pytest.mark.parametrize(
    ("state", "heat"),
    [
        (
            dataclasses.replace(STATE, thermal_status=None, firmware_throttling=0xE000E),
            "the board's firmware held clocks down (clocks capped, throttled, soft temperature limit)",
        ),
        (dataclasses.replace(STATE, thermal_status=3), "the thermal status rose to 3"),
    ],
)
def test_heat_from_the_start_is_in_every_verdict(
    figures_us: tuple[float, ...], verdict: str, state: DeviceState, heat: str
) -> None:
    result = summarized([dataclasses.replace(window(us), before=state, after=state) for us in figures_us])
    assert result.text.startswith(verdict)
    assert heat in result.text
    (said,) = [
        text for text in result.warnings if text.startswith("it was held down before the first launch")
    ]
    assert said.endswith(": begin with a cool device")


def test_a_window_lasts_long_enough_and_two_minutes_are_needed() -> None:
    assert sustained_protocol(PUBLISHED).settings.min_secs == 8.0
    assert sustained_protocol(custom_protocol(min_secs=20.0)).settings.min_secs == 20.0
    with pytest.raises(ArgumentError, match="max_secs: got 5"):
        check_minutes(2.0, custom_protocol(max_secs=5.0))
    for minutes in (0.0, 1.9, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="--sustained"):
            check_minutes(minutes, PUBLISHED)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"models": ("a.tflite", "b.tflite")}, "2 files"),
        ({"binaries": ("current", "litert-2.2.0")}, "2 builds"),
        ({"accelerators": ("cpu", "gpu")}, "2 accelerators"),
        ({"sweep": Sweep(threads=(1, 2))}, "2 threads or cores"),
        ({"profile": True}, "--profile"),
        ({"sustained_minutes": 1.0}, "1 minutes"),
    ],
)
def test_one_thing_at_a_time(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=f"--sustained: got .*{words}"):
        DeviceBenchRequest(**{"models": ("a.tflite",), "sustained_minutes": 10.0, **asked})
