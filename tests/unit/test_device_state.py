"""What Android's texts say, in the forms of several versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3_android_bench.device.sections import parse_meminfo
from edge_mnv3_android_bench.device.state import (
    INFO_SCRIPT,
    STATE_SCRIPT,
    is_emulator,
    parse_battery,
    parse_device_info,
    parse_device_state,
    parse_dozing,
    parse_power_save,
    parse_properties,
    parse_screen_on,
    parse_thermal_status,
    read_device_info,
)
from fake_adb import fake_device

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  Max charging current: 500000
  Charge counter: 2448973
  status: 2
  health: 2
  present: true
  level: 57
  scale: 100
  voltage: 4248
  temperature: {tenths}
  technology: Li-ion
"""
PROPERTIES = """[ro.build.version.release]: [9]
[ro.build.version.sdk]: [28]
[ro.build.fingerprint]: [maker/phone/phone:9/X1/1:user/release-keys]
[ro.product.model]: [Phone One]
[ro.product.manufacturer]: [Maker]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.cpu.abilist]: [arm64-v8a,armeabi-v7a,armeabi]
[ro.board.platform]: [chip1]
[persist.odd]: [first line
second] line]
[ro.empty]: []
"""
MEMORY = "MemTotal:        3800000 kB\nMemFree:          200000 kB\nMemAvailable:    1500000 kB\n"


def sections(**texts: str) -> str:
    return "".join(f"\n== edge-mnv3 {name}\n{text}" for name, text in texts.items())


def test_info() -> None:
    info = parse_device_info("S1", sections(getprop=PROPERTIES, cpu="", meminfo=MEMORY))
    assert (info.serial, info.model, info.manufacturer) == ("S1", "Phone One", "Maker")
    assert (info.android_version, info.sdk, info.soc) == ("9", 28, "chip1")
    assert info.abi == "arm64-v8a"
    assert info.abis == ("arm64-v8a", "armeabi-v7a", "armeabi")
    assert info.build_fingerprint == "maker/phone/phone:9/X1/1:user/release-keys"
    assert info.total_memory_bytes == 3_800_000 * 1024
    assert info.clusters == ()
    assert not info.emulated


def test_a_phone_before_android_5_has_two_abi_properties() -> None:
    old = "[ro.build.version.sdk]: [19]\n[ro.product.cpu.abi]: [armeabi-v7a]\n"
    old += "[ro.product.cpu.abi2]: [armeabi]\n"
    info = parse_device_info("S1", sections(getprop=old))
    assert info.abis == ("armeabi-v7a", "armeabi")
    assert info.model == "unknown"
    assert info.total_memory_bytes is None


def test_no_started_system() -> None:
    with pytest.raises(DeviceUnavailableError) as caught:
        parse_device_info("S1", "sh: getprop: not found\n")
    assert str(caught.value) == (
        "device S1: got no Android version or ABI, expected a started Android system; start it and try again"
    )


def test_properties_over_several_lines() -> None:
    properties = parse_properties(PROPERTIES)
    assert properties["persist.odd"] == "first line\nsecond] line"
    assert properties["ro.empty"] == ""


@pytest.mark.parametrize(
    ("properties", "emulated"),
    [
        ({"ro.kernel.qemu": "1"}, True),
        ({"ro.boot.qemu": "1"}, True),
        ({"ro.hardware": "ranchu"}, True),
        ({"ro.hardware": "goldfish"}, True),
        ({"ro.boot.hardware": "cutf_cvm"}, True),
        ({"ro.hardware": "vbox86"}, True),
        ({"ro.product.manufacturer": "Genymobile", "ro.hardware": "arm64"}, True),
        ({"ro.genymotion.version": "3.2"}, True),
        ({"ro.hardware": "sailfish", "ro.kernel.qemu": "0"}, False),
        ({}, False),
    ],
)
def test_emulators(properties: dict[str, str], emulated: bool) -> None:
    assert is_emulator(properties) == emulated


def test_state() -> None:
    text = sections(
        battery=BATTERY.format(usb="true", tenths=274),
        thermalservice="IsStatusOverride: false\nThermal Status: 1\nCached temperatures:\n",
        power="POWER MANAGER (dumpsys power)\n  mWakefulness=Awake\nDisplay Power: state=ON\n",
        cpu="cpu0/cpufreq/cpuinfo_max_freq 2000\ncpu0/cpufreq/scaling_governor walt\n"
        "cpu0/cpufreq/scaling_cur_freq 1000\npresent 0-1\n",
        meminfo=MEMORY,
        uptime="1234.56 8000.00\n",
    )
    state = parse_device_state(text)
    assert (state.battery_percent, state.battery_celsius, state.charging) == (57.0, 27.4, True)
    assert (state.thermal_status, state.screen_on) == (1, True)
    assert (state.governors, state.current_khz) == (("walt",), (1000, None))
    assert (state.free_memory_bytes, state.uptime_s) == (1_500_000 * 1024, 1234.56)


