"""Forms of hard-swish by what they save for their cycles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.algorithms.arm_forms import (
    Choice,
    all_offers,
    joined_choice,
    within_budget,
)
from edge_mnv3_quantization.algorithms.channel_groups import Chain, Division, chain_of
from edge_mnv3_quantization.algorithms.form_costs import gate_cycles, table_cycles
from edge_mnv3_quantization.algorithms.lowering import Forms, lower
from edge_mnv3_quantization.algorithms.modelled_cost import depthwise_cycles, network_cycles
from edge_mnv3_quantization.graph.network import Node, Value
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from random_networks import original, wide_network

OFFERS = [
    [Choice(10.0, 9.0), Choice(20.0, 4.0, frozenset({1})), Choice(40.0, 2.0, frozenset({1, 2}))],
    [Choice(5.0, 1.0), Choice(15.0, 0.2, frozenset({7}))],
]


def taken(choices: list[Choice]) -> set[int]:
    return set(joined_choice(choices).per_channel)


def test_the_least_error_that_fits_is_taken() -> None:
    # Steps save 5, 2 and 0.8, and cost 10, 20 and 10.
    assert [taken(within_budget(OFFERS, cycles)) for cycles in (0, 10, 20, 30, 40)] == [
        set(), {1}, {1, 7}, {1, 2}, {1, 2, 7},
    ]  # fmt: skip


CHOICES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50)), min_size=1, max_size=4)


@given(offered=st.lists(CHOICES, min_size=1, max_size=5), cycles=st.integers(0, 90))
def test_no_other_choice_within_the_budget_is_better(
    offered: list[list[tuple[int, int]]], cycles: int
) -> None:
    offers = [[Choice(float(cost), float(error)) for cost, error in sorted(offer)] for offer in offered]
    least = sum(offer[0].cycles for offer in offers)
    chosen = within_budget(offers, float(cycles))
    assert sum(choice.cycles for choice in chosen) <= least + cycles
    fitting = (
        sum(choice.error for choice in picked)
        for picked in itertools.product(*offers)
        if sum(choice.cycles for choice in picked) <= least + cycles
    )
    assert sum(choice.error for choice in chosen) == min(fitting)


def test_a_dear_step_is_taken_before_cheap_ones_that_save_less() -> None:
    # For each cycle the small steps save more, but together only half of what the large one does.
    small = [[Choice(0.0, 3.0), Choice(10.0, 0.0)] for _ in range(4)]
    large = [Choice(0.0, 24.0), Choice(100.0, 0.0)]
    chosen = within_budget([*small, large], 100.0)
    assert [choice.error for choice in chosen] == [3.0, 3.0, 3.0, 3.0, 0.0]


def test_many_offers_are_chosen_from_closely() -> None:
    generator = np.random.default_rng(0)
    offers = []
    for _ in range(40):
        costs = np.cumsum(generator.uniform(1e3, 1e5, 6))
        errors = np.sort(generator.uniform(0, 1, 6))[::-1]
        offers.append([Choice(float(cost), float(error)) for cost, error in zip(costs, errors, strict=True)])
    least = sum(offer[0].cycles for offer in offers)
    budget = 0.4 * (sum(offer[-1].cycles for offer in offers) - least)
    chosen = within_budget(offers, budget)
    assert sum(choice.cycles for choice in chosen) <= least + budget
    # No choice has less error than the best mixture of choices, which the price of a cycle gives.
    bound = max(
        sum(
            min(choice.error + price * (choice.cycles - offer[0].cycles) for choice in offer)
            for offer in offers
        )
        - price * budget
        for price in np.geomspace(1e-8, 1e-4, 400)
    )
    assert bound <= sum(choice.error for choice in chosen) <= bound + 0.1


class Errors:
    """A gate for the chain's first hard-swish costs more than groups, and saves less."""

    total = 100.0

    def table(self, x: int) -> float:
        return 50.0

    def per_channel(self, x: int) -> float:
        return 10.0

    def groups(self, chain: Chain) -> list[Division]:
        return [Division([np.arange(48)], 50.0), Division([np.arange(16), np.arange(16, 48)], 9.0)]

    def groups_throughout(self, chain: Chain) -> list[Division]:
        return [Division([np.arange(48)], 100.0), Division([np.arange(16), np.arange(16, 48)], 40.0)]


