"""What a board without Android is, by one shell command.

What it does not tell is `unknown` or None; nothing is made up from the name of another thing.
"""

from __future__ import annotations

import re

from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.device import cpu_topology
from edge_mnv3_android_bench.device.sections import HEADING, parse_meminfo, split_sections

_UNKNOWN = "unknown"
_TREE = "/proc/device-tree"
BOARD_SCRIPT = f"""
echo; echo '{HEADING}uname'; uname -s; uname -r; uname -m
echo; echo '{HEADING}bits'; getconf LONG_BIT 2>/dev/null
echo; echo '{HEADING}release'; cat /etc/os-release 2>/dev/null
for f in model compatible serial-number
do test -r {_TREE}/$f && {{ echo; echo "{HEADING}${{f%-number}}"; tr '\\000' '\\n' <{_TREE}/$f; }}
done
for f in sys_vendor product_name
do test -r /sys/class/dmi/id/$f && {{ echo; echo "{HEADING}$f"; cat /sys/class/dmi/id/$f; }}
done
echo; echo '{HEADING}cpuinfo'; cat /proc/cpuinfo
echo; echo '{HEADING}cpu'
{cpu_topology.TOPOLOGY_SCRIPT}
echo; echo '{HEADING}meminfo'; cat /proc/meminfo
"""
# Kernel's name of the machine, bits of its programs: our name of the kind of processor.
_KINDS = {
    ("aarch64", 64): "linux_aarch64",
    ("aarch64", 32): "linux_arm",
    ("armv7l", 32): "linux_arm",
    ("armv8l", 32): "linux_arm",
    ("x86_64", 64): "linux_x86_64",
}
_VIRTUAL = re.compile(r"qemu|dummy-virt|kvm|virtualbox|vmware|virtual machine|bochs|xen", re.IGNORECASE)


def parse_board_info(serial: str, text: str) -> DeviceInfo:
    """Reads the output of `BOARD_SCRIPT`.

    Raises:
        DeviceUnavailableError: It tells not even its kernel: its shell is none that this tool can use.
    """
    sections = split_sections(text)
    names = sections.get("uname", "").split()
    if len(names) != 3:
        raise DeviceUnavailableError(
            f"device {serial}",
            "no answer of uname",
            "a Linux board with a shell",
            "log in and see what it runs",
        )
    kernel, version, machine = names
    compatible = sections.get("compatible", "").split()
    vendor, product = (_first_line(sections, name) for name in ("sys_vendor", "product_name"))
    cpuinfo = sections.get("cpuinfo", "")
    number = _first_line(sections, "serial")
    kind = _kind(machine, sections.get("bits", ""))
    system = _release_name(sections.get("release", "")) or kernel
    return DeviceInfo(
        serial=serial,
        hardware_serial=number if number.strip("0") else None,
        model=_first_line(sections, "model") or product or _UNKNOWN,
        manufacturer=vendor or (compatible[0].partition(",")[0] if compatible else _UNKNOWN),
        system=system,
        android_version=None,
        sdk=None,
        build_fingerprint=f"{system}, {kernel} {version} {machine}",
        abi=kind,
        abis=(kind,),
        soc=compatible[-1].partition(",")[2] or compatible[-1] if compatible else _processor(cpuinfo),
        clusters=cpu_topology.parse_clusters(sections.get("cpu", "")),
        present_cpus=cpu_topology.parse_present(sections.get("cpu", "")),
        total_memory_bytes=parse_meminfo(sections.get("meminfo", "")).get("MemTotal"),
        emulated=_is_virtual(" ".join((vendor, product, *compatible)), cpuinfo),
    )


def _kind(machine: str, bits: str) -> str:
    """A 64-bit kernel may run 32-bit programs; a board that does not tell has the kernel's kind."""
    told = bits.strip()
    count = int(told) if told in ("32", "64") else 64 if machine in ("aarch64", "x86_64") else 32
    return _KINDS.get((machine, count), f"linux_{machine}")


def _first_line(sections: dict[str, str], name: str) -> str:
    lines = sections.get(name, "").strip().splitlines()
    return lines[0].strip() if lines else ""


def _release_name(text: str) -> str | None:
    match = re.search(r"^PRETTY_NAME=[\"']?(.*?)[\"']?$", text, re.MULTILINE)
    return match[1] if match and match[1] else None


def _processor(cpuinfo: str) -> str:
    match = re.search(r"^(?:model name|Hardware|cpu model)\s*: (\S.*?)\s*$", cpuinfo, re.MULTILINE)
    return match[1] if match else _UNKNOWN


def _is_virtual(names: str, cpuinfo: str) -> bool:
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)
    return bool(flags or _VIRTUAL.search(names))