def test_a_device_that_tells_nothing() -> None:
    text = sections(
        battery="Can't find service: battery\n", thermalservice="Can't find service: thermalservice\n"
    )
    state = parse_device_state(text)
    values = (
        state.battery_percent,
        state.battery_celsius,
        state.charging,
        state.thermal_status,
        state.screen_on,
    )
    assert values == (None,) * 5
    assert (state.free_memory_bytes, state.uptime_s, state.governors, state.current_khz) == (
        None,
        None,
        (),
        (),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BATTERY.format(usb="false", tenths=-31), (57.0, -3.1, False)),
        ("Current Battery Service state:\n  level: 50\n  scale: 200\n", (25.0, None, None)),
        ("  level: 50\n", (None, None, None)),
        ("  level: 300\n  scale: 100\n", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_battery(text: str, expected: tuple[float | None, ...]) -> None:
    assert parse_battery(text) == expected


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("Display Power: state=ON\n", True),
        ("Display Power: state=OFF\n", False),
        ("  mWakefulness=Awake\nDisplay Power: state=DOZE\n", False),
        ("  mWakefulness=Dreaming\n", False),
        ("  mWakefulness=Awake\n", True),
        ("", None),
    ],
)
def test_screen(text: str, on: bool | None) -> None:
    assert parse_screen_on(text) == on


def test_memory_of_old_kernels() -> None:
    old = "MemTotal: 900000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 3 kB\n"
    assert parse_meminfo(old)["Cached"] == 3 * 1024
    assert parse_device_state(sections(meminfo=old)).free_memory_bytes == 123 * 1024


def test_each_script_is_one_call(tmp_path: Path) -> None:
    programs = "getprop() { printf '[ro.build.version.sdk]: [30]\\n[ro.product.cpu.abi]: [x86_64]\\n'; }\n"
    calls = tmp_path / "calls"
    device = fake_device(tmp_path, shell=f'echo x >>{calls}\nexec sh -c "$1"')
    assert "getprop" in INFO_SCRIPT
    info = parse_device_info("S1", device.shell(programs + INFO_SCRIPT).stdout)
    assert info.sdk == 30
    assert info.total_memory_bytes is not None  # this machine's own /proc/meminfo
    assert parse_device_state(device.shell(STATE_SCRIPT).stdout).uptime_s is not None
    assert calls.read_text() == "x\nx\n"
    with pytest.raises(DeviceUnavailableError):
        read_device_info(device)


@pytest.mark.parametrize(
    ("phone", "facts"),
    [
        ("pixel", ("Pixel", "7.1.2", 25, "msm8996")),
        ("pixel-2-xl", ("Pixel 2 XL", "8.1.0", 27, "msm8998")),
        ("pixel-8", ("Pixel 8", "14", 34, "zuma")),
    ],
)
def test_real_phones(test_data: Path, phone: str, facts: tuple[str, str, int, str]) -> None:
    text = (test_data / "device_captures" / phone / "getprop.txt").read_text(encoding="utf-8")
    info = parse_device_info("S1", sections(getprop=text))
    assert (info.model, info.android_version, info.sdk, info.soc) == facts
    assert (info.abi, info.manufacturer, info.emulated) == ("arm64-v8a", "Google", False)
    assert info.build_fingerprint.startswith("google/")


def test_real_dumps(test_data: Path) -> None:
    folder = test_data / "device_captures" / "dumpsys"
    batteries = [parse_battery((folder / f"dumpsys_battery_{n}.txt").read_text()) for n in (1, 4, 6)]
    assert batteries == [(9.0, None, True), (95.0, None, True), (None, None, None)]
    for number in (2, 3):
        assert parse_thermal_status((folder / f"dumpsys_thermalservice_{number}.txt").read_text()) == 0


@pytest.mark.parametrize(
    ("text", "saves"),
    [
        ("  Battery Saver is currently: OFF\n    Last OFF time: 2026\n", False),
        ("    Battery Saver is currently: ON\n", True),
        ("    Battery Saver is currently: ADAPTIVE\n", True),
        ("  mSandmanSummoned=false\n  mLowPowerModeEnabled=true\n", True),
        ("  mLowPowerModeEnabled=false\n", False),
        ("POWER MANAGER\n", None),
    ],
)
def test_saving_power(text: str, saves: bool | None) -> None:
    assert parse_power_save(text) is saves


@pytest.mark.parametrize(
    ("text", "dozes"),
    [
        ("  mLightDeviceIdleMode=false\n  mDeviceIdleMode=false\n", False),
        ("  mLightDeviceIdleMode=true\n  mDeviceIdleMode=false\n", True),
        ("  mDeviceIdleMode=true\n", True),
        ("", None),
    ],
)
def test_dozing(text: str, dozes: bool | None) -> None:
    assert parse_dozing(text) is dozes


@pytest.mark.parametrize(
    ("properties", "serial"),
    [
        ("[ro.serialno]: [8A1X0PXYZ]\n", "8A1X0PXYZ"),
        ("[ro.serialno]: []\n[ro.boot.serialno]: [8A1X]\n", "8A1X"),
        ("[ro.serialno]: [unknown]\n", None),
        ("[ro.serialno]: [0123456789ABCDEF]\n", None),
        ("[ro.serialno]: [0000]\n", None),
        ("", None),
    ],
)
def test_serial_numbers(properties: str, serial: str | None) -> None:
    info = parse_device_info(
        "192.168.0.7:5555", sections(getprop=PROPERTIES + properties, cpu="", meminfo="")
    )
    assert (info.hardware_serial, info.identity) == (serial, serial or "192.168.0.7:5555")
