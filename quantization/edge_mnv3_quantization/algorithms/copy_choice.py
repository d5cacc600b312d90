"""Which channels are copied, and how often: what saves most noise for its modelled cost, within a budget."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edge_mnv3_quantization.algorithms.channel_copies import (
    Counts,
    Region,
    copyable_regions,
)
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles, node_cycles
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.scale_sharing import value_scales

MOST_COPIES = 8  # of one channel
_MOST_OF_REGION = 96  # of all channels of a region together, beyond the channels themselves
# Copies in smaller maps than those of this stride gain half as much on other images as on those of the
# calibration, and make the file larger.
_LARGEST_STRIDE = 8
_AT_ONCE = 32  # so many more copies of a region are weighed against their cost at once


def rounding_costs(network: Network, sensitivities: Mapping[int, Sensitivity]) -> dict[int, Array]:
    """Estimates what rounding costs at the logits with the best scales and ranges, (C,) for each value."""
    scales = value_scales(network, group_scales(network, sensitivities))
    costs = {}
    for value, known in sensitivities.items():
        divided = known.divided(scales[value])
        low, high, _ = best_range(divided)
        costs[value] = divided.rounding * ((high - low) / STEPS) ** 2 / 12
    return costs


def choose_copies(
    network: Network, costs: Mapping[int, Array], budget_percent: float
) -> list[tuple[int, Counts]]:
    """Chooses copies, greedily by saved noise over modelled cycles.

    Args:
        network: The network in the forms of the int8 file.
        costs: What rounding each value costs, (C,); values that are not rounded are missing.
        budget_percent: How many more cycles the copies may cost.

    Returns:
        The first value of each region with copies, and how often each of its channels is computed, (C,).
    """
    left = network_cycles(network) * budget_percent / 100
    least = network.positions_at(_LARGEST_STRIDE)
    wide = [one for one in copyable_regions(network) if network.values[one.first].positions >= least]
    offers = [_Offer(network, region, costs) for region in wide]
    while True:
        steps = [step for offer in offers if (step := offer.next_step(left)) is not None]
        if not steps:
            break
        best = max(steps, key=lambda step: step.worth)
        left -= best.cycles
        best.offer.taken = best.copies
    return [(offer.region.first, offer.counts()) for offer in offers if offer.taken]


class _Step(NamedTuple):
    """More copies of a region.

    Attributes:
        copies: How many it then has in all.
        cycles: What those cost that it has not yet.
        worth: The noise that they save, for each cycle.
    """

    offer: _Offer
    copies: int
    cycles: float
    worth: float


class _Offer:
    """The copies that a region can have, the best first.

    Attributes:
        taken: How many of them are chosen.
    """

    def __init__(self, network: Network, region: Region, costs: Mapping[int, Array]) -> None:
        self.region, self.taken = region, 0
        self._channels = network.values[region.first].channels
        of_channels = np.zeros(self._channels)
        for value in sorted(region.values & costs.keys()):
            of_channels += costs[value]
        self._order, self.saved = _best_order(of_channels)
        touching = [node for node in network.nodes if region.values & {*node.inputs, node.output}]
        widths = [dict.fromkeys(region.values, self._channels + more) for more in range(len(self.saved))]
        self._cycles = np.array([sum(node_cycles(network, n, width) for n in touching) for width in widths])

    def next_step(self, most_cycles: float) -> _Step | None:
        """Finds the further copies that are worth most for their cost; None where none fit or save."""
        chosen = slice(self.taken + 1, self.taken + 1 + _AT_ONCE)
        cycles = self._cycles[chosen] - self._cycles[self.taken]
        saved = self.saved[chosen] - self.saved[self.taken]
        worth = np.where((cycles <= most_cycles) & (saved > 0), saved / np.maximum(cycles, 1.0), -1.0)
        if not len(worth) or worth.max() <= 0:
            return None
        best = int(worth.argmax())
        return _Step(self, self.taken + 1 + best, float(cycles[best]), float(worth[best]))

    def counts(self) -> Counts:
        """How often each channel is computed, (C,)."""
        return 1 + np.bincount(self._order[: self.taken], minlength=self._channels)


def _best_order(costs: Array) -> tuple[Sequence[int], Array]:
    """Orders further copies of channels by what they save: m copies cost 1/m.

    Args:
        costs: What rounding the channels costs, (C,).

    Returns:
        The channel of each further copy, and what the first n of them save, for each n from 0.
    """
    heap = [(-cost / 2, channel, 1) for channel, cost in enumerate(costs.tolist())]
    heapq.heapify(heap)
    order: list[int] = []
    saved = [0.0]
    while heap and len(order) < _MOST_OF_REGION:
        less, channel, copies = heapq.heappop(heap)
        order.append(channel)
        saved.append(saved[-1] - less)
        if copies + 1 < MOST_COPIES:
            after = costs[channel] * (1 / (copies + 2) - 1 / (copies + 1))
            heapq.heappush(heap, (float(after), channel, copies + 1))
    return order, np.array(saved)
