"""Parts of a network that can run alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge_mnv3_quantization.graph.network import Network, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some nodes of a network.

    Attributes:
        nodes: The nodes, in the order of execution.
        inputs: The values that they take from elsewhere, in ascending order.
        outputs: The values that they give to others.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def next_part(network: Network, value: int, known: Collection[int], done: Collection[int]) -> Part:
    """Finds what has to run for a value after other parts have run.

    Args:
        network: The whole network.
        value: The value that is wanted; it is among the part's outputs.
        known: Values that are at hand.
        done: Outputs of the nodes that have run.

    Returns:
        A part that takes known values only. Its outputs are `value` and whatever nodes that have not run, and
        are not in the part, take of it.
    """
    wanted, nodes = {value}, []
    for node in reversed(network.nodes):
        if node.output in wanted and node.output not in known:
            wanted |= set(node.inputs)
            nodes.append(node)
    nodes.reverse()
    given = [node.output for node in nodes]
    run = {*done, *given}
    later = {taken for node in network.nodes if node.output not in run for taken in node.inputs}
    return Part(
        nodes=tuple(nodes),
        inputs=tuple(sorted({taken for node in nodes for taken in node.inputs} - set(given))),
        outputs=tuple(output for output in given if output == value or output in later),
    )
