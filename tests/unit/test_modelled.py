"""Modelled costs against published latencies, on values and on the packaged ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from demo_cost import demo_costs

from edge_mnv3.cli import main
from edge_mnv3.commands.demo import phones_table
from edge_mnv3.commands.modelled_table import TITLE, modelled_table
from edge_mnv3.core.modelled import DEMO_FILE, ModelledCost, ModelledCosts, parse_modelled, read_modelled
from edge_mnv3.core.published import Figure, Published, Source
from edge_mnv3.core.results.cost import CPUS, CostResult, CycleRange
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.modelled import ModelledResult
from edge_mnv3.model import arch
from edge_mnv3.stages.demo import DEMO
from edge_mnv3.stages.modelled import OTHER_FORM, ModelledRequest, hold_against, modelled
from edge_mnv3_calibration_data.sources.digits import CLASSES

GOLDEN = Path(__file__).parents[1] / "golden" / "formats" / "cost-v1.json"
SOURCE = Source(title="t", address="a", conditions="c")


def figure(variant: str, latency_ms: float, precision: str = "float") -> Figure:
    return Figure(
        source="s", variant=variant, alpha=1.0, precision=precision, device="P", latency_ms=latency_ms
    )


def cost(variant: str, cycles: float, precision: str = "float") -> ModelledCost:
    """What takes more cycles takes fewer instructions."""
    return ModelledCost(
        variant=variant,
        alpha=1.0,
        precision=precision,
        processor="core",
        kernels="builtin",
        multiply_adds=7,
        instructions=int(1000 - cycles),
        cycles_low=cycles / 2,
        cycles_high=cycles,
    )


def held(figures: list[Figure], costs: list[ModelledCost], source: Source = SOURCE) -> ModelledResult:
    published = Published(sources={"s": source}, figures=tuple(figures))
    return hold_against(
        published,
        ModelledCosts(runtime="r", cycle_model="m", phones={"P": "core"}, costs=tuple(costs)),
    )


def test_one_factor_for_each_phone() -> None:
    """Means are 4 ms and 200 cycles; int8 has no part in them."""
    result = held(
        [figure("large", 8.0), figure("small", 2.0), figure("large", 5.0, precision="int8")],
        [cost("large", 400.0), cost("small", 100.0), cost("large", 300.0, "int8")],
    )
    (phone,) = result.phones
    rows = [(row.published_ratio, row.modelled_ratio, row.error_percent) for row in phone.rows]
    assert rows == [pytest.approx(each) for each in ((2.0, 2.0, 0.0), (0.5, 0.5, 0.0), (1.25, 1.5, 20.0))]
    errors = {each.measure: each for each in phone.errors}
    assert errors["cycles_high"].mean_error_percent == pytest.approx(0.0)
    assert errors["cycles_high"].swapped_pairs == 0
    assert (errors["instructions"].swapped_pairs, errors["instructions"].pairs) == (3, 3)


def test_a_row_that_is_left_out_is_predicted_by_the_others() -> None:
    result = held([figure("large", 8.0), figure("small", 2.0)], [cost("large", 400.0), cost("small", 50.0)])
    first, second = result.phones[0].rows
    assert first.left_out_error_percent == pytest.approx(100.0)  # 400 * 2 / 50 against 8
    assert second.left_out_error_percent == pytest.approx(-50.0)
    assert first.error_percent == pytest.approx(100 * (2**0.5 - 1))


@pytest.mark.parametrize(
    ("changes", "source", "reason"),
    [
        ({}, replace(SOURCE, threads="unstated"), "several threads, or a number that is not stated"),
        ({}, replace(SOURCE, graph="other"), "networks of another definition"),
        ({"device": "Q"}, SOURCE, "a processor that is not modelled"),
        ({"variant": "large"}, SOURCE, "a network that is not modelled"),
        ({}, replace(SOURCE, kernels="unstated"), "a network that is not modelled"),
        ({"conditions": OTHER_FORM}, SOURCE, "another form of hard-swish"),
        ({}, SOURCE, "no second float network of the same source and phone"),
    ],
)
def test_what_has_no_part_is_counted(changes: dict[str, Any], source: Source, reason: str) -> None:
    result = held([replace(figure("small", 2.0), **changes)], [cost("small", 100.0)], source)
    assert (result.phones, result.left_out) == ((), {reason: 1})


def test_packaged_costs_follow_the_published_latencies() -> None:
    """Google's six float networks, built-in kernels: at most 3 % on average, far below multiply-adds."""
    result = modelled(ModelledRequest())
    assert not result.is_measurement
    phones = {each.phone: each for each in result.phones if each.source == "tf_slim"}
    assert sorted(phones) == ["Pixel 1", "Pixel 2", "Pixel 3"]
    for phone in phones.values():
        assert sum(row.precision == "float" for row in phone.rows) == 6
        errors = {each.measure: each for each in phone.errors}
        assert errors["cycles_high"].mean_error_percent <= 3.0
        assert errors["multiply_adds"].mean_error_percent > 10.0


