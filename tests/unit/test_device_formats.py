"""Devices and their states, as files of each version tell them; and which device one is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bench_records import CONDITIONS, PIXEL, device_result, launch, launch_timings, steady
from edge_mnv3.core.results.device import CpuCluster, DeviceInfo, DeviceState
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3_android_bench.comparison.latencies import compare
from edge_mnv3_android_bench.measuring.resume_file import ResumeFile, conditions_key
from edge_mnv3_android_bench.published.verdicts import differences_from_published

FORMATS = Path(__file__).parent.parent / "golden" / "formats"
BY_CABLE = dataclasses.replace(PIXEL, serial="8A1X", hardware_serial="8A1X")
BY_WIFI = dataclasses.replace(PIXEL, serial="192.168.0.7:5555", hardware_serial="8A1X")


def test_devices() -> None:
    old = from_json(DeviceInfo, (FORMATS / "device-v1.json").read_text())
    assert (old.hardware_serial, old.present_cpus, old.identity) == (None, (), old.serial)
    new = from_json(DeviceInfo, (FORMATS / "device-v2.json").read_text())
    assert (new.identity, new.present_cpus) == ("8A1X0PXYZ", tuple(range(8)))
    assert (new.system, new.android_version, new.sdk, new.is_board) == ("Android 13", "13", 33, False)
    assert dataclasses.replace(new, hardware_serial=None, present_cpus=()) == old
    text = (FORMATS / "device-v3.json").read_text()
    board = from_json(DeviceInfo, text)
    assert to_json(board) == text
    assert (board.system, board.android_version) == ("Debian GNU/Linux 12 (bookworm)", None)
    assert (board.sdk, board.is_board) == (None, True)


def test_states() -> None:
    old = from_json(DeviceState, (FORMATS / "device-state-v1.json").read_text())
    assert (old.power_save, old.dozing, old.online_cpus) == (None, None, ())
    new = from_json(DeviceState, (FORMATS / "device-state-v2.json").read_text())
    assert (new.power_save, new.dozing, new.firmware_throttling) == (False, True, None)
    text = (FORMATS / "device-state-v3.json").read_text()
    board = from_json(DeviceState, text)
    assert to_json(board) == text
    assert (json.loads(text)["schema_version"], board.firmware_throttling) == (3, 0x50000)


def test_one_phone_by_cable_and_by_wifi_is_compared() -> None:
    a, b = (device_result(steady(1000.0), device=device) for device in (BY_CABLE, BY_WIFI))
    assert compare(a, b).differences == ()


def test_a_changed_port_of_wifi_leaves_launches_to_go_on_with(tmp_path: Path) -> None:
    resume = ResumeFile(tmp_path / "run.jsonl")
    record = launch(launch_timings(1000.0))
    resume.append(dataclasses.replace(CONDITIONS, device=BY_WIFI), record)
    moved = dataclasses.replace(BY_WIFI, serial="192.168.0.7:41234")
    assert resume.load(dataclasses.replace(CONDITIONS, device=moved)) == [record]
    assert resume.load(CONDITIONS) == []
    # Unfinished runs of earlier releases, which knew a device by adb's name alone.
    by_name = dataclasses.replace(CONDITIONS, device=dataclasses.replace(BY_WIFI, hardware_serial=None))
    resume.append(by_name, record)
    assert len(resume.load(dataclasses.replace(CONDITIONS, device=BY_WIFI))) == 2
    assert conditions_key(by_name) != conditions_key(dataclasses.replace(CONDITIONS, device=BY_WIFI))


def test_cores_of_unknown_clock_are_no_published_condition() -> None:
    silent = dataclasses.replace(PIXEL, clusters=PIXEL.clusters[:1])
    assert silent.cpus_of_unknown_clock == (2, 3)
    conditions = dataclasses.replace(CONDITIONS, device=silent, cpus=(0, 1), cpu_mask="3")
    assert differences_from_published(conditions, "Pixel 1") == (
        "cores: cores 2 and 3 of unknown clock, published on a large core",
    )
    result = device_result(steady(1000.0), device=silent, cpus=(0, 1))
    assert (
        "cores 2 and 3 tell no highest clock: whether these are the fastest is not known" in result.warnings
    )
    no_clock = dataclasses.replace(
        PIXEL, clusters=(CpuCluster(cpus=(0, 1, 2, 3), max_khz=None, governor=None),)
    )
    assert no_clock.cpus_of_unknown_clock == (0, 1, 2, 3)
