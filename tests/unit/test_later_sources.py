"""Published latencies of other conditions than the first figures'."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bench_records import CONDITIONS, PIXEL, changed_conditions
from edge_mnv3.core.published import Source, read_published
from edge_mnv3_android_bench.published.reproduction import reproduce
from edge_mnv3_android_bench.published.verdicts import differences_from_published, judge
from reproduction_records import LARGE, SMALL, figure, measured, published, with_binary

BY_XNNPACK: dict[str, Any] = {"kernels": "xnnpack", "delegate": "XNNPACK"}
OF_LITERT = dataclasses.replace(
    CONDITIONS.binary, name="l", version="2.2.0", era="later", era_evidence=("x",)
)
PROGRAM = "program: benchmark_model, published with "
CORES, THREADS = "cores: not stated by the source", "threads: not stated by the source"


@pytest.mark.parametrize(
    ("source", "changes", "differences"),
    [
        ("xnnpack_2020", BY_XNNPACK, (f"{PROGRAM}XNNPACK's end2end_bench", CORES)),
        (
            *("xnnpack_2020_large_cores", {**BY_XNNPACK, "num_threads": 1}),
            (
                f"{PROGRAM}XNNPACK's end2end_bench",
                "threads: 1, published with one per large core",
                CORES,
            ),
        ),
        (
            *("xnnpack_2020_large_cores", {**BY_XNNPACK, "num_threads": 2}),
            (f"{PROGRAM}XNNPACK's end2end_bench", CORES),
        ),
        (
            *("xnnpack_2020_raspberry_pi", BY_XNNPACK),
            (f"{PROGRAM}XNNPACK's end2end_bench", THREADS, CORES),
        ),
        (
            *("label_image_2020", {**BY_XNNPACK, "delegate": "GPU"}),
            (f"{PROGRAM}label_image", CORES, "delegate: GPU, published with XNNPACK"),
        ),
        (
            *("mobile_ml_benchmark", {}),
            (
                f"{PROGRAM}the authors' benchmark",
                "kernels: not stated by the source",
                "build: 'era-2019', published with TFLite 2.10",
                "graph: other definitions of the networks: 116 million operations for small 1.0, 437 million "
                "for large 1.0",
            ),
        ),
        (
            *("litert_leaderboard", {**BY_XNNPACK, "build": OF_LITERT}),
            (THREADS, CORES, "graph: torchvision's networks, converted"),
        ),
        (
            *("litert_leaderboard", {**BY_XNNPACK, "build": dataclasses.replace(OF_LITERT, era="published")}),
            (
                *(THREADS, CORES, "build: 'l', published with LiteRT 2.2.0"),
                "graph: torchvision's networks, converted",
            ),
        ),
    ],
)
def test_conditions_that_differ_from_a_later_source(
    source: str, changes: dict[str, Any], differences: tuple[str, ...]
) -> None:
    build = {"binary": changes["build"]} if "build" in changes else {}
    changed = changed_conditions(**{name: value for name, value in changes.items() if name != "build"})
    conditions = dataclasses.replace(changed, **build)
    told = differences_from_published(conditions, "a phone", read_published().sources[source])
    assert told == differences


def test_a_source_with_the_conditions_of_a_measurement_gives_a_verdict() -> None:
    """Nothing bars XNNPACK's figures from a verdict but what their sources say of themselves."""
    source = Source(title="t", address="a", conditions="c", kernels="xnnpack", version="TFLite 2.10")
    of_2_10 = dataclasses.replace(OF_LITERT, version="2.10")
    by_it = with_binary(measured(SMALL, 10.0, **BY_XNNPACK), of_2_10)
    assert judge(by_it.result, 10.0, phone="Pixel 4", source=source).verdict == "reproduced"


def test_sources_of_other_conditions_do_not_contradict_the_first() -> None:
    """Nor are they what an old build's figure stands for, or the nearest phone is found by."""
    other = Source(title="t", address="a", conditions="c", kernels="xnnpack")
    table = published(
        figure(SMALL, 10.0, device="Pixel 2"), figure(SMALL, 20.0, "x"), figure(LARGE, 50.0, "x")
    )
    table = dataclasses.replace(table, sources={**table.sources, "x": other})
    current = [measured(SMALL, 20.0, binary="current"), measured(LARGE, 50.0, binary="current")]
    result = reproduce(table, PIXEL, current)
    assert (result.contradictions, result.kernel_era, result.published_device) == ((), None, "Pixel 1")
    assert result.nearest is not None
    assert result.nearest.device == "Pixel 2"
    assert result.nearest.ratio == pytest.approx(2.0)
    assert [cell.source for cell in result.cells] == ["x", "x"]
