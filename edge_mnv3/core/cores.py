"""Names of a phone's cores: little, mid, big, prime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_mnv3.core.choices import Cores
from edge_mnv3.core.results.bench import DeviceBenchConditions
from edge_mnv3.core.results.device import CpuCluster


def big_cores(clusters: Sequence[CpuCluster]) -> tuple[int, ...]:
    """Returns the cores of the cluster with the highest clock; none where clocks are unknown."""
    known = [cluster for cluster in clusters if cluster.max_khz is not None]
    return max(known, key=lambda cluster: cluster.max_khz or 0).cpus if known else ()


def core_groups(clusters: Sequence[CpuCluster], cores: Cores) -> tuple[tuple[int, ...], ...]:
    """Returns the groups of cores that a name stands for; none where the phone has no such cores.

    `big` is the cluster with the highest clock, and `prime` is another name for it on phones of three or
    more clusters. `little` is the slowest cluster of two or more. `mid` is every cluster between them by
    clock, each a group of its own.

    Args:
        clusters: The clusters whose clocks are known count.
        cores: Any name but `all`.
    """
    known = [cluster for cluster in clusters if cluster.max_khz is not None]
    big = big_cores(known)
    highest = max((cluster.max_khz or 0 for cluster in known), default=0)
    slower = sorted(
        (cluster for cluster in known if (cluster.max_khz or 0) < highest),
        key=lambda cluster: (cluster.max_khz or 0, cluster.cpus),
    )
    groups = {
        "little": [cluster.cpus for cluster in slower[:1]],
        "mid": [cluster.cpus for cluster in slower[1:]],
        "big": [big] if big else [],
        "prime": [big] if len(slower) > 1 else [],
    }
    return tuple(groups[cores])


def name_cores(clusters: Sequence[CpuCluster], cpus: Sequence[int]) -> str:
    """Names cores as `--cores` does, with their numbers, such as `big 4-7`; `all` for none."""
    if not cpus:
        return "all"
    names: tuple[Cores, ...] = ("little", "mid", "big")
    name = next((name for name in names if tuple(cpus) in core_groups(clusters, name)), "cores")
    return f"{name} {write_cpu_list(cpus)}"


def threads_on_cores(conditions: DeviceBenchConditions) -> str:
    """Names threads and cores of a measurement, such as `2 threads on big 4-7`."""
    return placement_words(conditions.device.clusters, conditions.cpus, conditions.protocol.num_threads)


def placement_words(clusters: Sequence[CpuCluster], cpus: Sequence[int], threads: int) -> str:
    """Names threads and cores, such as `2 threads on big 4-7`."""
    count = "1 thread" if threads == 1 else f"{threads} threads"
    return f"{count} on {name_cores(clusters, cpus)}"


def write_cpu_list(cpus: Iterable[int]) -> str:
    """Writes cores as the kernel does, such as `0-3,6`."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
