"""Threads and cores of a sweep: which cores a name means, and what a phone cannot give."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from bench_records import PIXEL, device_result, steady
from edge_mnv3.cli import main
from edge_mnv3.commands.bench_tables import bench_table
from edge_mnv3.core.choices import Cores
from edge_mnv3.core.cores import core_groups, name_cores
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.device import CpuCluster, DeviceInfo
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, Sweep, swept
from edge_mnv3_android_bench.measuring.sweep import place, words

NAMES: tuple[Cores, ...] = ("little", "mid", "big", "prime")


def clusters(*sizes_and_mhz: tuple[int, int | None]) -> tuple[CpuCluster, ...]:
    found, first = [], 0
    for size, mhz in sizes_and_mhz:
        cpus = tuple(range(first, first + size))
        found.append(CpuCluster(cpus=cpus, max_khz=mhz and 1000 * mhz, governor=None))
        first += size
    return tuple(found)


def phone(*sizes_and_mhz: tuple[int, int | None]) -> DeviceInfo:
    found = clusters(*sizes_and_mhz)
    present = tuple(cpu for cluster in found for cpu in cluster.cpus)
    return dataclasses.replace(PIXEL, clusters=found, present_cpus=present)


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        ([(4, 2000)], [[], [], [(0, 1, 2, 3)], []]),
        ([(2, 1600), (2, 2150)], [[(0, 1)], [], [(2, 3)], []]),
        ([(4, 1700), (4, 2370), (1, 2910)], [[(0, 1, 2, 3)], [(4, 5, 6, 7)], [(8,)], [(8,)]]),
        # The third and the second of Snapdragon 8 Gen 3, which has its clusters out of order.
        ([(2, 2270), (3, 3150), (2, 2960), (1, 3300)], [[(0, 1)], [(5, 6), (2, 3, 4)], [(7,)], [(7,)]]),
        ([(4, 2000), (4, 2000)], [[], [], [(0, 1, 2, 3)], []]),  # equal clocks: no little cores
        ([(4, None), (4, 2000)], [[], [], [(4, 5, 6, 7)], []]),
        ([], [[], [], [], []]),
    ],
)
def test_names_of_cores(given: Sequence[tuple[int, int | None]], groups: list[list[tuple[int, ...]]]) -> None:
    assert [list(core_groups(clusters(*given), name)) for name in NAMES] == groups


def test_cores_are_named_by_their_cluster() -> None:
    four = clusters((2, 2270), (3, 3150), (2, 2960), (1, 3300))
    named = [name_cores(four, cpus) for cpus in ((0, 1), (2, 3, 4), (7,), (0, 2, 3), ())]
    assert named == ["little 0-1", "mid 2-4", "big 7", "cores 0,2-3", "all"]


def test_every_thread_with_every_kind_of_cores() -> None:
    protocols = swept(PUBLISHED, Sweep(threads=(1, 2), cores=("little", "big")))
    assert [(p.name, p.settings.num_threads, p.cores) for p in protocols] == [
        ("custom", 1, "little"),
        ("custom", 2, "little"),
        ("published", 1, "big"),
        ("custom", 2, "big"),
    ]
    assert swept(PUBLISHED, Sweep()) == (PUBLISHED,)
    with pytest.raises(ArgumentError, match="threads: got .0,., expected a list or tuple"):
        Sweep(threads=(0,))


def test_what_a_phone_has_not_is_told_of_and_not_measured() -> None:
    protocols = swept(PUBLISHED, Sweep(threads=(1, 4), cores=(*NAMES, "all")))
    pixel = place(phone((2, 1600), (2, 2150)), protocols)
    assert [words(PIXEL, placement) for placement in pixel.measured] == [
        *("1 thread on little 0-1", "1 thread on big 2-3", "1 thread on all", "4 threads on all"),
    ]
    assert [(left_out.what, left_out.why) for left_out in pixel.left_out] == [
        ("4 threads on little 0-1", "there are only cores 0 and 1"),
        ("mid cores", "this phone has little 0-1, big 2-3"),
        ("4 threads on big 2-3", "there are only cores 2 and 3"),
        ("prime cores", "this phone has little 0-1, big 2-3"),
    ]
    three = place(phone((4, 1700), (4, 2370), (1, 2910)), protocols)
    assert [(p.protocol.settings.num_threads, p.cpus) for p in three.measured] == [
        *((1, (0, 1, 2, 3)), (4, (0, 1, 2, 3)), (1, (4, 5, 6, 7)), (4, (4, 5, 6, 7)), (1, (8,)), (1, ())),
        (4, ()),
    ]
    assert [(left_out.what, left_out.why) for left_out in three.left_out] == [
        ("4 threads on big 8", "there is only core 8"),
        ("1 thread on big 8", "prime is another name of these cores here: they are measured once"),
    ]


def test_a_phone_that_tells_no_clocks_has_none_by_name() -> None:
    silent = dataclasses.replace(PIXEL, clusters=(), present_cpus=())
    placements = place(silent, swept(PUBLISHED, Sweep(cores=("big", "all"))))
    assert [placement.cpus for placement in placements.measured] == [()]
    assert [entry.why for entry in placements.left_out] == ["this phone does not tell its clocks"]


def test_a_table_of_a_sweep_has_threads_and_cores() -> None:
    placements = (((0, 1), "3", 1), ((2, 3), "c", 1), ((2, 3), "c", 2))
    results = tuple(
        device_result(steady(1e4 / number), cpus=cpus, cpu_mask=mask, num_threads=threads)
        for number, (cpus, mask, threads) in enumerate(placements, start=1)
    )
    left_out = place(PIXEL, swept(PUBLISHED, Sweep(cores=("big", "prime")))).left_out
    report = DeviceBenchReport(
        results=results,
        not_measured=left_out,
        published=(),
        profiles=(),
        outputs=(),
        failures=(),
    )
    lines = bench_table(report).splitlines()
    assert lines[1] == "protocol custom: threads and cores in turns, builtin kernels, 50 runs a launch"
    assert [line.split("  ")[0] for line in lines[3:7]] == ["file", *["small.tflite"] * 3]
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[3:7]]
    assert [row[2:5] for row in cells] == [
        ["cores", "threads", "median ms"],
        ["little 0-1", "1", "10.000"],
        ["big 2-3", "1", "5.000"],
        ["big 2-3", "2", "3.333"],
    ]
    assert lines[7:] == ["not measured: prime cores: this phone has little 0-1, big 2-3"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--host", "--threads", "1,2"), "--host takes one number of --threads."),
        (("--device", "X", "--threads", "1,x"), "Invalid value for '--threads': 'x' is not a valid integer"),
        (("--device", "X", "--threads", "1,0"), "Invalid value for '--threads': 0 is not in the range x>=1."),
        (("--device", "X", "--cores", "little,"), "Invalid value for '--cores': '' is not one of 'little'"),
    ],
)
def test_lists_that_are_refused(arguments: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(main, ["bench", "m.tflite", *arguments])
    assert done.exit_code == 2
    assert text in done.stderr
