"""XNNPACK's limits on scales, at their edges."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.tflite.types import Graph, Model, Operator, Tensor
from edge_mnv3_quantization.graph.xnnpack_limits import refused_operators, violations


def graph_of(name: str, *scales: float, output: float) -> Graph:
    tensors = [
        Tensor(name=f"t{i}", dtype="INT8", shape=(1,), scales=(float(np.float32(s)),) if s else ())
        for i, s in enumerate((*scales, output))
    ]
    inputs = tuple(range(len(scales)))
    outputs = (len(scales),)
    operator = Operator(index=0, name=name, version=1, inputs=inputs, outputs=outputs, options={})
    return Graph(tensors=tuple(tensors), operators=(operator,), inputs=inputs, outputs=outputs)


@pytest.mark.parametrize(
    ("graph", "count"),
    [
        (graph_of("CONV_2D", 1.0, 255.9, output=1.0), 0),
        (graph_of("CONV_2D", 1.0, 256.0, output=1.0), 1),
        (graph_of("FULLY_CONNECTED", 1.0, 300.0, output=1.0), 1),
        (graph_of("DEPTHWISE_CONV_2D", 1.0, 300.0, output=1.0), 1),
        (graph_of("ADD", 1.0, 255.0, output=1.0), 0),
        (graph_of("ADD", 1.0, 256.0, output=1.0), 1),
        (graph_of("ADD", 1.0, 2.0**-11, output=1.0), 1),
        (graph_of("MUL", 0.5, 2.0**-14, output=1.0), 0),
        (graph_of("MUL", 0.5, 2.0**-16, output=1.0), 1),
        (graph_of("MEAN", 1.0, 0.0, output=255.0), 0),
        (graph_of("MEAN", 1.0, 0.0, output=257.0), 1),  # its second input, the axes, carries no scale
        (graph_of("CONCATENATION", 0.1, 0.1, 0.1, output=0.1), 0),
        (graph_of("CONCATENATION", 0.1, 0.1, 0.1000001, output=0.1), 1),
        (graph_of("CONV_2D", 0.0, 1.0, output=1.0), 0),  # not quantized
        (graph_of("HARD_SWISH", 1.0, output=1e-9), 0),
    ],
)
def test_limits(graph: Graph, count: int) -> None:
    assert len(violations(Model(graphs=(graph,), metadata={}))) == count


def test_operators_of_all_graphs_are_named_worst_first() -> None:
    bad, worse = graph_of("CONV_2D", 1.0, 300.0, output=1.0), graph_of("ADD", 1.0, 2.0**-20, output=1.0)
    refused = refused_operators(Model(graphs=(bad, worse), metadata={}))
    assert [(each.operator.name, each.output, each.ratio) for each in refused] == [
        ("ADD", "t2", 2.0**-20),
        ("CONV_2D", "t2", 300.0),
    ]
    assert refused[1].text == (
        "operator 0 CONV_2D, tensor 't2' (output scale 1): input scale * weight scale / output scale is 300, "
        "XNNPACK accepts below 256"
    )
