"""What kinds of phone can be emulated: a generic one, written for these tests, and real ones from captures.

Every layout carries `ro.boot.qemu=1`, so that no figure measured on it can pass for a phone's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_CPU = "/sys/devices/system/cpu"
_CAPTURED_FOLDERS = ("proc", "sys", "system")


class Core(NamedTuple):
    """One core of a phone; clocks in kHz.

    Attributes:
        cluster: The cores that share its clock, itself among them.
        folder: Where the phone shows its clock.
    """

    max_khz: int
    idle_khz: int
    cluster: frozenset[int]
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One kind of phone.

    Attributes:
        name: For messages.
        properties: What `getprop` tells.
        files: Path on the phone to content, of files that do not change.
        links: Path on the phone to the target of a symbolic link, relative.
        cores: The cores, in order.
    """

    name: str
    properties: Mapping[str, str]
    files: Mapping[str, bytes]
    links: Mapping[str, str]
    cores: tuple[Core, ...]

    @property
    def sdk(self) -> int:
        """Android's API level, which decides what commands and services there are."""
        return int(self.properties["ro.build.version.sdk"])


def generic_phone(*, sdk: int = 33, little: int = 4, big: int = 4) -> Layout:
    """A phone that nobody sells: `little` cores of 1.8 GHz, then `big` cores of 2.4 GHz."""
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
    clusters = (range(little), range(little, little + big))
    everyone = f"0-{little + big - 1}\n".encode()
    files = {f"{_CPU}/{name}": everyone for name in ("online", "possible", "present")}
    files["/proc/cpuinfo"] = b"".join(_cpuinfo(clusters[0], 0xD05)) + b"".join(_cpuinfo(clusters[1], 0xD0B))
    links: dict[str, str] = {}
    cores: list[Core] = []
    for cpus, max_khz, idle_khz in zip(clusters, (1_800_000, 2_400_000), (300_000, 500_000), strict=True):
        if not cpus:
            continue
        policy = f"cpufreq/policy{cpus[0]}"
        files |= _policy_files(f"{_CPU}/{policy}", cpus, max_khz)
        links |= {f"{_CPU}/cpu{cpu}/cpufreq": f"../{policy}" for cpu in cpus}
        cores += [Core(max_khz, idle_khz, frozenset(cpus), f"{_CPU}/{policy}") for _cpu in cpus]
    return _marked("generic phone", properties, files, links, cores)


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
    count = sum(1 for path in files if re.fullmatch(rf"{_CPU}/cpu\d+/cpufreq/cpuinfo_max_freq", path))
    return _marked(folder.name, properties, files, {}, [_captured_core(files, cpu) for cpu in range(count)])


def _captured_core(files: Mapping[str, bytes], cpu: int) -> Core:
    folder = f"{_CPU}/cpu{cpu}/cpufreq"
    max_khz, idle_khz = (int(files[f"{folder}/{name}"]) for name in ("cpuinfo_max_freq", "scaling_cur_freq"))
    return Core(max_khz, idle_khz, frozenset(map(int, files[f"{folder}/related_cpus"].split())), folder)


def _marked(
    name: str,
    properties: dict[str, str],
    files: dict[str, bytes],
    links: dict[str, str],
    cores: Sequence[Core],
) -> Layout:
    properties = dict(sorted({**properties, "ro.boot.qemu": "1"}.items()))
    return Layout(name=name, properties=properties, files=files, links=links, cores=tuple(cores))


def _policy_files(folder: str, cpus: range, max_khz: int) -> dict[str, bytes]:
    related = " ".join(map(str, cpus))
    values = {
        "affected_cpus": related,
        "cpuinfo_max_freq": str(max_khz),
        "cpuinfo_min_freq": "300000",
        "related_cpus": related,
        "scaling_available_governors": "performance powersave schedutil",
        "scaling_governor": "schedutil",
        "scaling_max_freq": str(max_khz),
        "scaling_min_freq": "300000",
    }
    return {f"{folder}/{name}": f"{value}\n".encode() for name, value in values.items()}


def _cpuinfo(cpus: range, part: int) -> Iterator[bytes]:
    for cpu in cpus:
        yield (
            f"processor\t: {cpu}\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd aes crc32 atomics asimddp\n"
            f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part:#x}\n\n"
        ).encode()
