"""The forms of all hard-swishes that are worth most for their modelled cost on a phone's processor.

Each hard-swish is one table, tables by channel groups, or per channel (`lowering`). What the forms of one
convolution and of the depthwise convolution behind it cost depends on one another, so they are chosen
together, as one offer; offers are independent. Within a budget the choice is the usual one of a knapsack:
each offer is reduced to its convex hull, and the steps that save most error for their cycles are taken first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from edge_mnv3_quantization.algorithms.channel_groups import Chain, Channels, Division, chain_of
from edge_mnv3_quantization.algorithms.form_costs import gate_cycles, joining_cycles, table_cycles
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.lowering import Forms
from edge_mnv3_quantization.graph.network import Network


class Choice(NamedTuple):
    """Forms of one hard-swish, or of the two of a chain.

    Attributes:
        cycles: Their modelled cycles.
        error: Their estimated squared error of the logits.
        per_channel: The inputs of those that are per channel.
        groups: The input of the first to its channel groups.
    """

    cycles: float
    error: float
    per_channel: frozenset[int] = frozenset()
    groups: Mapping[int, Sequence[Channels]] = MappingProxyType({})

    def beside(self, other: Choice) -> Choice:
        """Joins the forms of two hard-swishes."""
        return Choice(
            self.cycles + other.cycles,
            self.error + other.error,
            self.per_channel | other.per_channel,
            {**self.groups, **other.groups},
        )


def all_offers(tables: Network, inputs: Iterable[int], errors: FormErrors) -> list[list[Choice]]:
    """Lists the forms that each hard-swish, or each pair, can have, on its convex hull: the cheapest first.

    Args:
        tables: The network with a table for each hard-swish.
        inputs: The inputs of the hard-swishes.
        errors: What the forms cost at the logits.
    """
    offers, settled = [], set()
    for x in sorted(inputs):
        if x in settled:
            continue
        chain = chain_of(tables, x)
        choices = list(_plain(tables, x, errors))
        if chain is not None:
            choices += _grouped(tables, chain, errors)
            if chain.end != chain.depthwise:
                settled.add(chain.depthwise)
                second = list(_plain(tables, chain.depthwise, errors))
                choices = [one.beside(other) for one in choices for other in second]
                choices += _grouped_throughout(tables, chain, errors)
        offers.append(_hull(choices))
    return offers


def _plain(tables: Network, x: int, errors: FormErrors) -> Iterator[Choice]:
    value = tables.values[x]
    yield Choice(table_cycles(value), errors.table(x))
    yield Choice(gate_cycles(value), errors.per_channel(x), frozenset({x}))


def _grouped(tables: Network, chain: Chain, errors: FormErrors) -> Iterator[Choice]:
    for groups, error in _several(errors.groups(chain)):
        sizes = [len(group) for group in groups]
        cycles = table_cycles(tables.values[chain.x], sizes)
        cycles += joining_cycles(tables.values[chain.depthwise], sizes)
        yield Choice(cycles, error, groups={chain.x: groups})


def _grouped_throughout(tables: Network, chain: Chain, errors: FormErrors) -> Iterator[Choice]:
    for groups, error in _several(errors.groups_throughout(chain)):
        sizes = [len(group) for group in groups]
        cycles = sum(table_cycles(tables.values[value], sizes) for value in (chain.x, chain.depthwise))
        cycles += joining_cycles(tables.values[chain.end], sizes)
        yield Choice(cycles, error, groups={chain.x: groups})


def _several(divided: Iterable[Division]) -> list[Division]:
    return [one for one in divided if len(one.groups) > 1]


def _hull(choices: Sequence[Choice]) -> list[Choice]:
    """Leaves the choices that are best for some price of a cycle, the cheapest first."""
    hull: list[Choice] = []
    for choice in sorted(choices, key=lambda one: (one.cycles, one.error)):
        if hull and choice.error >= hull[-1].error:
            continue
        while len(hull) > 1 and _worth(hull[-2], hull[-1]) <= _worth(hull[-2], choice):
            hull.pop()
        if hull and choice.cycles <= hull[-1].cycles:
            hull[-1] = choice
        else:
            hull.append(choice)
    return hull


def _worth(before: Choice, after: Choice) -> float:
    """Computes the error that a step saves for each cycle."""
    return (before.error - after.error) / max(after.cycles - before.cycles, 1.0)


def within_budget(offers: Sequence[Sequence[Choice]], cycles: float) -> list[Choice]:
    """Takes the steps that save most error for their cycles, as long as they fit.

    Args:
        offers: From `all_offers`.
        cycles: How many more cycles than the first choices all may cost.
    """
    steps = sorted(
        (-_worth(before, after), place, number)
        for place, offer in enumerate(offers)
        for number, (before, after) in enumerate(itertools.pairwise(offer))
    )
    taken, left = [0] * len(offers), cycles
    for _, place, number in steps:
        more = offers[place][number + 1].cycles - offers[place][number].cycles
        # A step that does not fit closes its offer: what follows it costs more.
        if taken[place] == number and more <= left:
            taken[place] += 1
            left -= more
    return [offer[number] for offer, number in zip(offers, taken, strict=True)]


def joined_forms(choices: Iterable[Choice]) -> Forms:
    """Joins the choices of all offers."""
    together = Choice(0.0, 0.0)
    for choice in choices:
        together = together.beside(choice)
    return Forms(together.per_channel, together.groups)
