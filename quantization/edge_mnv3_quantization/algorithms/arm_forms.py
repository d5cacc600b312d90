"""The forms of all hard-swishes that are worth most for their modelled cost on a phone's processor.

Each hard-swish is one table, tables by channel groups, or per channel (`lowering`). What the forms of one
convolution and of the depthwise convolution behind it cost depends on one another, so they are chosen
together, as one offer; offers are independent. Within a budget one choice of each offer is taken, such that
all together have the least error: the multiple-choice knapsack problem, by dynamic programming over
undominated sums (Kellerer, Pferschy and Pisinger, Knapsack Problems, 2004, chapter 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from edge_mnv3_quantization.algorithms.channel_groups import Chain, Channels, Division, chain_of
from edge_mnv3_quantization.algorithms.fitted_channels import FittedChannels
from edge_mnv3_quantization.algorithms.form_costs import gate_cycles, joining_cycles, table_cycles
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.modelled_cost import depthwise_cycles, surrounding_cycles
from edge_mnv3_quantization.graph.network import Network

_SUMS = 2000  # of the sums of cycles, that so many steps tell apart


class Choice(NamedTuple):
    """Forms of one hard-swish, or of the two of a chain.

    Attributes:
        cycles: Their modelled cycles.
        error: Their estimated squared error of the logits.
        per_channel: The inputs of those that are per channel.
        groups: The input of the first to its channel groups.
        fitted: The inputs with fitted channels (`fitted_channels`).
        surrounded: Those of them whose map is surrounded by constants.
    """

    cycles: float
    error: float
    per_channel: frozenset[int] = frozenset()
    groups: Mapping[int, Sequence[Channels]] = MappingProxyType({})
    fitted: frozenset[int] = frozenset()
    surrounded: frozenset[int] = frozenset()

    def beside(self, other: Choice) -> Choice:
        """Joins the forms of two hard-swishes."""
        return Choice(
            self.cycles + other.cycles,
            self.error + other.error,
            self.per_channel | other.per_channel,
            {**self.groups, **other.groups},
            self.fitted | other.fitted,
            self.surrounded | other.surrounded,
        )


def all_offers(
    tables: Network, inputs: Iterable[int], errors: FormErrors, fitted: FittedChannels | None = None
) -> list[list[Choice]]:
    """Lists the forms that each hard-swish, or each pair, can have: the cheapest first.

    Args:
        tables: The network with a table for each hard-swish.
        inputs: The inputs of the hard-swishes.
        errors: What the forms cost at the logits.
        fitted: The fitted channels that tables may have; None for none.
    """
    offers, settled = [], set()
    for x in sorted(inputs):
        if x in settled:
            continue
        chain = chain_of(tables, x)
        choices = list(_plain(tables, x, errors, fitted))
        if chain is not None:
            choices += _grouped(tables, chain, errors, fitted)
            if chain.end != chain.depthwise:
                settled.add(chain.depthwise)
                second = list(_plain(tables, chain.depthwise, errors, fitted))
                choices = [one.beside(other) for one in choices for other in second]
                choices += _grouped_throughout(tables, chain, errors, fitted)
        offers.append(_undominated(choices))
    return offers


def _plain(tables: Network, x: int, errors: FormErrors, fitted: FittedChannels | None) -> Iterator[Choice]:
    value = tables.values[x]
    yield from _with_fitted(Choice(table_cycles(value), errors.table(x)), x, fitted)
    saved = fitted.saved(x, surrounded=True) if fitted else 0.0
    if saved > 0:
        cycles = table_cycles(value) + surrounding_cycles(value.positions, value.channels)
        here = frozenset({x})
        yield Choice(cycles, errors.table(x) - saved, fitted=here, surrounded=here)
    yield Choice(gate_cycles(value), errors.per_channel(x), frozenset({x}))


def _with_fitted(choice: Choice, x: int, fitted: FittedChannels | None) -> Iterator[Choice]:
    """Offers tables of a hard-swish, and the same with fitted channels where these save anything."""
    yield choice
    saved = fitted.saved(x, choice.groups.get(x, ())) if fitted else 0.0
    if saved > 0:
        yield choice._replace(error=choice.error - saved, fitted=frozenset({x}))


def _grouped(
    tables: Network, chain: Chain, errors: FormErrors, fitted: FittedChannels | None
) -> Iterator[Choice]:
    for groups, error in _several(errors.groups(chain)):
        sizes = [len(group) for group in groups]
        cycles = table_cycles(tables.values[chain.x], sizes) + _dividing_cycles(tables, chain, sizes)
        cycles += joining_cycles(tables.values[chain.depthwise], sizes)
        yield from _with_fitted(Choice(cycles, error, groups={chain.x: groups}), chain.x, fitted)


def _grouped_throughout(
    tables: Network, chain: Chain, errors: FormErrors, fitted: FittedChannels | None
) -> Iterator[Choice]:
    for groups, error in _several(errors.groups_throughout(chain)):
        sizes = [len(group) for group in groups]
        cycles = sum(table_cycles(tables.values[value], sizes) for value in (chain.x, chain.depthwise))
        cycles += _dividing_cycles(tables, chain, sizes) + joining_cycles(tables.values[chain.end], sizes)
        yield from _with_fitted(Choice(cycles, error, groups={chain.x: groups}), chain.x, fitted)


def _dividing_cycles(tables: Network, chain: Chain, sizes: Sequence[int]) -> float:
    """Models how much more the groups' depthwise convolutions cost than that of all channels."""
    node = next(one for one in tables.nodes if one.output == chain.depthwise)
    value = tables.values[chain.depthwise]
    whole = depthwise_cycles(node, value.positions, value.channels)
    return sum(depthwise_cycles(node, value.positions, channels) for channels in sizes) - whole


