"""Hard-swish as a table with a quantization scale for each channel group.

A table of hard-swish takes no equalization scales (`lowering`), so all channels of its input share one step.
But several convolutions, each with another scale, may compute a convolution's output channels, and what
follows channel by channel may be divided in the same way: the table, the depthwise convolution, its table.
One concatenation then joins the groups again, at one scale. With channels of like numbers in a group, two to
four groups recover most of what a scale per channel would, in a fraction of its time.

`group_channels` is exact in real numbers; `divisions` finds groups by measured cost.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.graph.network import Array, Kind, Network, Node, Value

Channels = npt.NDArray[np.intp]

MULTIPLE = 16  # kernels take so many channels at once, on Arm and on x86
MOST_GROUPS = 4
CHANNELWISE: tuple[Kind, ...] = (
    "depthwise",
    "hard_sigmoid",
    "hard_swish",
    "mean",
    "mul",
    "add",
    "pad",
    "reshape",
)
_ENDS = np.geomspace(1e-3, 1.0, 70)  # candidates for an end of a range, as shares of the outermost number


class Chain(NamedTuple):
    """What is computed group by group.

    Attributes:
        x: The convolution's output, which only hard-swish takes.
        product: The hard-swish of x, which only a depthwise convolution takes.
        depthwise: That convolution's output.
        end: The value that is joined again: `depthwise` or its hard-swish.
        hard_sigmoids: The outputs of the hard-sigmoids of the chain's hard-swishes.
    """

    x: int
    product: int
    depthwise: int
    end: int
    hard_sigmoids: tuple[int, ...]


class Origin(NamedTuple):
    """Where a value of the grouped network comes from: some channels of a value of the network before."""

    value: int
    channels: Channels


def chain_of(network: Network, x: int) -> Chain | None:
    """Finds what can be computed group by group from x on; None where nothing can.

    Args:
        network: A network with tables of hard-swish (`hard_sigmoid` nodes).
        x: Any value.
    """
    made = network.producer(x)
    first = _table(network, x)
    if made is None or made.kind != "conv" or first is None:
        return None
    takers = network.consumers(first.product)
    if len(takers) != 1 or takers[0].kind != "depthwise":
        return None
    depthwise = takers[0].output
    second = _table(network, depthwise)
    if second is None:
        return Chain(x, first.product, depthwise, depthwise, (first.hard_sigmoid,))
    return Chain(x, first.product, depthwise, second.product, (first.hard_sigmoid, second.hard_sigmoid))


class _Table(NamedTuple):
    hard_sigmoid: int
    product: int


def _table(network: Network, x: int) -> _Table | None:
    """Finds the hard-swish of x as a table; None where there is none or something else takes x."""
    takers = network.consumers(x)
    hard_sigmoids = [node.output for node in takers if node.kind == "hard_sigmoid"]
    products = [node for node in takers if node.kind == "mul"]
    if len(takers) != 2 or len(hard_sigmoids) != 1 or len(products) != 1:
        return None
    return (
        _Table(hard_sigmoids[0], products[0].output)
        if set(products[0].inputs) == {x, hard_sigmoids[0]}
        else None
    )


def group_channels(
    network: Network, x: int, groups: Sequence[Channels]
) -> tuple[Network, dict[int, Origin]] | None:
    """Computes the chain from x in channel groups; the rest of the network takes them in the new order.

    Args:
        network: A network with tables of hard-swish.
        x: The value where a chain begins.
        groups: The channel groups; each channel of x is in one of them.

    Returns:
        The network, which remembers the groups, and the origin of each value that is not as it was. None
        where the channels' order must stay because they reach the network's output.

    Raises:
        ValueError: A channel is in none of the groups, or in several.
    """
    order = np.concatenate([np.asarray(group, np.intp) for group in groups])
    if not np.array_equal(np.sort(order), np.arange(network.values[x].channels)):
        raise ValueError(f"not every channel of '{network.values[x].name}' is in one group")
    chain = chain_of(network, x)
    moved = channelwise(network, x)
    if chain is None or moved & {network.input, *network.outputs}:
        return None
    ordered = network.with_nodes(_reordered(node, moved, order) for node in network.nodes)
    bounds = np.cumsum([0, *(len(group) for group in groups)])
    values = dict(network.values)
    parts: dict[int, list[int]] = {}
    origins = {value: Origin(value, order) for value in moved}
    nodes: list[Node] = []
    within = {chain.x, chain.product, chain.depthwise, chain.end, *chain.hard_sigmoids}
    for node in ordered.nodes:
        if node.output not in within:
            nodes.append(node)
            continue
        origins.pop(node.output)
        parts[node.output] = []
        for index, (low, high) in enumerate(itertools.pairwise(bounds)):
            part = max(values) + 1
            old = values[node.output]
            values[part] = Value(
                name=f"{old.name}_group_{index + 1}", shape=(*old.shape[:-1], int(high - low))
            )
            parts[node.output].append(part)
            origins[part] = Origin(node.output, order[low:high])
            inputs = tuple(parts[i][index] if i in parts else i for i in node.inputs)
            nodes.append(dataclasses.replace(_part(node, low, high), inputs=inputs, output=part))
        if node.output == chain.end:
            nodes.append(Node(kind="concat", inputs=tuple(parts[chain.end]), output=chain.end))
            origins[chain.end] = Origin(chain.end, order)
    known = {**network.channel_groups, network.values[x].name: tuple(tuple(map(int, g)) for g in groups)}
    return dataclasses.replace(ordered.with_nodes(nodes, values), channel_groups=known), origins


def channelwise(network: Network, x: int) -> frozenset[int]:
    """Finds the values whose channels must be in the same order as those of x."""
    values, before = {x}, 0
    while len(values) > before:
        before = len(values)
        for node in network.nodes:
            ends = {*node.inputs, node.output}
            if node.kind in CHANNELWISE and ends & values:
                values |= ends
    return frozenset(values)


def _reordered(node: Node, moved: frozenset[int], order: Channels) -> Node:
    if node.weights is None:
        return node
    weights, bias = node.weights_and_bias()
    copied = node.copied_inputs
    if node.kind == "depthwise":
        if node.output in moved:
            weights, bias = weights[..., order], bias[order]
    else:
        if node.inputs[0] in moved:
            weights = weights[..., order]
            copied = None if copied is None else copied[order]
        if node.output in moved:
            weights, bias = weights[order], bias[order]
    stagger, border = node.stagger, node.border
    if stagger is not None and node.output in moved:
        stagger = stagger[order]
    if border is not None and node.inputs[0] in moved:
        border = border[order]
    return dataclasses.replace(
        node, weights=weights, bias=bias, stagger=stagger, copied_inputs=copied, border=border
    )


def _part(node: Node, low: int, high: int) -> Node:
    """Makes a copy of a node for some of its channels."""
    if node.weights is None:
        return node
    weights, bias = node.weights_and_bias()
    chosen = weights[..., low:high] if node.kind == "depthwise" else weights[low:high]
    stagger = None if node.stagger is None else node.stagger[low:high]
    border = node.border
    if border is not None and node.kind == "depthwise":
        border = border[low:high]
    return dataclasses.replace(node, weights=chosen, bias=bias[low:high], stagger=stagger, border=border)


class Division(NamedTuple):
    """Channel groups, and what the values that get a range for each group then cost."""

    groups: list[Channels]
    cost: float


def divisions(members: Sequence[Sensitivity], orders: Sequence[Channels]) -> list[Division]:
    """Divides channels into groups of like numbers: the best division for each number of groups.

    Args:
        members: The sensitivities of the values that get a range for each group.
        orders: The orders of the channels to try: groups are consecutive in one of them.

    Returns:
        Divisions into one group, two, and so on; the costs are those with the best range for each group.
    """
    of_orders = [_divisions(members, order) for order in orders]
    return [min(same, key=lambda one: one.cost) for same in zip(*of_orders, strict=True)]


def best_division(divided: Sequence[Division], least: float) -> Division:
    """Takes the division in which one more group no longer saves `least`, in squared error of the logits."""
    return min(divided, key=lambda one: one.cost + least * len(one.groups))


def _divisions(members: Sequence[Sensitivity], order: Channels) -> list[Division]:
    """Finds the best groups of consecutive channels for each number of groups."""
    count = len(order)
    bounds = [*range(0, count - MULTIPLE + 1, MULTIPLE), count] if count >= 2 * MULTIPLE else [0, count]
    sums = [_Sums(member, order) for member in members]
    costs = {
        (low, high): sum(one.cost(low, high) for one in sums)
        for low, high in itertools.combinations(bounds, 2)
    }
    # best[n][bound] is the cost of the channels before the bound in n + 1 groups, and where the last begins.
    best: list[dict[int, tuple[float, int]]] = [{bound: (costs[0, bound], 0) for bound in bounds[1:]}]
    for _ in range(1, MOST_GROUPS):
        best.append(
            {
                high: min((best[-1][low][0] + costs[low, high], low) for low in best[-1] if low < high)
                for high in best[-1]
                if any(low < high for low in best[-1])
            }
        )
    found = []
    for number, row in enumerate(best):
        if count in row:
            high, ends = count, []
            for before in range(number, -1, -1):
                low = best[before][high][1]
                ends.append((low, high))
                high = low
            groups = [order[low:high] for low, high in reversed(ends)]
            found.append(Division(groups, row[count][0]))
    return found


class _Sums:
    """Costs of consecutive channels as differences of running sums."""

    def __init__(self, member: Sensitivity, order: Channels) -> None:
        self.rounding = np.concatenate(([0.0], np.cumsum(member.rounding[order]))) / (12 * STEPS**2)
        self.high_ends, self.high = self._side(member.high, order)
        self.low_ends, self.low = np.zeros(1), np.zeros((len(order) + 1, 1))
        if member.low:
            self.low_ends, self.low = self._side(member.low, order)

    @staticmethod
    def _side(tail: Tail, order: Channels) -> tuple[Array, Array]:
        ends = float(tail.last().max()) * _ENDS
        costs = tail.at(np.broadcast_to(ends, (len(order), len(ends))))[order]
        return ends, np.concatenate((np.zeros((1, len(ends))), np.cumsum(costs, axis=0)))

    def cost(self, low: int, high: int) -> float:
        """Computes the cost of the channels low to high - 1 with the range that is best for them."""
        width = np.square(self.high_ends + self.low_ends[:, None])
        rounding = (self.rounding[high] - self.rounding[low]) * width
        clipping = (self.high[high] - self.high[low]) + (self.low[high] - self.low[low])[:, None]
        return float((rounding + clipping).min())


def moved(sensitivities: Mapping[int, Sensitivity], origins: Mapping[int, Origin]) -> dict[int, Sensitivity]:
    """Carries sensitivities over to the values of the grouped network."""
    of_new_values = {
        value: sensitivities[origin.value].of_channels(origin.channels)
        for value, origin in origins.items()
        if origin.value in sensitivities
    }
    return {**sensitivities, **of_new_values}
