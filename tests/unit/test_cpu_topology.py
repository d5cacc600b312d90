"""Clusters, big cores and masks from what the kernel tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_mnv3.core.cores import big_cores
from edge_mnv3.core.results.device import CpuCluster
from edge_mnv3_android_bench.device.cpu_topology import (
    TOPOLOGY_SCRIPT,
    cpu_mask,
    parse_clusters,
    parse_cpu_list,
    parse_cpu_mask,
    parse_current_khz,
)
from fake_adb import fake_device

TWO_CLUSTERS = """cpu0/cpufreq/cpuinfo_max_freq 1800000
cpu1/cpufreq/cpuinfo_max_freq 1800000
cpu3/cpufreq/cpuinfo_max_freq 2500000
cpu0/cpufreq/related_cpus 0 1
cpu1/cpufreq/related_cpus 0 1
cpu3/cpufreq/related_cpus 2 3
cpu0/cpufreq/scaling_governor schedutil
cpu3/cpufreq/scaling_governor performance
cpu0/cpufreq/scaling_cur_freq 300000
cpu1/cpufreq/scaling_cur_freq 300000
cpu3/cpufreq/scaling_cur_freq 2500000
present 0-3
online 0-1,3
"""


def test_a_core_that_is_switched_off_belongs_to_its_cluster() -> None:
    assert parse_clusters(TWO_CLUSTERS) == (
        CpuCluster(cpus=(0, 1), max_khz=1_800_000, governor="schedutil"),
        CpuCluster(cpus=(2, 3), max_khz=2_500_000, governor="performance"),
    )
    assert parse_current_khz(TWO_CLUSTERS) == (300_000, 300_000, None, 2_500_000)


def test_without_related_cpus_equal_clocks_are_a_cluster() -> None:
    text = "\n".join(line for line in TWO_CLUSTERS.splitlines() if "related" not in line)
    assert [cluster.cpus for cluster in parse_clusters(text)] == [(0, 1), (3,)]


@pytest.mark.parametrize(
    "text", ["", "present 0-3\nonline 0-3\n", "sh: cd: /sys/devices: Permission denied\n"]
)
def test_a_device_that_does_not_tell(text: str) -> None:
    assert parse_clusters(text) == ()
    assert big_cores(()) == ()
    assert set(parse_current_khz(text)) <= {None}


def test_masks() -> None:
    assert [cpu_mask(cores) for cores in ((2, 3), (4, 5, 6, 7), (8,), (0,), (4, 4))] == [
        "c",
        "f0",
        "100",
        "1",
        "10",
    ]
    assert [parse_cpu_mask(text) for text in ("0c\n", "f0", "00000000,000000f0", "100")] == [
        12,
        240,
        240,
        256,
    ]
    assert parse_cpu_list("0-2,5") == (0, 1, 2, 5)
    assert parse_cpu_list("\n") == ()


@pytest.mark.parametrize(
    ("phone", "clusters", "mask"),
    [
        ("pixel", {(0, 1): 1_593_600, (2, 3): 2_150_400}, "c"),
        ("pixel-2-xl", {(0, 1, 2, 3): 1_900_800, (4, 5, 6, 7): 2_457_600}, "f0"),
        ("pixel-8", {(0, 1, 2, 3): 1_704_000, (4, 5, 6, 7): 2_367_000, (8,): 2_914_000}, "100"),
    ],
)
def test_real_phones(
    tmp_path: Path, test_data: Path, phone: str, clusters: dict[tuple[int, ...], int], mask: str
) -> None:
    # The masks of the first two are those of TensorFlow Lite's benchmark pages: 0c and f0.
    root = test_data / "device_captures" / phone
    output = fake_device(tmp_path).shell(re.sub("/sys/", f"{root}/sys/", TOPOLOGY_SCRIPT))
    parsed = parse_clusters(output.stdout)
    assert {cluster.cpus: cluster.max_khz for cluster in parsed} == clusters
    assert cpu_mask(big_cores(parsed)) == mask
    assert all(cluster.governor for cluster in parsed)
    assert None not in parse_current_khz(output.stdout)
