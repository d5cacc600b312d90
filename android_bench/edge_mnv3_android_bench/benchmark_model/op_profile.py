"""Profiles of operators, joined with the graph of the file."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.profile import OpCost, OpProfileResult, OpTypeShare
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_android_bench.benchmark_model.profile_tables import (
    INTERNAL,
    ProfileGroup,
    ProfileRow,
    read_profile_tables,
)

_NODE = re.compile(r"\[(?P<outputs>.*)\](?::(?P<index>\d+))?", re.ASCII)
_DELEGATE_STEP = "Delegate/"
_INTERNAL_TYPE = "DelegateOpInvoke"  # builds without a group for it list it among the operators
_DELEGATE_TYPE = re.compile(r"DELEGATE|\w*Delegate\w*", re.ASCII)


def read_op_profile(text: str, graph: Graph) -> OpProfileResult:
    """Reads a profile and joins it with the graph.

    Args:
        text: What the program printed, or the CSV file that it wrote.
        graph: The file's main graph.

    Raises:
        BenchmarkLogError: There is no whole profile, or it is of another graph.
    """
    return join_profile(read_profile_tables(text), graph)


def join_profile(groups: Sequence[ProfileGroup], graph: Graph) -> OpProfileResult:
    """Finds the graph's operator for each row of a profile; sums by type.

    Raises:
        BenchmarkLogError: A row names an operator or tensor that the graph does not have there.
    """
    main = next((group for group in groups if group.subgraph == 0), None)
    if main is None:
        raise BenchmarkLogError("profile of benchmark_model", "no main graph", next_step="profile again")
    costs: list[OpCost] = []
    internal: list[OpCost] = []
    for group in groups:
        for row in group.rows:
            inside = group.subgraph == INTERNAL or row.op_type == _INTERNAL_TYPE
            cost = _cost(row, group, main.total_us, graph)
            (internal if inside else costs).append(cost)
    top = [cost for cost in costs if cost.subgraph == 0]
    outside = {cost.graph_index for cost in top}
    by_delegate = any(cost.by_delegate for cost in top)
    return OpProfileResult(
        runs=main.runs,
        total_us=main.total_us,
        costs=tuple(costs),
        by_type=_by_type(top),
        partitions=sum(cost.by_delegate and bool(cost.outputs) for cost in top),
        delegated_ops=_delegated(graph, outside) if by_delegate else {},
        delegate_internal=tuple(internal),
    )


def _delegated(graph: Graph, outside: Collection[int | None]) -> dict[str, int]:
    """Counts, by name, the operators that are not among those outside of the delegate."""
    return dict(Counter(operator.name for operator in graph.operators if operator.index not in outside))


def _cost(row: ProfileRow, group: ProfileGroup, total_us: float, graph: Graph) -> OpCost:
    node = _NODE.fullmatch(row.name)
    op_type = row.op_type.partition("/")[0] if node else row.op_type  # a kernel may add a description
    by_delegate = node is None and row.name.startswith(_DELEGATE_STEP)
    by_delegate = by_delegate or _DELEGATE_TYPE.fullmatch(op_type) is not None
    outputs = tuple(node["outputs"].split(", ")) if node else ()
    graph_index = None
    if node and group.subgraph == 0 and not by_delegate:
        graph_index = _graph_index(op_type, outputs, node["index"], graph)
    return OpCost(
        op_type=op_type,
        outputs=outputs,
        graph_index=graph_index,
        subgraph=max(group.subgraph, 0),
        by_delegate=by_delegate,
        calls=row.calls,
        time_us=row.time_us,
        share_percent=100 * row.time_us / total_us if total_us else 0.0,
    )


def _graph_index(op_type: str, outputs: Sequence[str], index: str | None, graph: Graph) -> int:
    """The number of the graph's operator that a row is of; old builds print the tensor alone."""
    fitting = [
        operator.index
        for operator in graph.operators
        if (operator.name, graph.tensors[operator.output].name) == (op_type, outputs[0])
        and index in (None, str(operator.index))
    ]
    if len(fitting) != 1:
        raise BenchmarkLogError(
            "profile of benchmark_model",
            f"{op_type} that makes {outputs[0]!r}{f' as operator {index}' if index else ''}",
            "an operator of the file",
            "profile the same file",
        )
    return fitting[0]


def _by_type(costs: Iterable[OpCost]) -> tuple[OpTypeShare, ...]:
    groups: dict[str, list[OpCost]] = defaultdict(list)
    for cost in costs:
        groups[cost.op_type].append(cost)
    shares = [
        OpTypeShare(
            op_type=op_type,
            count=len(members),
            time_us=sum(cost.time_us for cost in members),
            share_percent=sum(cost.share_percent for cost in members),
        )
        for op_type, members in groups.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.time_us))
