"""Results of `bench` as evidence for a bundle: phones, this machine, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench_records import PIXEL, device_result, host_result, steady
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.stated import PhoneLatency
from edge_mnv3.packaging.evidence import check_all_used, latencies, left_out, phone_latencies, read_bench
from edge_mnv3.packaging.model_card import host_latency_table, phone_latency_table

SHA256 = "a" * 64


def report(*results: DeviceBenchResult) -> DeviceBenchReport:
    return DeviceBenchReport(
        results=results, not_measured=(), published=(), profiles=(), outputs=(), failures=()
    )


def written(path: Path, result: object) -> Path:
    path.write_text(to_json(result))
    return path


def one(result: DeviceBenchResult) -> PhoneLatency:
    (latency,) = phone_latencies([report(result)], SHA256)
    return latency


def test_either_kind_is_read(tmp_path: Path) -> None:
    host, phones = host_result([1.0, 2.0, 3.0]), report(device_result(steady(20_000)))
    assert read_bench(written(tmp_path / "h.json", host)) == host
    assert read_bench(written(tmp_path / "p.json", phones)) == phones


@pytest.mark.parametrize("content", ["", "[1]", '{"results": 1}', '{"a": 1}', "[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputFileError, match=r"result .*r.json.*expected what edge-mnv3 bench --json wrote"):
        read_bench(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("text", "got"),
    [
        (
            '{"kind":"bench_host","recorded_at":"now","result":{}}\n' * 2,
            "got a history, one measurement a line, expected what edge-mnv3 bench --json wrote; give",
        ),
        ('{"kind":"reproduce","recorded_at":"now","result":{}}', "got a history, one measurement a line, "),
        (
            '{"schema_version": 1, "launches": [], "failures": []}',
            "got figures of logs (bench --log), which tell no phone, cores, clocks or heat, expected what",
        ),
        ('{"results": [], "cells": []}', "got verdicts of reproduce, expected what edge-mnv3 bench --json"),
    ],
)
def test_what_is_easily_taken_for_a_measurement(tmp_path: Path, text: str, got: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputFileError) as caught:
        read_bench(tmp_path / "r.json")
    assert str(caught.value).startswith(f"result {tmp_path / 'r.json'}: {got}")


def test_a_measurement_is_packaged_once() -> None:
    """One file twice, a copy of it, and a measurement that is in another result too."""
    phones, host = report(device_result(steady(20_000))), host_result([1.0, 2.0, 3.0])
    other = device_result(steady(30_000))
    for one, two in ((phones, phones), (phones, report(other, device_result(steady(20_000)))), (host, host)):
        with pytest.raises(
            InputFileError, match=r"b.json: got a measurement that is in a.json too, expected"
        ):
            check_all_used([], [(Path("a.json"), one), (Path("b.json"), two)], {SHA256})
    with pytest.raises(InputFileError, match=r"a.json: got one measurement twice, expected each once"):
        check_all_used([], [(Path("a.json"), host), (Path("a.json"), host)], {SHA256})
    check_all_used([], [(Path("a.json"), phones), (Path("b.json"), report(other))], {SHA256})


def test_an_emulated_device_is_refused_beside_a_phone(tmp_path: Path) -> None:
    emulated = device_result(steady(9_000), device=dataclasses.replace(PIXEL, emulated=True, model="sdk"))
    path = written(tmp_path / "r.json", report(device_result(steady(20_000)), emulated))
    with pytest.raises(InputFileError) as caught:
        read_bench(path)
    assert str(caught.value) == (
        f"result {path}: got figures of an emulated device (sdk), expected figures of phones: a model card "
        "tells users how fast a phone is; measure on a phone, or leave them out"
    )


def test_each_result_goes_to_the_file_that_it_measured() -> None:
    host, phones = (
        host_result([1.0, 2.0, 3.0]),
        report(device_result(steady(20_000)), device_result(steady(30_000), model_sha256="c" * 64)),
    )
    assert [latency.median_us for latency in phone_latencies([host, phones], SHA256)] == [20_000.0]
    assert [latency.median_us for latency in phone_latencies([host, phones], "c" * 64)] == [30_000.0]
    assert [latency.conditions.model_path for latency in latencies([host, phones], SHA256, "m.tflite")] == [
        "m.tflite"
    ]
    gpu = device_result(steady(9_000), accelerator="gpu", delegate="GPU")
    assert phone_latencies([report(gpu)], SHA256) == ()
    (said,) = left_out([host, phones, report(gpu)], [SHA256, "c" * 64])
    assert said.startswith("the card tells latencies on the CPU alone: that of small.tflite on the gpu")
    path = Path("r.json")
    check_all_used([], [(path, phones)], {"c" * 64})
    for unfit in (phones, report()):
        with pytest.raises(InputFileError, match=r"result r.json: got a measurement of other files"):
            check_all_used([], [(path, unfit)], {"d" * 64})


def test_conditions_are_kept_and_the_serial_is_not() -> None:
    latency = one(device_result(steady(20_000), delegate="XNNPACK", kernels="xnnpack", num_threads=4))
    assert latency.device == "Maker Pixel"
    assert (latency.android_version, latency.sdk, latency.protocol.name) == ("10", 29, "published")
    assert (latency.delegate, latency.protocol.num_threads, latency.launches) == ("XNNPACK", 4, 5)
    assert latency.ci95_us == (19_960.0, 20_040.0)  # five launches: the interval is their range
    assert f'"{PIXEL.serial}"' not in to_json(latency)


def test_a_maker_is_named_once() -> None:
    model = dataclasses.replace(PIXEL, manufacturer="OnePlus", model="ONEPLUS A5000")
    assert one(device_result(steady(20_000), device=model)).device == "ONEPLUS A5000"


def test_rows_of_the_card() -> None:
    stable, two = one(device_result(steady(20_000))), one(device_result((9_000, 12_000)))
    assert two.launches == 2
    assert (two.median_us, two.ci95_us, two.stable) == (None, None, False)
    lines = phone_latency_table([stable, two]).splitlines()
    assert lines[2] == (
        "| 20.000 ms | 19.960 to 20.040 ms | Maker Pixel, soc821, Android 10, arm64-v8a | protocol "
        "published, 1 threads, core mask c, kernels builtin, delegate none, benchmark_model era-2019, 5 "
        "launches of 50 runs after 1 |"
    )
    assert lines[3].startswith("| unstable | no figure | Maker Pixel, ")
    assert "9.0" not in lines[3]
    protocol = dataclasses.replace(stable.protocol, num_threads=-1)
    few = dataclasses.replace(stable, ci95_us=None, fixed_performance=True, protocol=protocol)
    assert "| none from so few launches |" in phone_latency_table([few])
    assert "threads as the build chose" in phone_latency_table([few])
    assert "clocks held below their highest" in phone_latency_table([few])


def test_runs_of_this_machine_in_turns() -> None:
    rows = [
        host_latency_table([host_result([1.0, 2.0], **runs)]).splitlines()[2]
        for runs in ({}, {"warmup_runs": 3, "rounds": 20})
    ]
    assert rows[0].endswith("1 threads, 200 runs after 20 |")
    assert rows[1].endswith("1 threads, 200 runs in 20 rounds, after 3 in each |")
