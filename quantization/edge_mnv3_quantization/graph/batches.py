"""Networks that take several images at once."""

from __future__ import annotations

import dataclasses

from edge_mnv3_quantization.graph.network import Network


def batched(network: Network, images: int) -> Network:
    """Returns a copy of a network whose values have the shapes of so many images at once."""
    values = {
        number: dataclasses.replace(value, shape=(images, *value.shape[1:]))
        for number, value in network.values.items()
    }
    return dataclasses.replace(network, values=values)


def is_batchable(network: Network) -> bool:
    """Whether several images can run at once: some converters reshape 1×1 maps to vectors without a batch."""
    produced = (network.values[node.output].shape for node in network.nodes)
    return all(len(shape) > 1 and shape[0] == 1 for shape in produced)
