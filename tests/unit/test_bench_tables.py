"""Tables of measurements, as people read them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bench_records import PIXEL, device_result, steady
from edge_mnv3.commands.bench_tables import bench_table, reproduce_table
from edge_mnv3.core.published import Figure, Published, Source
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.stages.reproduce import newest_litert
from edge_mnv3_android_bench.published.reproduction import MeasuredFile, PublishedNetwork, reproduce

GOLDEN = Path(__file__).parent.parent / "golden" / "reproduce_table.txt"
SMALL, LARGE = PublishedNetwork("small", 1.0, "float"), PublishedNetwork("large", 1.0, "float")
INT8, MINIMAL = PublishedNetwork("large", 1.0, "int8"), PublishedNetwork("small_minimalistic", 1.0, "float")
OTHER_GRAPH = "graph: recipe accurate writes hard-swish without HARD_SWISH"


def published(*rows: tuple[str, PublishedNetwork, float]) -> Published:
    sources = {name: Source(title="t", address="a", conditions="c") for name in ("a", "b")}
    figures = tuple(
        Figure(source=source, **network._asdict(), device="Pixel 1", latency_ms=latency_ms)
        for source, network, latency_ms in rows
    )
    return Published(sources=sources, figures=figures, phones={"Pixel": "Pixel 1"})


FIGURES = published(
    ("a", SMALL, 10.0), ("a", LARGE, 30.0), ("b", LARGE, 33.0), ("a", INT8, 20.0), ("a", MINIMAL, 8.0)
)


def both(
    network: PublishedNetwork, era_ms: float, current_ms: float, recipe: str | None = None, *differences: str
) -> list[MeasuredFile]:
    return [
        MeasuredFile(
            network=network,
            recipe=recipe,
            result=device_result(steady(1e3 * ms), binary=binary, model_sha256=f"{network} {recipe}"),
            differences=differences,
        )
        for binary, ms in (("era-2019", era_ms), ("current", current_ms))
    ]


def test_verdicts_of_a_published_phone(pytestconfig: pytest.Config) -> None:
    unstable = device_result([8000.0, 9000.0, 8000.0], binary="era-2019", model_path="minimal.tflite")
    measurements = [
        *both(SMALL, 10.5, 6.0),
        *both(LARGE, 30.0, 17.0),
        *both(INT8, 26.0, 14.0, "stock"),
        *both(INT8, 18.0, 9.0, "accurate", OTHER_GRAPH),
        MeasuredFile(network=MINIMAL, recipe=None, result=unstable),
    ]
    table = reproduce_table(reproduce(FIGURES, PIXEL, measurements)) + "\n"
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.write_text(table, encoding="utf-8")
    assert table == GOLDEN.read_text(encoding="utf-8")


def test_verdicts_of_another_phone() -> None:
    phone = dataclasses.replace(PIXEL, model="Phone 9")
    result = reproduce(FIGURES, phone, both(SMALL, 10.5, 6.0) + both(LARGE, 30.0, 17.0))
    lines = reproduce_table(result).splitlines()
    assert [line.split("  ")[-1] for line in lines[4:6]] == ["no published figure"] * 2
    assert lines[7] == (
        "Phone 9 has no published figure; nearest is Pixel 1: 1.02 times its latencies of a, median of 2 "
        "networks"
    )


def test_an_emulated_device_is_marked_and_an_unstable_result_has_no_figure() -> None:
    device = dataclasses.replace(PIXEL, emulated=True)
    results = (device_result(steady(1000.0), device=device), device_result([1.0, 2.0], device=device))
    report = DeviceBenchReport(
        results=results, not_measured=(), published=(), profiles=(), outputs=(), failures=()
    )
    lines = bench_table(report).splitlines()
    assert lines[0] == "EMULATED DEVICE, NOT A PHONE: Pixel (A1), soc821, Android 10, arm64-v8a"
    figures = "1.000  0.998 to 1.002         0.16  5 of 5          1.000     2.000"
    assert lines[4] == f"small.tflite  era-2019         {figures}"
    assert lines[5].split()[:3] == ["small.tflite", "era-2019", "not"]
    assert lines[5].endswith(
        "2 launches count, 5 are demanded; observed: median 0.002 ms, minimum 0.001 ms, spread 66.7 %"
    )


def test_litert_is_a_column_of_its_own() -> None:
    litert = device_result(
        steady(4_000.0),
        binary="litert-2.2.0",
        binary_sha256="f" * 64,
        runtime="LiteRT",
        kernels="xnnpack",
        delegate="XNNPACK",
        model_sha256=f"{SMALL} None",
    )
    measured = [*both(SMALL, 10.5, 6.0), MeasuredFile(network=SMALL, recipe=None, result=litert)]
    result = reproduce(FIGURES, PIXEL, measured)
    heading, row = (re.split(r"  +", line) for line in reproduce_table(result).splitlines()[3:5])
    assert heading[4:8] == ["era ms", "current ms", "LiteRT ms", "ratio"]
    assert row[4:8] == ["10.50", "6.00", "4.00", "1.05"]
    assert row[-1] == "reproduced"
    assert result.kernel_era is not None
    assert result.kernel_era.current == "current"  # and not LiteRT's, which runs other kernels
    reasons = result.cells[0].measured[2].reasons
    assert "delegate: XNNPACK, published with the built-in kernels" in reasons
    alone = reproduce(FIGURES, PIXEL, measured[2:])
    row = re.split(r"  +", reproduce_table(alone).splitlines()[4])
    assert row[4:8] == ["-", "-", "4.00", "0.40"]
    assert alone.kernel_era is None


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        ((), None),
        (("current", "era-2019", "litert-nightly"), None),
        (("litert-2.2.0", "litert-2.10.0", "litert-2.9"), "litert-2.10.0"),
    ],
)
def test_the_newest_build_of_litert_is_taken(names: tuple[str, ...], newest: str | None) -> None:
    assert newest_litert(names) == newest
