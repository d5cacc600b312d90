"""Forms of hard-swish by what they save for their cycles."""

from __future__ import annotations

import itertools

import numpy as np

from edge_mnv3_quantization.algorithms.arm_forms import (
    Choice,
    all_offers,
    joined_forms,
    within_budget,
)
from edge_mnv3_quantization.algorithms.channel_groups import Chain, Division, chain_of
from edge_mnv3_quantization.algorithms.form_costs import gate_cycles, table_cycles
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.graph.network import Value
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from random_networks import wide_network

OFFERS = [
    [Choice(10.0, 9.0), Choice(20.0, 4.0, frozenset({1})), Choice(40.0, 2.0, frozenset({1, 2}))],
    [Choice(5.0, 1.0), Choice(15.0, 0.2, frozenset({7}))],
]


def taken(choices: list[Choice]) -> set[int]:
    return set(joined_forms(choices).per_channel)


def test_the_steps_that_save_most_for_their_cycles_come_first() -> None:
    # They save 0.5, 0.1 and 0.08 for a cycle, and cost 10, 20 and 10.
    assert [taken(within_budget(OFFERS, cycles)) for cycles in (0, 10, 20, 30, 40)] == [
        set(), {1}, {1, 7}, {1, 2}, {1, 2, 7},
    ]  # fmt: skip


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
    slopes = [
        (one.error - other.error) / (other.cycles - one.cycles) for one, other in itertools.pairwise(of_chain)
    ]
    assert slopes == sorted(slopes, reverse=True)
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
