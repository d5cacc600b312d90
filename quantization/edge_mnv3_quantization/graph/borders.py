"""What a convolution takes around its map: zeros, or one number for each channel.

The kernels put zeros around a map. Other numbers are joined to it as constants, rows or columns on each side
that the convolution reaches beyond, and the convolution then takes the larger map as it is.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.network import Node
from edge_mnv3_quantization.graph.types import Quantization


def padding(
    node: Node, given: tuple[int, ...], result: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Counts the places around the input of a convolution.

    Returns:
        The places before the first row and the first column, and the numbers of rows and columns with the
        places on all sides.
    """
    before, padded = [], []
    kernel = node.weights_and_bias()[0].shape[1:3]
    for side, out, taps, stride in zip(given[1:3], result[1:3], kernel, node.stride, strict=True):
        missing = max((out - 1) * stride + taps - side, 0) if node.same_padding else 0
        before.append(missing // 2)
        padded.append(side + missing)
    return (before[0], before[1]), (padded[0], padded[1])


def reaches_beyond(node: Node, given: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether a node is a convolution that takes places around its map."""
    return node.kind in ("conv", "depthwise") and padding(node, given, result)[1] != tuple(given[1:3])


def without_padding(node: Node) -> Node:
    """The same convolution over a map that has what surrounds it."""
    return dataclasses.replace(node, same_padding=False, border=None)


def stored_border(node: Node, stored: Quantization) -> npt.NDArray[np.int8]:
    """Rounds what surrounds the map of a node as the map is stored, (C,) or () for zeros."""
    border = np.zeros(()) if node.border is None else node.border
    steps = np.rint(border / stored.scale) + stored.zero_point
    return np.asarray(np.clip(steps, -128, 127).astype(np.int8))
