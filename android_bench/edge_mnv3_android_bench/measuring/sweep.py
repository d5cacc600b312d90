"""Which threads and cores of a sweep a device can give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edge_mnv3.core.choices import Cores
from edge_mnv3.core.cores import core_groups, name_cores, placement_words
from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.bench_report import NotMeasured
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.device.cpu_topology import list_cores
from edge_mnv3_android_bench.measuring.protocols import Protocol, renamed


class Placement(NamedTuple):
    """A protocol on cores of a device.

    Attributes:
        protocol: How each launch measures.
        cpus: Numbers of the cores that it is pinned to; empty where it is not.
    """

    protocol: Protocol
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """What of a sweep a device can give.

    Attributes:
        measured: Each protocol on its cores, once.
        left_out: What is not measured, and why.
    """

    measured: tuple[Placement, ...]
    left_out: tuple[NotMeasured, ...]


def place(info: DeviceInfo, protocols: Sequence[Protocol]) -> Placements:
    """Tells which protocols a device can give: those on cores that it has, as many as there are threads.

    Of a device that tells no clocks nothing is left out here: which of its cores are big, it does not say.
    """
    measured: list[Placement] = []
    left_out: list[NotMeasured] = []
    for protocol in protocols:
        groups = ((),) if protocol.cores == "all" else core_groups(info.clusters, protocol.cores)
        if not groups:
            left_out.append(_no_such_cores(info, protocol.cores))
        for cpus in groups:
            what, why = words(info, Placement(protocol, cpus)), _why_not(info, protocol, cpus)
            if any(_alike(other, protocol, cpus) for other in measured):
                why = f"{protocol.cores} is another name of these cores here: they are measured once"
            if why is None:
                measured.append(Placement(protocol, cpus))
            else:
                left_out.append(NotMeasured(serial=info.serial, what=what, why=why))
    return Placements(measured=tuple(measured), left_out=tuple(dict.fromkeys(left_out)))


def placed(info: DeviceInfo, protocols: Sequence[Protocol], reporter: Reporter) -> tuple[Placement, ...]:
    """The protocols on those of their cores that a device has; the reporter is warned of what it has not.

    Raises:
        DeviceUnavailableError: It has none.
    """
    placements = place(info, protocols)
    told = [f"{left_out.what}: {left_out.why}" for left_out in placements.left_out]
    if not placements.measured:
        raise DeviceUnavailableError(
            f"device {info.serial}: threads and cores",
            "; ".join(told),
            "cores that it has, as many as threads",
            "ask for other --cores or fewer --threads",
        )
    for text in told:
        reporter.warn(f"device {info.serial}: not measured: {text}")
    return placements.measured


def words(info: DeviceInfo, placement: Placement) -> str:
    """Names threads and cores of a device, as `placement_words` does."""
    return placement_words(info.clusters, placement.cpus, placement.protocol.settings.num_threads)


def _no_such_cores(info: DeviceInfo, cores: Cores) -> NotMeasured:
    known = ", ".join(name_cores(info.clusters, cluster.cpus) for cluster in info.clusters)
    why = f"this phone has {known}" if known else "this phone does not tell its clocks"
    return NotMeasured(serial=info.serial, what=f"{cores} cores", why=why)


def _why_not(info: DeviceInfo, protocol: Protocol, cpus: tuple[int, ...]) -> str | None:
    available = cpus or info.present_cpus
    if not available or protocol.settings.num_threads <= len(available):
        return None
    return (
        f"there is only {list_cores(available)}"
        if len(available) == 1
        else (f"there are only {list_cores(available)}")
    )


def _alike(placed: Placement, protocol: Protocol, cpus: tuple[int, ...]) -> bool:
    return placed.cpus == cpus and renamed(placed.protocol, "") == replace(
        renamed(protocol, ""), cores=placed.protocol.cores
    )
