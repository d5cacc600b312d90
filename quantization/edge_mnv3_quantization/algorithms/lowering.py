"""Which form each hard-swish takes in the int8 file.

* Fused: it stays the operator HARD_SWISH, which XNNPACK leaves to the built-in kernels.
* As a table: it becomes a hard-sigmoid that adds 3 and clamps, and a product. XNNPACK makes one table of 256
  entries of both, so that it costs next to nothing; but its input has one scale for all channels.
* As tables by channel groups: between a convolution and a depthwise convolution, each channel group has a
  table and separate scales (`channel_groups`). This costs a little more time.
* Per channel: the hard-sigmoid is a depthwise 1×1 convolution, which takes an equalization scale per channel.
  This costs seven times as much time as a table on x86, and four times as many cycles on Arm.

`lowered` makes all of them per channel. `auto` takes the cheapest form that is accurate enough by the
measured costs; where a phone's budget is given, it spends that by modelled cycles of an Arm processor
(`arm_forms`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from edge_mnv3.core.choices import HardSwishPolicy
from edge_mnv3_quantization.algorithms.channel_groups import (
    Channels,
    best_division,
    chain_of,
    group_channels,
    moved,
)
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, value_scales

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
        hard_swish: Which forms to choose; `auto` knows no budget.
    """
    inputs = hard_swish_inputs(measured)
    if hard_swish == "auto":
        return _accurate_forms(original, FormErrors(measured, sensitivities), inputs)
    return Forms(per_channel=inputs, fused=hard_swish == "fused")


def _accurate_forms(original: Network, costs: FormErrors, inputs: frozenset[int]) -> Forms:
    """Chooses the cheapest forms that are accurate enough."""
    tables = lower_hard_swish(original, per_channel=())
    groups: dict[int, list[Channels]] = {}
    per_channel, settled = set(), set()
    least = _GROUP_WORTH * costs.total
    for x in sorted(inputs):
        chain = chain_of(tables, x)
        if chain is not None:
            chosen = best_division(costs.groups(chain), least)
            if chain.end != chain.depthwise:
                whole = best_division(costs.groups_throughout(chain), least)
                if whole.cost - chosen.cost - costs.per_channel(chain.depthwise) <= _WORTH * costs.total:
                    chosen = whole
                    settled.add(chain.depthwise)
            if len(chosen.groups) > 1:
                groups[x] = chosen.groups
                continue
        if x not in settled and costs.table(x) - costs.per_channel(x) > _WORTH * costs.total:
            per_channel.add(x)
    return Forms(frozenset(per_channel), groups)
