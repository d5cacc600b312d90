"""The reader of files, held against what the interpreter says of the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge_mnv3.core.tflite.read import read_file

MODELS = ("v3-large-minimalistic_224_1.0_uint8.tflite", "v3-small_224_1.0_uint8.tflite")


def open_interpreter(path: Path) -> Any:
    """Under the built-in kernels, which leave the graph as it is."""
    return Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


@pytest.mark.parametrize("name", MODELS)
def test_graph_is_what_the_interpreter_sees(test_data: Path, name: str) -> None:
    path = test_data / "models" / name
    interpreter = open_interpreter(path)
    graph = read_file(path).main_graph
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    assert [(each.index, each.name) for each in graph.operators] == [
        (each["index"], each["op_name"]) for each in operators
    ]
    for operator, seen in zip(graph.operators, operators, strict=True):
        assert operator.outputs == tuple(seen["outputs"])
        assert [tensor for tensor in operator.inputs if tensor >= 0] == [i for i in seen["inputs"] if i >= 0]
    assert graph.inputs == tuple(each["index"] for each in interpreter.get_input_details())
    assert graph.outputs == tuple(each["index"] for each in interpreter.get_output_details())
    for number, tensor in enumerate(graph.tensors):
        seen = details[number]
        quantization = seen["quantization_parameters"]
        assert (tensor.name, tensor.shape) == (seen["name"], tuple(seen["shape"]))
        assert tensor.dtype == np.dtype(seen["dtype"]).name.upper()
        assert tensor.scales == tuple(quantization["scales"].tolist())
        assert tensor.zero_points == tuple(quantization["zero_points"].tolist())
        if len(tensor.scales) > 1:
            assert tensor.quantized_dimension == quantization["quantized_dimension"]