def test_the_command_says_that_nothing_was_measured() -> None:
    done = CliRunner().invoke(main, ["reproduce", "--modelled"])
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, TITLE)
    assert done.stdout == modelled_table(modelled(ModelledRequest())) + "\n"
    rows = [line.partition("  (")[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert max(map(len, rows)) <= 80
    assert "not held against: 1 latency: another form of hard-swish" in done.stdout
    as_json = CliRunner().invoke(main, ["reproduce", "--modelled", "--json"])
    assert json.loads(as_json.stdout)["is_measurement"] is False
    refused = CliRunner().invoke(main, ["reproduce", "--modelled", "--device", "x"])
    assert refused.exit_code == 2
    assert "--modelled measures nothing: --device has no effect with it" in refused.stderr


@pytest.mark.parametrize("text", ["", "runtime = 'r'\ncosts = []", "costs = [{alpha = 1}]"])
def test_costs_that_are_no_costs(text: str) -> None:
    with pytest.raises(ValueError, match="modelled costs: "):
        parse_modelled(text)


def test_the_demo_has_costs_of_its_own_network() -> None:
    costs = read_modelled(DEMO_FILE)
    layers = arch.weighted_layers(arch.expand(DEMO.variant), classes=CLASSES, input_size=DEMO.input_size_px)
    assert {(row.variant, row.alpha, row.multiply_adds) for row in costs.costs} == {
        (DEMO.variant.network, DEMO.variant.alpha, arch.count_multiply_adds(layers))
    }
    of_cores = {(row.processor, row.precision): row.cycles_low for row in costs.costs}
    assert set(costs.phones.values()) == set(CPUS)
    # Multiplying 8-bit numbers takes less on every core, and least on those that have sums of products.
    gains = [of_cores[core, "float"] / of_cores[core, "int8"] for core in costs.phones.values()]
    assert gains == sorted(gains)
    assert 1.2 < gains[0] < gains[-1] < 2


def test_the_demo_ends_with_them() -> None:
    lines = phones_table().splitlines()
    assert lines[0] == "core  of        float   int8  int8 is faster by"
    assert lines[3] == "a76   Pixel 4    0.48   0.27  1.78 times"
    assert max(map(len, lines)) <= 80


def test_a_table_is_made_of_what_cost_counted() -> None:
    counted = from_json(CostResult, GOLDEN.read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="got no modelled cycles, or a mixed file"):
        demo_costs(counted)
    (file,) = counted.files
    cpus = tuple(replace(each, cycles=CycleRange(low=3.4, high=5.0)) for each in file.cpus)
    costs = parse_modelled(demo_costs(replace(counted, files=(replace(file, cpus=cpus),)))).costs
    assert [(row.processor, row.instructions, row.cycles_low) for row in costs] == [
        (each.cpu, each.instructions.total, 3) for each in cpus
    ]
