"""How much an error of each value weighs at the network's output, estimated without running anything.

An error of variance 1 in one element is followed to the output as if all errors were independent: through a
weighted node by the squares of its weights, through a clamp by the share of numbers that it lets through,
through a product by the mean square of the other input.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_mnv3_quantization.activations import Histogram
from edge_mnv3_quantization.network import GATE_SHIFT, WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.rewrites import GATE_CEILING, gated_values

STEPS = 255  # between the smallest and the largest int8


def positions(network: Network, value: int) -> int:
    """Rows times columns of a value."""
    return int(np.prod(network.values[value].shape[1:-1]))


def output_gains(network: Network, histograms: Mapping[int, Histogram]) -> dict[int, Array]:
    """Variance at the output for an error of variance 1 in one element of a value, (C,) for each value.

    Args:
        network: Lowered, its products without factors.
        histograms: From `observe`, of this network.
    """
    gated = gated_values(network)
    gains = {node.output: np.zeros(network.values[node.output].channels) for node in network.nodes}
    gains[network.input] = np.zeros(network.values[network.input].channels)
    gains[network.output] += 1.0
    for node in reversed(network.nodes):
        given = gains[node.output]
        if node.inputs[0] in gated and node.kind != "mul":
            continue  # the gate: counted with the product that follows
        if node.kind in WEIGHTED:
            gains[node.inputs[0]] += _through_weights(network, node, given, histograms)
        elif node.kind == "mul":
            one, other = node.inputs
            if one in gated:
                gains[one] += given * _gated_slope(histograms[one])
            else:
                gains[one] += given * histograms[other].square
            spread = positions(network, node.output) / positions(network, other)
            gains[other] += given * histograms[one].square * spread
        elif node.kind == "mean":
            gains[node.inputs[0]] += given / positions(network, node.inputs[0]) ** 2
        else:
            for value in node.inputs:
                gains[value] += given
    return gains


def _through_weights(
    network: Network, node: Node, given: Array, histograms: Mapping[int, Histogram]
) -> Array:
    weights, _ = node.weights_and_bias()
    if node.clamp != "none":
        ceiling = GATE_CEILING if node.clamp == "relu6" else np.inf
        found = histograms[node.output]
        given = given * (((found.centres > 0) & (found.centres < ceiling)) * found.shares).sum(axis=1)
    spread = positions(network, node.output) / positions(network, node.inputs[0])
    squares = np.square(weights)
    if node.kind == "depthwise":
        through: Array = given * squares.sum(axis=(0, 1, 2))
    else:
        through = given @ squares.reshape(len(given), -1, squares.shape[-1]).sum(axis=1)
    return through * spread


def _gated_slope(histogram: Histogram) -> Array:
    """Mean square of the slope of x · relu6(x + 3), (C,)."""
    x = histogram.centres * histogram.factor[:, None]
    inside = 2 * x + GATE_SHIFT
    slope = np.where(x < -GATE_SHIFT, 0.0, np.where(x > GATE_SHIFT, GATE_CEILING, inside))
    mean_square: Array = (np.square(slope) * histogram.shares).sum(axis=1)
    return mean_square
