"""Float `.tflite` files of others: read, checked, and given fixed shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.tflite.attached import flatbuffer_part
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph

Shape = tuple[int, int, int]
_IMAGE_CHANNELS = (1, 3)
_STATEFUL = ("ASSIGN_VARIABLE", "CALL_ONCE", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "VAR_HANDLE")
_QUANTIZED = ("INT4", "INT8", "UINT8", "INT16")
_FOREIGN_PREFIX = "Flex"  # of TensorFlow's own operators in a .tflite


def open_shape(content: bytes, name: str) -> tuple[int | None, int | None, int]:
    """Returns height, width and channels of a file's one image input, None where open.

    Raises:
        ModelFileError: The file takes something else, or is no float file; see `check_float`.
    """
    graph = check_float(content, name)
    tensor = graph.tensors[graph.inputs[0]]
    shape = tensor.shape_signature or tensor.shape
    if len(shape) != 4 or shape[0] not in (-1, 1) or shape[3] < 1:
        raise ModelFileError(f"model {name}", f"an input of shape {shape}", "(1, height, width, channels)")
    height, width = (None if side < 0 else side for side in shape[1:3])
    return height, width, shape[3]


def with_channels_last(content: bytes, name: str) -> bytes:
    """Gives a file whose image is (1, channels, height, width) a transposition in front.

    Args:
        content: The file.
        name: What errors call it.

    Returns:
        A file that takes (1, height, width, channels); the same bytes where it does already.

    Raises:
        ModelFileError: It is no valid `.tflite`, or holds several graphs.
    """
    graph = only_graph(read_model(content, name), name)
    tensor = graph.tensors[graph.inputs[0]] if len(graph.inputs) == 1 else None
    if tensor is None or len(tensor.shape) != 4 or tensor.dtype != "FLOAT32":
        return content
    if tensor.shape[1] in _IMAGE_CHANNELS and tensor.shape[3] not in _IMAGE_CHANNELS:
        return Edit(flatbuffer_part(content), name).take_channels_last().to_bytes()
    return content


def check_float(content: bytes, name: str) -> Graph:
    """Refuses files that are no float networks of one input.

    Returns:
        The graph.

    Raises:
        ModelFileError: The text names what is there instead.
    """
    graph = only_graph(read_model(content, name), name)
    if len(graph.inputs) != 1:
        raise ModelFileError(f"model {name}", f"{len(graph.inputs)} inputs", "one image")
    quantized = [tensor for tensor in graph.tensors if tensor.dtype in _QUANTIZED and tensor.scales]
    if quantized:
        raise ModelFileError(
            f"model {name}",
            f"a quantized file: {len(quantized)} tensors of {quantized[0].dtype.lower()}",
            "a float .tflite",
            "convert the model without optimizations",
        )
    dtype = graph.tensors[graph.inputs[0]].dtype
    if dtype != "FLOAT32":
        raise ModelFileError(f"model {name}", f"an input of {dtype.lower()}", "float32")
    for operator in graph.operators:
        if operator.name.startswith(_FOREIGN_PREFIX):
            got = f"TensorFlow's own operator {operator.name.removeprefix(_FOREIGN_PREFIX)}"
        elif operator.name in _STATEFUL:
            got = f"{operator.name}: layers in training mode, or a state"
        else:
            continue
        raise ModelFileError(
            f"model {name}: operator {operator.index}",
            got,
            "a network for inference",
            "convert the model again, called with training=False",
        )
    return graph


def with_fixed_shapes(content: bytes, shape: Shape, name: str) -> bytes:
    """Gives a file the batch 1 and fixed shapes, and folds what it computes of shapes and constants.

    Args:
        content: The file.
        shape: Height, width and channels.
        name: What errors call the file.

    Returns:
        The same bytes where nothing is open and nothing folds.

    Raises:
        ModelFileError: It does not run with this shape.
    """
    graph = check_float(content, name)
    computed = _constant_results(graph)
    fixed = (1, *shape)
    is_fixed = graph.tensors[graph.inputs[0]].shape == fixed
    if is_fixed and not computed and not any(tensor.is_dynamic for tensor in graph.tensors):
        return content
    body = Edit(flatbuffer_part(content), name).set_input_shape(fixed).to_bytes()
    try:
        folded = _folded(body, graph, computed, fixed, name)
        shapes = _shapes(folded, fixed)
    except (RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise ModelFileError(f"model {name} with an input of {fixed}", cause, "a file that runs") from error
    numbers = range(len(graph.tensors))
    constant = {number for number in numbers if graph.tensors[number].data is not None} | set(computed)
    return (
        Edit(folded, name)
        .set_shapes({n: shapes[n] for n in numbers if n in shapes and n not in constant})
        .to_bytes()
    )


def _constant_results(graph: Graph) -> list[int]:
    """The tensors that follow from constants and shapes alone and are taken by something that does not."""
    known = {number for number, tensor in enumerate(graph.tensors) if tensor.data is not None}
    results: set[int] = set()
    for operator in graph.operators:
        inputs = {tensor for tensor in operator.inputs if tensor != NO_TENSOR}
        if operator.name == "SHAPE" or (inputs and inputs <= known | results):
            results |= set(operator.outputs)
    taken = {
        tensor for operator in graph.operators if not set(operator.outputs) & results
        for tensor in operator.inputs
    } | set(graph.outputs)  # fmt: skip
    return sorted(results & taken)


def _folded(body: bytes, graph: Graph, computed: list[int], fixed: tuple[int, ...], name: str) -> bytes:
    if not computed:
        return body
    model = open_bytes(Edit(body, name).with_outputs(computed).to_bytes(), kernels="builtin")
    values = model.run_raw(np.zeros(fixed, np.float32))
    numbers: dict[int, npt.NDArray[Any]] = dict(zip(computed, values, strict=True))
    return Edit(body, name).fold(numbers).to_bytes()


def _shapes(content: bytes, fixed: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    model: LoadedModel = open_bytes(content, kernels="builtin")
    model.run_raw(np.zeros(fixed, np.float32))
    return {tensor: shape for tensor, shape in model.tensor_shapes().items() if math.prod(shape)}
