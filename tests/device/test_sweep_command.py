"""Threads and cores in one command, through the real adb on an emulated phone."""

from __future__ import annotations

import pytest

from device.bench_setup import STEADY, model_file
from device.command_setup import Bench, assert_clean
from device.conftest import MakePhone
from device.layouts import generic_phone
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json


@pytest.mark.any_adb
def test_threads_by_cores_are_one_table_in_rounds(bench: Bench, make_phone: MakePhone) -> None:
    phone = make_phone(generic_phone(little=4, big=2))
    phone.figures = STEADY
    command = (
        *(model_file(bench.folder), "--benchmark-binary", bench.binary(), "--launches", "2"),
        *("--threads", "1,4", "--cores", "little,big,prime"),
    )
    done = bench.measure(phone, *command, "-o", "sweep.json")
    assert done.exit_code == 0, done.output
    report = from_json(DeviceBenchReport, (bench.folder / "sweep.json").read_text())
    cells = [(r.conditions.protocol.num_threads, r.conditions.cpu_mask) for r in report.results]
    assert cells == [(1, "f"), (4, "f"), (1, "30")]
    for result in report.results:
        assert result.median_us == 20_000.0
        assert [launch.mask_verified for launch in result.launches] == [True, True]
        assert len({launch.log_path for launch in result.launches}) == 2
    assert len({launch.log_path for result in report.results for launch in result.launches}) == 6
    # In rounds, as files are: first to last, then last to first.
    threads = [word[-1] for words in phone.launches for word in words if word.startswith("--num_threads=")]
    assert threads == ["1", "4", "1", "1", "4", "1"]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [(row[2], row[3], row[4], row[5]) for row in rows if row[:1] == ["model.tflite"]] == [
        *(("little", "0-3", "1", "20.000"), ("little", "0-3", "4", "20.000"), ("big", "4-5", "1", "20.000")),
    ]
    left_out = ["4 threads on big 4-5: there are only cores 4 and 5", "prime cores: this phone has little"]
    for text in left_out:
        assert f"not measured: {text}" in done.stdout
        assert f"not measured: {text}" in done.stderr
    assert [entry.what for entry in report.not_measured] == ["4 threads on big 4-5", "prime cores"]
    none = bench.measure(phone, *command[:3], "--threads", "8", "--cores", "big")
    assert none.exit_code == 1
    assert "threads and cores: got 8 threads on big 4-5: there are only cores 4 and 5" in none.stderr
    assert_clean(phone)
