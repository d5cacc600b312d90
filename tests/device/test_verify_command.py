"""`edge-mnv3 verify --device`, and `package --bench` with figures of devices, on emulated phones."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.bench_setup import FOLDER, STEADY
from device.command_setup import Bench, assert_clean
from device.conftest import MakePhone
from device.phone import Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.verify import VerifyResult
from edge_mnv3_android_bench.measuring import phone_outputs
from edge_mnv3_android_bench.measuring.session import DeviceSession
from tiny_models import write_classifier, write_outputs

LABELS = "tea\ncoffee\nwater\nmilk\njuice\n"


@pytest.fixture
def bundle(bench: Bench) -> Path:
    return packaged(bench, "uint8")


def packaged(bench: Bench, dtype: str) -> Path:
    model = write_classifier(bench.folder / f"{dtype}.tflite", dtype)
    (bench.folder / "labels.txt").write_text(LABELS)
    done = bench.run("package", model, "--labels", "labels.txt", "-o", "bundle")
    assert done.exit_code == 0, done.output
    return bench.folder / "bundle"


def test_every_output_on_a_phone(bench: Bench, phone: Phone) -> None:
    model = write_outputs(bench.folder / "two.tflite", "uint8")
    (bench.folder / "labels.txt").write_text(LABELS)
    done = bench.run("package", model, "--labels", "labels.txt", "-o", "bundle")
    assert done.exit_code == 0, done.output
    command = ("verify", "bundle", "--device", phone.serial, "--benchmark-binary", bench.binary())
    done = bench.run(*command, "--json")
    assert done.exit_code == 0, done.output
    runs = from_json(VerifyResult, done.stdout).golden[-2:]
    assert [(each.output, each.difference.values, each.difference.differing) for each in runs] == [
        ("a_features", 30, 0), ("b_kind", 50, 0)
    ]  # fmt: skip
    assert all("emulated device, not a phone" in each.runner for each in runs)


def test_golden_images_on_a_phone(bench: Bench, phone: Phone, bundle: Path) -> None:
    before, settings = set(phone.files()), dict(phone.settings)
    command = ("verify", bundle, "--device", phone.serial, "--benchmark-binary", bench.binary())
    done = bench.run(*command, "--json")
    assert done.exit_code == 0, done.output
    result = from_json(VerifyResult, done.stdout)
    *host, run = result.golden
    assert len(host) == 2
    assert run.runner.startswith(
        f"Generic Phone ({phone.serial}, emulated device, not a phone), benchmark_model benchmark_model-"
    )
    assert run.runner.endswith(", xnnpack")
    assert run.runtime.endswith(", XNNPACK, 1 partitions, 2 of 2 nodes"), run.runtime
    assert (run.exact, run.limit, run.passed) == (True, 0, True)
    assert (run.difference.values, run.difference.differing, run.difference.images) == (50, 0, 10)
    launches = [argv for argv in phone.launches if "--graph" in " ".join(argv)]
    assert len(launches) == 10
    assert all("--use_xnnpack=true" in argv for argv in launches)
    assert_clean(phone)
    assert dict(phone.settings) == settings
    assert all(path.startswith(f"{FOLDER}/") for path in set(phone.files()) - before)
    table = bench.run(*command).stdout
    assert (
        f"ok       golden images of uint8.tflite, {run.runner}: all 50 values of 10 images bit for bit"
        in (table.splitlines())
    )


@pytest.mark.any_adb
def test_several_phones(bench: Bench, make_phone: MakePhone) -> None:
    bundle = packaged(bench, "int8")
    first, second = make_phone(), make_phone()
    done = bench.run(
        *("verify", bundle, "--device", first.serial, "--device", second.serial),
        *("--benchmark-binary", bench.binary(), "--json"),
    )
    assert done.exit_code == 0, done.output
    runs = from_json(VerifyResult, done.stdout).golden[2:]
    assert [(run.runner.split("(")[1].split(",")[0], run.exact) for run in runs] == [
        (first.serial, True),
        (second.serial, True),
    ]
    for phone in (first, second):
        assert_clean(phone)


@pytest.mark.any_adb
def test_another_answer_is_a_difference(
    bench: Bench, phone: Phone, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_classifier(bench.folder / "other.tflite", "uint8", output_scale=4.0)

    def place_other(session: DeviceSession, *_: object, **__: object) -> str:
        session.folder.ensure(other, "other.tflite")
        return session.folder.file("other.tflite")

    monkeypatch.setattr(phone_outputs, "place_model", place_other)
    done = bench.run("verify", bundle, "--device", phone.serial, "--benchmark-binary", bench.binary())
    assert done.exit_code == 3, done.output
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("DIFFERS")]
    assert "uint8.tflite gives other answers to the golden images, Generic Phone (" in line
    assert "of 50 values differ" in line
    assert "(none may differ)" in line
    assert_clean(phone)


@pytest.mark.any_adb
def test_an_altered_bundle_never_reaches_the_phone(bench: Bench, phone: Phone, bundle: Path) -> None:
    (bundle / "labels.txt").write_text(LABELS.upper())
    done = bench.run("verify", bundle, "--device", phone.serial, "--benchmark-binary", bench.binary())
    assert done.exit_code == 3
    assert not [path for path in phone.files() if path.endswith(".tflite")]


@pytest.mark.any_adb
@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(fault="segfault"), "death by SIGSEGV"),
        (Behaviour(build="2.3"), "a build without --output_filepath"),
    ],
)
def test_a_build_that_fails(
    bench: Bench, phone: Phone, bundle: Path, behaviour: Behaviour, expected: str
) -> None:
    done = bench.run(
        "verify", bundle, "--device", phone.serial, "--benchmark-binary", bench.binary(behaviour)
    )
    assert done.exit_code == 1, done.output
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert_clean(phone)


def test_a_phone_that_is_lost(bench: Bench, phone: Phone, bundle: Path) -> None:
    phone.at_launch(3, phone.unplug)
    done = bench.run("verify", bundle, "--device", phone.serial, "--benchmark-binary", bench.binary())
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"error: device {phone.serial}")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.any_adb
def test_bad_options(bench: Bench, phone: Phone, bundle: Path) -> None:
    done = bench.run("verify", bundle, "--device", "no-such")
    assert done.exit_code == 1
    assert "device no-such is not connected" in done.stderr
    done = bench.run("verify", bundle, "--device", phone.serial, "--benchmark-binary", "no-such")
    assert done.exit_code == 1
    assert "no-such" in done.stderr
    done = bench.run("verify", bundle, "--benchmark-binary", "current")
    assert done.exit_code == 2
    assert "--adb and --benchmark-binary are for --device." in done.stderr


@pytest.mark.any_adb
def test_figures_of_an_emulated_phone_are_not_packaged(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    model = write_classifier(bench.folder / "uint8.tflite", "uint8")
    (bench.folder / "labels.txt").write_text(LABELS)
    measured = bench.measure(
        phone, model, "--benchmark-binary", bench.binary(), "--launches", "1", "-o", "bench.json"
    )
    assert measured.exit_code == 0, measured.output
    done = bench.run("package", model, "--labels", "labels.txt", "--bench", "bench.json", "-o", "bundle")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: result bench.json: got figures of an emulated device (Generic Phone), expected figures of "
        "phones: a model card tells users how fast a phone is; measure on a phone, or leave them out\n"
    )
    assert not (bench.folder / "bundle").exists()
