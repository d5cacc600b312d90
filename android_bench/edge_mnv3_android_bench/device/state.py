"""What a device is and how it is just now, each by one shell command.

`INFO_SCRIPT` and `STATE_SCRIPT` print sections, each behind a heading; the parsers are pure functions over
them. What a device does not tell is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3.core.results.device import DeviceInfo, DeviceState
from edge_mnv3_android_bench.device import cpu_topology
from edge_mnv3_android_bench.device.board import BOARD_SCRIPT, parse_board_info
from edge_mnv3_android_bench.device.sections import HEADING, parse_meminfo, split_sections
from edge_mnv3_android_bench.transport.device import Device

_DUMP_TIMEOUT_S = 40.0  # dumpsys itself gives up on a service after 10 s, and there are three
_EMULATORS = ("goldfish", "ranchu", "cutf", "vbox86")
_MAKERS_OF_VIRTUAL_PHONES = ("genymobile", "genymotion")
_NO_SERIALS = ("unknown", "null", "0123456789abcdef", "1234567890abcdef")

INFO_SCRIPT = f"""
echo; echo '{HEADING}getprop'; getprop
echo; echo '{HEADING}cpu'
{cpu_topology.TOPOLOGY_SCRIPT}
echo; echo '{HEADING}meminfo'; cat /proc/meminfo
"""
STATE_SCRIPT = f"""
echo; echo '{HEADING}battery'; dumpsys battery
echo; echo '{HEADING}thermalservice'; dumpsys thermalservice
echo; echo '{HEADING}power'; dumpsys power
echo; echo '{HEADING}firmware'; vcgencmd get_throttled 2>/dev/null
echo; echo '{HEADING}cpu'
{cpu_topology.TOPOLOGY_SCRIPT}
echo; echo '{HEADING}meminfo'; cat /proc/meminfo
echo; echo '{HEADING}uptime'; cat /proc/uptime
"""


def read_device_info(device: Device) -> DeviceInfo:
    """Reads what a device is.

    Raises:
        DeviceUnavailableError: It tells no Android version: its system has not started; or a board tells not
            even its kernel.
        DeviceError: `Device.shell` failed.
    """
    if not device.runs_android:
        told = device.shell(BOARD_SCRIPT, timeout_s=_DUMP_TIMEOUT_S).stdout
        return parse_board_info(device.serial, told)
    return parse_device_info(device.serial, device.shell(INFO_SCRIPT, timeout_s=_DUMP_TIMEOUT_S).stdout)


def read_device_state(device: Device) -> DeviceState:
    """Reads how a device is just now.

    Raises:
        DeviceError: `Device.shell` failed.
    """
    return parse_device_state(device.shell(STATE_SCRIPT, timeout_s=_DUMP_TIMEOUT_S).stdout)


def parse_device_info(serial: str, text: str) -> DeviceInfo:
    """Reads the output of `INFO_SCRIPT`.

    Raises:
        DeviceUnavailableError: It tells no Android version: its system has not started.
    """
    sections = split_sections(text)
    properties = parse_properties(sections.get("getprop", ""))

    def first(*names: str) -> str:
        return next((properties[name] for name in names if properties.get(name)), "")

    sdk = first("ro.build.version.sdk")
    abi = first("ro.product.cpu.abi", "ro.system.product.cpu.abilist").split(",")[0]
    if not sdk.isdigit() or not abi:
        raise DeviceUnavailableError(
            f"device {serial}",
            "no Android version or ABI",
            "a started Android system",
            "start it and try again",
        )
    version = first("ro.build.version.release") or "unknown"
    abis = first("ro.product.cpu.abilist", "ro.system.product.cpu.abilist") or ",".join(
        filter(None, (abi, first("ro.product.cpu.abi2")))
    )
    return DeviceInfo(
        serial=serial,
        hardware_serial=_hardware_serial(properties),
        model=first("ro.product.model", "ro.product.system.model", "ro.product.vendor.model") or "unknown",
        manufacturer=first("ro.product.manufacturer", "ro.product.vendor.manufacturer") or "unknown",
        system=f"Android {version}",
        android_version=version,
        sdk=int(sdk),
        build_fingerprint=first("ro.build.fingerprint", "ro.vendor.build.fingerprint") or "unknown",
        abi=abi,
        abis=tuple(abis.split(",")),
        soc=first("ro.soc.model", "ro.board.platform", "ro.hardware") or "unknown",
        clusters=cpu_topology.parse_clusters(sections.get("cpu", "")),
        present_cpus=cpu_topology.parse_present(sections.get("cpu", "")),
        total_memory_bytes=parse_meminfo(sections.get("meminfo", "")).get("MemTotal"),
        emulated=is_emulator(properties),
    )


def parse_device_state(text: str) -> DeviceState:
    """Reads the output of `STATE_SCRIPT`."""
    sections = split_sections(text)
    percent, celsius, charging = parse_battery(sections.get("battery", ""))
    cpu = sections.get("cpu", "")
    memory = parse_meminfo(sections.get("meminfo", ""))
    uptime = re.match(r"\s*(\d+(?:\.\d+)?)\s", sections.get("uptime", ""))
    return DeviceState(
        battery_percent=percent,
        battery_celsius=celsius,
        charging=charging,
        thermal_status=parse_thermal_status(sections.get("thermalservice", "")),
        firmware_throttling=parse_firmware(sections.get("firmware", "")),
        governors=tuple(cluster.governor for cluster in cpu_topology.parse_clusters(cpu)),
        current_khz=cpu_topology.parse_current_khz(cpu),
        online_cpus=cpu_topology.parse_online(cpu),
        screen_on=parse_screen_on(sections.get("power", "")),
        power_save=parse_power_save(sections.get("power", "")),
        dozing=parse_dozing(sections.get("power", "")),
        free_memory_bytes=_available(memory),
        uptime_s=float(uptime[1]) if uptime else None,
    )


def parse_properties(text: str) -> dict[str, str]:
    """Reads the output of `getprop`; a value may go over several lines."""
    pairs = re.findall(r"^\[([^\]\n]+)\]: \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    return dict(pairs)


def is_emulator(properties: Mapping[str, str]) -> bool:
    """Tells an emulator from a phone by its properties."""
    if any(properties.get(name) == "1" for name in ("ro.kernel.qemu", "ro.boot.qemu")):
        return True
    names = (properties.get(name, "") for name in ("ro.hardware", "ro.boot.hardware"))
    maker = properties.get("ro.product.manufacturer", "").lower()
    of_genymotion = any(name.startswith("ro.genymotion.") for name in properties)
    return of_genymotion or maker in _MAKERS_OF_VIRTUAL_PHONES or any(n.startswith(_EMULATORS) for n in names)


def _hardware_serial(properties: Mapping[str, str]) -> str | None:
    """The serial number, if it is one: builds of no vendor call all their devices alike."""
    names = ("ro.serialno", "ro.boot.serialno")
    serials = (properties.get(name, "").strip() for name in names)
    return next((s for s in serials if s.strip("0") and s.lower() not in _NO_SERIALS), None)


def parse_battery(text: str) -> tuple[float | None, float | None, bool | None]:
    """Reads `dumpsys battery`: charge in percent, temperature in degrees Celsius, on a power source."""
    fields = dict(re.findall(r"^\s*([A-Za-z][\w ]*?): *(-?\w+)\s*$", text, re.MULTILINE))
    level, scale, tenths = (_integer(fields.get(name)) for name in ("level", "scale", "temperature"))
    powered = [value == "true" for name, value in fields.items() if name.endswith(" powered")]
    percent = 100 * level / scale if level is not None and scale and 0 <= level <= scale else None
    return percent, None if tenths is None else tenths / 10, any(powered) if powered else None


def parse_thermal_status(text: str) -> int | None:
    """Reads `dumpsys thermalservice`, which Android has since version 10: 0 none to 6 shutdown."""
    match = re.search(r"^\s*Thermal Status: (\d)\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None


def parse_firmware(text: str) -> int | None:
    """Reads `vcgencmd get_throttled`, which Raspberry Pis have."""
    match = re.search(r"^throttled=0x([0-9a-fA-F]+)\s*$", text, re.MULTILINE)
    return int(match[1], 16) if match else None


def parse_screen_on(text: str) -> bool | None:
    """Reads `dumpsys power`."""
    display = re.search(r"^\s*Display Power: state=(\w+)", text, re.MULTILINE)
    if display:
        return display[1] == "ON"
    wakefulness = re.search(r"^\s*mWakefulness=(\w+)", text, re.MULTILINE)
    return wakefulness[1] == "Awake" if wakefulness else None


def parse_power_save(text: str) -> bool | None:
    """Reads from `dumpsys power` whether Android saves power; its words changed with Android 9."""
    new = re.search(r"^\s*Battery Saver is currently: (\w+)", text, re.MULTILINE)
    if new:
        return new[1] != "OFF"
    old = re.search(r"^\s*mLowPowerModeEnabled=(true|false)", text, re.MULTILINE)
    return old[1] == "true" if old else None


def parse_dozing(text: str) -> bool | None:
    """Reads from `dumpsys power` whether the device is at rest, lightly or deeply."""
    modes = re.findall(r"^\s*m(?:Light)?DeviceIdleMode=(true|false)", text, re.MULTILINE)
    return "true" in modes if modes else None


def _available(memory: Mapping[str, int]) -> int | None:
    """Memory for new programs; kernels before 3.14 give its parts only."""
    if "MemAvailable" in memory:
        return memory["MemAvailable"]
    parts = [memory.get(name) for name in ("MemFree", "Buffers", "Cached")]
    return sum(part for part in parts if part is not None) if parts[0] is not None else None


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None
