"""Results in the forms of other programs: figures that may be quoted, and no others."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench_records import PIXEL, device_result, host_result, steady
from edge_mnv3.cli import main
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.profile import DeviceProfileResult, OpCost, OpProfileResult

PHONE = device_result(steady(20_000))
NAME = (
    "small.tflite, Pixel 16a36e, protocol published, builtin kernels, 1 thread, mask c, "
    "50 runs after 1, era-2019"
)
EMULATED = device_result(steady(9_000), device=dataclasses.replace(PIXEL, emulated=True, model="sdk"))
UNSTABLE = device_result((9_000, 12_000), binary="current")
HOST = host_result(steady(500.0))


def export(folder: Path, *results: object, options: tuple[str, ...] = ()) -> Result:
    paths = []
    for number, result in enumerate(results):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(to_json(result))
    return CliRunner().invoke(main, ["export", *map(str, paths), *options])


def report(*results: Any) -> DeviceBenchReport:
    return DeviceBenchReport(
        results=results, not_measured=(), published=(), profiles=(), outputs=(), failures=()
    )


def test_a_table_has_every_result(tmp_path: Path) -> None:
    done = export(tmp_path, report(PHONE, EMULATED, UNSTABLE), HOST)
    assert done.exit_code == 0
    phone, emulated, unstable, host = csv.DictReader(io.StringIO(done.stdout))
    assert (phone["name"], phone["median_us"], phone["not_quotable"]) == (NAME, "20000.0", "")
    assert (phone["low_us"], phone["high_us"], phone["launches"]) == ("19960.0", "20040.0", "5")
    beside = ("1000.0", "40000.0", "")  # of launches that do not tell their memory
    assert (phone["start_up_us"], phone["first_inference_us"], phone["peak_memory_mb"]) == beside
    assert (emulated["median_us"], emulated["not_quotable"]) == ("", "emulated device, not a phone")
    assert (unstable["median_us"], unstable["low_us"]) == ("", "")
    for row in (emulated, unstable):
        assert (row["start_up_us"], row["first_inference_us"], row["peak_memory_mb"]) == ("", "", "")
    assert unstable["not_quotable"].startswith("2 launches count, 5 are demanded")
    assert (host["median_us"], host["interval"], host["device"]) == ("500.0", "", "processor")


def test_bencher_and_github(tmp_path: Path) -> None:
    results = (report(PHONE, EMULATED, UNSTABLE), HOST)
    output = tmp_path / "b.json"
    done = export(tmp_path, *results, options=("--as", "bencher", "-o", str(output)))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.count("warning: no figure of ") == 2
    host = "host.tflite, processor (not a phone), litert 2, xnnpack kernels, 1 thread, 200 runs after 20"
    assert json.loads(output.read_text()) == {
        NAME: {"latency": {"value": 2e7, "lower_value": 19_960_000.0, "upper_value": 20_040_000.0}},
        host: {"latency": {"value": 500_000.0}},
    }
    (phone, _) = json.loads(export(tmp_path, *results, options=("--as", "github-action-benchmark")).stdout)
    assert phone == {
        "name": NAME,
        "unit": "ms",
        "value": 20.0,
        "range": "19.960 to 20.040 (95 % interval)",
        "extra": f"SHA-256 {'a' * 64}",
    }


def test_what_was_taken_against_the_rules_says_so_in_its_name(tmp_path: Path) -> None:
    taken = dataclasses.replace(PHONE, accepted=("the interval is wide",))
    (row,) = json.loads(export(tmp_path, taken, options=("--as", "github-action-benchmark")).stdout)
    assert row["name"] == f"{NAME}, taken against the rules"


def test_other_lengths_of_a_launch_are_another_series(tmp_path: Path) -> None:
    protocol = dataclasses.replace(PHONE.conditions.protocol, min_secs=60.0, warmup_min_secs=2.0)
    longer = dataclasses.replace(PHONE, conditions=dataclasses.replace(PHONE.conditions, protocol=protocol))
    done = export(tmp_path, longer, PHONE, options=("--as", "github-action-benchmark"))
    assert [row["name"] for row in json.loads(done.stdout)] == [f"{NAME}, at least 60 s, warm-up 2 s", NAME]


@pytest.mark.parametrize(
    ("results", "options", "problem"),
    [
        ((PHONE, report(PHONE)), (), f"results to export: got two of {NAME}, expected each once"),
        ((EMULATED, UNSTABLE), ("--as", "bencher"), "got none with a figure to quote, expected one at least"),
        ((PHONE,), ("-o", "0.json", "--force"), "output 0.json: got a file that is read"),
        ((PHONE,), ("-o", "."), "output .: got a folder of that name"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: tuple[object, ...],
    options: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(tmp_path, *results, options=options)
    assert (done.exit_code, problem in done.stderr) == (1, True), done.stderr
    assert (tmp_path / "0.json").read_text() == to_json(results[0])


def test_noise_of_this_machine_is_no_figure(tmp_path: Path) -> None:
    noisy = dataclasses.replace(HOST, p5_us=400.0, p95_us=700.0)
    done = export(tmp_path, noisy, options=("--as", "bencher"))
    assert done.exit_code == 1
    assert "p5 to p95 spread over 60 % of the median" in done.stderr


def test_a_suite_of_pyperf_is_read_by_pyperf(tmp_path: Path) -> None:
    pyperf = pytest.importorskip("pyperf", reason="pyperf is not installed")
    output = tmp_path / "suite.json"
    options = ("--as", "pyperf", "-o", str(output))
    assert export(tmp_path, report(PHONE, EMULATED, UNSTABLE), HOST, options=options).exit_code == 0
    phone, host = pyperf.BenchmarkSuite.load(str(output)).get_benchmarks()
    assert (phone.get_name(), phone.get_unit()) == (NAME, "second")
    assert phone.get_values() == pytest.approx([us / 1e6 for us in steady(20_000)])
    assert (phone.get_nrun(), host.get_nrun(), len(host.get_values())) == (5, 1, 5)
    assert phone.median() == pytest.approx(0.02)
    assert phone.get_metadata()["benchmark_model"] == "era-2019"
    command = [sys.executable, "-m", "pyperf", "show", str(output)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stderr
    assert "Mean +- std dev: 20.0 ms +- 0.0 ms" in shown.stdout


def test_values_of_a_suite(tmp_path: Path) -> None:
    """Without pyperf: each launch that counts is a run, a block of runs of this machine a value."""
    suite = json.loads(export(tmp_path, PHONE, HOST, options=("--as", "pyperf")).stdout)
    phone, host = suite["benchmarks"]
    assert suite["version"] == "1.0"
    assert [run["values"] for run in phone["runs"]] == [[us / 1e6] for us in steady(20_000)]
    assert phone["runs"][0]["metadata"] == {"date": "2026-01-02T03:04:05Z", "duration": 2.0}
    assert [run["values"] for run in host["runs"]] == [[us / 1e6 for us in steady(500.0)]]
    assert all(text for benchmark in suite["benchmarks"] for text in benchmark["metadata"].values())


def profiled(**conditions: Any) -> DeviceBenchReport:
    def cost(op_type: str, time_us: float, subgraph: int = 0, index: int | None = 0) -> OpCost:
        return OpCost(
            op_type=op_type,
            outputs=("a",),
            graph_index=index,
            subgraph=subgraph,
            by_delegate=index is None,
            calls=1,
            time_us=time_us,
            share_percent=50.0,
        )

    result = device_result(steady(20_000), **conditions)
    costs = (cost("CONV_2D", 100.5), cost("XNNPACK", 50.25, index=None), cost("ADD", 7.0, subgraph=1))
    profile = OpProfileResult(
        runs=50,
        total_us=150.75,
        costs=costs,
        by_type=(),
        partitions=1,
        delegated_ops={},
        delegate_internal=(cost("Convolution", 40.0, index=None),),
    )
    timings = result.launches[0].timings
    assert timings is not None
    found = DeviceProfileResult(conditions=result.conditions, timings=timings, profile=profile, warnings=())
    return dataclasses.replace(report(result), profiles=(found,))


def test_a_trace_of_a_profile(tmp_path: Path) -> None:
    """Chrome's trace events: complete ones with times in microseconds, in named processes and threads."""
    done = export(tmp_path, profiled(), options=("--as", "perfetto"))
    assert (done.exit_code, done.stderr) == (0, "")
    events = json.loads(done.stdout)["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(names) == [(1, 1), (1, 2), (1, 1000)]
    assert names[1, 1] == "subgraph 0, mean of 50 runs, with the profiler on"
    (process,) = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    assert process == "small.tflite, Pixel, builtin kernels, threads 1, mask c, era-2019"
    drawn = [(e["tid"], e["name"], e["cat"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert drawn == [
        (1, "CONV_2D", "operator", 0.0, 100.5),
        (1, "XNNPACK", "delegate", 100.5, 50.25),
        (2, "ADD", "operator", 0.0, 7.0),
        (1000, "Convolution", "delegate", 0.0, 40.0),
    ]
    assert {e["ph"] for e in events} == {"M", "X"}


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (report(PHONE), "profiles to export: got none of a phone, expected one at least; measure with bench"),
        (profiled(device=dataclasses.replace(PIXEL, emulated=True)), "got none of a phone"),
        (HOST, "expected the JSON of bench --device --profile"),
    ],
)
def test_nothing_to_draw(tmp_path: Path, result: object, problem: str) -> None:
    done = export(tmp_path, result, options=("--as", "perfetto", "-o", str(tmp_path / "t.json")))
    assert (done.exit_code, problem in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "t.json").exists()
