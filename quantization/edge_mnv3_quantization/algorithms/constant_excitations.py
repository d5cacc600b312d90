"""Squeeze-excite excitations that are the same for every image: what `fold_constant_excitations` takes."""

from __future__ import annotations

from collections.abc import Mapping

from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Array, Network

_CONSTANT = 1e-3  # an excitation, which is between 0 and 6, is constant if its spread is less


def foldable_excitations(network: Network) -> frozenset[int]:
    """Finds the excitations of squeeze-excite blocks whose products only weighted nodes take."""
    excitations = {node.output for node in network.nodes if node.kind == "conv" and node.clamp == "relu6"}
    foldable = set()
    for node in network.nodes:
        takers = network.consumers(node.output)
        if node.kind == "mul" and takers and all(taker.weights is not None for taker in takers):
            foldable |= excitations & set(node.inputs)
    return frozenset(foldable)


def constant_excitations(network: Network, statistics: Mapping[int, ChannelStatistics]) -> dict[int, Array]:
    """Finds the `foldable_excitations` that do not change from image to image, and their values (C,)."""
    return {
        value: statistics[value].mean
        for value in foldable_excitations(network)
        if statistics[value].spread() < _CONSTANT
    }
