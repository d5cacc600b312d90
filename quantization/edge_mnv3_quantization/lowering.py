"""Which form each hard-swish takes in the int8 file.

* `fused`: the operator HARD_SWISH, which XNNPACK leaves to the built-in kernels.
* a table: a gate that adds 3 and clamps, and a product. XNNPACK makes one table of 256 entries of both, so
  that it costs next to nothing; but its input has one scale for all channels.
* per channel: the gate is a depthwise 1×1 convolution, which takes a factor per channel (`equalization`).

`lowered` makes all of them per channel; `auto` makes tables of those where factors are not worth their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from edge_mnv3_quantization.equalization import group_factors
from edge_mnv3_quantization.network import Network
from edge_mnv3_quantization.ranges import best_range
from edge_mnv3_quantization.rewrites import gated_values, lower_hard_swish
from edge_mnv3_quantization.scaling import rescale, ties, value_factors
from edge_mnv3_quantization.sensitivity import Sensitivity

HardSwish = Literal["auto", "lowered", "fused"]
# Share of the whole network's estimated error that factors per channel must save to be worth their time.
_WORTH = 0.02


def lower(
    original: Network, measured: Network, sensitivities: Mapping[int, Sensitivity], hard_swish: HardSwish
) -> tuple[Network, dict[int, Sensitivity]]:
    """Lowers every hard-swish of a network.

    Args:
        original: With `hard_swish` nodes.
        measured: The same, lowered per channel and rescaled to products without factors.
        sensitivities: Of `measured`.
        hard_swish: What to make of them.

    Returns:
        The network, its products without factors, and the sensitivities of its values.
    """
    if hard_swish == "fused":
        lowered = original
    else:
        chosen = None if hard_swish == "lowered" else _worth(measured, sensitivities)
        lowered = lower_hard_swish(original, per_channel=chosen)
    # A value of either network is that of the original, divided by a number.
    there, here = (value_factors(network, {}) for network in (lower_hard_swish(original), lowered))
    return rescale(lowered, {}), {
        value: found.divided(here[value] / there[value])
        for value, found in sensitivities.items()
        if value in here
    }


def _worth(network: Network, sensitivities: Mapping[int, Sensitivity]) -> frozenset[int]:
    """Values before a hard-swish whose equalization saves enough."""
    tied = ties(network)
    factors = value_factors(network, group_factors(network, sensitivities))
    equalized = {v: best_range(s.divided(factors[v])).cost for v, s in sensitivities.items()}
    plain = {v: best_range(s).cost for v, s in sensitivities.items()}
    least = _WORTH * float(np.sum(list(equalized.values())))
    found = set()
    for value in gated_values(network):
        members = [v for v in sensitivities if tied[v].group == tied[value].group]
        if sum(plain[v] - equalized[v] for v in members) > least:
            found.add(value)
    return frozenset(found)
