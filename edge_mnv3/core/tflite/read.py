"""Reads `.tflite` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.objects import dtype_name, invalid_file, operator_name, options_of, unpacked
from edge_mnv3.core.tflite.types import Graph, Model, Operator, SignatureDef, Tensor


def read_file(path: Path) -> Model:
    """Reads a file.

    Raises:
        ModelFileError: It is no valid `.tflite`.
        OSError: It cannot be read.
    """
    return read_model(path.read_bytes(), str(path))


def read_model(content: bytes, name: str) -> Model:
    """Reads the bytes of a file; its constants are not copied.

    Args:
        content: All of the file.
        name: What errors call the file.

    Raises:
        ModelFileError: It is no valid `.tflite`.
    """
    model = unpacked(content, name)
    try:
        return Model(
            graphs=tuple(_graph(graph, model) for graph in model.subgraphs),
            metadata=_metadata(model),
            signatures=tuple(
                SignatureDef(inputs=_tensor_map(one.inputs), outputs=_tensor_map(one.outputs))
                for one in _items(model.signatureDefs)
                if one.subgraphIndex == 0
            ),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # references that lead nowhere
        raise invalid_file(name) from error


def only_graph(model: Model, name: str) -> Graph:
    """Takes the graph of a file that has one.

    Raises:
        ModelFileError: The file, which errors call `name`, holds several graphs or none.
    """
    if len(model.graphs) != 1:
        raise ModelFileError(f"model {name}", f"{len(model.graphs)} graphs", "one")
    return model.main_graph


def _graph(graph: Any, model: Any) -> Graph:
    codes = [(operator_name(code), int(code.version)) for code in model.operatorCodes or ()]
    return Graph(
        tensors=tuple(_tensor(tensor, model.buffers) for tensor in _items(graph.tensors)),
        operators=tuple(
            _operator(operator, index, codes) for index, operator in enumerate(_items(graph.operators))
        ),
        inputs=_numbers(graph.inputs),
        outputs=_numbers(graph.outputs),
    )


def _items(vector: Any) -> Any:
    return () if vector is None else vector


def _numbers(vector: Any) -> tuple[int, ...]:
    return () if vector is None or len(vector) == 0 else tuple(vector.tolist())


def _tensor(tensor: Any, buffers: Any) -> Tensor:
    quantization = tensor.quantization
    data = buffers[tensor.buffer].data
    return Tensor(
        name=(tensor.name or b"").decode("utf-8", "replace"),
        dtype=dtype_name(tensor.type),
        shape=_numbers(tensor.shape),
        shape_signature=_numbers(tensor.shapeSignature),
        scales=() if quantization is None else _numbers(quantization.scale),
        zero_points=() if quantization is None else _numbers(quantization.zeroPoint),
        quantized_dimension=0 if quantization is None else quantization.quantizedDimension,
        data=None if data is None or len(data) == 0 else memoryview(data),
    )


def _operator(operator: Any, index: int, codes: list[tuple[str, int]]) -> Operator:
    name, version = codes[operator.opcodeIndex]
    return Operator(
        index=index,
        name=name,
        version=version,
        inputs=_numbers(operator.inputs),
        outputs=_numbers(operator.outputs),
        options=options_of(operator),
    )


def _tensor_map(entries: Any) -> dict[str, int]:
    return {(one.name or b"").decode("utf-8", "replace"): int(one.tensorIndex) for one in _items(entries)}


def _metadata(model: Any) -> dict[str, bytes]:
    entries = {}
    for entry in _items(model.metadata):
        data = model.buffers[entry.buffer].data
        if data is not None:
            entries[(entry.name or b"").decode("utf-8", "replace")] = bytes(data)
    return entries
