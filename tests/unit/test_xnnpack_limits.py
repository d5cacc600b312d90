"""XNNPACK's limits on scales, at their edges."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.tflite.graph import Graph, Operator, Tensor
from edge_mnv3_quantization.graph.xnnpack_limits import violations


def graph_of(name: str, *scales: float, output: float) -> Graph:
    tensors = [
        Tensor(name=f"t{i}", dtype="INT8", shape=(1,), scales=np.array([s] if s else [], np.float32))
        for i, s in enumerate((*scales, output))
    ]
    operator = Operator(index=0, name=name, inputs=tuple(tensors[:-1]), outputs=(tensors[-1],))
    return Graph(tensors=tuple(tensors), operators=(operator,), input_names=(), output_names=())


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
    assert len(violations(graph)) == count
