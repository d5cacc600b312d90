"""Costs of a file on one processor, from one inference that was taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
from edge_mnv3_android_bench.instructions.llvm import Llvm
from edge_mnv3_android_bench.instructions.operators import name_operators
from edge_mnv3_android_bench.instructions.processors import Processor
from edge_mnv3_android_bench.instructions.second_cache import MISS_CYCLES, simulated_misses

NO_CYCLES = CycleRange(low=None, high=None)
_NO_DATA = -1  # stands for no step: the runtime's own data stay in the cache
_MICRO_KERNEL = re.compile(r"xnn_(.+?)(?:_minmax\w*?)?_ukernel")
_INTEGERS = ("INT8", "UINT8", "INT16")


def data_type(graph: Graph) -> DataType:
    """Tells whether a graph computes with floats, with integers, or with both."""
    computed = [tensor for tensor in graph.tensors if tensor.data is None]
    if not any(tensor.is_float for tensor in graph.tensors):
        return "int8"
    has_integers = any(tensor.dtype in _INTEGERS and tensor.scales for tensor in computed)
    return "mixed" if has_integers else "float32"


def processor_cost(
    processor: Processor, kernels: Kernels, graph: Graph, inference: Inference, llvm: Llvm | None
) -> ProcessorCost:
    """Counts an inference and models its cycles, in all and operator by operator.

    Args:
        processor: The processor that ran it.
        kernels: Kernels that were asked for.
        graph: The file's graph.
        inference: What ran.
        llvm: What models cycles; None for instructions alone.

    Raises:
        RuntimeUnavailableError: The log is not that of the library's code, or LLVM failed.
    """
    attribution = attribute(inference)
    naming = name_operators(graph, inference, attribution)
    model = None
    if llvm is not None:
        misses = simulated_misses(
            graph, naming.steps, kernels=kernels, cache_bytes=processor.second_cache_bytes
        )
        model = _Model(llvm.cycles(inference.execution.codes, processor.llvm), misses)
    *operators, between = attribution.segments
    rows = []
    for order, segment in enumerate(operators):
        step = naming.steps[order] if naming.problem is None else None
        rows.append(
            OperatorCost(
                order=order,
                name=_name(segment, attribution) if step is None else step.name(graph),
                node=None if step is None else step.nodes[-1],
                kernels=attribution.kernels(segment.executions),
                instructions=_counts(attribution, segment.executions),
                cycles=_cycles(model, segment, None if step is None else order),
            )
        )
    rows.append(
        OperatorCost(
            order=None,
            name=between.function,
            node=None,
            kernels=attribution.kernels(between.executions),
            instructions=_counts(attribution, between.executions),
            cycles=_cycles(model, between, _NO_DATA),
        )
    )
    everything = np.bincount(inference.execution.entered, minlength=len(inference.execution.starts))
    return ProcessorCost(
        cpu=processor.cpu,
        kernels=kernels,
        instructions=_counts(attribution, everything),
        cycles=_all_cycles(model, rows),
        operators=tuple(rows),
        operators_problem=naming.problem,
        against=None,
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """Cycles of one execution of each block, and the lines that each step misses."""

    cycles: npt.NDArray[np.float64]
    misses: tuple[int, ...]


def _cycles(model: _Model | None, segment: Segment, step: int | None) -> CycleRange:
    """Models a segment; without a cache's term where it is not known which step it is."""
    if model is None:
        return NO_CYCLES
    low = float(segment.executions @ model.cycles)
    misses = None if step is None else 0 if step == _NO_DATA else model.misses[step]
    return CycleRange(low=low, high=None if misses is None else low + MISS_CYCLES * misses)


def _all_cycles(model: _Model | None, rows: list[OperatorCost]) -> CycleRange:
    if model is None:
        return NO_CYCLES
    low = sum(row.cycles.low or 0.0 for row in rows)
    return CycleRange(low=low, high=low + MISS_CYCLES * sum(model.misses))


def _counts(attribution: Attribution, executions: npt.NDArray[np.int64]) -> InstructionCounts:
    by_class = (executions @ attribution.classes).tolist()
    return InstructionCounts(total=sum(by_class), by_class=dict(zip(CLASSES, by_class, strict=True)))


def _name(segment: Segment, attribution: Attribution) -> str:
    """What runs an operator of which it is not known which one of the graph's it is."""
    if not segment.is_delegated:
        return segment.function
    kinds = map(_MICRO_KERNEL.match, attribution.kernels(segment.executions))
    return next((f"XNNPACK {kind[1]}" for kind in kinds if kind), "XNNPACK operator")
