"""Which errors of a head's numbers count: those that change the answer, or all alike."""

from __future__ import annotations

import pytest

from edge_mnv3_quantization.algorithms.directions import is_classified
from edge_mnv3_quantization.graph.heads import heads
from edge_mnv3_quantization.reading.reader import read_network
from written_graphs import Written


@pytest.mark.parametrize(
    ("ends", "classified"),
    [
        ((), True),
        (("SOFTMAX",), True),
        (("SOFTMAX", "MUL"), False),  # percent: no logits, of which the highest would be all but certain
        (("LOGISTIC", "MUL"), False),
        (("TANH",), False),
    ],
)
def test_numbers_that_are_taken_for_scores_of_classes(ends: tuple[str, ...], classified: bool) -> None:
    graph = Written()
    features = graph.mean(graph.conv(graph.image, 4))
    x = graph.op("FULLY_CONNECTED", features, graph.constant(graph.normal(5, 4)), shape=(1, 5))
    for name in ends:
        if name == "MUL":
            x = graph.op(name, x, graph.constant([100.0]))
        else:
            x = graph.op(name, x, beta=1.0) if name == "SOFTMAX" else graph.op(name, x)
    network = read_network(graph.finish(x))
    (head,) = heads(network)
    assert is_classified(network, head) == classified
