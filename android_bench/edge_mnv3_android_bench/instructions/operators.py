"""Tells which operator of the graph each of the runtime's operators is, or why this cannot be told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Operator
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


_TABLE_KERNEL = "_x8_lut_"


@dataclass(frozen=True, slots=True)
class Step:
    """An operator of the runtime.

    Attributes:
        nodes: Numbers of the graph's operators that it runs, of which the last one gives its result.
        part: The input that it copies, where the runtime has an operator for each; None for all inputs.
    """

    nodes: tuple[int, ...]
    part: int | None = None

    def name(self, graph: Graph) -> str:
        """Names its operators, in their order."""
        return "+".join(graph.operators[node].name for node in self.nodes)

    def tensors(self, graph: Graph) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Returns the tensors that it takes, once each, and those that it gives."""
        *before, last = (graph.operators[node] for node in self.nodes)
        inside = {tensor for each in before for tensor in each.outputs}
        taken = [tensor for each in (*before, last) for tensor in each.inputs]
        if self.part is not None:
            taken = [last.inputs[self.part]]
        return tuple(each for each in dict.fromkeys(taken) if each not in {*inside, NO_TENSOR}), last.outputs


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of the runtime's operators.

    Attributes:
        steps: What each segment is; where that cannot be told, what the graph's operators are taken for.
        problem: Why it cannot be told; None where it can.
    """

    steps: tuple[Step, ...]
    problem: str | None


def name_operators(graph: Graph, inference: Inference, attribution: Attribution) -> Naming:
    """Finds the graph's operators of each of the runtime's, which run in the graph's order.

    They must be as many, and each must run kernels of its operator's kind. XNNPACK runs an int8 sum with a
    constant and the product with it, which are a hard-swish, as one table, and copies each input of a
    concatenation by itself.
    """
    segments = attribution.segments[:-1]
    whole = tuple(Step((number,)) for number in range(len(graph.operators)))
    if len(inference.partitions) > 1:
        return Naming(whole, f"XNNPACK runs {len(inference.partitions)} parts of the graph")
    left = _left_to_builtin(graph, inference)
    own = tuple(_delegated(graph, [number for number in range(len(whole)) if number not in left]))
    taken_for = tuple(sorted((*own, *map(whole.__getitem__, left)), key=lambda step: step.nodes[-1]))
    steps: list[Step] = [whole[0]] * len(segments)
    for is_delegated, expected in ((True, own), (False, [whole[number] for number in sorted(left)])):
        places = [number for number, each in enumerate(segments) if each.is_delegated == is_delegated]
        if len(places) != len(expected):
            runs = "XNNPACK runs" if is_delegated else "the interpreter runs"
            return Naming(taken_for, f"{runs} {len(places)} operators where the graph has {len(expected)}")
        for place, step in zip(places, expected, strict=True):
            steps[place] = step
    for segment, step in zip(segments, steps, strict=True):
        if segment.is_delegated and not _is_of_kind(step, graph, segment, attribution):
            expected_there = f"operator {step.nodes[-1]}, {step.name(graph)}"
            return Naming(taken_for, f"what runs in the place of {expected_there}, is of another kind")
    return Naming(tuple(steps), None)


def _delegated(graph: Graph, nodes: Iterable[int]) -> Iterable[Step]:
    """Tells XNNPACK's operators for these of the graph."""
    uses = Counter(tensor for operator in graph.operators for tensor in operator.inputs)
    uses.update(graph.outputs)
    sums: dict[int, Operator] = {}
    left = []
    for operator in (graph.operators[node] for node in nodes):
        if operator.name == "ADD" and uses[operator.outputs[0]] == 1 and _is_to_constant(graph, operator):
            sums[operator.outputs[0]] = operator
        left.append(operator)
    joined = {}
    for operator in left:
        addend = next((sums[each] for each in operator.inputs if each in sums), None)
        if operator.name == "MUL" and addend is not None and {*operator.inputs} & {*addend.inputs}:
            joined[operator.index] = addend.index
    inside = {*joined.values()}
    for operator in left:
        if operator.name == "CONCATENATION":
            yield from (Step((operator.index,), part) for part in range(len(operator.inputs)))
        elif operator.index in joined:
            yield Step((joined[operator.index], operator.index))
        elif operator.index not in inside:
            yield Step((operator.index,))


def _is_to_constant(graph: Graph, operator: Operator) -> bool:
    """Whether int8 numbers and one constant are added."""
    taken = [graph.tensors[each] for each in operator.inputs]
    constants = [each for each in taken if each.data is not None]
    return len(constants) == 1 and len(constants[0].data or b"") == 1


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


def _is_of_kind(step: Step, graph: Graph, segment: Segment, attribution: Attribution) -> bool:
    ran = [kernel for kernel in attribution.kernels(segment.executions) if "ukernel" in kernel]
    name = graph.operators[step.nodes[-1]].name
    pattern = _TABLE_KERNEL if len(step.nodes) > 1 else _MICRO_KERNELS.get(name)
    if pattern is None or not ran:
        return name in _WITHOUT_KERNEL
    return any(re.search(pattern, kernel) for kernel in ran)
