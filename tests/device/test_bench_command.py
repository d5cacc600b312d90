"""`edge-mnv3 bench --device`, `reproduce`, `compare` through the real adb on emulated phones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.bench_setup import STEADY, model_file
from device.command_setup import (
    AS_THEY_ARE,
    QUICK,
    Bench,
    assert_clean,
    printed,
    write_variant_files,
)
from device.conftest import AnyDevice, MakePhone
from device.phone import PATIENCE_S, Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.verdicts import ReproduceResult

REPRODUCE = (
    *("--runs", "10", "--launches", "1", "--max-cool-down", "0.2", "--weights", "none"),
    *AS_THEY_ARE,
)


@pytest.mark.any_adb
def test_litert_s_build_beside_tensorflow_s(bench: Bench, phone: Phone) -> None:
    """Streams, flags and result file as LiteRT's have them: a figure of XNNPACK, of a later build."""
    phone.figures = STEADY
    builds = [bench.binary(Behaviour(build=build), build) for build in ("litert2", "nightly")]
    done = bench.measure(
        phone,
        *(model_file(bench.folder), "--benchmark-binary", builds[0], "--benchmark-binary", builds[1]),
        *("--protocol", "app", "--launches", "1", "--json"),
    )
    assert done.exit_code == 0, done.output
    litert, tensorflow = printed(done)["results"]
    for result in (litert, tensorflow):
        assert (result["median_us"], result["conditions"]["delegate"]) == (20_000.0, "XNNPACK")
        assert result["conditions"]["binary"]["era"] == "later"
    assert litert["launches"][0]["timings"]["unconfirmed"]["peak_memory_mb"] == 9.5
    measured = [words for words in phone.launches if any("--graph" in word for word in words)]
    assert all(any("--result_file_path" in word for word in words) for words in measured)
    assert_clean(phone)


@pytest.mark.any_adb
def test_float_stock_and_accurate_of_two_networks_in_one_command(bench: Bench, pixel: Phone) -> None:
    pixel.figures = STEADY
    write_variant_files(bench.folder / "models", "small", "large_minimalistic")
    command = (
        *("reproduce", "--device", pixel.serial, "--variants", "small,large_minimalistic", *REPRODUCE),
        *("--models-dir", "models", "--benchmark-binary", bench.binary()),
    )
    done = bench.run(*command, "-o", "result.json")
    assert done.exit_code == 0, done.output
    result = from_json(ReproduceResult, (bench.folder / "result.json").read_text())
    assert (result.published_device, result.device.emulated) == ("Pixel 1", True)
    assert len(result.results) == 6
    measured = {(cell.variant, cell.precision, cell.recipe) for cell in result.cells}
    assert measured == {
        (variant, precision, recipe)
        for variant in ("small", "large_minimalistic")
        for precision, recipe in (("float", None), ("int8", "stock"), ("int8", "accurate"))
    }
    for one in result.results:
        conditions = one.conditions
        assert (one.median_us, conditions.protocol.kernels, conditions.cpu_mask) == (20_000.0, "builtin", "c")
        assert (conditions.protocol.num_threads, conditions.protocol.num_runs) == (1, 10)
        assert conditions.protocol.name == "published"
        assert conditions.device.build_fingerprint
        assert len(conditions.model_sha256) == len(conditions.binary.sha256) == 64
        (launch,) = one.launches
        assert launch.before.battery_percent == 80
        assert launch.after is not None
        assert launch.samples
        assert launch.mask_verified
        assert Path(launch.log_path).is_file()
    verdicts = {cell.measured[0].verdict for cell in result.cells}
    assert verdicts == {"conditions differ"}  # an emulated device never gets another one
    assert "EMULATED DEVICE, NOT A PHONE: Pixel (" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("small int8 ")).split()
    assert row[:7] == ["small", "int8", "stock", "tf_slim", "15.5", "-", "20.00"]
    pushed_bytes = pixel.pushed_bytes
    assert pushed_bytes > 0
    assert bench.run(*command).exit_code == 0
    assert pixel.pushed_bytes == pushed_bytes
    assert_clean(pixel)
    assert len((bench.folder / "edge_mnv3_history.jsonl").read_text().splitlines()) == 2


