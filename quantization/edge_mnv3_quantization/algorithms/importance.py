"""How much errors of a node's result count behind its activation: the square of the activation's slope.

ReLU passes no error of a number below 0, and hard-swish none below -3, but more than whole ones from 1.5 on.
Least squares without regard to that would fit numbers of which nothing is left.

The slope is taken at what the int8 network is expected to give, never at what it should give: samples that
are chosen by the wanted result have errors of one sign, and a fit to them is biased.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from edge_mnv3_quantization.algorithms.float_results import Floats
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, HARD_SIGMOID_SHIFT, Network, Node
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

Activation = Literal["relu", "relu6", "hard_swish"]

# What an error counts at least: a number that an activation makes 0 may be above it once it is in error.
_LEAST = 0.02
_SAMPLES = 40  # so many are needed for each weight of a row


def activations(network: Network) -> dict[int, Activation]:
    """Finds the values that nothing but an activation takes, before they are clamped."""
    found: dict[int, Activation] = dict.fromkeys(hard_swish_inputs(network), "hard_swish")
    for node in network.nodes:
        if node.clamp != "none":
            found[node.output] = node.clamp
        if node.kind == "hard_swish" and len(network.consumers(node.inputs[0])) == 1:
            found[node.inputs[0]] = "hard_swish"
    return found


def has_enough_samples(node: Node, samples: int) -> bool:
    """Whether a node's samples are so many that some of them may count less."""
    weights, bias = node.weights_and_bias()
    return samples * len(bias) >= _SAMPLES * weights.size


def importance(activation: Activation, numbers: Floats) -> Floats:
    """Tells how much errors of what an activation takes count.

    Args:
        activation: The activation.
        numbers: What it takes, of any shape, in the units of the network before equalization.

    Returns:
        The weights, shaped like the numbers, between 0.02 and 2.25.
    """
    if activation == "hard_swish":
        slopes = (2 * numbers + HARD_SIGMOID_SHIFT) / HARD_SIGMOID_CEILING
        slopes[numbers >= HARD_SIGMOID_SHIFT] = 1.0
        slopes[numbers <= -HARD_SIGMOID_SHIFT] = 0.0
    else:
        slopes = (numbers > 0).astype(np.float32)
        if activation == "relu6":
            slopes[numbers > HARD_SIGMOID_CEILING] = 0.0
    return np.asarray(np.maximum(np.square(slopes), _LEAST), np.float32)
