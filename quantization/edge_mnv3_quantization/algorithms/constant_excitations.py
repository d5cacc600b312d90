"""Squeeze-excite excitations that are the same for every image: what `fold_constant_excitations` takes."""

from __future__ import annotations

from collections.abc import Mapping

from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Array, Network

_CONSTANT = 1e-3  # spread of an excitation, which goes from 0 to 6, that counts as none


def foldable_excitations(network: Network) -> frozenset[int]:
    """Excitations of squeeze-excite blocks whose products only weighted nodes take."""
    excitations = {node.output for node in network.nodes if node.kind == "conv" and node.clamp == "relu6"}
    found = set()
    for node in network.nodes:
        takers = network.consumers(node.output)
        if node.kind == "mul" and takers and all(taker.weights is not None for taker in takers):
            found |= excitations & set(node.inputs)
    return frozenset(found)


def constant_excitations(network: Network, statistics: Mapping[int, ChannelStatistics]) -> dict[int, Array]:
    """Those of `foldable_excitations` that do not change from image to image, and their values (C,)."""
    return {
        value: statistics[value].mean
        for value in foldable_excitations(network)
        if statistics[value].spread() < _CONSTANT
    }
