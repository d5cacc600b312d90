"""Gradients with respect to a network's values, image by image: the effect of errors to first order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.borders import padding
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, Network, Node

Floats = npt.NDArray[np.float32]

_SHORTEST = np.float32(1e-3)


def gradients(
    network: Network, values: Mapping[int, Floats], given: Mapping[int, Floats]
) -> dict[int, Floats]:
    """Follows gradients from the network's outputs back to values.

    Args:
        network: A network whose products have no constant factors.
        values: The numbers of the values that are asked for, shaped as the network says, for one image or
            several: all but the input, or all that are made of some of them.
        given: The gradients with respect to the outputs.

    Returns:
        Value to the gradient with respect to it, float32, shaped like the value.
    """
    by_value = dict(given)
    for node in reversed(network.nodes):
        if node.output not in by_value:
            continue
        gradient = by_value[node.output]
        if node.clamp != "none":
            inside = values[node.output] > 0
            if node.clamp == "relu6":
                inside &= values[node.output] < HARD_SIGMOID_CEILING
            gradient = gradient * inside
        for value in dict.fromkeys(node.inputs):
            if value not in values:
                continue
            through = _through(node, value, values, gradient).reshape(values[value].shape)
            by_value[value] = by_value[value] + through if value in by_value else through
    return by_value


def _through(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    x = values[value]
    if node.kind in ("conv", "dense"):
        weights, _ = node.weights_and_bias()
        rows = weights.reshape(len(weights), -1).astype(np.float32)
        if rows.shape[1] == x.shape[-1] and node.stride == (1, 1):
            return gradient.reshape(-1, gradient.shape[-1]) @ rows
        return _through_window(node, x, gradient)
    if node.kind == "depthwise":
        return _through_window(node, x, gradient)
    if node.kind in _UNWEIGHTED:
        return _UNWEIGHTED[node.kind](node, value, values, gradient)
    if node.kind == "mul":
        others = [i for i in node.inputs if i != value]
        product: Floats = gradient * (values[others[0]] if others else 2 * x)
        return product.sum(axis=(1, 2)) if x.size < product.size else product
    if node.kind == "mean":
        means = gradient.reshape(len(x), 1, 1, -1) / np.float32(x[0, :, :, 0].size)
        return np.broadcast_to(means, x.shape)
    if node.kind == "pad":
        top, bottom, left, right = node.paddings
        return gradient[:, top : gradient.shape[1] - bottom, left : gradient.shape[2] - right]
    return gradient


def _through_max(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    """A maximum passes its gradient on to the first position that has it."""
    images, *_, channels = values[value].shape
    rows = values[value].reshape(images, -1, channels)
    spread = np.zeros_like(rows)
    places = rows.argmax(axis=1)[:, np.newaxis]
    np.put_along_axis(spread, places, gradient.reshape(images, 1, channels), axis=1)
    return spread


def _through_concat(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    ends = np.cumsum([0, *(values[one].shape[-1] for one in node.inputs)])
    parts = [
        gradient[..., ends[place] : ends[place + 1]] for place, one in enumerate(node.inputs) if one == value
    ]
    total: Floats = np.sum(parts, axis=0)
    return total


def _through_logistic(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    given = values[node.output]
    through: Floats = gradient * (given * (1 - given))
    return through


def _through_tanh(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    through: Floats = gradient * (1 - np.square(values[node.output]))
    return through


def _through_l2(node: Node, value: int, values: Mapping[int, Floats], gradient: Floats) -> Floats:
    """What changes the length alone changes nothing; lengths below one thousandth count as one thousandth."""
    x, given = values[value], values[node.output]
    gradient = gradient.reshape(given.shape)
    along = (gradient * given).sum(axis=-1, keepdims=True)
    length = np.sqrt(np.square(x).sum(axis=-1, keepdims=True)).reshape(along.shape)
    through: Floats = (gradient - given * along) / np.maximum(length, _SHORTEST)
    return through


_UNWEIGHTED = {
    "max": _through_max,
    "concat": _through_concat,
    "logistic": _through_logistic,
    "tanh": _through_tanh,
    "l2_normalization": _through_l2,
}


def _through_window(node: Node, x: Floats, gradient: Floats) -> Floats:
    """Follows a gradient through a convolution, tap by tap of its window."""
    weights, _ = node.weights_and_bias()
    depthwise = node.kind == "depthwise"
    taps = (weights[0] if depthwise else weights.transpose(1, 2, 0, 3)).astype(np.float32)
    before, padded = padding(node, x.shape, gradient.shape)
    spread = np.zeros((len(x), *padded, x.shape[-1]), np.float32)
    rows, columns = gradient.shape[1:3]
    down, right = node.stride
    for i, j in np.ndindex(taps.shape[:2]):
        spread[
            :, i : i + down * (rows - 1) + 1 : down, j : j + right * (columns - 1) + 1 : right
        ] += gradient * taps[i, j] if depthwise else gradient @ taps[i, j]  # fmt: skip
    return spread[:, before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]]
