"""Verdicts on published latencies."""

from __future__ import annotations

import dataclasses
import math
from importlib import resources
from typing import Any

import pytest

from bench_records import CONDITIONS, PIXEL, STATE, changed_conditions, device_result, steady
from edge_mnv3.core.published import parse_published, read_published
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.verdicts import ReproduceResult
from edge_mnv3_android_bench.measuring.launch_statistics import EMULATED_WARNING
from edge_mnv3_android_bench.published.reproduction import (
    MeasuredFile,
    PublishedNetwork,
    kendall_tau_b,
    reproduce,
)
from edge_mnv3_android_bench.published.verdicts import (
    differences_from_published,
    judge,
)
from reproduction_records import LARGE, MINIMAL, SMALL, figure, measured, published, with_binary

EMULATED_PIXEL = dataclasses.replace(PIXEL, emulated=True)
OTHER_PHONE = dataclasses.replace(PIXEL, model="Phone 9")
BUILD_ERA = "build era: 'current' is no build of the published figures' time: knows --dry_run"


@pytest.mark.parametrize(
    ("measured_ms", "verdict", "reasons"),
    [
        (10.0, "reproduced", ()),
        (8.52, "reproduced", ()),
        (11.47, "reproduced", ()),
        (8.505, "reproduced", ("the interval reaches into faster",)),
        (11.51, "slower", ("the interval reaches into reproduced",)),
        (8.4, "faster", ()),
        (20.0, "slower", ()),
    ],
)
def test_verdict_by_ratio(measured_ms: float, verdict: str, reasons: tuple[str, ...]) -> None:
    cell = judge(device_result(steady(1e3 * measured_ms)), 10.0, phone="Pixel 1")
    assert (cell.verdict, cell.by_ratio, cell.reasons) == (verdict, verdict, reasons)
    assert cell.ratio == pytest.approx(measured_ms / 10.0)
    assert cell.measured_ms == pytest.approx(measured_ms)
    assert cell.ci95_ms == pytest.approx((0.998 * measured_ms, 1.002 * measured_ms))
    assert cell.ratio_ci95 == pytest.approx((0.0998 * measured_ms, 0.1002 * measured_ms))


def test_unstable_has_no_ratio() -> None:
    cell = judge(device_result((1.0, 1.0, 1.0, 1.0, 2.0)), 10.0, phone="Pixel 1")
    assert (cell.measured_ms, cell.ratio, cell.by_ratio) == (None, None, None)
    assert cell.verdict == "unstable"
    assert cell.reasons == ("the 95 % interval is ± 50.00 % wide, ± 2 % is asked for",)


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ({}, ()),
        ({"cpus": (3,), "cpu_mask": "8"}, ()),
        ({"num_threads": 4}, ("threads: 4, published with 1",)),
        ({"num_threads": -1}, ("threads: chosen by the build, published with 1",)),
        ({"cpus": (), "cpu_mask": "all"}, ("cores: not pinned, published on a large core",)),
        ({"cpus": (0, 3), "cpu_mask": "9"}, ("cores: mask 9, published on a large core",)),
        (
            {"device": dataclasses.replace(PIXEL, clusters=())},
            ("cores: the device does not tell which are large",),
        ),
        ({"kernels": "xnnpack"}, ("delegate: XNNPACK, published with the built-in kernels",)),
        ({"kernels": "default"}, ("XNNPACK: neither demanded nor told by the log",)),
        ({"delegate": "GPU"}, ("delegate: GPU, published with the built-in kernels",)),
        (
            {"fixed_performance": True},
            ("clocks: held below the highest by the fixed-performance mode",),
        ),
        ({"binary": "current"}, (BUILD_ERA,)),
        ({"device": OTHER_PHONE}, ("device model: Phone 9",)),
        (
            {"device": EMULATED_PIXEL, "num_threads": 2},
            ("emulated device", "threads: 2, published with 1"),
        ),
    ],
)
def test_conditions_that_differ(changes: dict[str, Any], differences: tuple[str, ...]) -> None:
    conditions = changed_conditions(**changes)
    phone = read_published().phone(conditions.device.model)
    assert differences_from_published(conditions, phone) == differences


def test_a_phone_that_saves_power_or_tells_no_clock_reproduces_nothing() -> None:
    result = device_result(steady(10_000.0))
    saving = dataclasses.replace(STATE, power_save=True)
    blind = tuple(dataclasses.replace(sample, khz=(None, None)) for sample in result.launches[0].samples)
    for changes, reason in (
        ({"before": saving}, "power saving: on"),
        ({"samples": blind}, "clocks: not told by the device, so that throttling would not be seen"),
    ):
        launches = tuple(dataclasses.replace(each, **changes) for each in result.launches)
        cell = judge(dataclasses.replace(result, launches=launches), 10.0, phone="Pixel 1")
        assert (cell.verdict, cell.by_ratio) == ("conditions differ", "reproduced")
        assert reason in cell.reasons


