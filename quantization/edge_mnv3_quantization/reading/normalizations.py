"""Recognizes the normalization to length 1, however its squares, sums, roots and products are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from edge_mnv3.core.tflite.types import Graph, Operator

_NAME = "L2_NORMALIZATION"
_LEAST = 1e-5  # what keeps from a division by 0 is smaller, as a length, or as its square
_LIMITS = ("ADD", "MAXIMUM", "MINIMUM")


def with_normalizations(graph: Graph) -> Graph:
    """Puts the operator L2_NORMALIZATION in the place of x / sqrt(sum(x * x)) over the last dimension.

    Also where it is written as a product with the inverse root, with a small number that is added or a limit
    in front of the division or behind it.
    """
    found = {
        operator.index: taken
        for operator in graph.operators
        if operator.name in ("MUL", "DIV") and (taken := _normalized(graph, operator)) is not None
    }
    if not found:
        return graph
    operators = tuple(
        operator
        if operator.index not in found
        else dataclasses.replace(operator, name=_NAME, inputs=(found[operator.index],))
        for operator in graph.operators
    )
    return dataclasses.replace(graph, operators=tuple(_wanted(graph, operators)))


def _wanted(graph: Graph, operators: tuple[Operator, ...]) -> Iterator[Operator]:
    """Leaves out the squares, sums and roots that nothing takes any more."""
    wanted, kept = set(graph.outputs), list[Operator]()
    for operator in reversed(operators):
        if wanted & set(operator.outputs):
            wanted |= set(operator.inputs)
            kept.append(operator)
    return reversed(kept)


def _normalized(graph: Graph, operator: Operator) -> int | None:
    """Finds the tensor that an operator divides by its own length; None where it does something else."""
    if operator.activation != "NONE" or len(operator.inputs) != 2:
        return None
    first, second = operator.inputs
    pairs = [(first, second)] if operator.name == "DIV" else [(first, second), (second, first)]
    root = "SQRT" if operator.name == "DIV" else "RSQRT"
    return next((value for value, length in pairs if _is_length(graph, length, value, root)), None)


def _is_length(graph: Graph, tensor: int, value: int, root: str) -> bool:
    """Whether a tensor is the root, or the inverse root, of the sum of a value's squares."""
    rooted = _behind_limits(graph, tensor, inverse=root == "RSQRT")
    if rooted is None or rooted.name != root:
        return False
    summed = _behind_limits(graph, rooted.inputs[0], inverse=False)
    if summed is None or summed.name != "SUM" or not _is_over_last(graph, summed, value):
        return False
    square = graph.producer(summed.inputs[0])
    if square is None or square.activation != "NONE":
        return False
    return (square.name == "SQUARE" and square.inputs == (value,)) or (
        square.name == "MUL" and square.inputs == (value, value)
    )


def _behind_limits(graph: Graph, tensor: int, *, inverse: bool) -> Operator | None:
    """Finds what made a tensor, behind limits that matter only where a length is nearly 0."""
    operator = graph.producer(tensor)
    while operator is not None and operator.name in (*_LIMITS, "BROADCAST_TO"):
        if operator.name != "BROADCAST_TO" and not _is_small(graph, operator, inverse=inverse):
            return None
        taken = [each for each in operator.inputs if graph.constant(each) is None]
        operator = graph.producer(taken[0]) if len(taken) == 1 else None
    return operator


def _is_small(graph: Graph, operator: Operator, *, inverse: bool) -> bool:
    constants = [numbers for each in operator.inputs if (numbers := graph.constant(each)) is not None]
    if len(constants) != 1 or constants[0].size != 1 or operator.activation != "NONE":
        return False
    number = float(constants[0].reshape(-1)[0])
    if inverse:
        return operator.name == "MINIMUM" and number >= 1 / _LEAST
    return operator.name in ("ADD", "MAXIMUM") and 0 <= number <= _LEAST


def _is_over_last(graph: Graph, operator: Operator, value: int) -> bool:
    """Whether a sum is over the last dimension of a value alone, and keeps it."""
    rank = len(graph.tensors[value].shape)
    axes = graph.constant(operator.inputs[1])
    if axes is None or axes.size != 1 or not operator.options.get("keep_dims"):
        return False
    return int(np.asarray(axes).reshape(-1)[0]) in (-1, rank - 1)