def test_offers_leave_out_what_costs_more_and_saves_less() -> None:
    network = wide_network()
    inputs = hard_swish_inputs(lower_hard_swish(network))
    tables = lower_hard_swish(network, per_channel=())
    (x,) = (x for x in inputs if chain_of(tables, x) is not None)
    offers = all_offers(tables, inputs, Errors())  # type: ignore[arg-type]
    assert len(offers) == len(inputs) - 1  # the chain's two hard-swishes are one offer
    of_chain = next(offer for offer in offers if any(x in choice.groups for choice in offer))
    assert of_chain[0].per_channel == frozenset()
    assert of_chain[0].groups == {}
    assert all(x not in choice.per_channel for choice in of_chain)
    assert [choice.cycles for choice in of_chain] == sorted(choice.cycles for choice in of_chain)
    errors = [choice.error for choice in of_chain]
    assert errors == sorted(set(errors), reverse=True)
    assert within_budget([], 10.0) == []


def test_forms_cost_what_the_emulated_processor_says() -> None:
    stem, deep = Value(name="x", shape=(1, 112, 112, 16)), Value(name="x", shape=(1, 14, 14, 96))
    # Per channel 2.8 cycles a number and 7 a place, a table 0.69; the stem's map does not fit the cache.
    assert 600e3 < gate_cycles(stem) < 950e3
    assert 3.5 < gate_cycles(deep) / table_cycles(deep) < 5
    assert table_cycles(deep, [32, 64]) - table_cycles(deep) < 0.01 * table_cycles(deep)
    network = wide_network()
    cycles = [network_cycles(lower_hard_swish(network, per_channel=forms)) for forms in ((), None)]
    assert cycles[1] > cycles[0]


@pytest.mark.parametrize(
    ("side", "taps", "stride", "channels", "counted"),
    [
        (56, 3, 2, 16, 239_502),
        (28, 3, 1, 88, 215_778),
        (14, 5, 1, 240, 285_554),
        (14, 5, 1, 16, 29_981),
        (7, 5, 1, 576, 171_605),
        (7, 5, 1, 16, 8_081),
    ],
)
def test_depthwise_convolutions_cost_what_was_counted(
    side: int, taps: int, stride: int, channels: int, counted: float
) -> None:
    # Of an emulated Cortex-A76, with the second cache: what a place costs does not shrink with the channels.
    node = Node(
        kind="depthwise",
        inputs=(0,),
        output=1,
        weights=np.ones((1, taps, taps, channels)),
        bias=np.zeros(channels),
        stride=(stride, stride),
    )
    assert depthwise_cycles(node, side * side, channels) == pytest.approx(counted, rel=0.08)


def test_offers_cost_what_they_add_to_the_network() -> None:
    network = wide_network()
    measured = original(lower_hard_swish(network))
    inputs = hard_swish_inputs(measured)
    tables = lower_hard_swish(network, per_channel=())
    added = []
    for offer in all_offers(tables, inputs, Errors()):  # type: ignore[arg-type]
        for choice in offer:
            forms = Forms(choice.per_channel, choice.groups)
            cycles = network_cycles(lower(network, measured, {}, forms)[0])
            added.append((choice.cycles - offer[0].cycles, cycles - network_cycles(tables)))
    of_choices, of_networks = np.array(added).T
    assert np.count_nonzero(of_choices) > 2
    # A table behind groups is divided too, where the choice counts one for all channels.
    assert of_choices == pytest.approx(of_networks, abs=60)
