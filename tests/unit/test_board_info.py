"""What boards without Android tell of themselves."""

from __future__ import annotations

import dataclasses

import pytest

from bench_records import CONDITIONS, launch, launch_timings
from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3_android_bench.device.board import parse_board_info
from edge_mnv3_android_bench.device.sections import HEADING
from edge_mnv3_android_bench.device.state import parse_device_state
from edge_mnv3_android_bench.measuring.launch_statistics import launch_problems, launch_warnings

PI = {
    "uname": "Linux\n6.1.21-v8+\naarch64\n",
    "bits": "64\n",
    "release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n',
    "model": "Raspberry Pi 4 Model B Rev 1.4\n",
    "compatible": "raspberrypi,4-model-b\nbrcm,bcm2711\n",
    "serial": "10000000abcdef01\n",
    "cpuinfo": "processor\t: 0\nHardware\t: BCM2835\n",
    "cpu": "cpu0/cpufreq/cpuinfo_max_freq 1500000\ncpu0/cpufreq/related_cpus 0 1 2 3\npresent 0-3\n",
    "meminfo": "MemTotal:        3884372 kB\n",
}
PC = {
    "uname": "Linux\n6.1.0\nx86_64\n",
    "bits": "64\n",
    "sys_vendor": "Maker\n",
    "product_name": "Box 9\n",
    "cpuinfo": "model name\t: Some Processor @ 2 GHz\nflags\t\t: fpu avx2\n",
}


def printed(sections: dict[str, str]) -> str:
    return "".join(f"\n{HEADING}{name}\n{text}" for name, text in sections.items())


def test_a_raspberry_pi() -> None:
    info = parse_board_info("ssh:pi", printed(PI))
    assert (info.serial, info.hardware_serial) == ("ssh:pi", "10000000abcdef01")
    assert (info.model, info.manufacturer, info.soc) == (
        "Raspberry Pi 4 Model B Rev 1.4",
        "raspberrypi",
        "bcm2711",
    )
    assert (info.system, info.sdk, info.android_version) == ("Debian GNU/Linux 12 (bookworm)", None, None)
    assert info.build_fingerprint == "Debian GNU/Linux 12 (bookworm), Linux 6.1.21-v8+ aarch64"
    assert (info.abi, info.abis, info.emulated) == ("linux_aarch64", ("linux_aarch64",), False)
    assert (info.clusters[0].cpus, info.clusters[0].max_khz) == ((0, 1, 2, 3), 1_500_000)
    assert info.total_memory_bytes == 3884372 * 1024


def test_a_computer_without_a_device_tree() -> None:
    info = parse_board_info("ssh:pc", printed(PC))
    assert (info.model, info.manufacturer, info.soc) == ("Box 9", "Maker", "Some Processor @ 2 GHz")
    assert (info.abi, info.system, info.hardware_serial, info.clusters) == ("linux_x86_64", "Linux", None, ())
    assert not info.emulated


@pytest.mark.parametrize(
    ("changes", "abi"),
    [
        ({"bits": "32\n"}, "linux_arm"),
        ({"bits": ""}, "linux_aarch64"),
        ({"uname": "Linux\n5.10\narmv7l\n", "bits": ""}, "linux_arm"),
        ({"uname": "Linux\n5.10\narmv6l\n", "bits": "32\n"}, "linux_armv6l"),
        ({"uname": "Linux\n5.10\nriscv64\n"}, "linux_riscv64"),
    ],
)
def test_kinds_of_processor(changes: dict[str, str], abi: str) -> None:
    """A 64-bit kernel may run 32-bit programs, and an older processor none of these builds."""
    assert parse_board_info("ssh:b", printed(PI | changes)).abi == abi


@pytest.mark.parametrize(
    "changes",
    [
        {"compatible": "linux,dummy-virt\n"},
        {"sys_vendor": "QEMU\n"},
        {"product_name": "VMware Virtual Platform\n"},
        {"cpuinfo": "flags\t\t: fpu hypervisor avx2\n"},
    ],
)
def test_virtual_machines_are_no_boards(changes: dict[str, str]) -> None:
    assert parse_board_info("ssh:vm", printed(PC | changes)).emulated


def test_what_is_not_told_is_unknown() -> None:
    info = parse_board_info("ssh:b", printed({"uname": "Linux\n6.1\naarch64\n"}))
    assert (info.model, info.manufacturer, info.soc) == ("unknown", "unknown", "unknown")
    assert (info.clusters, info.present_cpus, info.total_memory_bytes) == ((), (), None)
    zeros = parse_board_info("ssh:b", printed(PI | {"serial": "0000000000000000\n"}))
    assert (zeros.hardware_serial, zeros.identity) == (None, "ssh:b")
    with pytest.raises(DeviceUnavailableError, match="got no answer of uname, expected a Linux board"):
        parse_board_info("ssh:b", "sh: not a shell\n")


def test_a_firmware_that_holds_clocks_down() -> None:
    """Its clocks may still read as the highest: such a launch does not count. Long ago is a warning."""
    now = parse_device_state(printed({"firmware": "throttled=0x50005\n"}))
    past = parse_device_state(printed({"firmware": "throttled=0x50000\n"}))
    assert (now.firmware_throttling, past.firmware_throttling) == (0x50005, 0x50000)
    assert parse_device_state(printed({"firmware": "sh: vcgencmd: not found\n"})).firmware_throttling is None
    record = launch(launch_timings(1000.0))
    before = dataclasses.replace(record, before=past)
    told = [
        launch_problems(dataclasses.replace(before, after=state), cpus=(), max_khz={})
        for state in (now, past)
    ]
    assert told == [("after it the board's firmware held clocks down: too little voltage, throttled",), ()]
    within = launch_problems(dataclasses.replace(record, after=past), cpus=(), max_khz={})
    assert within == ("during it the board's firmware held clocks down: too little voltage, throttled",)
    *_, warning = launch_warnings(dataclasses.replace(before, after=past), cpus=(), max_khz={})
    assert warning.startswith("the board's firmware held clocks down before (too little voltage, throttled)")
    assert CONDITIONS.device.is_board is False
