"""Compares a file's answers on the emulated phone with those on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device.adb_servers import AdbServer
from device.bench_setup import FOLDER, device_on, registry_with
from device.phone import Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import (
    ArgumentError,
    BenchmarkBinaryError,
    BenchmarkLogError,
    DeviceFileError,
    DeviceTimeoutError,
)
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_android_bench.measuring.phone_outputs import Feed, check_phone_outputs, seeded_pixels
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary, open_session, place_binary
from tiny_models import SIZE, write_classifier


def ready(
    server: AdbServer, phone: Phone, folder: Path, behaviour: Behaviour | None = None
) -> tuple[DeviceSession, ReadyBinary]:
    session = open_session(device_on(server, phone))
    return session, place_binary(session, registry_with(folder, current=behaviour or Behaviour()), "current")


def noise(side_px: int, count: int) -> Feed:
    return Feed(seeded_pixels(ImageShape.square(side_px), count), PIXELS)


@pytest.mark.parametrize(("dtype", "kernels"), [("uint8", "xnnpack"), ("float32", "builtin")])
def test_the_same_kernels_give_the_same_bytes(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, dtype: str, kernels: Kernels
) -> None:
    session, binary = ready(adb_server, phone, tmp_path)
    model = write_classifier(tmp_path / "m.tflite", dtype)
    result = check_phone_outputs(session, binary, model, noise(SIZE, 3), kernels=kernels)
    assert (result.images, result.same_top1) == (3, 3)
    assert (result.equal_values_percent, result.max_difference, result.mean_difference) == (100.0, 0.0, 0.0)
    assert (result.kernels, result.binary, result.device.emulated) == (kernels, "current", True)
    assert f"--use_xnnpack={'true' if kernels == 'xnnpack' else 'false'}" in phone.launches[-1]
    assert not [path for path in phone.files() if "check_" in path]
    assert not phone.processes()


@pytest.mark.any_adb
def test_another_model_on_the_phone_is_seen(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, binary = ready(adb_server, phone, tmp_path)
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    write_classifier(tmp_path / "n.tflite", "uint8", output_scale=4.0)
    session.folder.ensure(tmp_path / "n.tflite", "n.tflite")
    monkeypatch.setattr(
        "edge_mnv3_android_bench.measuring.phone_outputs.place_model", lambda *_, **__: f"{FOLDER}/n.tflite"
    )
    result = check_phone_outputs(session, binary, model, noise(SIZE, 3), kernels="xnnpack")
    assert result.equal_values_percent < 100
    assert result.max_difference >= 1


def test_files_are_removed_when_the_program_does_not_end_in_time(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_arguments: object) -> None:
        raise DeviceTimeoutError("program", "still there")

    monkeypatch.setattr("edge_mnv3_android_bench.measuring.phone_outputs.kill_program", slow)
    session, binary = ready(adb_server, phone, tmp_path)
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    assert check_phone_outputs(session, binary, model, noise(SIZE, 1), kernels="xnnpack").same_top1 == 1
    assert not [path for path in phone.files() if "check_" in path]


@pytest.mark.any_adb
def test_what_fails_is_said(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    session, binary = ready(adb_server, phone, tmp_path)
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    with pytest.raises(ArgumentError, match=r"image: got uint8 \(8, 8, 3\), expected uint8 \(4, 4, 3\)"):
        check_phone_outputs(session, binary, model, noise(8, 1), kernels="xnnpack")
    with pytest.raises(ArgumentError, match="images to compare outputs on: got none"):
        check_phone_outputs(session, binary, model, Feed([], PIXELS), kernels="xnnpack")
    phone.behaviour = Behaviour(fault="segfault")
    with pytest.raises(BenchmarkLogError, match="death by SIGSEGV"):
        check_phone_outputs(session, binary, model, noise(SIZE, 1), kernels="xnnpack")
    assert not [path for path in phone.files() if "check_" in path]


@pytest.mark.any_adb
def test_a_build_that_writes_no_outputs(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    session, binary = ready(adb_server, phone, tmp_path, Behaviour(build="2.3"))
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    with pytest.raises(BenchmarkBinaryError, match="a build without --output_filepath"):
        check_phone_outputs(session, binary, model, noise(SIZE, 1), kernels="builtin")


def test_cut_outputs(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, binary = ready(adb_server, phone, tmp_path)
    model = write_classifier(tmp_path / "m.tflite", "uint8")

    def pull_half(remote: str, local: Path, *, size_bytes: int) -> None:
        local.write_bytes(b"12")

    monkeypatch.setattr(session.folder.device, "pull", pull_half)
    with pytest.raises(DeviceFileError, match="outputs of the model: got 2 bytes, expected 5 bytes"):
        check_phone_outputs(session, binary, model, noise(SIZE, 1), kernels="xnnpack")


@pytest.mark.any_adb
def test_a_real_network(adb_server: AdbServer, phone: Phone, tmp_path: Path, test_data: Path) -> None:
    session, binary = ready(adb_server, phone, tmp_path)
    model = test_data / "models/v3-small_224_1.0_uint8.tflite"
    images = seeded_pixels(ImageShape.square(224), 2)
    assert not np.array_equal(images[0], images[1])
    result = check_phone_outputs(session, binary, model, Feed(images, PIXELS), kernels="builtin")
    assert (result.same_top1, result.equal_values_percent) == (2, 100.0)
