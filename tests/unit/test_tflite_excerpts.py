"""Files of some of a file's operators."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.excerpts import Excerpts
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import NO_TENSOR, Tensor, constant_tensor
from tiny_models import added_twice


def test_excerpt_holds_its_operators_and_no_other_tensors() -> None:
    excerpts = Excerpts(added_twice(), "m")
    changed = {1: np.array([[5.0, 6.0]], np.float32)}
    for constants, numbers in (({}, [[1.0, 2.0]]), (changed, [[5.0, 6.0]])):
        graph = read_model(excerpts.excerpt([1], {2: (3, 2)}, [3], constants), "m").main_graph
        (add,) = graph.operators
        assert (add.name, graph.inputs, graph.outputs) == ("ADD", (add.inputs[0],), (add.output,))
        assert np.asarray(graph.constant(add.inputs[1])).tolist() == numbers
        assert graph.tensors[add.inputs[0]].shape == (3, 2)
        assert len(graph.tensors) == 3


def convolved_and_added() -> bytes:
    builder = GraphBuilder()
    image, kernel, convolved, twice = map(
        builder.add_tensor,
        (
            Tensor(name="image", dtype="FLOAT32", shape=(1, 4, 4, 1)),
            constant_tensor("kernel", np.ones((1, 2, 2, 1), np.float32)),
            Tensor(name="convolved", dtype="FLOAT32", shape=(1, 2, 2, 1), shape_signature=(-1, 2, 2, 1)),
            Tensor(name="twice", dtype="FLOAT32", shape=(1, 2, 2, 1)),
        ),
    )
    options = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "fused_activation_function": "RELU6"}
    builder.add_operator("CONV_2D", [image, kernel, NO_TENSOR], convolved, options)
    builder.add_operator("ADD", [convolved, convolved], twice)
    return builder.to_bytes([image], [twice])


def test_excerpt_lists_only_kernels_that_it_needs() -> None:
    """Loaders want kernels for all that a file lists."""
    excerpts = Excerpts(convolved_and_added(), "m")
    content = excerpts.excerpt([1], {2: (1, 2, 2, 1)}, [3])
    graph = read_model(content, "m").main_graph
    assert [operator.name for operator in graph.operators] == ["ADD"]
    assert not graph.tensors[graph.inputs[0]].is_dynamic
    assert len(schema.ModelT.InitFromPackedBuf(content, 0).operatorCodes) == 1


def test_excerpt_keeps_what_is_told_of_its_operators() -> None:
    content = convolved_and_added()
    whole, excerpt = (
        read_model(one, "m").main_graph
        for one in (content, Excerpts(content, "m").excerpt([0], {0: (1, 4, 4, 1)}, [2]))
    )
    (convolution,) = excerpt.operators
    assert convolution.options == whole.operators[0].options
    assert convolution.inputs[2] == NO_TENSOR
    assert excerpt.tensors[convolution.output].shape_signature == (-1, 2, 2, 1)


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match="model m: got no valid TFLite flatbuffer"):
        Excerpts(b"TFL3", "m")
