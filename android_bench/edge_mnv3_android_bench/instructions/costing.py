"""Costs of a file on one processor, from one inference that was taken apart."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.results.cost import (
    CLASSES,
    CycleRange,
    DataType,
    InstructionCounts,
    OperatorCost,
    ProcessorCost,
)
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_android_bench.instructions.attribution import Attribution, Segment, attribute
from edge_mnv3_android_bench.instructions.emulation import Inference
from edge_mnv3_android_bench.instructions.operators import name_operators

NO_CYCLES = CycleRange(low=None, high=None)
_MICRO_KERNEL = re.compile(r"xnn_(.+?)(?:_minmax\w*?)?_ukernel")
_INTEGERS = ("INT8", "UINT8", "INT16")


def data_type(graph: Graph) -> DataType:
    """Tells whether a graph computes with floats, with integers, or with both."""
    computed = [tensor for tensor in graph.tensors if tensor.data is None]
    if not any(tensor.is_float for tensor in graph.tensors):
        return "int8"
    has_integers = any(tensor.dtype in _INTEGERS and tensor.scales for tensor in computed)
    return "mixed" if has_integers else "float32"


def processor_cost(cpu: str, kernels: Kernels, graph: Graph, inference: Inference) -> ProcessorCost:
    """Counts an inference, in all and operator by operator.

    Args:
        cpu: The processor that ran it.
        kernels: Kernels that were asked for.
        graph: The file's graph.
        inference: What ran.

    Raises:
        RuntimeUnavailableError: The log is not that of the library's code.
    """
    attribution = attribute(inference)
    naming = name_operators(graph, inference, attribution)
    *operators, between = attribution.segments
    rows = []
    for order, segment in enumerate(operators):
        node = naming.nodes[order] if naming.nodes else None
        name = _name(segment, attribution) if node is None else graph.operators[node].name
        rows.append(_row(attribution, segment, name, order, node))
    rows.append(_row(attribution, between, between.function, None, None))
    everything = np.bincount(inference.execution.entered, minlength=len(inference.execution.starts))
    return ProcessorCost(
        cpu=cpu,
        kernels=kernels,
        instructions=_counts(attribution, everything),
        cycles=NO_CYCLES,
        operators=tuple(rows),
        operators_problem=naming.problem,
        against=None,
    )


def _row(
    attribution: Attribution, segment: Segment, name: str, order: int | None, node: int | None
) -> OperatorCost:
    return OperatorCost(
        order=order,
        name=name,
        node=node,
        kernels=attribution.kernels(segment.executions),
        instructions=_counts(attribution, segment.executions),
        cycles=NO_CYCLES,
    )


def _counts(attribution: Attribution, executions: npt.NDArray[np.int64]) -> InstructionCounts:
    by_class = (executions @ attribution.classes).tolist()
    return InstructionCounts(total=sum(by_class), by_class=dict(zip(CLASSES, by_class, strict=True)))


def _name(segment: Segment, attribution: Attribution) -> str:
    """What runs an operator of which it is not known which one of the graph's it is."""
    if not segment.is_delegated:
        return segment.function
    kinds = map(_MICRO_KERNEL.match, attribution.kernels(segment.executions))
    return next((f"XNNPACK {kind[1]}" for kind in kinds if kind), "XNNPACK operator")
