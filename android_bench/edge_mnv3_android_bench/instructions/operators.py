"""Tells which operator of the graph each of the runtime's operators is, or why this cannot be told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_android_bench.instructions.attribution import Attribution, Segment
from edge_mnv3_android_bench.instructions.emulation import Inference

# What XNNPACK's micro-kernels for a graph's operator are called.
_GEMM = r"_(gemm|igemm|conv_hwc\w*|spmm|vmulcaddc)_"
_MICRO_KERNELS = {
    "CONV_2D": _GEMM,
    "FULLY_CONNECTED": _GEMM,
    "DEPTHWISE_CONV_2D": r"_(dwconv|vmulcaddc|igemm)_",
    "ADD": r"_v?r?addc?_",
    "SUB": r"_vr?subc?_",
    "MUL": r"_vmulc?_",
    "DIV": r"_vr?divc?_",
    "HARD_SWISH": r"_vhswish_|_x8_lut_|HardSwish",
    "LOGISTIC": r"_vsigmoid_|_x8_lut_|Sigmoid",
    "MEAN": r"_(rd?sum2?|gavgpool|rd?minmax)_",
    "AVERAGE_POOL_2D": r"_(p?avgpool|gavgpool|rd?sum)_",
    "MAX_POOL_2D": r"_maxpool_",
    "SOFTMAX": r"_(raddstoreexpminusmax|lut32norm)_",
    "RELU": r"_vclamp_|_vrelu_|Clamp",
    "RELU6": r"_vclamp_|Clamp",
    "QUANTIZE": r"_vcvt_|unary_ukernel",
    "DEQUANTIZE": r"_vcvt_|unary_ukernel",
    "PAD": r"_pad_|_copy_",
    "CONCATENATION": r"_copy_",
}
_WITHOUT_KERNEL = ("RESHAPE",)  # moves nothing where its result lies in the place of its input
_DELEGATE = "xnn_"


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of the runtime's operators.

    Attributes:
        nodes: Number of the graph's operator for each segment; empty if they are not the graph's.
        problem: Why they are not; None if they are.
    """

    nodes: tuple[int, ...]
    problem: str | None


def name_operators(graph: Graph, inference: Inference, attribution: Attribution) -> Naming:
    """Finds the graph's operator of each of the runtime's, which run in the graph's order.

    They must be as many, and each must run kernels of its operator's kind.
    """
    segments = attribution.segments[:-1]
    names = [operator.name for operator in graph.operators]
    if len(inference.partitions) > 1:
        return Naming((), f"XNNPACK runs {len(inference.partitions)} parts of the graph")
    left = _left_to_builtin(graph, inference)
    groups = [[number for number in range(len(names)) if number not in left], sorted(left)]
    nodes = [-1] * len(segments)
    for is_delegated, expected in zip((True, False), groups, strict=True):
        places = [number for number, each in enumerate(segments) if each.is_delegated == is_delegated]
        if len(places) != len(expected):
            runs = "XNNPACK runs" if is_delegated else "the interpreter runs"
            return Naming((), f"{runs} {len(places)} operators where the graph has {len(expected)}")
        for place, node in zip(places, expected, strict=True):
            nodes[place] = node
    for segment, node in zip(segments, nodes, strict=True):
        if segment.is_delegated and not _is_of_kind(names[node], segment, attribution):
            return Naming((), f"what runs in the place of operator {node}, {names[node]}, is of another kind")
    return Naming(tuple(nodes), None)


def _left_to_builtin(graph: Graph, inference: Inference) -> set[int]:
    """Returns the operators that the interpreter runs itself.

    The runtime does not tell which these are. A tensor that leaves a part of XNNPACK's is one of its outputs,
    and one that enters is one of its inputs; a tensor that is neither lies inside a part or between two
    operators outside. So, from the graph's end to its start, each place follows from those of the consumers.
    """
    produced = frozenset[int]().union(*(made for _, made in inference.partitions))
    outside = {*graph.outputs}.union(*(taken for taken, _ in inference.partitions))
    left = set()
    for number, operator in reversed(list(enumerate(graph.operators))):
        if outside & {*operator.outputs} and not produced & {*operator.outputs}:
            left.add(number)
            outside |= {*operator.inputs}
    return left


def _is_of_kind(name: str, segment: Segment, attribution: Attribution) -> bool:
    ran = [kernel for kernel in attribution.kernels(segment.executions) if "ukernel" in kernel]
    pattern = _MICRO_KERNELS.get(name)
    if pattern is None or not ran:
        return name in _WITHOUT_KERNEL
    return any(re.search(pattern, kernel) for kernel in ran)
