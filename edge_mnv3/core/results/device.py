"""What a device is, and the state that it is in: parts of a device's benchmark results.

None stands for what a device does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format

EMULATED_DEVICE = "emulated device, not a phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCluster:
    """Processor cores that share one clock.

    Attributes:
        cpus: Numbers of the cores, ascending, those switched off included.
        max_khz: Highest clock of the hardware.
        governor: Clock governor when the device was read.
    """

    cpus: tuple[int, ...]
    max_khz: int | None
    governor: str | None


def _add_identity(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a device of version 1, which told neither its serial number nor which cores are present."""
    return {**data, "hardware_serial": None, "present_cpus": []}


def _add_system(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a device of version 2, when all were phones."""
    return {**data, "system": f"Android {data['android_version']}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """What does not change while a device is measured.

    Attributes:
        serial: Name under which the device is reached: adb's, or `ssh:HOST`.
        hardware_serial: Serial number of the device itself, the same by cable and by Wi-Fi; None where it
            does not tell.
        model: Name of the model, such as `Pixel 2`.
        manufacturer: Name of the maker, such as `Google`.
        system: Name and version of its system, such as `Android 8.1.0`, or `Debian GNU/Linux 12 (bookworm)`.
        android_version: Version of Android, such as `8.1.0`; None on a board without Android.
        sdk: Android's API level, such as 27; None on a board without Android.
        build_fingerprint: Name of the exact system build; on a board its system and kernel.
        abi: Preferred ABI, such as `arm64-v8a`.
        abis: All ABIs that it runs, preferred first.
        soc: Name of the chip, or of its platform where the device has no better name.
        clusters: Clusters of cores, slowest first; empty where clocks cannot be read.
        present_cpus: Numbers of all cores that the kernel calls present, those switched off included; empty
            where it does not tell.
        total_memory_bytes: Memory of the device; None where it does not tell.
        emulated: It is an emulator: its figures say nothing about a phone.
    """

    FORMAT: ClassVar[Format] = Format("device", (_add_identity, _add_system), first_is_silent=True)
    schema_version: int = FORMAT.version
    serial: str
    hardware_serial: str | None
    model: str
    manufacturer: str
    system: str
    android_version: str | None
    sdk: int | None
    build_fingerprint: str
    abi: str
    abis: tuple[str, ...]
    soc: str
    clusters: tuple[CpuCluster, ...]
    present_cpus: tuple[int, ...]
    total_memory_bytes: int | None
    emulated: bool

    @property
    def identity(self) -> str:
        """Tells devices apart by what they are: adb's name changes with the cable and the Wi-Fi port."""
        return self.hardware_serial or self.serial

    @property
    def is_board(self) -> bool:
        """It is a board without Android, which has neither a battery nor a thermal status."""
        return self.sdk is None

    @property
    def cpus_of_unknown_clock(self) -> tuple[int, ...]:
        """Cores that are present, but belong to no cluster whose clock is known."""
        known = {cpu for cluster in self.clusters if cluster.max_khz is not None for cpu in cluster.cpus}
        return tuple(cpu for cpu in self.present_cpus if cpu not in known)


def _add_power(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a state of version 1, which told neither of saving power nor which cores were on."""
    return {**data, "power_save": None, "dozing": None, "online_cpus": []}


def _add_firmware(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a state of version 2, which told nothing of a board's firmware."""
    return {**data, "firmware_throttling": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What may change a measurement, at one moment.

    Attributes:
        battery_percent: Charge, 0 to 100.
        battery_celsius: Temperature of the battery.
        charging: Any power source is connected.
        thermal_status: Android's: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown.
        firmware_throttling: Raspberry Pi's word on itself, as `vcgencmd get_throttled` gives it: bit 0 too
            little voltage, 1 clocks capped, 2 throttled, 3 soft temperature limit; bits 16 to 19: since the
            start.
        governors: Clock governor of each of the device's clusters, in their order.
        current_khz: Clock of each core by its number; None for one that is switched off.
        online_cpus: Numbers of the cores that are switched on; empty where the kernel does not tell.
        screen_on: The screen is lit.
        power_save: Android saves power, which may hold clocks down.
        dozing: Android has put the device to rest.
        free_memory_bytes: Memory available to new programs without swapping.
        uptime_s: Time since the device was started.
    """

    FORMAT: ClassVar[Format] = Format("device state", (_add_power, _add_firmware), first_is_silent=True)
    schema_version: int = FORMAT.version
    battery_percent: float | None
    battery_celsius: float | None
    charging: bool | None
    thermal_status: int | None
    firmware_throttling: int | None
    governors: tuple[str | None, ...]
    current_khz: tuple[int | None, ...]
    online_cpus: tuple[int, ...]
    screen_on: bool | None
    power_save: bool | None
    dozing: bool | None
    free_memory_bytes: int | None
    uptime_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOutputs:
    """How a file's outputs on a device compare with those on this machine, under the same kind of kernels.

    Attributes:
        device: The device.
        binary: Name of the `benchmark_model` that ran it on the device.
        binary_sha256: SHA-256 of that `benchmark_model`.
        kernels: `xnnpack` or `builtin`, on both sides.
        runtime: The runtime on this machine and its version.
        model_path: The `.tflite` file that was measured.
        model_sha256: SHA-256 of that file.
        images: Inputs that were compared.
        same_top1: Inputs with the same most probable class.
        equal_values_percent: Share of all output values that are equal, bit by bit.
        max_difference: Largest difference of a value: in steps for integer outputs, else in the value's
            unit.
        mean_difference: Mean of the absolute differences, in the same unit.
    """

    FORMAT: ClassVar[Format] = Format("phone outputs")
    schema_version: int = FORMAT.version
    device: DeviceInfo
    binary: str
    binary_sha256: str
    kernels: str
    runtime: str
    model_path: str
    model_sha256: str
    images: int
    same_top1: int
    equal_values_percent: float
    max_difference: float
    mean_difference: float
