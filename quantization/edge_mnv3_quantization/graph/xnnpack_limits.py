"""The scale ratios that XNNPACK's int8 operators accept, to name the operator when a file does not load.

Source: the parameter checks in XNNPACK's `xnn_create_*_qs8` functions (src/operators).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Model, Operator, Tensor


class Limit(NamedTuple):
    """An allowed range of a ratio of scales: lowest <= ratio < highest."""

    formula: str
    lowest: float
    highest: float


_NEXT_TO_1 = float(np.nextafter(np.float32(1), np.float32(2)))
_WEIGHTED = Limit("input scale * weight scale / output scale", 0.0, 256.0)
LIMITS: dict[str, Limit] = {
    "CONV_2D": _WEIGHTED,
    "DEPTHWISE_CONV_2D": _WEIGHTED,
    "FULLY_CONNECTED": _WEIGHTED,
    "ADD": Limit("input scale / output scale", 2.0**-10, 256.0),
    "MUL": Limit("product of the input scales / output scale", 2.0**-16, 256.0),
    "MEAN": Limit("input scale / output scale", 2.0**-8, 256.0),
    "CONCATENATION": Limit("input scale / output scale", 1.0, _NEXT_TO_1),
}


class Violation(NamedTuple):
    """An operator whose scales XNNPACK refuses.

    Attributes:
        operator: The operator.
        output: Name of the tensor that it gives.
        ratio: The ratio of its scales that is out of range.
        text: The operator, the ratio and what XNNPACK accepts, in one line.
    """

    operator: Operator
    output: str
    ratio: float
    text: str


def violations(model: Model) -> tuple[str, ...]:
    """Lists the operators whose scales XNNPACK refuses, one line each, worst first."""
    return tuple(violation.text for violation in refused_operators(model))


def refused_operators(model: Model) -> tuple[Violation, ...]:
    """Lists the operators whose scales XNNPACK refuses, worst first."""
    refused = []
    for graph in model.graphs:
        for operator in graph.operators:
            limit = LIMITS.get(operator.name)
            if limit is None:
                continue
            ratios = _ratios(operator, graph)
            ratio = next((one for one in ratios if not limit.lowest <= one < limit.highest), None)
            if ratio is not None:
                too_large = ratio >= limit.highest
                distance = ratio / limit.highest if too_large else limit.lowest / max(ratio, 1e-38)
                output = graph.tensors[operator.output]
                text = _describe(operator, output, limit, ratio)
                refused.append((distance, Violation(operator, output.name, ratio, text)))
    return tuple(entry for _, entry in sorted(refused, key=lambda one: (one[0], one[1].text), reverse=True))


def _ratios(operator: Operator, graph: Graph) -> list[float]:
    output = graph.tensors[operator.output].scales
    inputs = [graph.tensors[tensor] for tensor in operator.inputs if tensor != NO_TENSOR]
    # MEAN's second input holds the axes, which carry no scale.
    counts = {"MEAN": 1, "CONCATENATION": len(inputs)}
    operands = inputs[: counts.get(operator.name, 2)]
    if len(output) != 1 or output[0] <= 0 or any(len(tensor.scales) == 0 for tensor in operands):
        return []
    if operator.name in ("MEAN", "ADD", "CONCATENATION"):
        return [tensor.scales[0] / output[0] for tensor in operands]
    return [operands[0].scales[0] / output[0] * max(operands[1].scales)]


def _describe(operator: Operator, output: Tensor, limit: Limit, ratio: float) -> str:
    name = output.name.partition(";")[0]  # the converter joins the names of what it has fused
    accepts = f"{limit.lowest:.3g} to below {limit.highest:g}" if limit.lowest else f"below {limit.highest:g}"
    if limit.highest == _NEXT_TO_1:
        accepts = "1 only"
    return (
        f"operator {operator.index} {operator.name}, tensor '{name}' (output scale "
        f"{output.scales[0]:.3g}): {limit.formula} is {ratio:.4g}, XNNPACK accepts "
        f"{accepts}"
    )