def test_other_conditions_have_a_ratio_but_no_verdict() -> None:
    cell = judge(
        *(device_result(steady(5000.0), binary="current"), 10.0),
        phone="Pixel 1",
        differences=("another graph",),
    )
    assert (cell.verdict, cell.by_ratio, cell.ratio) == ("conditions differ", "faster", 0.5)
    assert cell.reasons == (BUILD_ERA, "another graph")


def test_emulated_device_never_gets_a_verdict() -> None:
    result = reproduce(
        published(figure(SMALL, 10.0)), EMULATED_PIXEL, [measured(SMALL, 10.0, device=EMULATED_PIXEL)]
    )
    cell = result.cells[0].measured[0]
    assert (cell.verdict, cell.reasons) == ("conditions differ", ("emulated device",))
    assert cell.by_ratio == "reproduced"
    assert result.warnings == (EMULATED_WARNING,)
    assert (result.kernel_era, result.rank_orders, result.nearest) == (None, (), None)
    other = dataclasses.replace(OTHER_PHONE, emulated=True)
    cells = reproduce(published(figure(SMALL, 10.0)), other, [measured(SMALL, 10.0, device=other)]).cells
    cell = cells[0].measured[0]
    assert (cell.verdict, cell.by_ratio) == ("conditions differ", None)
    assert cell.reasons == ("emulated device", "device model: Phone 9")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Pixel", "Pixel 1"),
        ("Pixel XL", "Pixel 1"),
        ("Pixel 2 XL", "Pixel 2"),
        ("Pixel 3", "Pixel 3"),
        ("Pixel 4 XL", "Pixel 4"),
        ("Pixel 8", None),
        ("SM-S938B", "Galaxy S25 Ultra"),
        ("Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "Raspberry Pi 3+"),
        ("Raspberry Pi 3 Model B Rev 1.2", None),
        ("Raspberry Pi 2 Model B Rev 1.1", "Raspberry Pi 2"),
        ("Raspberry Pi 2 Model B Rev 1.2", None),
    ],
)
def test_names_of_phones(model: str, name: str | None) -> None:
    assert read_published().phone(model) == name


TOY_SOURCE = """
[sources.toy]
title = "A toy"
address = "https://example.com"
conditions = "unstated"

[[figures]]
source = "toy"
variant = "small"
alpha = 1.0
precision = "float"
device = "Toy Phone"
latency_ms = 10.0

[[figures]]
source = "toy"
variant = "small"
alpha = 1.0
precision = "float"
device = "Pixel 1"
latency_ms = 16.0
"""


def test_a_new_source_with_a_new_phone_is_rows_of_the_data_file_alone() -> None:
    packaged = (resources.files("edge_mnv3") / "data" / "published_mobilenet_v3.toml").read_text()
    names = packaged.replace("[phones]\n", '[phones]\n"TOY-1" = "Toy Phone"\n')
    table = parse_published(names + TOY_SOURCE)
    toy = dataclasses.replace(PIXEL, model="TOY-1")
    result = reproduce(table, toy, [measured(SMALL, 10.2, device=toy)])
    assert result.published_device == "Toy Phone"
    (cell,) = result.cells
    assert (cell.source, cell.published_ms, cell.measured[0].verdict) == ("toy", 10.0, "reproduced")
    on_pixel = reproduce(table, PIXEL, [measured(SMALL, 15.9)])
    first = [cell.source for cell in on_pixel.cells if "xnnpack" not in str(cell.source)]
    assert first == ["tf_slim", "keras", "toy"]
    (small,) = [c for c in on_pixel.contradictions if (c.variant, c.alpha, c.precision) == SMALL]
    assert small.published_ms["toy"] == 16.0


def test_each_source_keeps_its_cell_and_contradictions_are_shown() -> None:
    table = published(
        figure(SMALL, 10.0),
        figure(SMALL, 13.0, "b"),
        figure(LARGE, 50.0, "b", conditions="fused"),
        figure(LARGE, 60.0, "b", conditions="plain"),
        figure(MINIMAL, 9.0),
        figure(MINIMAL, 9.0, "b"),
        figure(MINIMAL, 8.0, device="Pixel 2"),
    )
    result = reproduce(table, PIXEL, [measured(SMALL, 10.5), measured(SMALL, 4.0, binary="current")])
    assert [(c.source, c.published_ms, [m.verdict for m in c.measured]) for c in result.cells] == [
        ("a", 10.0, ["reproduced", "conditions differ"]),
        ("b", 13.0, ["faster", "conditions differ"]),
    ]
    assert [(c.variant, c.published_ms) for c in result.contradictions] == [
        ("small", {"a": 10.0, "b": 13.0}),
        ("large", {"b (fused)": 50.0, "b (plain)": 60.0}),
    ]
    assert result.contradictions[0].spread_percent == pytest.approx(30.0)
    assert from_json(ReproduceResult, to_json(result)) == result


