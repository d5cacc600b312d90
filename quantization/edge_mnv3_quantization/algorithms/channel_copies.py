"""Staggered channel copies: a channel is computed several times, each time rounded at other places.

Most of the noise of int8 is the rounding of activations, and it sits in few channels of the early, wide maps.
Such a channel is computed m times. Copy k is moved by ((k + 1/2) / m - 1/2) of a step, so that the copies are
rounded at places that lie 1/m of a step apart, and whoever takes the channel takes the mean of the copies:
its weights are divided by m. What the copies were moved by cancels in the mean.

What follows a channel one by one (activations, depthwise convolutions, products with a gate, sums) follows
each copy, up to the next convolution or dense layer, which takes all channels at once. `copy_channels` is
exact in real numbers. `staggered` moves the copies, and is exact where no activation follows within the
copied values; behind one, what is left of the movement is below a step, and cancels in the mean to first
order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.channel_groups import CHANNELWISE, channelwise
from edge_mnv3_quantization.algorithms.float_results import shortcut_of
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.network import Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid
from edge_mnv3_quantization.graph.types import Quantization

Counts = npt.NDArray[np.intp]


class Region(NamedTuple):
    """Values that have the same channels, one by one, and so the same copies.

    Attributes:
        first: The first of them.
        values: All of them.
    """

    first: int
    values: frozenset[int]


def copyable_regions(network: Network) -> list[Region]:
    """Finds the regions whose channels can be copied, in the order of execution."""
    regions: list[Region] = []
    seen: set[int] = set()
    for node in network.nodes:
        if node.kind not in ("conv", "dense") or node.output in seen:
            continue
        values = channelwise(network, node.output)
        seen |= values
        if _is_copyable(network, values):
            regions.append(Region(node.output, values))
    return regions


def _is_copyable(network: Network, values: frozenset[int]) -> bool:
    """Whether only layers give and take some values that can give and take copies."""
    if values & {network.input, *network.outputs}:
        return False
    touching = [node for node in network.nodes if values & {*node.inputs, node.output}]
    return len({network.values[value].channels for value in values}) == 1 and all(
        node.kind in CHANNELWISE or node.kind in ("conv", "dense") for node in touching
    )


def copy_channels(network: Network, first: int, counts: Counts) -> Network:
    """Computes each channel of a region as often as it says; copies lie side by side.

    Args:
        network: Any network.
        first: The region's first value.
        counts: How often each channel is computed, (C,) >= 1.

    Raises:
        ValueError: The region cannot have these copies.
    """
    region = channelwise(network, first)
    if counts.shape != (network.values[first].channels,) or counts.min() < 1:
        raise ValueError(f"'{network.values[first].name}' has no channels for {len(counts)} counts of copies")
    if not _is_copyable(network, region):
        raise ValueError(f"the channels of '{network.values[first].name}' cannot be copied")
    values = dict(network.values)
    for value in region:
        shape = (*values[value].shape[:-1], int(counts.sum()))
        values[value] = dataclasses.replace(values[value], shape=shape)
    copied = network.with_nodes([_copied(node, region, counts) for node in network.nodes], values)
    known = {**network.channel_copies, network.values[first].name: tuple(counts.tolist())}
    return dataclasses.replace(copied, channel_copies=known)


def _copied(node: Node, values: frozenset[int], counts: Counts) -> Node:
    if node.weights is None:
        return node
    weights, bias = node.weights_and_bias()
    order = np.repeat(np.arange(len(counts)), counts)
    gives, copied = node.output in values, node.copied_inputs
    border = node.border[order] if node.border is not None and node.inputs[0] in values else node.border
    if node.kind == "depthwise":
        if not gives:
            return node
        weights, bias = weights[..., order], bias[order]
    else:
        if node.inputs[0] in values:
            weights, copied = weights[..., order] / counts[order], order
        if gives:
            weights, bias = weights[order], bias[order]
    stagger = staggers(counts) if gives and not is_hard_sigmoid(node) else node.stagger
    return dataclasses.replace(
        node, weights=weights, bias=bias, stagger=stagger, copied_inputs=copied, border=border
    )


def staggers(counts: Counts) -> Array:
    """Computes by how many steps each copy is moved, (copies,), between -1/2 and 1/2; on average by 0."""
    return np.concatenate([(np.arange(count) + 0.5) / count - 0.5 for count in counts])


def copied_sensitivity(known: Sensitivity, counts: Counts) -> Sensitivity:
    """Computes what errors in the copies of a value cost, copy by copy.

    Rounding of m copies is taken to cost 1/m of that of one, as if their errors were independent: products
    and sums round where nothing is moved, and equalization scales that count on the 1/m² of values that are
    would be too coarse. Clipping cuts all copies off alike, and costs the same.
    """
    order = np.repeat(np.arange(len(counts)), counts)
    shares = 1.0 / counts[order]
    copies = known.of_channels(order)
    high = dataclasses.replace(copies.high, costs=copies.high.costs * shares[:, np.newaxis])
    low = copies.low
    if low is not None:
        low = dataclasses.replace(low, costs=low.costs * shares[:, np.newaxis])
    return Sensitivity(rounding=copies.rounding * np.square(shares), high=high, low=low)


def copied_sensitivities(
    network: Network, sensitivities: Mapping[int, Sensitivity], first: int, counts: Counts
) -> dict[int, Sensitivity]:
    """Carries sensitivities over to a network in which a region is copied.

    Args:
        network: The network, before or after copying.
        sensitivities: What errors in its values cost, before.
        first: The region's first value.
        counts: How often each of its channels is computed, (C,).
    """
    region = channelwise(network, first)
    return {
        value: copied_sensitivity(known, counts) if value in region else known
        for value, known in sensitivities.items()
    }


def movements(network: Network, quantizations: Mapping[int, Quantization]) -> dict[int, Array]:
    """Computes by how much each value with copies is moved, (C,) in real numbers, by the producing node.

    Where the value is added to what was around a block, the sum's step counts. Values that are not stored, as
    `quantizations` says, are left out.
    """
    moved = {}
    for node in network.nodes:
        if node.stagger is not None:
            value = node.output
            if shortcut_of(network, node) is not None:
                (adding,) = network.consumers(value)
                value = adding.output
            if value in quantizations:
                moved[node.output] = node.stagger * quantizations[value].scale
    return moved


def staggered(network: Network, quantizations: Mapping[int, Quantization]) -> Network:
    """Moves the copies, and takes the movement back in the depthwise convolution of an unclamped value."""
    moved = movements(network, quantizations)
    unclamped = {node.output for node in network.nodes if node.output in moved and node.clamp == "none"}
    nodes = []
    for node in network.nodes:
        added = moved.get(node.output)
        if added is not None:
            weights, bias = node.weights_and_bias()
            if node.kind == "depthwise" and node.inputs[0] in unclamped:
                added = added - moved[node.inputs[0]] * weights.reshape(-1, len(bias)).sum(axis=0)
            node = dataclasses.replace(node, bias=bias + added)
        nodes.append(node)
    return network.with_nodes(nodes)
