"""The processor's cores: which belong together, which are big, how a set of them is written as a mask.

Pure functions over what `TOPOLOGY_SCRIPT` prints on the device: a line `cpuN/file value` for each value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edge_mnv3.core.results.device import CpuCluster

# `read` is part of the shell: no process is started for each of the files.
TOPOLOGY_SCRIPT = """
cd /sys/devices/system/cpu && for f in cpu[0-9]*/cpufreq/cpuinfo_max_freq cpu[0-9]*/cpufreq/related_cpus \
cpu[0-9]*/cpufreq/scaling_governor cpu[0-9]*/cpufreq/scaling_cur_freq present online
do { read -r v <"$f"; } 2>/dev/null && echo "$f $v"
done
"""
_LINE = re.compile(r"^(?:cpu(\d+)/(?:cpufreq/)?)?(\w+)[ \t]+(\S.*)$")


def parse_values(text: str) -> dict[str, dict[int, str]]:
    """Reads the lines of `TOPOLOGY_SCRIPT`.

    Returns:
        File's name to core's number to value; core -1 for the files that concern all cores.
    """
    values: dict[str, dict[int, str]] = {}
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match:
            values.setdefault(match[2], {})[int(match[1]) if match[1] else -1] = match[3].strip()
    return values


def parse_clusters(text: str) -> tuple[CpuCluster, ...]:
    """Groups the cores by the clock that they share, slowest first.

    A core that is switched off tells nothing itself; `related_cpus` of its neighbours names it.
    """
    values = parse_values(text)
    max_khz = {core: int(v) for core, v in values.get("cpuinfo_max_freq", {}).items() if v.isdigit()}
    related = values.get("related_cpus", {})
    groups: set[tuple[int, ...]] = set()
    for core, khz in sorted(max_khz.items()):
        if core in related:
            groups.add(parse_cpu_list(related[core].replace(" ", ",")))
        else:
            groups.add(tuple(sorted(c for c, k in max_khz.items() if k == khz and c not in related)))
    governors = values.get("scaling_governor", {})
    clusters = [
        CpuCluster(
            cpus=cpus,
            max_khz=max((max_khz[c] for c in cpus if c in max_khz), default=None),
            governor=next((governors[c] for c in cpus if c in governors), None),
        )
        for cpus in groups
    ]
    return tuple(sorted(clusters, key=lambda cluster: (cluster.max_khz or 0, cluster.cpus)))


def parse_current_khz(text: str) -> tuple[int | None, ...]:
    """Returns the clock of each core by its number; None for one that does not tell."""
    values = parse_values(text)
    current = {core: int(v) for core, v in values.get("scaling_cur_freq", {}).items() if v.isdigit()}
    last = max((*parse_present(text), *current), default=-1)
    return tuple(current.get(core) for core in range(last + 1))


def parse_present(text: str) -> tuple[int, ...]:
    """Returns the cores that the kernel calls present, switched on or not; none where it does not tell."""
    return parse_cpu_list(parse_values(text).get("present", {}).get(-1, ""))


def parse_online(text: str) -> tuple[int, ...]:
    """Returns the cores that are switched on; none where the kernel does not tell."""
    return parse_cpu_list(parse_values(text).get("online", {}).get(-1, ""))


def list_cores(cpus: Sequence[int]) -> str:
    """Names cores for people, such as `core 3` or `cores 4, 5, 6 and 7`."""
    names = [str(cpu) for cpu in cpus]
    return f"core {names[0]}" if len(names) == 1 else f"cores {', '.join(names[:-1])} and {names[-1]}"


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Reads the kernel's lists of cores, such as `0-3,6`; empty text is no core."""
    cores: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match:
            cores.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(cores))


def cpu_mask(cpus: Iterable[int]) -> str:
    """Writes cores as `taskset` reads them: a hexadecimal mask, such as `f0` for cores 4 to 7."""
    return f"{sum(1 << cpu for cpu in set(cpus)):x}"


def parse_cpu_mask(text: str) -> int:
    """Reads a mask as `/proc/PID/status` writes it: hexadecimal, in groups of 8 digits.

    Raises:
        ValueError: It is none.
    """
    return int(text.strip().replace(",", ""), 16)
