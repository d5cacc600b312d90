"""`bench --device --profile --check-outputs`: files looked at more closely, beside their latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device.bench_setup import STEADY, model_file
from device.command_setup import Bench, assert_clean
from device.phone import Phone
from edge_mnv3.core.errors import DeviceFileError
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.device import PhoneOutputs
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3_android_bench.measuring.phone_outputs import Feed, check_phone_outputs
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary
from tiny_models import write_classifier


@pytest.mark.any_adb
def test_profile_and_outputs(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    done = bench.measure(
        phone,
        *(model_file(bench.folder), "--benchmark-binary", bench.binary(), "--launches", "1"),
        *("--profile", "--check-outputs", "--json"),
    )
    assert done.exit_code == 0, done.output
    report = from_json(DeviceBenchReport, done.stdout)
    (profile,) = report.profiles
    assert [(cost.op_type, cost.graph_index) for cost in profile.profile.costs] == [
        ("CONV_2D", 0),
        ("RESHAPE", 1),
    ]
    assert "emulated device, not a phone" in profile.warnings[0]
    (outputs,) = report.outputs
    assert (outputs.images, outputs.same_top1, outputs.equal_values_percent) == (8, 8, 100.0)
    assert_clean(phone)


@pytest.mark.any_adb
def test_outputs_of_a_float_file_of_stated_range(
    bench: Bench, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.figures = STEADY
    fed: list[str] = []

    def check(
        session: DeviceSession, ready: ReadyBinary, model: Path, feed: Feed, **options: Any
    ) -> PhoneOutputs:
        fed.append(str(feed.input_range))
        return check_phone_outputs(session, ready, model, feed, **options)

    monkeypatch.setattr("edge_mnv3.stages.phone_checks.check_phone_outputs", check)
    model = write_classifier(bench.folder / "float.tflite", "float32")
    done = bench.measure(
        phone,
        *(model, "--benchmark-binary", bench.binary(), "--launches", "1"),
        *("--check-outputs", "--input-range", "-1..1", "--json"),
    )
    assert done.exit_code == 0, done.output
    (outputs,) = from_json(DeviceBenchReport, done.stdout).outputs
    assert (outputs.images, outputs.equal_values_percent) == (8, 100.0)
    assert fed == ["-1..1"]


@pytest.mark.any_adb
def test_launches_are_kept_when_outputs_cannot_be_compared(
    bench: Bench, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.figures = STEADY
    command = (model_file(bench.folder), "--benchmark-binary", bench.binary(), "--check-outputs")

    def fail(*_arguments: object, **_options: object) -> None:
        raise DeviceFileError("outputs of the model", "none")

    monkeypatch.setattr("edge_mnv3.stages.phone_checks.check_phone_outputs", fail)
    done = bench.measure(phone, *command, "-o", "result.json")
    assert done.exit_code == 1
    assert "error: outputs of the model: got none" in done.stderr
    report = from_json(DeviceBenchReport, (bench.folder / "result.json").read_text())
    assert (len(report.results), len(report.failures)) == (1, 1)
    launched = [launch for launch in phone.launches if any("--graph" in word for word in launch)]
    again = bench.measure(phone, *command)
    assert again.exit_code == 1
    assert "taken from the unfinished run" in again.stderr
    assert [launch for launch in phone.launches if any("--graph" in word for word in launch)] == launched
