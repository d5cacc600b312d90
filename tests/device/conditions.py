"""What changes on a phone while it runs (clocks, heat, battery, memory), and the files that show it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from device.layouts import Layout

_TOTAL_MEMORY_BYTES = 8 * 1024**3
_FIXED_PERFORMANCE_FRACTION = 0.7
API_WITH_THERMAL_SERVICE = 29


@dataclass(kw_only=True)
class Conditions:
    """The phone's present state; assign to it at any time.

    Attributes:
        battery_percent: Charge.
        battery_celsius: Temperature of the battery.
        charging: Whether it is plugged in and charges.
        thermal_status: 0 (none) to 6 (shutdown), as `dumpsys thermalservice` tells.
        cpu_celsius: Temperature of all cores.
        skin_celsius: Temperature of the case.
        clock_fraction: Highest clock that is allowed, as a part of the highest that there is.
        governor: Governor of all cores; None for what the layout says.
        ramps: Whether idle cores clock down; else they always run as fast as they may.
        unreadable_clocks: Cores whose present clock, and that of their cluster, cannot be read.
        loaded_cpus: Cores on which another process computes; they are clocked up and inference takes twice
            as long.
        screen_on: Whether the display is on.
        power_save: Whether Android's battery saver is on.
        dozing: Whether Android has put the phone to rest.
        free_memory_bytes: Memory available to programs.
        thermal_service: Whether `dumpsys thermalservice` exists; None: as from Android 10 on.
    """

    battery_percent: int = 80
    battery_celsius: float = 27.0
    charging: bool = True
    thermal_status: int = 0
    cpu_celsius: float = 42.0
    skin_celsius: float = 31.0
    clock_fraction: float = 1.0
    governor: str | None = None
    ramps: bool = True
    unreadable_clocks: frozenset[int] = frozenset()
    loaded_cpus: frozenset[int] = frozenset()
    screen_on: bool = True
    power_save: bool = False
    dozing: bool = False
    free_memory_bytes: int = 3 * 1024**3
    thermal_service: bool | None = None
    booted_at_s: float = field(default_factory=time.monotonic)

    def clocks_khz(self, layout: Layout, busy: frozenset[int], *, fixed_performance: bool) -> list[int]:
        """The present clock of each core."""
        fraction = self.clock_fraction
        if fixed_performance:
            fraction = min(fraction, _FIXED_PERFORMANCE_FRACTION)
        fast = busy | self.loaded_cpus
        clocks = []
        for core in layout.cores:
            limit = int(core.max_khz * fraction)
            clocks.append(limit if not self.ramps or fast & core.cluster else min(limit, core.idle_khz))
        return clocks

    def slowdown(self, *, fixed_performance: bool) -> float:
        """How much longer inference takes than on a cool phone on which nothing else runs."""
        fraction = min(self.clock_fraction, _FIXED_PERFORMANCE_FRACTION if fixed_performance else 1.0)
        return (2.0 if self.loaded_cpus else 1.0) / fraction


def shown_files(
    conditions: Conditions, layout: Layout, busy: frozenset[int], *, fixed_performance: bool
) -> dict[str, str | None]:
    """Path to content of all files that show the conditions; None for a file that is not there.

    Paths that begin with / are the phone's, `dumpsys/...` and `slowdown` lie in the emulator's own folder.
    """
    shown: dict[str, str | None] = {}
    clocks = conditions.clocks_khz(layout, busy, fixed_performance=fixed_performance)
    for core, khz in zip(layout.cores, clocks, strict=True):
        readable = not core.cluster & conditions.unreadable_clocks
        shown[f"{core.folder}/scaling_cur_freq"] = f"{khz}\n" if readable else None
        if conditions.governor is not None:
            shown[f"{core.folder}/scaling_governor"] = f"{conditions.governor}\n"
    zones = {"battery": conditions.battery_celsius, "cpu-thermal": conditions.cpu_celsius}
    for number, (name, celsius) in enumerate(zones.items()):
        zone = f"/sys/class/thermal/thermal_zone{number}"
        shown[f"{zone}/type"] = f"{name}\n"
        shown[f"{zone}/temp"] = f"{round(celsius * 1000)}\n"
    shown["/proc/meminfo"] = _meminfo(conditions.free_memory_bytes)
    load = float(len(conditions.loaded_cpus) + bool(busy))
    shown["/proc/loadavg"] = f"{load:.2f} {load:.2f} {load:.2f} 1/900 12345\n"
    shown["dumpsys/battery"] = _battery(conditions)
    shown["dumpsys/power"] = _power(conditions)
    shown["dumpsys/display"] = f"DISPLAY MANAGER (dumpsys display)\n  mScreenState={_on(conditions)}\n"
    there = conditions.thermal_service
    if there is None:
        there = layout.sdk >= API_WITH_THERMAL_SERVICE
    shown["dumpsys/thermalservice"] = _thermal(conditions, len(layout.cores)) if there else None
    shown["slowdown"] = repr(conditions.slowdown(fixed_performance=fixed_performance))
    return shown


def write_uptime(conditions: Conditions, root: Path, state: Path) -> None:
    """Writes /proc/uptime as it is now: with the time that passed in scripts alone."""
    uptime_s = time.monotonic() - conditions.booted_at_s + _passed_s(state)
    (root / "proc/uptime").write_text(f"{uptime_s:.2f} {uptime_s:.2f}\n")


def pass_time(root: Path, state: Path, passed_us: float) -> None:
    """Sets the phone's clock forward."""
    (state / "passed_s").write_text(f"{_passed_s(state) + passed_us / 1e6}")
    uptime_s = float((root / "proc/uptime").read_text().split()[0]) + passed_us / 1e6
    (root / "proc/uptime").write_text(f"{uptime_s:.2f} {uptime_s:.2f}\n")


