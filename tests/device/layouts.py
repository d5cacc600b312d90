"""What kinds of phone can be emulated: a generic one, written for these tests, and real ones from captures.

Every layout carries `ro.boot.qemu=1`, so that no figure measured on it can pass for a phone's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_CPU = "/sys/devices/system/cpu"
_CAPTURED_FOLDERS = ("proc", "sys", "system")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One kind of phone.

    Attributes:
        name: For messages.
        properties: What `getprop` tells.
        files: Path on the phone to content, of files that do not change.
        max_khz: The highest clock of each core; its length is the number of cores.
        idle_khz: The clock of each core when nothing runs.
    """

    name: str
    properties: Mapping[str, str]
    files: Mapping[str, bytes]
    max_khz: tuple[int, ...]
    idle_khz: tuple[int, ...]

    @property
    def sdk(self) -> int:
        """Android's API level, which decides what commands and services there are."""
        return int(self.properties["ro.build.version.sdk"])


def generic_phone(*, sdk: int = 33, little: int = 4, big: int = 4) -> Layout:
    """A phone that nobody sells: `little` cores of 1.8 GHz, then `big` cores of 2.4 GHz."""
    max_khz = (1_800_000,) * little + (2_400_000,) * big
    idle_khz = (300_000,) * little + (500_000,) * big
    properties = {
        "dalvik.vm.heapsize": "512m",
        "ro.board.platform": "generic8",
        "ro.boot.hardware": "generic",
        "ro.build.fingerprint": "example/generic/generic:13/TEST.1/1:user/release-keys",
        "ro.build.version.release": {25: "7.1.2", 28: "9", 29: "10", 30: "11", 33: "13"}.get(sdk, "13"),
        "ro.build.version.sdk": str(sdk),
        "ro.hardware": "generic",
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
        "ro.product.device": "generic",
        "ro.product.manufacturer": "Example",
        "ro.product.model": "Generic Phone",
        "ro.product.name": "generic",
        "ro.soc.manufacturer": "Example",
        "ro.soc.model": "G8",
    }
    groups = (range(little), range(little, little + big))
    files = dict(_cpu_files(max_khz, groups))
    files["/proc/cpuinfo"] = b"".join(_cpuinfo(range(little), 0xD05)) + b"".join(_cpuinfo(groups[1], 0xD0B))
    return _marked("generic phone", properties, files, max_khz, idle_khz)


def captured_phone(folder: Path) -> Layout:
    """A phone as its capture (getprop.txt, proc/, sys/) shows it."""
    text = (folder / "getprop.txt").read_text("utf-8", "replace")
    properties = dict(re.findall(r"^\[([^\]]+)\]: \[(.*)\]$", text, re.MULTILINE))
    files = {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for name in _CAPTURED_FOLDERS
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }
    cores = sum(1 for path in files if re.fullmatch(rf"{_CPU}/cpu\d+/cpufreq/cpuinfo_max_freq", path))

    def clocks(name: str) -> tuple[int, ...]:
        return tuple(int(files[f"{_CPU}/cpu{cpu}/cpufreq/{name}"]) for cpu in range(cores))

    return _marked(folder.name, properties, files, clocks("cpuinfo_max_freq"), clocks("scaling_cur_freq"))


def _marked(
    name: str,
    properties: dict[str, str],
    files: dict[str, bytes],
    max_khz: tuple[int, ...],
    idle_khz: tuple[int, ...],
) -> Layout:
    properties = dict(sorted({**properties, "ro.boot.qemu": "1"}.items()))
    return Layout(name=name, properties=properties, files=files, max_khz=max_khz, idle_khz=idle_khz)


def _cpu_files(max_khz: tuple[int, ...], groups: tuple[range, ...]) -> Iterator[tuple[str, bytes]]:
    everyone = f"0-{len(max_khz) - 1}\n".encode()
    for name in ("online", "possible", "present"):
        yield f"{_CPU}/{name}", everyone
    yield f"{_CPU}/offline", b"\n"
    yield f"{_CPU}/kernel_max", f"{len(max_khz) - 1}\n".encode()
    for group in groups:
        related = " ".join(map(str, group)) + "\n"
        for cpu in group:
            values = {
                "affected_cpus": related,
                "cpuinfo_max_freq": f"{max_khz[cpu]}\n",
                "cpuinfo_min_freq": "300000\n",
                "related_cpus": related,
                "scaling_available_governors": "performance powersave schedutil\n",
                "scaling_governor": "schedutil\n",
                "scaling_max_freq": f"{max_khz[cpu]}\n",
                "scaling_min_freq": "300000\n",
            }
            for name, value in values.items():
                yield f"{_CPU}/cpu{cpu}/cpufreq/{name}", value.encode()
            yield f"{_CPU}/cpu{cpu}/topology/physical_package_id", b"0\n"
            yield f"{_CPU}/cpu{cpu}/topology/core_id", f"{cpu}\n".encode()


def _cpuinfo(cpus: range, part: int) -> Iterator[bytes]:
    for cpu in cpus:
        yield (
            f"processor\t: {cpu}\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd aes crc32 atomics asimddp\n"
            f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part:#x}\n\n"
        ).encode()
