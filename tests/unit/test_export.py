"""Results in the forms of other programs: figures that may be quoted, and no others."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench_records import PIXEL, device_result, host_result, steady
from edge_mnv3.cli import main
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import to_json

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
    assert (emulated["median_us"], emulated["not_quotable"]) == ("", "emulated device, not a phone")
    assert (unstable["median_us"], unstable["low_us"]) == ("", "")
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