@pytest.mark.any_adb
def test_two_builds_are_two_columns(bench: Bench, pixel: Phone) -> None:
    pixel.figures = STEADY
    write_variant_files(bench.folder / "models", "small")
    era = bench.binary(Behaviour(build="1.13"), "old")
    assert bench.run("benchmark-binary", "add", "era-2019", era).exit_code == 0
    done = bench.run(
        *("reproduce", "--device", pixel.serial, "--variants", "small", *REPRODUCE, "--json"),
        *("--models-dir", "models", "--benchmark-binary", bench.binary()),
    )
    assert done.exit_code == 0, done.output
    assert (
        "no build of LiteRT is here, so that its column is missing: 'edge-mnv3 benchmark-binary"
        in done.stderr
    )
    cells = printed(done)["cells"]
    assert cells[0]["measured"][0]["binary"] == "era-2019"
    assert cells[0]["measured"][1]["binary"].startswith("benchmark_model-")
    assert cells[0]["measured"][0]["reasons"][0] == "emulated device"
    assert [measured["of_published_time"] for measured in cells[0]["measured"]] == [True, False]


@pytest.mark.any_adb
def test_litert_s_build_is_the_third_column(bench: Bench, pixel: Phone) -> None:
    """Under XNNPACK, which is all it knows; a file that is there already has no second column."""
    pixel.figures = STEADY
    write_variant_files(bench.folder / "models", "small")
    builds = {"era-2019": Behaviour(build="1.13"), "litert-2.2.0": Behaviour(build="litert2")}
    for name, behaviour in builds.items():
        added = bench.run("benchmark-binary", "add", name, bench.binary(behaviour, f"{name}.sh"))
        assert added.exit_code == 0, added.output
    command = (
        *("reproduce", "--device", pixel.serial, "--variants", "small", *REPRODUCE),
        *("--models-dir", "models", "--benchmark-binary", bench.binary()),
    )
    done = bench.run(*command, "-o", "result.json")
    assert done.exit_code == 0, done.output
    assert "no build of LiteRT is here" not in done.stderr
    result = from_json(ReproduceResult, (bench.folder / "result.json").read_text())
    measured = result.cells[0].measured
    assert [cell.runtime for cell in measured] == ["TensorFlow Lite", "TensorFlow Lite", "LiteRT"]
    assert [cell.of_published_time for cell in measured] == [True, False, False]
    kernels = [(r.conditions.protocol.kernels, r.conditions.delegate) for r in result.results[:3]]
    assert kernels == [("builtin", "unknown"), ("builtin", "none"), ("xnnpack", "XNNPACK")]
    assert len({r.conditions.binary.sha256 for r in result.results}) == 3
    row = next(line for line in done.stdout.splitlines() if line.startswith("small int8 ")).split()
    assert row[4:8] == ["15.5", "20.00", "20.00", "20.00"]
    same = bench.run(*command, "--litert-binary", bench.folder / "era-2019.sh", "--json")
    assert same.exit_code == 0, same.output
    assert "are one file: it is measured once" in same.stderr
    assert len(printed(same)["cells"][0]["measured"]) == 2
    assert_clean(pixel)


