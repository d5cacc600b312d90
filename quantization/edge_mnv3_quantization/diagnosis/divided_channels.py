"""A float network with its channels divided as an int8 file notes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_mnv3_quantization.algorithms.curves import fit_channels
from edge_mnv3_quantization.algorithms.linear_channels import divide_channels
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.recipes.notes import (
    LINEAR_SCALES,
    read_fitted_channels,
    read_linear_scales,
)


def with_divided_channels(network: Network, metadata: Mapping[str, bytes]) -> Network:
    """Divides linear channels, and gives fitted ones their curves; the same network without any.

    Args:
        network: The float file's network.
        metadata: The int8 file's entries.

    Raises:
        ValueError: The entries are damaged, or of another network.
        KeyError: The network has no value of such a name.
    """
    numbers = {value.name: number for number, value in network.values.items()}
    for name, scales in read_linear_scales(metadata.get(LINEAR_SCALES, b"{}")).items():
        network = divide_channels(network, numbers[name], np.array(scales))
    for name, curves in read_fitted_channels(metadata).items():
        network = fit_channels(network, numbers[name], curves)
    return network
