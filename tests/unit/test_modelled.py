"""Modelled costs against published latencies, on values and on the packaged ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.commands.modelled_table import TITLE, modelled_table
from edge_mnv3.core.modelled import ModelledCost, ModelledCosts, parse_modelled
from edge_mnv3.core.published import Figure, Published, Source
from edge_mnv3.core.results.modelled import ModelledResult
from edge_mnv3.stages.modelled import OTHER_FORM, ModelledRequest, hold_against, modelled

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
    as_json = CliRunner().invoke(main, ["reproduce", "--modelled", "--json"])
    assert json.loads(as_json.stdout)["is_measurement"] is False
    refused = CliRunner().invoke(main, ["reproduce", "--modelled", "--device", "x"])
    assert refused.exit_code == 2
    assert "--modelled measures nothing: --device has no effect with it" in refused.stderr


@pytest.mark.parametrize("text", ["", "runtime = 'r'\ncosts = []", "costs = [{alpha = 1}]"])
def test_costs_that_are_no_costs(text: str) -> None:
    with pytest.raises(ValueError, match="modelled costs: "):
        parse_modelled(text)