@pytest.mark.any_adb
def test_a_table_its_file_and_a_comparison(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    model, binary = model_file(bench.folder), bench.binary()
    command = (model, "--benchmark-binary", binary, "--launches", "3", "--force")
    first = bench.measure(phone, *command, "-o", "a.json")
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert lines[0].startswith("EMULATED DEVICE, NOT A PHONE: Generic Phone (127.0.0.1:")
    assert lines[1] == "protocol custom: 1 thread, core mask f0, builtin kernels, 10 runs a launch"
    assert lines[4].split()[:1] == ["model.tflite"]
    assert "20.000  20.000 to 20.000" in lines[4]
    assert "warning: emulated device, not a phone" in first.stderr
    report = from_json(DeviceBenchReport, (bench.folder / "a.json").read_text())
    assert (report.failures, report.published, len(report.results)) == ((), (), 1)
    assert bench.measure(phone, *command, "-o", "b.json").exit_code == 0
    same = bench.run("compare", "a.json", "b.json")
    assert (same.exit_code, same.stdout[:19]) == (0, "A and B do not diff"), same.output
    threads = bench.measure(phone, *command, "--threads", "2", "-o", "b.json")
    assert threads.exit_code == 0, threads.output
    differ = bench.run("compare", "a.json", "b.json")
    assert differ.exit_code == 1
    assert "threads: 1 and 2" in differ.stderr
    assert bench.run("compare", "a.json", "b.json", "--allow", "threads", "--json").exit_code == 0


def test_one_phone_is_lost_the_other_ones_result_is_there(bench: Bench, make_phone: MakePhone) -> None:
    good, bad = make_phone(), make_phone()
    good.figures = bad.figures = STEADY
    bad.at_launch(3, bad.unplug)
    command = ("--device", bad.serial, model_file(bench.folder), "--benchmark-binary", bench.binary())
    done = bench.measure(good, *command, "-o", "result.json")
    assert done.exit_code == 1
    assert f"error: device {bad.serial}: the connection broke" in done.stderr
    assert "the same command goes on where this one ended" in done.stderr
    report = json.loads((bench.folder / "result.json").read_text())
    assert [result["conditions"]["device"]["serial"] for result in report["results"]] == [good.serial]
    assert [failure["serial"] for failure in report["failures"]] == [bad.serial]
    assert_clean(good)
    launched = len(good.launches)
    bad.replug()
    bench.server.disconnect(bad.serial)
    again = bench.measure(
        good, *command, "-o", "result.json", "--json"
    )  # an unfinished report is written anew
    assert again.exit_code == 0, again.output
    assert len((bench.folder / "edge_mnv3_history.jsonl").read_text().splitlines()) == 2  # one for each phone
    assert len(printed(again)["results"]) == 2
    assert len(good.launches) == launched + 1  # --help: its launches were kept
    assert_clean(bad)


@pytest.mark.any_adb
def test_a_variant_and_a_known_file_stand_beside_published_figures(bench: Bench, pixel: Phone) -> None:
    pixel.figures = STEADY
    write_variant_files(bench.folder / "models", "small")
    usual = (
        "--weights",
        "none",
        "--models-dir",
        "models",
        "--launches",
        "1",
        "--benchmark-binary",
        bench.binary(),
    )
    done = bench.measure(pixel, "--variant", "small", *usual)
    assert done.exit_code == 0, done.output
    rows = [line.split()[:5] for line in done.stdout.splitlines()]
    assert ["small", "float", "float", "keras", "15.8"] in rows
    assert ["small", "int8", "stock", "tf_slim", "15.5"] in rows
    known = bench.measure(pixel, Path("models/small/accurate/small_int8.tflite"), *usual, "--json")
    (published,) = printed(known)["published"]
    (cell,) = published["cells"]
    assert (cell["recipe"], cell["published_ms"], cell["source"]) == ("accurate", 15.5, "tf_slim")


@pytest.mark.any_adb
def test_lower_clocks_that_were_asked_for_are_accepted_and_noted(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    command = (model_file(bench.folder), "--benchmark-binary", bench.binary(), "--launches", "1", "--json")
    done = bench.measure(phone, *command, "--fixed-performance")
    assert done.exit_code == 0, done.output
    (result,) = printed(done)["results"]
    assert result["conditions"]["fixed_performance"] is True
    (launch,) = result["launches"]
    assert launch["samples"][-1]["khz"] == [1_680_000] * 4  # 70 % of 2400 MHz, once the program computes
    assert_clean(phone)


@pytest.mark.any_adb
def test_verdicts_are_of_one_phone(bench: Bench) -> None:
    done = bench.run("reproduce", "--device", "all")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --device of reproduce: got all, expected one phone")


@pytest.mark.any_adb
def test_what_is_asked_for_must_be_clear(bench: Bench) -> None:
    model = model_file(bench.folder)
    for arguments, text in (
        ((model,), "Give --host for this machine, --device for phones, or --log for"),
        (
            (model, "--host", "--device", "all"),
            "Give --host for this machine, --device for phones, or --log for",
        ),
        (("--host", "--variant", "small"), "--host takes FILE.tflite, and no --variant."),
        (("--device", "all"), "Give FILE.tflite or --variant."),
    ):
        done = bench.run("bench", *arguments)
        assert (done.exit_code, text in done.stderr) == (2, True), done.output
    none = bench.run("bench", model, "--device", "all")
    assert (none.exit_code, none.stdout) == (1, "")
    assert "no usable device is connected: got none" in none.stderr
    absent = bench.run("bench", "absent.tflite", "--device", "all")
    assert absent.stderr.startswith("error: model absent.tflite: got no such file or directory")


@pytest.mark.any_adb
def test_files_that_are_missing_are_made_and_found_again(
    bench: Bench, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.figures = STEADY
    command = (
        *("reproduce", "--device", phone.serial, "--variants", "small_minimalistic", *REPRODUCE),
        *("--input-size", "32", "--samples", "2", "--models-dir", "models", "--json"),
        *("--benchmark-binary", bench.binary()),
    )
    made = bench.run(*command)
    assert made.exit_code == 0, made.output
    names = sorted(path.name for path in (bench.folder / "models").rglob("*.tflite"))
    stem = "mobilenet_v3_small_minimalistic_1.0_32"
    assert names == [f"{stem}_float.tflite"] * 2 + [f"{stem}_int8.tflite"] * 2
    cells = printed(made)["cells"]
    assert [(cell["precision"], cell["recipe"]) for cell in cells] == [
        ("float", None),
        ("int8", "stock"),
        ("int8", "accurate"),
    ]
    assert "input: 32 px, published 224" in cells[0]["measured"][0]["reasons"]
    monkeypatch.setattr("edge_mnv3.stages.variant_files.quantize", None)
    (bench.folder / "models").rename(bench.folder / "elsewhere")
    finished = bench.run(*command, "--models-dir", "elsewhere")
    assert finished.exit_code == 0, finished.output
    assert len(printed(finished)["results"]) == 3


@pytest.mark.measured_processes
def test_ctrl_c_and_the_same_command_again(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    phone.next_launches = [None, None, Behaviour(fault="hang")]  # only a signal ends the second launch
    model = model_file(bench.folder)
    arguments: list[str | Path] = [
        "bench",
        model,
        "--device",
        phone.serial,
        *QUICK,
        *AS_THEY_ARE,
        "--benchmark-binary",
        bench.binary(),
    ]
    code = (  # a shell's background jobs ignore SIGINT
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from edge_mnv3.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        assert phone.wait_for(
            lambda: len(phone.launches) == 3,
        )  # --help, the first, the second
        os.killpg(program.pid, signal.SIGINT)  # to all, as a terminal does
        _, errors = program.communicate(timeout=PATIENCE_S)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == 130
    assert "the launches that are done are kept, and the same command goes on" in errors
    assert_clean(phone)
    again = bench.run(*arguments, "--json")
    assert again.exit_code == 0, again.output
    assert "taken from the unfinished run of" in again.stderr
    (result,) = printed(again)["results"]
    assert result["median_us"] == 20_000.0
    measuring = [words for words in phone.launches if "--help" not in words]
    assert len(measuring) == len(result["launches"]) + 1  # the one that was interrupted; the first was kept
    assert_clean(phone)


@pytest.mark.device_capable
def test_any_device_is_read_and_needs_a_build(
    any_device: AnyDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that needs no program for the phone's processor: without a build nothing is changed on it."""
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADB", str(any_device.server.binary.path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(any_device.server.port))
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, any_device.server)
    command = ("bench", model_file(tmp_path), "--device", any_device.serial, "--benchmark-binary", "mine")
    done = bench.run(*command)
    assert done.exit_code == 1
    assert "benchmark binary 'mine' for " in done.stderr
    assert "none in the cache" in done.stderr


@pytest.mark.device_capable
def test_any_device_is_measured(
    any_device: AnyDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real phone with the build that the user has: `edge-mnv3 benchmark-binary fetch`."""
    if any_device.phone:
        monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
        any_device.phone.figures = STEADY
    monkeypatch.setenv("ADB", str(any_device.server.binary.path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(any_device.server.port))
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, any_device.server)
    binary = bench.binary() if any_device.phone else "current"
    command = (
        "bench",
        model_file(tmp_path),
        "--device",
        any_device.serial,
        *QUICK,
        *AS_THEY_ARE,
        "--min-secs",
        "1",
    )
    done = bench.run(*command, "--benchmark-binary", binary, "--json")
    assert done.exit_code in ((0,) if any_device.phone else (0, 3)), done.output  # a hot phone is unstable
    (result,) = printed(done)["results"]
    assert result["conditions"]["device"]["emulated"] == bool(any_device.phone)
    assert all(launch["mask_verified"] for launch in result["launches"])
