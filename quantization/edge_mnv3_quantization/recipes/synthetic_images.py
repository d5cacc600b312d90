"""What the recipes do differently where the calibration images are synthetic.

Synthetic images have the edges and the spectrum of photographs, but show none of the objects that the late
layers respond to. So the numbers in large maps are like those of photographs, and those in small maps are
not: channels that stay small there may be large in photographs, all numbers reach further, and weights
refitted to such inputs are worse than the trained ones. The constants were chosen by the error of the logits
on photographs of a calibration set; other constants near them cost up to 2 dB, and treating synthetic images
like photographs costs up to 10 dB.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from edge_mnv3_quantization.algorithms.sensitivity import SMALL_STRIDE, Sensitivity
from edge_mnv3_quantization.graph.network import Network, Node
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

_REFITTED_STRIDE = 8  # the stride of the smallest maps, 28 x 28, whose weights are refitted
SHRINKAGE = 0.1  # `least` of `sensitivity.shrunk`
_FURTHER = 3.0  # how many times as far photographs' numbers may reach in small maps


def reaching_further(
    network: Network, logits: Collection[int], sensitivities: Mapping[int, Sensitivity]
) -> dict[int, Sensitivity]:
    """Stretches the tails of values in small maps, except the logits and the lower ends before a hard-swish.

    Numbers below -3 make no difference to a hard-swish, so its inputs still end there.
    """
    small = network.positions_at(SMALL_STRIDE)
    hard_swished = hard_swish_inputs(network)
    stretched = dict(sensitivities)
    for value, known in sensitivities.items():
        if value in logits or network.values[value].positions > small:
            continue
        high = dataclasses.replace(known.high, unit=_FURTHER * known.high.unit)
        low = known.low
        if low and value not in hard_swished:
            low = dataclasses.replace(low, unit=_FURTHER * low.unit)
        stretched[value] = dataclasses.replace(known, high=high, low=low)
    return stretched


def is_refitted(network: Network, node: Node) -> bool:
    """Whether a node's map is large enough for its weights to be refitted."""
    return network.values[node.output].positions >= network.positions_at(_REFITTED_STRIDE)
