"""Channel copies within a recipe: chosen in the forms of the int8 file, made before lowering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edge_mnv3_quantization.algorithms.channel_copies import Counts, copied_sensitivities, copy_channels
from edge_mnv3_quantization.algorithms.channel_groups import Channels, chain_of
from edge_mnv3_quantization.algorithms.copy_choice import choose_copies, rounding_costs
from edge_mnv3_quantization.algorithms.lowering import Forms, lower
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish

_TRIALS = 4  # what channel groups add to the cost of copies is known afterwards only


class Decided(NamedTuple):
    """What `lower` takes.

    Attributes:
        original: See `lower`.
        measured: See `lower`.
        sensitivities: See `lower`.
        forms: See `lower`.
        unfitted: `original` without its fitted channels: what the int8 network is to come near. None where
            there are none.
    """

    original: Network
    measured: Network
    sensitivities: Mapping[int, Sensitivity]
    forms: Forms = Forms()
    unfitted: Network | None = None

    def lowered(self) -> tuple[Network, dict[int, Sensitivity]]:
        """Lowers the network, and carries the sensitivities over; see `lower`."""
        return lower(self.original, self.measured, self.sensitivities, self.forms)

    def reference(self) -> Network:
        """Lowers the network without its fitted channels."""
        original = self.original if self.unfitted is None else self.unfitted
        return lower(original, self.measured, self.sensitivities, self.forms)[0]


def with_copies(decided: Decided, budget_percent: float) -> tuple[Decided, float]:
    """Adds the channel copies that save most noise within a budget.

    Args:
        decided: A network without copies.
        budget_percent: How much more modelled cost the copies may add.

    Returns:
        The network with copies, the forms of its hard-swishes as they were, and how much modelled cost the
        copies add, in percent.
    """
    ungrouped = decided._replace(forms=decided.forms._replace(groups={}))
    network, sensitivities = ungrouped.lowered()
    costs = rounding_costs(network, sensitivities)
    # In channel groups, tables get scales that are nearly as good as those of channels.
    in_groups = rounding_costs(decided.measured, decided.sensitivities) if decided.forms.groups else {}
    tables = lower_hard_swish(decided.original, per_channel=())
    for x in decided.forms.groups:
        chain = chain_of(tables, x)
        if chain is not None:
            costs |= {value: in_groups[value] for value in (chain.x, chain.product, chain.depthwise)}
    # XNNPACK makes one table of such a hard-sigmoid and its product: it never rounds the hard-sigmoid.
    for node in network.nodes:
        if node.kind == "hard_sigmoid":
            costs.pop(node.output, None)
    before = network_cycles(decided.lowered()[0])
    allowed = budget_percent
    for _ in range(_TRIALS):
        copied = _copied(decided, choose_copies(network, costs, allowed))
        percent = 100 * (network_cycles(copied.lowered()[0]) / before - 1)
        if percent <= budget_percent:
            return copied, percent
        allowed *= 0.98 * budget_percent / percent
    return decided, 0.0


def _copied(decided: Decided, chosen: Sequence[tuple[int, Counts]]) -> Decided:
    original, measured, sensitivities, forms, unfitted = decided
    groups = dict(forms.groups)
    for first, counts in chosen:
        sensitivities = copied_sensitivities(measured, sensitivities, first, counts)
        original, measured = (copy_channels(network, first, counts) for network in (original, measured))
        if unfitted is not None:
            unfitted = copy_channels(unfitted, first, counts)
        if first in groups:
            groups[first] = [_positions(channels, counts) for channels in groups[first]]
    return Decided(original, measured, sensitivities, forms._replace(groups=groups), unfitted)


def _positions(channels: Channels, counts: Counts) -> Channels:
    """Finds where the copies of some channels are."""
    starts = np.cumsum(counts) - counts
    places = [np.arange(starts[channel], starts[channel] + counts[channel]) for channel in channels]
    return np.concatenate(places)
