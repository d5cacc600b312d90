"""Gradients of a network's values, for one image: the linear effect of an error on the logits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, Network, Node

Floats = npt.NDArray[np.float32]


def gradients(network: Network, values: Mapping[int, Floats], given: Floats) -> dict[int, Floats]:
    """Follows a gradient from the network's output back to every value but the input.

    Args:
        network: Its products without constant factors.
        values: What every value was for one image, shaped as the network says.
        given: Gradient with respect to the output.

    Returns:
        The gradients, float32, shaped as the values.
    """
    found = {network.output: given}
    for node in reversed(network.nodes):
        if node.output not in found:
            continue
        own = found[node.output]
        if node.clamp != "none":
            inside = values[node.output] > 0
            if node.clamp == "relu6":
                inside &= values[node.output] < HARD_SIGMOID_CEILING
            own = own * inside
        for value in dict.fromkeys(node.inputs):
            if value == network.input:
                continue
            through = _through(node, value, values, own).reshape(values[value].shape)
            found[value] = found[value] + through if value in found else through
    return found


def _through(node: Node, value: int, values: Mapping[int, Floats], own: Floats) -> Floats:
    x = values[value]
    if node.kind in ("conv", "dense"):
        weights, _ = node.weights_and_bias()
        rows = weights.reshape(len(weights), -1).astype(np.float32)
        if rows.shape[1] != x.shape[-1]:
            raise ConversionError(
                "measuring what errors cost", f"a {weights.shape[1]}×{weights.shape[2]} convolution of inner "
                "values", "1×1 ones", "use --recipe stock"
            )  # fmt: skip
        return own.reshape(-1, own.shape[-1]) @ rows
    if node.kind == "depthwise":
        return _through_depthwise(node, x, own)
    if node.kind == "mul":
        (other,) = (i for i in node.inputs if i != value)
        product: Floats = own * values[other]
        return product.sum(axis=(1, 2)) if x.size < product.size else product
    if node.kind == "mean":
        return np.broadcast_to(own.reshape(1, 1, 1, -1) / np.float32(x[0, :, :, 0].size), x.shape)
    if node.kind == "pad":
        top, bottom, left, right = node.paddings
        return own[:, top : own.shape[1] - bottom, left : own.shape[2] - right]
    return own


def _through_depthwise(node: Node, x: Floats, own: Floats) -> Floats:
    weights, _ = node.weights_and_bias()
    taps = weights[0].astype(np.float32)
    before, padded = padding(node, x.shape, own.shape)
    spread = np.zeros((*padded, x.shape[-1]), np.float32)
    rows, columns = own.shape[1:3]
    down, right = node.stride
    for i, j in np.ndindex(taps.shape[:2]):
        spread[
            i : i + down * (rows - 1) + 1 : down, j : j + right * (columns - 1) + 1 : right
        ] += own[0] * taps[i, j]  # fmt: skip
    return spread[before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]]


def padding(
    node: Node, given: tuple[int, ...], result: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before the input of a convolution (rows, columns), and its size with the zeros on all sides."""
    before, padded = [], []
    kernel = node.weights_and_bias()[0].shape[1:3]
    for side, out, taps, stride in zip(given[1:3], result[1:3], kernel, node.stride, strict=True):
        missing = max((out - 1) * stride + taps - side, 0) if node.same_padding else 0
        before.append(missing // 2)
        padded.append(side + missing)
    return (before[0], before[1]), (padded[0], padded[1])
