"""Curves in place of a hard-swish, channel by channel, and the network that has them.

    gain · hard_swish(slope · x + offset) + constant, in place of hard_swish(x)

The convolution before gives slope · x + offset, and the layers behind take gains and constants.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.linear_channels import divided_values
from edge_mnv3_quantization.graph.borders import reaches_beyond
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, Array, Network, Node
from edge_mnv3_quantization.graph.tensor_names import ungrouped


class Curves(NamedTuple):
    """What takes the place of hard_swish(x): gain · hard_swish(slope · x + offset) + constant, (C,) each.

    Attributes:
        slopes: 1 for channels that stay as they are.
        offsets: 0 for these.
        gains: 1 for these.
        constants: 0 for these.
        borders: What surrounds the map in the place of 0, in units of the table's result, so that it stands
            for 0 once gains and constants are taken; 0 where zeros surround it.
    """

    slopes: Array
    offsets: Array
    gains: Array
    constants: Array
    borders: Array

    @classmethod
    def none(cls, channels: int) -> Curves:
        """Returns the curves of channels that stay as they are."""
        zeros = np.zeros(channels)
        return cls(np.ones(channels), zeros.copy(), np.ones(channels), zeros.copy(), zeros.copy())

    @property
    def fitted(self) -> npt.NDArray[np.bool_]:
        """Which channels do not stay as they are, (C,)."""
        changed: npt.NDArray[np.bool_] = np.any(
            np.stack(self) != np.stack(Curves.none(len(self.slopes))), axis=0
        )
        return changed


def fit_channels(network: Network, x: int, curves: Curves) -> Network:
    """Gives curves in place of channels of a hard-swish.

    Args:
        network: A network in which the hard-swish is one node or lowered per channel.
        x: The input of the hard-swish.
        curves: The curves, of all channels.

    Returns:
        The network, which remembers the curves.

    Raises:
        ValueError: There are not as many curves as channels, or these channels cannot be divided, or not only
            layers with weights would take their constants.
    """
    name = network.values[x].name
    values = divided_values(network, x)
    if any(len(one) != network.values[x].channels for one in curves):
        raise ValueError(
            f"'{name}' has {network.values[x].channels} channels, and {len(curves.slopes)} curves"
        )
    if values is None:
        raise ValueError(f"the channels of '{name}' cannot be divided")
    result = next(node for node in network.consumers(x) if node.kind in ("hard_swish", "mul"))
    takers = {node.output for node in network.consumers(result.output)}
    if curves.constants.any() and not all(
        node.weights is not None for node in network.consumers(result.output)
    ):
        raise ValueError(f"not only layers with weights take the hard-swish of '{name}'")
    # The product is six times the hard-swish.
    times = HARD_SIGMOID_CEILING if result.kind == "mul" else 1.0
    nodes = []
    for node in network.nodes:
        if node.weights is not None and node.kind != "hard_sigmoid" and not _is_gate(node, x):
            if node.output == x:
                node = _given(node, curves)
            elif values & set(node.inputs):
                added = times * curves.constants if node.output in takers else np.zeros(len(curves.slopes))
                node = _taken(node, curves.gains, added)
                if curves.borders.any() and reaches_beyond(
                    node, network.values[node.inputs[0]].shape, network.values[node.output].shape
                ):
                    node = dataclasses.replace(node, border=times * curves.borders)
        nodes.append(node)
    known = {**network.fitted_channels, name: tuple(tuple(map(float, row)) for row in curves)}
    return dataclasses.replace(network.with_nodes(nodes), fitted_channels=known)


def fitted_values(network: Network) -> frozenset[int]:
    """Finds the inputs of hard-swishes with fitted channels, whole or by channel groups."""
    return frozenset(
        node.output
        for node in network.nodes
        if ungrouped(network.values[node.output].name) in network.fitted_channels
    )


def _given(node: Node, curves: Curves) -> Node:
    """The layer before, which gives slope · x + offset."""
    weights, bias = node.weights_and_bias()
    shape = (-1,) if node.kind == "depthwise" else (-1, *[1] * (weights.ndim - 1))
    weights, bias = weights * curves.slopes.reshape(shape), bias * curves.slopes + curves.offsets
    return dataclasses.replace(node, weights=weights, bias=bias)


def _taken(node: Node, gains: Array, constants: Array) -> Node:
    """A layer behind, which takes gains and constants."""
    weights, bias = node.weights_and_bias()
    if constants.any():
        taps = weights.reshape(-1, len(constants)).sum(axis=0) * constants
        if node.kind != "depthwise":
            taps = weights.reshape(len(weights), -1, len(constants)).sum(axis=1) @ constants
        bias = bias + taps
    return dataclasses.replace(node, weights=weights * gains, bias=bias)


def _is_gate(node: Node, x: int) -> bool:
    return node.kind == "depthwise" and node.inputs[0] == x
