"""Choosing devices: one line for each state that does not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import ArgumentError, DeviceUnavailableError
from edge_mnv3_android_bench.adb.client import Adb
from edge_mnv3_android_bench.device import selection as device_selection
from edge_mnv3_android_bench.device.selection import select_devices
from fake_adb import fake_adb
from recording_reporter import RecordingReporter


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_selection, "PASSING_STATE_S", 0.0)
    monkeypatch.setattr(device_selection, "_POLL_S", 0.0)


def listing(*lines: str) -> str:
    return "echo 'List of devices attached'\n" + "\n".join(f"echo '{line}'" for line in lines)


def chosen(adb: Adb, *serials: str) -> list[str]:
    return [device.serial for device in select_devices(adb, serials)]


def test_choices(tmp_path: Path) -> None:
    adb = fake_adb(tmp_path, devices=listing("A device model:Pixel", "B device", "C unauthorized"))
    assert chosen(adb, "B") == ["B"]
    assert chosen(adb, "B", "A", "B") == ["B", "A"]
    reporter = RecordingReporter()
    assert [device.serial for device in select_devices(adb, ["all"], reporter)] == ["A", "B"]
    assert reporter.warnings == [
        "left out: device C: got unauthorized, expected a device ready for adb; "
        "unlock it and accept the question about USB debugging, then try again"
    ]


def test_the_only_one(tmp_path: Path) -> None:
    assert chosen(fake_adb(tmp_path, devices=listing("A device", "B offline"))) == ["A"]


@pytest.mark.parametrize(
    ("lines", "serials", "text"),
    [
        (
            [],
            [],
            "no usable device is connected: got none; "
            "connect a phone with USB debugging switched on, or give --device HOST:PORT",
        ),
        (
            ["A device model:Pixel_2", "B device"],
            [],
            "several devices are connected: got A (Pixel 2), B (unknown model); "
            "choose with --device SERIAL, or --device all",
        ),
        (
            ["A unauthorized"],
            [],
            "device A: got unauthorized, expected a device ready for adb; "
            "unlock it and accept the question about USB debugging, then try again",
        ),
        (
            ["A offline"],
            ["A"],
            "device A: got offline, expected a device ready for adb; "
            "unplug it and plug it in again, or run 'adb reconnect offline'",
        ),
        (
            ["A bootloader"],
            ["all"],
            "device A: got bootloader, expected a device ready for adb; start its Android system",
        ),
        (
            ["A offline", "B recovery"],
            ["all"],
            "no usable device is connected: got A offline, B recovery; "
            "connect a phone with USB debugging switched on, or give --device HOST:PORT",
        ),
        (
            ["A device", "B device"],
            ["C"],
            "device C is not connected: got A, B, expected a serial of 'adb devices'; "
            "connect a phone with USB debugging switched on, or give --device HOST:PORT",
        ),
        (
            ["A no permissions (missing udev rules?)"],
            [],
            "device A: got no permissions (missing udev rules?), expected a device ready for adb; "
            "give your user the right to the USB device (udev rules, group plugdev)",
        ),
    ],
)
def test_states(tmp_path: Path, lines: list[str], serials: list[str], text: str) -> None:
    with pytest.raises(DeviceUnavailableError) as caught:
        select_devices(fake_adb(tmp_path, devices=listing(*lines)), serials)
    assert str(caught.value) == text


def test_all_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="--device: got all A, expected serials, or all alone"):
        select_devices(fake_adb(tmp_path), ["all", "A"])


def test_an_address_is_connected_first(tmp_path: Path) -> None:
    mark = tmp_path / "connected"
    adb = fake_adb(
        tmp_path,
        connect=f'touch {mark}; echo "connected to $1"',
        devices=f"{listing()}\nif test -e {mark}; then echo '10.0.0.9:5555 device'; fi",
    )
    assert chosen(adb, "10.0.0.9:5555") == ["10.0.0.9:5555"]


def test_one_that_settles_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_selection, "PASSING_STATE_S", 5.0)
    count = tmp_path / "count"
    states = (
        f'echo x >>{count}; if test $(wc -l <{count}) -lt 4; then echo "A offline"; else echo "A device"; fi'
    )
    adb = fake_adb(tmp_path, devices=f"{listing()}\n{states}")
    assert chosen(adb, "A") == ["A"]
    assert len(count.read_text().split()) >= 4
