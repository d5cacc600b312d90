"""What cannot be rewritten, by name, and what to do instead."""

from __future__ import annotations

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.tflite.types import Graph, Operator

_ACTIVATIONS = "use ReLU, ReLU6, hard-swish, hard-sigmoid, sigmoid or tanh"
_RESIZE = "resize images before the model"
_SCORES = "end the model at the scores"
_LENGTH = (
    "normalize over the last dimension alone, or end the model before it and divide by the length in the app"
)
_ADVICE = {
    "ARG_MAX": _SCORES,
    "TOPK_V2": _SCORES,
    **dict.fromkeys(("SQUARE", "RSQRT", "SQRT"), _LENGTH),
    "DIV": "divide by constants only",
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), "crop images before the model"),
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "QUANTIZE": "give the float file",
    **dict.fromkeys(("LEAKY_RELU", "PRELU", "GELU", "EXP", "LOG_SOFTMAX"), _ACTIVATIONS),
}
_WITHOUT_STOCK = {"ELU": _ACTIVATIONS}  # TensorFlow's converter leaves it in float
_WANTED = "the operators of a MobileNetV3 with a head"
_OTHERWISE = "use --recipe stock"


def source_of(operator: Operator, graph: Graph) -> str:
    """Names an operator and the tensor that it gives."""
    name = graph.tensors[operator.output].name.partition(";")[
        0
    ]  # converters join the names of what they fuse
    return f"operator {operator.index} {operator.name}, tensor '{name}'"


def unsupported(source: str, got: str = "", advice: str = "") -> ConversionError:
    """Makes the error about an operator that cannot be rewritten.

    Args:
        source: From `source_of`.
        got: What about it is not supported; empty if the operator itself is not.
        advice: What to do instead; empty for what is known about the operator.
    """
    operator = source.partition(",")[0].split()[-1]
    return ConversionError(
        source, got or "an operator that cannot be rewritten", _WANTED, advice or _advice(operator)
    )


def _advice(operator: str) -> str:
    if operator.startswith("Flex"):
        return "export it with built-in operators and a fixed batch of 1"
    if operator in _WITHOUT_STOCK:
        return _WITHOUT_STOCK[operator]
    return f"{_ADVICE[operator]}, or {_OTHERWISE}" if operator in _ADVICE else _OTHERWISE