def _several(divided: Iterable[Division]) -> list[Division]:
    return [one for one in divided if len(one.groups) > 1]


def _undominated(choices: Iterable[Choice]) -> list[Choice]:
    """Leaves the choices than which none is better and costs no more, the cheapest first."""
    left: list[Choice] = []
    for choice in sorted(choices, key=lambda one: (one.cycles, one.error)):
        if not left or choice.error < left[-1].error:
            left.append(choice)
    return left


class _Sum(NamedTuple):
    """Choices of some offers, by their numbers, with the cycles above the first ones."""

    cycles: float
    error: float
    taken: tuple[int, ...]


def within_budget(offers: Sequence[Sequence[Choice]], cycles: float) -> list[Choice]:
    """Takes one choice of each offer, such that they fit and all together have the least error.

    Args:
        offers: From `all_offers`.
        cycles: How many more cycles than the first choices all may cost, from 0 on.

    Returns:
        The choices: no others that fit have less error, but for what `_SUMS` leaves out.
    """
    sums = [_Sum(0.0, 0.0, ())]
    for offer in offers:
        longer = (
            _Sum(
                one.cycles + (choice.cycles - offer[0].cycles), one.error + choice.error, (*one.taken, number)
            )
            for one in sums
            for number, choice in enumerate(offer)
        )
        sums = _best([one for one in longer if one.cycles <= cycles], cycles)
    return [offer[number] for offer, number in zip(offers, sums[-1].taken, strict=True)]


def _best(sums: Iterable[_Sum], cycles: float) -> list[_Sum]:
    """Leaves the sums with less error than all that cost no more, and of `_SUMS` equal steps the best."""
    best: list[_Sum] = []
    for one in sorted(sums):
        if best and one.error >= best[-1].error:
            continue
        if len(best) > 1 and int(best[-1].cycles / cycles * _SUMS) == int(one.cycles / cycles * _SUMS):
            best.pop()
        best.append(one)
    return best


def joined_choice(choices: Iterable[Choice]) -> Choice:
    """Joins the choices of all offers."""
    together = Choice(0.0, 0.0)
    for choice in choices:
        together = together.beside(choice)
    return together
