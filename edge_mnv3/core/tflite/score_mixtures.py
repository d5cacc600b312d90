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
_CLOSE = 0.03  # int8 steps and rounded weights are below it
_LEAVES = {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax", "TANH": "sigmoid"}  # one plus a tanh is two sigmoids


def mixture_of(graph: Graph, operator: Operator | None) -> Mixture | None:
    """Tells what numbers are that an operator makes of the answers of sigmoids or softmaxes.

    Returns:
        `sigmoid` for numbers of 0 to 1 that are one half where all sigmoids are; `shares` for numbers that
        share one whole, and for sums and multiples of softmaxes, of which the highest counts; None for
        others.
    """
    if operator is None or operator.name in _LEAVES:
        return None
    leaves: set[str] = set()
    try:
        none, half, all_ = (_mixed(graph, operator, share, leaves) for share in (0.0, 0.5, 1.0))
    except (ValueError, IndexError):  # shapes that do not go together
        return None
    if none is None or half is None or all_ is None:
        return None
    if leaves == {"softmax"}:  # several side by side are no classes of one kind
        return "shares" if np.all(np.ptp(all_ - none, axis=-1) <= _CLOSE) and np.all(all_ > none) else None
    if "softmax" in leaves:
        return None
    sums = np.stack([none, half, all_]).sum(axis=-1)
    if none.shape[-1] > 1 and np.allclose(sums, 1, atol=_CLOSE):
        return "shares"
    ends = np.sort(np.stack([none, all_]), axis=0)
    is_score = np.allclose(ends[0], 0, atol=_CLOSE) and np.allclose(ends[1], 1, atol=_CLOSE)
    return "sigmoid" if is_score and np.allclose(half, 0.5, atol=_CLOSE) else None


def _mixed(graph: Graph, operator: Operator | None, share: float, leaves: set[str]) -> Numbers | None:
    """Computes an operator's result where all sigmoids and softmaxes in front of it give one number."""
    while operator is not None and operator.name in _CARRIERS:
        operator = graph.producer(operator.inputs[0])
    if operator is None or operator.activation != "NONE":
        return None
    if operator.name in _LEAVES:
        leaves.add(_LEAVES[operator.name])
        number = 2 * share - 1 if operator.name == "TANH" else share
        return np.full(graph.tensors[operator.output].shape, number)
    rule = _RULES.get(operator.name)
    if rule is None:
        return None
    given = []
    for tensor in operator.inputs:
        numbers = _constant(graph, tensor)
        if numbers is None:
            numbers = _mixed(graph, graph.producer(tensor), share, leaves)
        elif operator.name in _OF_SEVERAL:
            return None  # not of probabilities alone
        if numbers is None:
            return None
        given.append(numbers)
    constants = [_constant(graph, tensor) is not None for tensor in operator.inputs]
    if operator.name in _LINEAR_IN_ONE and not any(constants):
        return None
    if operator.name == "DIV" and not constants[1]:
        return None
    if operator.name == "CONCATENATION":
        leaves.add("joined")
        return np.concatenate(given, axis=int(operator.options.get("axis", -1)))
    return rule(given)


def _constant(graph: Graph, tensor: int) -> Numbers | None:
    """The real numbers of a constant, whose scales are of one channel each or one for all."""
    stored = graph.constant(tensor)
    if stored is None:
        return None
    known = graph.tensors[tensor]
    numbers = stored.astype(np.float64)
    if not known.scales:
        return numbers
    if len(known.scales) == 1 or (known.scales and numbers.shape[-1] == len(known.scales)):
        return np.asarray((numbers - known.zero_point) * np.asarray(known.scales))
    return None


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
    "MUL": lambda given: given[0] * given[1],
    "SUB": lambda given: given[0] - given[1],
}
_OF_SEVERAL = ("ADD_N", "CONCATENATION")
_LINEAR_IN_ONE = ("DEPTHWISE_CONV_2D", "DIV", "MUL")