def _passed_s(state: Path) -> float:
    path = state / "passed_s"
    return float(path.read_text()) if path.exists() else 0.0


def _on(conditions: Conditions) -> str:
    return "ON" if conditions.screen_on else "OFF"


def _meminfo(free_bytes: int) -> str:
    total_kb, free_kb = _TOTAL_MEMORY_BYTES // 1024, free_bytes // 1024
    return (
        f"MemTotal:       {total_kb:8d} kB\nMemFree:        {free_kb // 2:8d} kB\n"
        f"MemAvailable:   {free_kb:8d} kB\nBuffers:        {4096:8d} kB\n"
        f"Cached:         {free_kb // 2:8d} kB\n"
    )


def _battery(conditions: Conditions) -> str:
    return (
        "Current Battery Service state:\n"
        "  AC powered: false\n"
        f"  USB powered: {str(conditions.charging).lower()}\n"
        "  Wireless powered: false\n"
        "  Max charging current: 500000\n"
        f"  status: {2 if conditions.charging else 3}\n"
        "  health: 2\n"
        "  present: true\n"
        f"  level: {conditions.battery_percent}\n"
        "  scale: 100\n"
        "  voltage: 4100\n"
        f"  temperature: {round(conditions.battery_celsius * 10)}\n"
        "  technology: Li-ion\n"
    )


def _power(conditions: Conditions) -> str:
    awake = "Awake" if conditions.screen_on else "Asleep"
    saver = "ON" if conditions.power_save else "OFF"
    return (
        "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n"
        f"  mWakefulness={awake}\n  mIsPowered={str(conditions.charging).lower()}\n"
        f"  mBatteryLevel={conditions.battery_percent}\n"
        f"  mLightDeviceIdleMode=false\n  mDeviceIdleMode={str(conditions.dozing).lower()}\n"
        f"Display Power: state={_on(conditions)}\n\n"
        f"Battery saving stats:\n  Battery Saver is currently: {saver}\n"
    )


def _thermal(conditions: Conditions, cores: int) -> str:
    status = conditions.thermal_status
    lines = [
        f"\tTemperature{{mValue={conditions.cpu_celsius}, mType=0, mName=CPU{cpu}, mStatus={status}}}"
        for cpu in range(cores)
    ]
    lines.append(f"\tTemperature{{mValue={conditions.battery_celsius}, mType=2, mName=battery, mStatus=0}}")
    lines.append(f"\tTemperature{{mValue={conditions.skin_celsius}, mType=3, mName=skin, mStatus={status}}}")
    temperatures = "\n".join(lines)
    return (
        f"IsStatusOverride: false\nThermal Status: {status}\nCached temperatures:\n{temperatures}\n"
        "HAL Ready: true\nHAL connection:\n\tThermalHAL 2.0 connected: yes\n"
        f"Current temperatures from HAL:\n{temperatures}\nCurrent cooling devices from HAL:\n"
    )
