"""The inputs of a weighted node as rows, one for each position of its output (im2col)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.borders import padding
from edge_mnv3_quantization.graph.network import Node

Number = TypeVar("Number", bound=np.generic)


def im2col(
    node: Node,
    given: npt.NDArray[Number],
    result: tuple[int, ...],
    positions: npt.NDArray[np.int64],
    *,
    zero: Any = 0,
) -> npt.NDArray[Number]:
    """Gathers the inputs that make the numbers at some positions of a node's output.

    Args:
        node: A weighted node.
        given: The node's whole inputs for N images, (N, H, W, C), or any shape that ends in C for dense.
        result: Shape of the output for one image, (1, H, W, C).
        positions: Positions in each image's output, counted row by row, (N, positions).
        zero: The number that stands for a zero in `given`, or those that surround it, (C,).

    Returns:
        The inputs, (N, positions, taps, C), with `zero` where a tap lies outside of the input.
    """
    images, channels = len(given), given.shape[-1]
    kernel = (1, 1) if node.kind == "dense" else node.weights_and_bias()[0].shape[1:3]
    if node.kind == "dense" or kernel == node.stride == (1, 1):
        return at_positions(given, positions)[:, :, np.newaxis]
    image = np.arange(images)[:, None]
    before, padded = padding(node, given.shape, result)
    whole = np.full((images, *padded, channels), zero, given.dtype)
    whole[:, before[0] : before[0] + given.shape[1], before[1] : before[1] + given.shape[2]] = given
    first_row, first_column = positions // result[2] * node.stride[0], positions % result[2] * node.stride[1]
    row = first_row[:, :, None, None] + np.arange(kernel[0])[:, None]
    column = first_column[:, :, None, None] + np.arange(kernel[1])
    cut: npt.NDArray[Number] = whole[image[:, :, None, None], row, column]
    return cut.reshape(images, positions.shape[1], kernel[0] * kernel[1], channels)


def at_positions(given: npt.NDArray[Number], positions: npt.NDArray[np.int64]) -> npt.NDArray[Number]:
    """Gathers the channels of a value at some positions of each of N images, (N, positions, C).

    Args:
        given: The value, (N, H, W, C), or any shape that ends in C.
        positions: Positions counted row by row, (N, positions).
    """
    rows = given.reshape(len(given), -1, given.shape[-1])
    taken: npt.NDArray[Number] = rows[np.arange(len(given))[:, None], positions]
    return taken
