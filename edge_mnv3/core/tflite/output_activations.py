"""Which function made an output's numbers, read from the operators at the end of a file."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.results.model_facts import Activation
from edge_mnv3.core.tflite.score_mixtures import mixture_of
from edge_mnv3.core.tflite.types import Graph, Operator

CARRIERS = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE")  # these give the numbers that they take
_FUNCTIONS: dict[str, Activation] = {
    "ELU": "elu",
    "EXP": "exponential",
    "GELU": "gelu",
    "HARD_SWISH": "hard_swish",
    "L2_NORMALIZATION": "l2_normalization",
    "LEAKY_RELU": "leaky_relu",
    "LOGISTIC": "sigmoid",
    "LOG_SOFTMAX": "log_softmax",
    "PRELU": "leaky_relu",
    "RELU": "relu",
    "RELU6": "relu6",
    "RELU_N1_TO_1": "relu_n1_to_1",
    "SOFTMAX": "softmax",
    "TANH": "tanh",
}
# What these give is no function of one number alone, or a linear one of it.
_LINEAR = (
    *("ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DIV"),
    *("FULLY_CONNECTED", "GATHER", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "PADV2", "REDUCE_MAX", "SLICE"),
    *("SPLIT", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE"),
)
_HARD_SIGMOID_SLOPE, _SAME = 1 / 6, 1e-3


def last_operator(graph: Graph, tensor: int) -> Operator | None:
    """Finds the operator that made a tensor's numbers; None where they are those of an input."""
    operator = graph.producer(tensor)
    while operator is not None and operator.name in CARRIERS:
        operator = graph.producer(operator.inputs[0])
    return operator


def activation_of(graph: Graph, operator: Operator | None) -> Activation:
    """Tells the activation that ends with an operator, fused into it or an operator, or some, of its own."""
    if operator is None:
        return "none"
    if operator.activation != "NONE":
        return _FUNCTIONS.get(operator.activation, "other")
    if mixture_of(graph, operator) == "sigmoid":
        return "sigmoid"  # 1 less one is one, and the mean of several is a probability as well
    if operator.name in ("MUL", "DIV"):
        return _product(graph, operator)
    return _FUNCTIONS.get(operator.name, "none" if operator.name in _LINEAR else "other")


def _product(graph: Graph, operator: Operator) -> Activation:
    """Tells the function that a product, or quotient, is the end of."""
    taken = [tensor for tensor in operator.inputs if graph.constant(tensor) is None]
    makers = [last_operator(graph, tensor) for tensor in taken]
    if len(taken) == 1:
        limit = makers[0] is not None and activation_of(graph, makers[0]) == "relu6"
        return "hard_sigmoid" if limit and _is_sixth(graph, operator) else "none"
    if len(set(taken)) == 1:
        return "none"
    return next(
        (
            found
            for tensor, other, maker in zip(taken, taken[::-1], makers, strict=True)
            if maker is not None and (found := _gated(graph, tensor, other, maker)) is not None
        ),
        "none",
    )


def _gated(graph: Graph, tensor: int, value: int, maker: Operator) -> Activation | None:
    """Tells the function x * f(x), or x / f(x), of which an operator made f(x)."""
    if maker.name == "LOGISTIC" and value in maker.inputs:
        return "swish"
    if activation_of(graph, maker) == "hard_sigmoid":
        return "hard_swish"
    made: Operator | None = maker
    while made is not None and made.name in ("ADD", "MAXIMUM", "MINIMUM", "RSQRT", "SQRT"):
        tensor = next((each for each in made.inputs if graph.constant(each) is None), tensor)
        made = graph.producer(tensor)
    if made is None or made.name != "SUM":
        return None
    square = graph.producer(made.inputs[0])
    of_value = square is not None and set(square.inputs) == {value}
    return (
        "l2_normalization" if of_value and square is not None and square.name in ("MUL", "SQUARE") else None
    )


def _is_sixth(graph: Graph, operator: Operator) -> bool:
    constants = [numbers for tensor in operator.inputs if (numbers := graph.constant(tensor)) is not None]
    if len(constants) != 1 or constants[0].size != 1 or not np.issubdtype(constants[0].dtype, np.floating):
        return False
    factor = float(constants[0].reshape(-1)[0])
    if operator.name == "DIV":
        factor = 1 / factor if factor else 0.0
    return abs(factor - _HARD_SIGMOID_SLOPE) <= _SAME
