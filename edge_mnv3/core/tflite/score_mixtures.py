"""Outputs that are sums, multiples, rests or concatenations of probabilities, and so scores as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.types import Graph, Operator

Numbers = npt.NDArray[np.float64]
Mixture = Literal["sigmoid", "shares"]

_CARRIERS = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE")
_GOLDEN = 0.6180339887  # its multiples differ in what is behind the point
_CLOSE = 0.03  # int8 steps and rounded weights are below it
_LEAVES = {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax", "TANH": "sigmoid"}  # one plus a tanh is two sigmoids


def mixture_of(graph: Graph, operator: Operator | None) -> Mixture | None:
    """Tells what numbers are that an operator makes of the answers of sigmoids or softmaxes.

    Returns:
        `sigmoid` for numbers that go from 0 to 1 as all sigmoids do, or the other way round; `shares` for
        numbers that share one whole, and for sums and multiples of softmaxes, of which the highest counts;
        None for others.
    """
    if operator is None or operator.name in _LEAVES:
        return None
    leaves: set[str] = set()
    try:
        probes = [_mixed(graph, operator, share, leaves) for share in (0.0, 1.0, None)]
    except (ValueError, IndexError):  # shapes that do not go together
        return None
    none, all_, several = probes
    if none is None or all_ is None or several is None:
        return None
    if "softmax" in leaves and (none.shape[-1] > 1 or leaves != {"softmax", "cut"}):
        if leaves - {"softmax", "cut"}:  # several side by side are no classes of one kind
            return None
        return "shares" if np.all(np.ptp(all_ - none, axis=-1) <= _CLOSE) and np.all(all_ > none) else None
    sums = np.stack([none, all_, several]).sum(axis=-1)
    if none.shape[-1] > 1 and np.allclose(sums, 1, atol=_CLOSE):
        return "shares"
    ends = np.sort(np.stack([none, all_]), axis=0)
    is_score = np.allclose(ends[0], 0, atol=_CLOSE) and np.allclose(ends[1], 1, atol=_CLOSE)
    return "sigmoid" if is_score else None


def _mixed(graph: Graph, operator: Operator | None, share: float | None, leaves: set[str]) -> Numbers | None:
    """Computes an operator's result where the sigmoids and softmaxes in front of it give one number.

    Args:
        graph: The graph.
        operator: The operator; None for what has none in front.
        share: The number; None for another one of each of them.
        leaves: The kinds of what is met are added to it.
    """
    while operator is not None and operator.name in _CARRIERS:
        operator = graph.producer(operator.inputs[0])
    if operator is None or operator.activation != "NONE":
        return None
    if operator.name in _LEAVES:
        leaves.add(_LEAVES[operator.name])
        number = operator.output * _GOLDEN % 1 if share is None else share
        number = 2 * number - 1 if operator.name == "TANH" else number
        return np.full(graph.tensors[operator.output].shape, number)
    if operator.name in _OF_EQUAL:
        return _picked(graph, operator, share, leaves)
    rule = _RULES.get(operator.name)
    given = None if rule is None else _given(graph, operator, share, leaves)
    if rule is None or given is None:
        return None
    if operator.name == "CONCATENATION":
        leaves.add("joined")
        return np.concatenate(given, axis=int(operator.options.get("axis", -1)))
    return rule(given)


def _given(graph: Graph, operator: Operator, share: float | None, leaves: set[str]) -> list[Numbers] | None:
    """What an operator takes; None where that is not of probabilities and constants alone."""
    given, constants = [], []
    for tensor in operator.inputs:
        numbers = graph.real_constant(tensor)
        constants.append(numbers is not None)
        if numbers is None:
            numbers = _mixed(graph, graph.producer(tensor), share, leaves)
        if numbers is None:
            return None
        given.append(numbers)
    if operator.name in _OF_SEVERAL and any(constants):
        return None
    if operator.name == "DEPTHWISE_CONV_2D" and constants[0]:
        return None
    if operator.name == "DIV" and not constants[1]:
        return None
    return given


def _picked(graph: Graph, operator: Operator, share: float | None, leaves: set[str]) -> Numbers | None:
    """What is averaged, chosen or cut of numbers that are all one number is that number."""
    numbers = _mixed(graph, graph.producer(operator.inputs[0]), share, leaves)
    if numbers is None or float(np.ptp(numbers)) > _CLOSE:
        return None
    leaves.add("cut")
    return np.full(graph.tensors[operator.output].shape, float(numbers.reshape(-1)[0]))


def _depthwise(given: list[Numbers]) -> Numbers | None:
    """A depthwise 1x1 convolution: a factor and a summand for each channel."""
    value, weights, bias = given
    return value * weights + bias if weights.shape[:3] == (1, 1, 1) else None


_RULES: dict[str, Callable[[list[Numbers]], Numbers | None]] = {
    "ADD": lambda given: given[0] + given[1],
    "ADD_N": lambda given: np.asarray(sum(given)),
    "CONCATENATION": lambda given: None,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DIV": lambda given: given[0] / given[1],
    "MAXIMUM": lambda given: np.maximum(given[0], given[1]),
    "MINIMUM": lambda given: np.minimum(given[0], given[1]),
    "MUL": lambda given: given[0] * given[1],
    "SUB": lambda given: given[0] - given[1],
}
_OF_SEVERAL = ("ADD_N", "CONCATENATION")
_OF_EQUAL = (
    *("AVERAGE_POOL_2D", "GATHER", "MAX_POOL_2D", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "SLICE", "SPLIT"),
    "STRIDED_SLICE",
)
