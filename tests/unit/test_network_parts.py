"""Parts that run one after another are the whole."""

from __future__ import annotations

from edge_mnv3_quantization.graph.network import Network, Node, Value
from edge_mnv3_quantization.graph.parts import next_part


def residual() -> Network:
    """0 -> 1 -> 2 -> 3, 4 = 1 + 3, and 5 of 4."""
    nodes = (
        *(Node(kind="mean", inputs=(given,), output=given + 1) for given in (0, 1, 2)),
        Node(kind="add", inputs=(1, 3), output=4),
        Node(kind="mean", inputs=(4,), output=5),
    )
    values = {number: Value(name=str(number), shape=(1, 1, 1, 1)) for number in range(6)}
    return Network(values=values, nodes=nodes, input=0, outputs=(5,))


def test_part_gives_what_is_asked_for_and_what_later_nodes_take() -> None:
    network = residual()
    first = next_part(network, 2, known={0}, done=set())
    assert [node.output for node in first.nodes] == [1, 2]
    assert (first.inputs, first.outputs) == ((0,), (1, 2))  # 4 takes 1


def test_part_starts_at_what_is_known() -> None:
    network = residual()
    second = next_part(network, 4, known={1, 2}, done={1, 2})
    assert [node.output for node in second.nodes] == [3, 4]
    assert (second.inputs, second.outputs) == ((1, 2), (4,))  # 3 is taken inside only
    last = next_part(network, 5, known={4}, done={1, 2, 3, 4})
    assert (last.inputs, last.outputs) == ((4,), (5,))  # nothing takes 5, but it is asked for
