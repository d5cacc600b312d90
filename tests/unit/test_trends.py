"""The history as trends: which measurements belong together, and where one became slower."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench_records import PIXEL, device_result, host_result, steady
from edge_mnv3.cli import main
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.trends import TrendsResult
from edge_mnv3_android_bench.comparison.change_points import change_points
from edge_mnv3_android_bench.comparison.history import HistoryEntry, HistoryResult, append_history
from edge_mnv3_android_bench.comparison.trends import trends

CHANCE = random.Random(3)
LEVELS = (20_000.0, 20_100.0, 19_950.0, 20_050.0, 19_900.0, 20_000.0)
UPDATED = dataclasses.replace(PIXEL, build_fingerprint="maker/pixel:10/B/2")


def entries(results: Sequence[HistoryResult]) -> list[HistoryEntry]:
    return [
        HistoryEntry(recorded_at=f"2026-01-{day:02d}T00:00:00+00:00", result=result)
        for day, result in enumerate(results, start=1)
    ]


def series(levels_us: Sequence[float], **conditions: Any) -> list[DeviceBenchResult]:
    return [device_result(steady(us), **conditions) for us in levels_us]


def test_places_of_changes() -> None:
    logs = [math.log(us) for us in LEVELS]
    assert change_points(logs) == ()
    (one,) = change_points([*logs, *(value + 0.05 for value in logs)])
    assert (one.place, one.p_value < 0.01) == (6, True)
    up_and_down = change_points([*logs, *(value + 0.05 for value in logs), *logs])
    assert [change.place for change in up_and_down] == [6, 12]
    # Two slow ones after twelve are found; one may be an outlier, and two and two are too few.
    assert [change.place for change in change_points([*logs, *logs, logs[0] + 0.2, logs[1] + 0.2])] == [12]
    assert change_points([*logs, logs[0] + 0.2]) == ()
    assert change_points([1.0, 1.0, 2.0, 2.0]) == ()
    assert change_points([1.0] * 9) == ()


def test_the_change_is_named_with_what_differs_there() -> None:
    slower = [us * 1.08 for us in LEVELS]
    (trend,) = trends(entries([*series(LEVELS), *series(slower, device=UPDATED, model_sha256="c" * 64)]))
    (change,) = trend.changes
    assert (change.recorded_at, round(change.ratio, 2)) == ("2026-01-07T00:00:00+00:00", 1.08)
    assert [difference.name for difference in change.differences] == ["build", "model"]
    assert change.text == (
        "slower from 2026-01-07T00:00:00+00:00 on: 20.000 to 21.600 ms, +8.0 % (p = 0.0028); what differs "
        "there: Android's build: maker/pixel:10/A/1, then maker/pixel:10/B/2; the file: aaaaaaaaaaaa, then "
        "cccccccccccc"
    )
    (unexplained,) = trends(entries([*series(LEVELS), *series(slower)]))[0].changes
    assert unexplained.text.endswith("what differs there: nothing recorded")


def test_a_build_that_was_exchanged_under_its_name_is_a_cause() -> None:
    new = series([us * 0.9 for us in LEVELS], binary="current", binary_sha256="e" * 64)
    (trend,) = trends(entries([*series(LEVELS, binary="current"), *new]))
    assert "faster from" in trend.changes[0].text
    assert "the build of benchmark_model: dddddddddddd, then eeeeeeeeeeee" in trend.changes[0].text
    # A build that is given as a file has its hash in its name.
    files = [series([us], binary=f"mine-{number:012x}")[0] for number, us in enumerate(LEVELS)]
    assert len(trends(entries(files))) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"num_threads": 4},
        {"cpu_mask": "3"},
        {"kernels": "xnnpack"},
        {"model_path": "other.tflite"},
        {"device": dataclasses.replace(PIXEL, serial="B2")},
        {"binary": "current"},
        {"fixed_performance": True},
    ],
)
def test_other_conditions_are_another_trend(other: dict[str, Any]) -> None:
    mixed: list[HistoryResult] = []
    for us in LEVELS:
        mixed += [*series([us]), *series([us * 2], **other)]
    found = trends(entries(mixed))
    assert [len(trend.points) for trend in found] == [6, 6]
    assert [trend.changes for trend in found] == [(), ()]


def test_two_builds_of_one_name_in_one_command_are_two_trends() -> None:
    both = [series([us], binary=name)[0] for us in LEVELS for name in ("mine-aaaaaaaaaa", "mine-bbbbbbbbbb")]
    both = [dataclasses.replace(r, conditions=_hashed(r)) for r in both]
    stored = [
        HistoryEntry(recorded_at=f"2026-01-{1 + place // 2:02d}", result=result)
        for place, result in enumerate(both)
    ]
    assert [len(trend.points) for trend in trends(stored)] == [6, 6]


def _hashed(result: DeviceBenchResult) -> Any:
    binary = result.conditions.binary
    return dataclasses.replace(
        result.conditions, binary=dataclasses.replace(binary, sha256=binary.name[5:] * 6)
    )


def test_what_is_not_to_be_quoted_is_no_point() -> None:
    noisy = dataclasses.replace(host_result(steady(500.0)), p5_us=400.0, p95_us=700.0)
    results: list[HistoryResult] = [*series(LEVELS), device_result((9_000.0, 12_000.0)), noisy]
    results.append(host_result(steady(500.0)))
    results.append(dataclasses.replace(series([34_000.0])[0], accepted=("clocks of 1200 of 2150 MHz",)))
    phone, host = trends(entries(results))
    assert (len(phone.points), phone.not_quotable, phone.changes) == (6, 2, ())
    assert (len(host.points), host.not_quotable, host.device) == (1, 1, "processor")


def test_the_level_is_shared_by_all_trends() -> None:
    """A change with p = 0.008 counts alone, and not as one of twenty trends."""
    levels = [*LEVELS[:5], *(us * 1.05 for us in LEVELS[:5])]
    many = [r for us in levels for number in range(20) for r in series([us], model_path=f"{number}.tflite")]
    assert len(trends(entries(series(levels)))[0].changes) == 1
    assert all(not trend.changes for trend in trends(entries_of_a_day(many, 20)))


def entries_of_a_day(results: Sequence[DeviceBenchResult], count: int) -> list[HistoryEntry]:
    return [
        HistoryEntry(recorded_at=f"2026-01-{1 + place // count:02d}", result=result)
        for place, result in enumerate(results)
    ]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["history", *arguments])


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    emulated = dataclasses.replace(PIXEL, emulated=True)
    levels = [*LEVELS, *(us * 1.08 for us in LEVELS)]
    for entry in entries(series(levels, device=emulated)):
        append_history(path, entry.result, recorded_at=entry.recorded_at)
    done = run(str(path), "--last", "7")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("EMULATED DEVICE, NOT A PHONE: small.tflite on Pixel (A1): ")
    assert "kernels builtin, threads 1, mask c" in lines[0]
    assert lines[1] == "  5 earlier ones"
    assert lines[2].split()[:6] == ["2026-01-06T00:00:00+00:00", "20.000", "ms", "(19.960", "to", "20.040)"]
    assert [line.endswith("<- slower") for line in lines[2:9]] == [False, True, *[False] * 5]
    assert lines[9].startswith("  slower from 2026-01-07T00:00:00+00:00 on: 20.000 to 21.600 ms, +8.0 %")
    result = from_json(TrendsResult, run(str(path), "--json").stdout)
    assert (result.level, len(result.trends), len(result.trends[0].points)) == (0.05, 1, 12)
    for arguments, problem in (
        ((str(path), "--model", "large"), "got no such measurement with a figure to quote"),
        ((str(tmp_path / "none.jsonl"),), "got no such file"),
    ):
        failed = run(*arguments)
        assert (failed.exit_code, problem in failed.stderr) == (1, True), failed.stderr
