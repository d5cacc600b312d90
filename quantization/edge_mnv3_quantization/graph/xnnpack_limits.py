"""The scale ratios that XNNPACK's int8 operators accept, to name the operator when a file does not load.

Source: the parameter checks in XNNPACK's `xnn_create_*_qs8` functions (src/operators).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_mnv3.core.tflite.graph import Graph, Operator


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
    """An operator whose scales XNNPACK refuses, and what it is about them."""

    operator: Operator
    text: str


def violations(graph: Graph) -> tuple[str, ...]:
    """Lists the operators whose scales XNNPACK refuses, one line each, worst first."""
    return tuple(violation.text for violation in refused_operators(graph))


def refused_operators(graph: Graph) -> tuple[Violation, ...]:
    """Lists the operators whose scales XNNPACK refuses, worst first."""
    found = []
    for operator in graph.operators:
        limit = LIMITS.get(operator.name)
        ratios = _ratios(operator) if limit else []
        for ratio in ratios:
            if limit and not limit.lowest <= ratio < limit.highest:
                distance = (
                    ratio / limit.highest if ratio >= limit.highest else limit.lowest / max(ratio, 1e-38)
                )
                found.append((distance, Violation(operator, _describe(operator, limit, ratio))))
                break
    return tuple(entry for _, entry in sorted(found, key=lambda one: (one[0], one[1].text), reverse=True))


def _ratios(operator: Operator) -> list[float]:
    output = operator.outputs[0].scales
    # MEAN's second input holds the axes, which carry no scale.
    counts = {"MEAN": 1, "CONCATENATION": len(operator.inputs)}
    operands = operator.inputs[: counts.get(operator.name, 2)]
    if len(output) != 1 or output[0] <= 0 or any(len(tensor.scales) == 0 for tensor in operands):
        return []
    first = float(operator.inputs[0].scales[0]) / float(output[0])
    if operator.name in ("MEAN", "ADD", "CONCATENATION"):
        return [float(tensor.scales[0]) / float(output[0]) for tensor in operands]
    second = operator.inputs[1].scales
    return [first * float(second.max())]


def _describe(operator: Operator, limit: Limit, ratio: float) -> str:
    output = operator.outputs[0]
    name = output.name.partition(";")[0]  # the converter joins the names of what it has fused
    accepts = f"{limit.lowest:.3g} to below {limit.highest:g}" if limit.lowest else f"below {limit.highest:g}"
    if limit.highest == _NEXT_TO_1:
        accepts = "1 only"
    return (
        f"operator {operator.index} {operator.name}, tensor '{name}' (output scale "
        f"{float(output.scales[0]):.3g}): {limit.formula} is {ratio:.4g}, XNNPACK accepts "
        f"{accepts}"
    )
