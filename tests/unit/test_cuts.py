"""What runs behind a cut of a float graph, and on what."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.tflite.types import Graph, Operator, Tensor, constant_tensor
from edge_mnv3_quantization.diagnosis.cuts import Flow, most_bytes

SHAPE = (1, 2, 2, 1)


def graph() -> Graph:
    """0 -> 3 -> 4 -> 6 = 3 + 4; 5 is computed of the constant 1 alone, and scales 4; nothing takes 7."""
    operators = (
        ("DEQUANTIZE", (1,), 5),
        ("ADD", (0, 2, -1), 3),
        ("MUL", (3, 5), 4),
        ("NEG", (3,), 7),
        ("ADD", (3, 4), 6),
        ("SOFTMAX", (6,), 8),
    )
    constants = {number: constant_tensor("", np.ones(1, np.float32)) for number in (1, 2)}
    return Graph(
        tensors=tuple(
            constants.get(number) or Tensor(name="", dtype="FLOAT32", shape=SHAPE) for number in range(9)
        ),
        operators=tuple(
            Operator(index=index, name=name, version=1, inputs=inputs, outputs=(output,), options={})
            for index, (name, inputs, output) in enumerate(operators)
        ),
        inputs=(0,),
        outputs=(8, 7),
    )


def test_only_what_the_output_depends_on_runs() -> None:
    flow = Flow(graph(), 6)
    assert [operator.output for operator in flow.operators] == [3, 4, 6]
    whole = flow.part(flow.operators)
    assert whole.inputs == (0,)
    # What computes constants is part of every part that takes them, and of no other.
    assert flow.places(whole) == [0, 1, 2, 4]
    last = flow.part(flow.operators[2:])
    assert last.inputs == (3, 4)
    assert flow.places(last) == [4]


def test_memory_of_the_widest_cut() -> None:
    # At 4 its operator takes 3, and 3 and 4 are taken behind.
    assert most_bytes(Flow(graph(), 6), {4}) == 2 * 4 * 4
    assert most_bytes(Flow(graph(), 6), {6}) == 3 * 4 * 4
    assert most_bytes(Flow(graph(), 6), set()) == 0
