"""The inputs that a weighted node sees at given places of its output."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.backward import padding
from edge_mnv3_quantization.graph.network import Array, Node


def patches(node: Node, given: Array, result: tuple[int, ...], chosen: npt.NDArray[np.int64]) -> Array:
    """Cuts them out of the node's whole input.

    Args:
        node: conv, depthwise or dense.
        given: The input, real numbers, (1, H, W, C), or any shape ending in C for dense.
        result: Shape of the output.
        chosen: Places, row by row: (positions,).

    Returns:
        (positions, taps, C); zeros where a tap lies outside.
    """
    channels = given.shape[-1]
    if node.kind == "dense":
        return given.reshape(-1, 1, channels)[chosen]
    rows, columns = node.weights_and_bias()[0].shape[1:3]
    if (rows, columns) == node.stride == (1, 1):
        return given.reshape(-1, 1, channels)[chosen]
    before, padded = padding(node, given.shape, result)
    whole = np.zeros((*padded, channels))
    whole[before[0] : before[0] + given.shape[1], before[1] : before[1] + given.shape[2]] = given[0]
    first_row, first_column = chosen // result[2] * node.stride[0], chosen % result[2] * node.stride[1]
    row = first_row[:, None, None] + np.arange(rows)[None, :, None]
    column = first_column[:, None, None] + np.arange(columns)[None, None, :]
    return np.asarray(whole[row, column].reshape(len(chosen), rows * columns, channels))