def test_phone_without_published_figures() -> None:
    table = published(
        figure(SMALL, 10.0),
        figure(SMALL, 20.0, device="Pixel 2"),
        figure(LARGE, 30.0, device="Pixel 2"),
    )
    result = reproduce(
        table,
        OTHER_PHONE,
        [measured(SMALL, 16.0, device=OTHER_PHONE), measured(LARGE, 24.0, device=OTHER_PHONE)],
    )
    assert result.published_device is None
    assert [(c.published_ms, c.measured[0].verdict, c.measured[0].measured_ms) for c in result.cells] == [
        (None, "no published figure", 16.0),
        (None, "no published figure", 24.0),
    ]
    # Pixel 1 is 1.6 times away, Pixel 2 1.25 times (both its ratios are 0.8).
    assert result.nearest is not None
    assert (result.nearest.device, result.nearest.networks) == ("Pixel 2", 2)
    assert result.nearest.ratio == pytest.approx(0.8)
    assert str(result.nearest) == ("nearest is Pixel 2: 0.80 times its latencies of a, median of 2 networks")


@pytest.mark.parametrize(
    ("a", "b", "tau"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0),
        ([1, 2, 3], [30, 20, 10], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),
        # One tie in a: 5 pairs of 6 are ordered in a, all 6 in b, and all 5 agree.
        ([1, 1, 2, 3], [1, 2, 3, 4], 5 / math.sqrt(5 * 6)),
        ([1, 1], [1, 2], None),
        ([1], [1], None),
        ([], [], None),
    ],
)
def test_kendall_tau_b(a: list[float], b: list[float], tau: float | None) -> None:
    assert kendall_tau_b(a, b) == (pytest.approx(tau) if tau is not None else None)


def test_rank_order_by_source_binary_and_recipe() -> None:
    small_int8 = PublishedNetwork("small", 1.0, "int8")
    table = published(figure(SMALL, 10.0), figure(LARGE, 50.0), figure(MINIMAL, 9.0), figure(small_int8, 9.5))
    measurements = [
        measured(SMALL, 9.0),
        measured(LARGE, 40.0),
        measured(MINIMAL, 9.5),
        measured(small_int8, 9.2, recipe="stock"),
        measured(small_int8, 8.0, recipe="ours"),
    ]
    orders = reproduce(table, PIXEL, measurements).rank_orders
    assert [(o.source, o.binary, o.recipe, o.networks) for o in orders] == [
        ("a", "era-2019", "stock", 4),
        ("a", "era-2019", "ours", 4),
    ]
    # stock: of 6 pairs small/minimal, small/int8 and minimal/int8 are reversed; ours: small/minimal,
    # and minimal/int8.
    assert orders[0].kendall_tau_b == pytest.approx(0.0)
    assert orders[1].kendall_tau_b == pytest.approx(1 / 3)


def test_networks_that_a_source_gives_twice_are_not_ranked() -> None:
    table = published(figure(SMALL, 10.0), figure(LARGE, 50.0, conditions="x"), figure(LARGE, 60.0))
    (order,) = reproduce(table, PIXEL, [measured(SMALL, 9.0), measured(LARGE, 40.0)]).rank_orders
    assert (order.networks, order.kendall_tau_b) == (1, None)


def test_kernel_era_factor_of_the_same_files() -> None:
    measurements = [
        measurement
        for network, old, new in ((SMALL, 10.0, 5.0), (LARGE, 50.0, 20.0), (MINIMAL, 9.0, 3.0))
        for measurement in (measured(network, old), measured(network, new, binary="current"))
    ]
    factor = reproduce(published(), PIXEL, measurements).kernel_era
    assert factor is not None
    assert factor.factor == pytest.approx(0.4)  # the median of 1/2, 2/5, 1/3
    assert factor.ci95 == pytest.approx((1 / 3, 1 / 2))  # three networks: from the least to the largest
    assert (factor.networks, factor.current, factor.reference) == (3, "current", "era-2019")


