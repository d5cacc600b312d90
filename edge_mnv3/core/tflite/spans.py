"""How far the numbers of a tensor can go, by what the operators that make them can give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.types import Graph, Operator


class Span(NamedTuple):
    """The least and the largest number; infinite where there is none."""

    low: float
    high: float

    @property
    def is_about_zero(self) -> bool:
        """Whether there are numbers on both sides of 0, and not by rounding alone."""
        if math.isinf(self.high - self.low):
            return self.low < 0 < self.high
        least = _ROUNDING * (self.high - self.low)
        return self.low < -least and least < self.high


_ROUNDING = 0.01
ANY = Span(-math.inf, math.inf)
_UNIT, _ABOUT = Span(0.0, 1.0), Span(-1.0, 1.0)
# Whatever they take.
_OF_OPERATORS: dict[str, Span] = {
    "ABS": Span(0.0, math.inf),
    "EXP": Span(0.0, math.inf),
    "L2_NORMALIZATION": _ABOUT,
    "LOGISTIC": _UNIT,
    "LOG_SOFTMAX": Span(-math.inf, 0.0),
    "RSQRT": Span(0.0, math.inf),
    "SOFTMAX": _UNIT,
    "SQRT": Span(0.0, math.inf),
    "SQUARE": Span(0.0, math.inf),
}
_LIMITS: dict[str, Span] = {
    "RELU": Span(0.0, math.inf),
    "RELU6": Span(0.0, 6.0),
    "RELU_N1_TO_1": _ABOUT,
    "RELU_0_TO_1": _UNIT,
}
# They give some of the numbers that they take, a mean of some, or the same numbers otherwise arranged.
_KEEPING = (
    *("AVERAGE_POOL_2D", "CONCATENATION", "DEQUANTIZE", "GATHER", "MAX_POOL_2D", "MEAN", "QUANTIZE"),
    *("REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "SLICE", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"),
)
# Signs of what they take stay.
_KEEPING_SIGNS = ("ELU", "GELU", "HARD_SWISH", "LEAKY_RELU", "PRELU", "SUM")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def span_of(graph: Graph, operator: Operator | None) -> Span | None:
    """Tells how far the numbers that an operator makes can go.

    Layers with weights that lie behind another one can give any number that their own weights allow; the
    signs are right everywhere, the ends are those of the operators' definitions and may not be reached.

    Returns:
        None where an operator is met whose numbers are not known, or no operator at all.
    """
    if operator is None:
        return None
    span = _before_activation(graph, operator)
    limit = _LIMITS.get(operator.activation)
    if limit is None or span is None:
        return span if operator.activation == "NONE" else None
    return Span(min(max(span.low, limit.low), limit.high), max(min(span.high, limit.high), limit.low))


def _before_activation(graph: Graph, operator: Operator) -> Span | None:
    name = operator.name
    if name in _OF_OPERATORS:
        return _OF_OPERATORS[name]
    if name in _WEIGHTED:
        return _weighted(graph, operator)
    first = _taken(graph, operator.inputs[0])
    if name == "TANH":
        return _ABOUT if first is None else Span(math.tanh(first.low), math.tanh(first.high))
    if name in _LIMITS:
        limit = _LIMITS[name]
        return limit if first is None else Span(max(first.low, limit.low), min(first.high, limit.high))
    if name in _KEEPING_SIGNS and first is not None:
        return Span(-math.inf if first.low < 0 else 0.0, math.inf if first.high > 0 else 0.0)
    if name in _KEEPING and name != "CONCATENATION":
        return first
    spans = [_taken(graph, tensor) for tensor in operator.inputs]
    known = [span for span in spans if span is not None]
    rule = _RULES.get(name)
    return rule(known) if rule is not None and len(known) == len(spans) else None


def _taken(graph: Graph, tensor: int) -> Span | None:
    constant = graph.real_constant(tensor)
    if constant is not None:
        return Span(float(constant.min()), float(constant.max())) if constant.size else None
    return span_of(graph, graph.producer(tensor))


def _weighted(graph: Graph, operator: Operator) -> Span:
    """Weighted sums: any number, but where all that is summed lies on one side."""
    weights, bias = (_weights(graph, operator, place) for place in (1, 2))
    if weights is None or not weights.size:
        return ANY
    taken = _right_in_front(graph, operator.inputs[0])
    # Nothing times what has no end is nothing.
    ends = [np.multiply(weights, end, where=weights != 0, out=np.zeros_like(weights)) for end in taken]
    channels = -1 if operator.name == "DEPTHWISE_CONV_2D" else 0
    summed = tuple(each for each in range(weights.ndim) if each != channels % weights.ndim)
    added = 0.0 if bias is None else bias
    low = np.minimum(*ends).sum(axis=summed) + added
    high = np.maximum(*ends).sum(axis=summed) + added
    return Span(float(low.min()), float(high.max()))


def _right_in_front(graph: Graph, tensor: int) -> Span:
    """What the layer in front gives; no more layers are looked through."""
    operator = graph.producer(tensor)
    while operator is not None and operator.name in _KEEPING and operator.name != "CONCATENATION":
        operator = graph.producer(operator.inputs[0])
    if operator is None:
        return ANY
    return _OF_OPERATORS.get(operator.name) or _LIMITS.get(operator.activation) or ANY


def _weights(graph: Graph, operator: Operator, place: int) -> npt.NDArray[np.float64] | None:
    """Constants, also those that are stored in fewer bits and made floats by an operator."""
    if len(operator.inputs) <= place:
        return None
    tensor = operator.inputs[place]
    stored = graph.real_constant(tensor)
    if stored is not None:
        return stored
    maker = graph.producer(tensor)
    return graph.real_constant(maker.inputs[0]) if maker is not None and maker.name == "DEQUANTIZE" else None


def _product(spans: Sequence[Span]) -> Span:
    one, other = spans
    ends = [_times(a, b) for a in one for b in other]
    return Span(min(ends), max(ends))


def _times(one: float, other: float) -> float:
    return 0.0 if 0.0 in (one, other) else one * other


def _quotient(spans: Sequence[Span]) -> Span | None:
    one, other = spans
    if other.low <= 0 <= other.high:
        return None
    return _product([one, Span(1 / other.high, 1 / other.low)])


_RULES: dict[str, Callable[[Sequence[Span]], Span | None]] = {
    "ADD": lambda spans: Span(sum(one.low for one in spans), sum(one.high for one in spans)),
    "ADD_N": lambda spans: Span(sum(one.low for one in spans), sum(one.high for one in spans)),
    "CONCATENATION": lambda spans: Span(min(one.low for one in spans), max(one.high for one in spans)),
    "DIV": _quotient,
    "MAXIMUM": lambda spans: Span(max(one.low for one in spans), max(one.high for one in spans)),
    "MINIMUM": lambda spans: Span(min(one.low for one in spans), min(one.high for one in spans)),
    "MUL": _product,
    "NEG": lambda spans: Span(-spans[0].high, -spans[0].low),
    "SUB": lambda spans: Span(spans[0].low - spans[1].high, spans[0].high - spans[1].low),
}
