"""How finely a file's outputs are stored, joined: its graph decides how near golden outputs must come."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.tflite.graph import read_graph
from edge_mnv3.packaging.golden import OutputKind


def output_kind(path: Path) -> OutputKind:
    """Reads from a file's graph what its golden outputs can be held to.

    Raises:
        ModelFileError: It is no `.tflite` file.
    """
    graph = read_graph(path)
    last = graph.operators[-1]
    dequantized = last.name == "DEQUANTIZE" and last.inputs[0].scales.size == 1
    return OutputKind(
        softmax=any(operator.name == "SOFTMAX" for operator in graph.operators),
        step=float(last.inputs[0].scales[0]) if dequantized else None,
    )
