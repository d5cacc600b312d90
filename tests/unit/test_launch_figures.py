"""Start-up, first inference, peak memory: in tables, and compared with a verdict by enough launches only."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bench_records import host_result, steady
from bench_records import result_of_launches as result
from edge_mnv3.commands.bench_tables import compare_table, result_lines
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.verdicts import CompareResult, Comparison
from edge_mnv3_android_bench.comparison.latencies import compare

GOLDEN = Path(__file__).parent.parent / "golden" / "formats" / "comparison-v2.json"
FIVE = (1.0, 1.001, 1.002, 0.999, 0.998)


A = result([5000.0 * f for f in FIVE], [2000.0 * f for f in FIVE], [7.5 * f for f in FIVE])


def words(a: DeviceBenchResult, b: DeviceBenchResult) -> list[str]:
    return [figure.text for figure in compare(a, b).launch_figures]


def test_a_table_shows_the_medians() -> None:
    cells = result_lines([A])[1].split()
    assert cells[-3:] == ["5.000", "2.000", "7.50"]
    assert result_lines([A])[0].split("  ")[-3:] == ["start-up ms", "first ms", "peak MB"]


def test_each_figure_has_its_verdict() -> None:
    b = result([5500.0 * f for f in FIVE], [2010.0 * f for f in FIVE], [6.0 * f for f in FIVE])
    assert words(A, b) == [
        "start-up: 5.000 and 5.500 ms, B has more: +10.0 % (95 % interval +9.7 to +10.3 %)",
        "first inference: 2.000 and 2.010 ms, no difference is shown: +0.5 % (95 % interval +0.2 to +0.8 %)",
        "peak memory: 7.50 and 6.00 MB, B has less: -20.0 % (95 % interval -20.2 to -19.8 %)",
    ]
    assert [figure.differ for figure in compare(A, b).launch_figures] == [True, False, True]


def test_fewer_launches_than_a_latency_needs_give_no_verdict() -> None:
    few = [900.0] * 4
    b = result(few, [1.0, None, 1.0, 1.0], [None] * 4)
    texts = words(A, b)
    assert texts == [
        "start-up: 5.000 and 0.900 ms, -82.0 %, no verdict: 4 launches, 5 are needed",
        "first inference: 2.000 and 0.001 ms, -100.0 %, no verdict: 3 launches, 5 are needed",
    ]
    verdicts = [(figure.ratio_ci95, figure.differ) for figure in compare(A, b).launch_figures]
    assert verdicts == [(None, None)] * 2


def test_a_figure_that_is_told_by_four_of_five_launches_gives_no_verdict() -> None:
    b = result([5500.0] * 5, [3000.0, 3000.0, None, 3000.0, 3000.0], [7.5] * 5)
    assert words(A, b)[1].endswith("no verdict: 4 launches, 5 are needed")


def test_memory_that_did_not_grow_gives_no_ratio() -> None:
    none = result([5000.0] * 5, [2000.0] * 5, [0.0] * 5)
    assert words(none, A)[2] == "peak memory: 0.00 and 7.50 MB, no verdict: a figure is 0"


def test_results_of_this_machine_tell_one_start_up() -> None:
    slower = dataclasses.replace(host_result(steady(1000.0)), init_us=1200.0)
    (figure,) = compare(dataclasses.replace(slower, init_us=1000.0), slower).launch_figures
    assert figure.text == "start-up: 1.000 and 1.200 ms, +20.0 %, no verdict: 1 figure, 5 are needed"


def test_they_stand_under_the_verdict_on_the_latency() -> None:
    table = compare_table(CompareResult(a="a", b="b", comparisons=(compare(A, A),), not_compared=()))
    assert [line[:17].rstrip(": ") for line in table.splitlines()[1:]] == [
        *("  start-up: 5.000", "  first inference", "  peak memory: 7."),
    ]


def test_comparisons_of_earlier_releases_are_read() -> None:
    text = GOLDEN.read_text()
    assert to_json(from_json(Comparison, text)) == text
    old = {
        k: v for k, v in json.loads(text).items() if k not in ("schema_version", "launch_figures", "measured")
    }
    upgraded = from_json(Comparison, json.dumps(old))
    assert (upgraded.launch_figures, upgraded.measured) == ((), "")
    assert compare(A, A).measured == "small.tflite on Pixel (A1) with era-2019, 1 thread on big 2-3"
