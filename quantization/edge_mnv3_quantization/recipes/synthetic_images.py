"""What the recipes do otherwise where the calibration images are synthetic.

Synthetic images have the edges and the spectrum of photographs, but show nothing that the late layers answer
to. So large maps tell what photographs will ask for, and small ones do not: channels that stay small there
may be large in photographs, all numbers reach further, and weights refitted to such inputs are worse than
those that were trained. The constants were chosen by the error of the logits on photographs of a calibration
set; near ones cost up to 2 dB, doing without costs up to 10.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edge_mnv3_quantization.algorithms.sensitivity import SMALL_STRIDE, Sensitivity
from edge_mnv3_quantization.graph.network import Network, Node
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

_REFITTED_STRIDE = 8  # of the smallest maps whose weights are refitted, 28 x 28
SHRINKAGE = 0.1  # share by which channels of small maps are `sensitivity.shrunk`
_FURTHER = 3.0  # times as far photographs' numbers may reach in small maps


def reaching_further(
    network: Network, logits: int, sensitivities: Mapping[int, Sensitivity]
) -> dict[int, Sensitivity]:
    """Tails of small maps drawn out; what hard-swish takes ends at -3 as it did, and logits stay."""
    small = network.positions_at(SMALL_STRIDE)
    hard_swished = hard_swish_inputs(network)
    found = dict(sensitivities)
    for value, known in sensitivities.items():
        if value == logits or network.values[value].positions > small:
            continue
        high = dataclasses.replace(known.high, unit=_FURTHER * known.high.unit)
        low = known.low
        if low and value not in hard_swished:
            low = dataclasses.replace(low, unit=_FURTHER * low.unit)
        found[value] = dataclasses.replace(known, high=high, low=low)
    return found


def is_refitted(network: Network, node: Node) -> bool:
    """Whether a node's map is large enough for its weights to be refitted."""
    return network.values[node.output].positions >= network.positions_at(_REFITTED_STRIDE)
