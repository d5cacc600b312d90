"""An int8 file's graph as if no operator took its maps in another shape (`graph.map_views`)."""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_mnv3.core.tflite.types import Graph, Operator, Tensor, constant_tensor

_MAP_DIMENSIONS = 4


def without_views(graph: Graph) -> Graph:
    """Takes the reshapes around convolutions out, and gives their weights back the shape of the float file's.

    Tensors keep their numbers, and those of the shapes in between are in no operator any more.

    Args:
        graph: A graph of any int8 file.

    Returns:
        The same graph where it has no such reshapes.
    """
    tensors, left_out = list(graph.tensors), set[int]()
    changed: dict[int, Operator] = {}
    for operator in graph.operators:
        before = graph.producer(operator.inputs[0]) if operator.name.endswith("CONV_2D") else None
        if before is None or not _is_view(graph, before):
            continue
        taken = before.inputs[0]
        wide, narrow = (graph.tensors[one].shape for one in (operator.inputs[0], taken))
        rows = operator.name == "DEPTHWISE_CONV_2D"
        for number, tensor in _constants(graph, operator):
            tensors[number] = _first(tensor, narrow[-1]) if rows else _columns(tensor, wide, narrow)
        after = graph.consumers(operator.output)
        given = operator.output
        if len(after) == 1 and _is_view(graph, after[0]):
            given = after[0].output
            left_out.add(after[0].index)
        left_out.add(before.index)
        changed[operator.index] = dataclasses.replace(
            operator, inputs=(taken, *operator.inputs[1:]), outputs=(given,)
        )
    if not changed:
        return graph
    kept = (changed.get(one.index, one) for one in graph.operators if one.index not in left_out)
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def _is_view(graph: Graph, operator: Operator) -> bool:
    shapes = [graph.tensors[one].shape for one in (operator.inputs[0], operator.output)]
    return operator.name == "RESHAPE" and all(len(shape) == _MAP_DIMENSIONS for shape in shapes)


def _constants(graph: Graph, operator: Operator) -> list[tuple[int, Tensor]]:
    """The weights of an operator, and its bias if the operator is a depthwise convolution over whole rows."""
    count = 3 if operator.name == "DEPTHWISE_CONV_2D" else 2
    return [(number, graph.tensors[number]) for number in operator.inputs[1:count]]


def _first(tensor: Tensor, channels: int) -> Tensor:
    """A constant of repeated channels, once."""
    numbers = tensor.numbers()
    if numbers is None:
        return tensor
    scales, zero_points = tensor.scales[:channels], tensor.zero_points[:channels]
    return constant_tensor(
        tensor.name,
        numbers[..., :channels],
        scales=scales,
        zero_points=zero_points,
        quantized_dimension=tensor.quantized_dimension,
    )


def _columns(tensor: Tensor, wide: tuple[int, ...], narrow: tuple[int, ...]) -> Tensor:
    """Weights (O, kh, pairs, 2·C) as (O, kh, kw, C), without a last column of zeros."""
    numbers = tensor.numbers()
    if numbers is None or narrow[-1] * 2 != wide[-1]:
        return tensor
    outputs, rows, pairs, _ = numbers.shape
    columns = numbers.reshape(outputs, rows, 2 * pairs, narrow[-1])
    if not np.any(columns[:, :, -1]):
        columns = columns[:, :, :-1]
    return constant_tensor(
        tensor.name, columns, scales=tensor.scales, zero_points=tensor.zero_points, quantized_dimension=0
    )
