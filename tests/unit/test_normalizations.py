"""The normalization to length 1 and other functions of all channels, however they are written."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.errors import ConversionError
from edge_mnv3_quantization.reading.reader import read_network
from written_graphs import Written, assert_equal, kinds


def unit_length(graph: Written, x: int, form: str) -> int:
    """Writes x / sqrt(sum(x * x)) over the last dimension."""
    if form == "operator":
        return graph.op("L2_NORMALIZATION", x)
    rank = len(graph.shapes[x])
    square = graph.op("MUL", x, x) if form == "divided" else graph.op("SQUARE", x)
    axis = graph.constant(np.array([-1 if form == "limited" else rank - 1]), np.int32)
    total = graph.op("SUM", square, axis, shape=(*graph.shapes[x][:-1], 1), keep_dims=True)
    if form == "divided":
        return graph.op("DIV", x, graph.op("MAXIMUM", graph.op("SQRT", total), graph.constant(1e-12)))
    if form == "limited":
        return graph.op("MUL", x, graph.op("MINIMUM", graph.op("RSQRT", total), graph.constant(1e12)))
    return graph.op("MUL", graph.op("RSQRT", graph.op("ADD", total, graph.constant(1e-10))), x)


LENGTHS = ("operator", "divided", "limited", "added")


@pytest.mark.parametrize("form", LENGTHS)
def test_normalization_to_length_1(form: str) -> None:
    graph = Written()
    x = graph.mean(graph.op("HARD_SWISH", graph.conv(graph.image, 5)), keep_dims=False)
    network = assert_equal(graph.finish(unit_length(graph, x, form)))
    assert kinds(network)[-4:] == [
        "mean",
        "depthwise",
        "reshape",
        "l2_normalization",
    ]  # weights take the factor
    graph = Written()
    mapped = unit_length(graph, graph.conv(graph.image, 5), form)
    network = assert_equal(graph.classified(graph.conv(mapped, 4)))
    assert kinds(network)[:3] == ["conv", "l2_normalization", "conv"]


@pytest.mark.parametrize("name", ["L2_NORMALIZATION", "SOFTMAX"])
def test_functions_of_all_channels_inside(name: str) -> None:
    graph = Written()
    x = graph.dense(graph.mean(graph.image, keep_dims=False), 5)
    x = graph.op(name, x, beta=1.0) if name == "SOFTMAX" else graph.op(name, x)
    x = graph.op("MUL", x, graph.constant(8.0))
    assert_equal(graph.finish(graph.op("SOFTMAX", graph.dense(x, 3), beta=1.0)))


def test_another_normalization_is_refused_by_name() -> None:
    graph = Written()
    x = graph.conv(graph.image, 5)
    axes = graph.constant(np.array([1, 2, 3]), np.int32)
    total = graph.op("SUM", graph.op("SQUARE", x), axes, shape=(1, 1, 1, 1), keep_dims=True)
    content = graph.finish(graph.op("MUL", x, graph.op("RSQRT", total)))
    with pytest.raises(ConversionError, match="SQUARE.*normalize over the last dimension alone"):
        read_network(content)
