"""Which form each hard-swish takes in the int8 file.

* Fused: it stays the operator HARD_SWISH, which XNNPACK leaves to the built-in kernels.
* As a table: it becomes a hard-sigmoid that adds 3 and clamps, and a product. XNNPACK makes one table of 256
  entries of both, so that it costs next to nothing; but its input has one scale for all channels.
* As tables by channel groups: between a convolution and a depthwise convolution, each channel group has a
  table and separate scales (`channel_groups`). This costs a little more time.
* Per channel: the hard-sigmoid is a depthwise 1×1 convolution, which takes an equalization scale per channel.
  This costs seven times as much time as a table.

`lowered` makes all of them per channel. `auto` takes the cheapest form that is accurate enough by the
measured costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.choices import HardSwishPolicy
from edge_mnv3_quantization.algorithms.channel_groups import (
    Chain,
    Channels,
    best_groups,
    chain_of,
    group_channels,
    moved,
)
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, shared_scales, value_scales

# The share of the whole network's estimated error that a form must save to be worth its time.
_WORTH = 0.01  # for scales per channel
_GROUP_WORTH = 0.003  # for one more channel group


class Forms(NamedTuple):
    """The form of each hard-swish, by the value that it takes: a table where nothing else is said.

    Attributes:
        per_channel: Those that are per channel.
        groups: Those that are tables by channel groups, with the groups.
        fused: All stay operators.
    """

    per_channel: frozenset[int] = frozenset()
    groups: Mapping[int, Sequence[Channels]] = MappingProxyType({})
    fused: bool = False


class _Costs:
    """Estimated errors of the logits for each form.

    Attributes:
        total: The error of the whole network with scales per channel.
    """

    def __init__(self, network: Network, sensitivities: Mapping[int, Sensitivity]) -> None:
        self._sensitivities = sensitivities
        self._shared = shared_scales(network)
        self._scales = value_scales(network, group_scales(network, sensitivities))
        self._plain = {v: best_range(s).cost for v, s in sensitivities.items()}
        self._equalized = {v: best_range(s.divided(self._scales[v])).cost for v, s in sensitivities.items()}
        self.total = float(np.sum(list(self._equalized.values())))

    def table(self, x: int) -> float:
        """Adds up the cost, without any scales, of all values in the scale-sharing group of x."""
        return sum(self._plain[value] for value in self._sharing(x))

    def per_channel(self, x: int) -> float:
        """Adds up the cost, with equalization scales, of all values in the scale-sharing group of x."""
        return sum(self._equalized[value] for value in self._sharing(x))

    def groups(self, chain: Chain, values: Sequence[int]) -> tuple[list[Channels], float]:
        """Finds the best channel groups for some values of a chain, and the cost of these values."""
        # Sorted by a value's scales, channels of like numbers lie together.
        orders = [np.argsort(self._scales[value], kind="stable") for value in (chain.x, chain.depthwise)]
        members = [self._sensitivities[value] for value in values]
        return best_groups(members, orders, _GROUP_WORTH * self.total)

    def table_of_groups(self, chain: Chain) -> tuple[list[Channels], float]:
        """Finds the best channel groups for a chain whose second hard-swish is a table too, and their cost.

        The cost includes the values that share scales with the input of the second hard-swish.
        """
        chosen, cost = self.groups(chain, [chain.x, chain.product, chain.depthwise])
        return chosen, cost + self.table(chain.depthwise) - self._plain[chain.depthwise]

    def _sharing(self, x: int) -> list[int]:
        return [v for v in self._sensitivities if self._shared[v].group == self._shared[x].group]


def lower(
    original: Network, measured: Network, sensitivities: Mapping[int, Sensitivity], forms: Forms
) -> tuple[Network, dict[int, Sensitivity]]:
    """Lowers every hard-swish of a network.

    Args:
        original: A network with `hard_swish` nodes.
        measured: The same network, lowered per channel and rescaled to products without constant factors.
        sensitivities: What errors in the values of `measured` cost.
        forms: The form of each hard-swish, from `choose_forms`.

    Returns:
        The lowered network, its products without constant factors, and the sensitivities of its values.
    """
    lowered = original if forms.fused else lower_hard_swish(original, per_channel=forms.per_channel)
    # A value of either network is the original network's value divided by a number.
    there, here = (value_scales(network, {}) for network in (lower_hard_swish(original), lowered))
    lowered_sensitivities = {
        value: known.divided(here[value] / there[value])
        for value, known in sensitivities.items()
        if value in here
    }
    network = rescale(lowered, {})
    for x, groups in forms.groups.items():
        grouped = group_channels(network, x, groups)
        if grouped is not None:
            network, origins = grouped
            lowered_sensitivities = moved(lowered_sensitivities, origins)
    kept = {node.output for node in network.nodes}
    return network, {value: known for value, known in lowered_sensitivities.items() if value in kept}


def choose_forms(
    original: Network,
    measured: Network,
    sensitivities: Mapping[int, Sensitivity],
    hard_swish: HardSwishPolicy,
) -> Forms:
    """Chooses the form of each hard-swish of a network.

    Args:
        original: A network with `hard_swish` nodes.
        measured: The same network, lowered per channel and rescaled to products without constant factors.
        sensitivities: What errors in the values of `measured` cost.
        hard_swish: Which forms to choose.
    """
    if hard_swish == "auto":
        return _forms(original, measured, sensitivities)
    return Forms(per_channel=frozenset(hard_swish_inputs(measured)), fused=hard_swish == "fused")


def _forms(original: Network, measured: Network, sensitivities: Mapping[int, Sensitivity]) -> Forms:
    """Chooses the cheapest forms that are accurate enough."""
    costs = _Costs(measured, sensitivities)
    tables = lower_hard_swish(original, per_channel=())
    groups: dict[int, list[Channels]] = {}
    per_channel, settled = set(), set()
    for x in sorted(hard_swish_inputs(measured)):
        chain = chain_of(tables, x)
        if chain is not None:
            chosen, cost = costs.groups(chain, [chain.x, chain.product])
            if chain.end != chain.depthwise:
                whole, with_table = costs.table_of_groups(chain)
                if with_table - cost - costs.per_channel(chain.depthwise) <= _WORTH * costs.total:
                    chosen = whole
                    settled.add(chain.depthwise)
            if len(chosen) > 1:
                groups[x] = chosen
                continue
        if x not in settled and costs.table(x) - costs.per_channel(x) > _WORTH * costs.total:
            per_channel.add(x)
    return Forms(frozenset(per_channel), groups)