def test_kernel_era_factor_without_an_old_build() -> None:
    table = published(figure(SMALL, 10.0), figure(LARGE, 40.0), figure(SMALL, 11.0, "b"))
    measurements = [
        measured(SMALL, 5.0, binary="current"),
        measured(LARGE, 10.0, binary="current"),
        measured(MINIMAL, 1.0, binary="current"),
        measured(SMALL, 1.0, binary="current", recipe="odd", differences=("another graph",)),
    ]
    result = reproduce(table, PIXEL, measurements)
    assert result.kernel_era is not None
    assert result.kernel_era.factor == pytest.approx(math.sqrt(0.5 * 0.25))
    assert (result.kernel_era.networks, result.kernel_era.reference, result.kernel_era.ci95) == (2, "a", None)
    assert result.warnings[0].startswith("no build of the published figures' time was measured")
    threads = [measured(SMALL, 5.0, binary="current", num_threads=4)]
    assert reproduce(table, PIXEL, threads).kernel_era is None


def test_packaged_figures_of_pixel_1() -> None:
    result = reproduce(read_published(), PIXEL, [measured(SMALL, 15.0), measured(LARGE, 80.0)])
    assert [(c.variant, c.source, c.published_ms, c.measured[0].verdict) for c in result.cells] == [
        ("small", "tf_slim", 15.8, "reproduced"),
        ("small", "keras", 15.8, "reproduced"),
        ("small", "xnnpack_2020", 12.0, "conditions differ"),
        ("small", "xnnpack_2020_large_cores", 7.0, "conditions differ"),
        ("large", "tf_slim", 51.2, "slower"),
        ("large", "keras", 51.2, "slower"),
        ("large", "paper", 51.4, "slower"),
        ("large", "paper", 57.5, "slower"),
        ("large", "xnnpack_2020", 39.0, "conditions differ"),
        ("large", "xnnpack_2020_large_cores", 22.0, "conditions differ"),
    ]
    assert result.cells[2].measured[0].reasons == (
        "program: benchmark_model, published with XNNPACK's end2end_bench",
        "cores: not stated by the source",
        "delegate: none, published with XNNPACK",
    )
    assert [(c.variant, c.alpha, sorted(c.published_ms.values())) for c in result.contradictions] == [
        ("large", 1.0, [51.2, 51.2, 51.4, 57.5]),
        ("large", 0.75, [39.0, 39.8, 39.8]),
    ]


def test_results_without_figures_are_left_out_of_factor_and_rank() -> None:
    unstable: DeviceBenchResult = device_result((1.0, 1.0, 1.0, 1.0, 2.0), binary="current")
    result = reproduce(
        published(figure(SMALL, 10.0)), PIXEL, [MeasuredFile(network=SMALL, recipe=None, result=unstable)]
    )
    assert (result.kernel_era, result.rank_orders) == (None, ())
    assert reproduce(published(), PIXEL, []).cells == ()


def of_today(name: str) -> BinaryInfo:
    return dataclasses.replace(
        CONDITIONS.binary, name=name, sha256="e" * 64, era="later", era_evidence=("knows --dry_run",)
    )


def test_a_name_makes_no_build_of_the_published_time() -> None:
    """Today's file, registered as `era-2019`: no verdict, no column of the era's, and it is said."""
    table = published(figure(SMALL, 10.0))
    named = with_binary(measured(SMALL, 10.0), of_today("era-2019"))
    result = reproduce(table, PIXEL, [named])
    (cell,) = result.cells[0].measured
    assert (cell.verdict, cell.by_ratio, cell.of_published_time) == ("conditions differ", "reproduced", False)
    assert result.warnings[0] == (
        "'era-2019' is no build of the published figures' time, whatever its name says: knows --dry_run"
    )


def test_a_build_of_the_published_time_needs_no_name() -> None:
    table = published(figure(SMALL, 10.0))
    nameless = dataclasses.replace(CONDITIONS.binary, name="old")
    (cell,) = reproduce(table, PIXEL, [with_binary(measured(SMALL, 10.0), nameless)]).cells[0].measured
    assert (cell.verdict, cell.of_published_time) == ("reproduced", True)


def test_a_build_of_unknown_time_has_no_verdict() -> None:
    unknown = dataclasses.replace(CONDITIONS.binary, era="unknown", era_evidence=("nothing",))
    measurement = with_binary(measured(SMALL, 10.0), unknown)
    (cell,) = reproduce(published(figure(SMALL, 10.0)), PIXEL, [measurement]).cells[0].measured
    assert cell.verdict == "conditions differ"


def test_a_file_has_no_factor_of_its_own() -> None:
    """One file under two names, as results of two measurements may hold it."""
    same = [
        with_binary(measured(network, ms), dataclasses.replace(of_today(name), era=era))
        for network, ms in ((SMALL, 10.0), (LARGE, 50.0))
        for name, era in (("era-2019", "published"), ("current", "later"))
    ]
    assert reproduce(published(), PIXEL, same).kernel_era is None
