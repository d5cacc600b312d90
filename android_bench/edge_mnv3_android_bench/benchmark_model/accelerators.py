"""Delegates by the accelerator that they run on, and whether the one that was asked for really ran.

A program that is asked for a GPU or an NPU and gets none runs on the CPU and ends with success. A line that
nodes are replaced is no proof either: it is written before the delegate is prepared, which may fail. So
`delegation` leaves out what failed, and here the rest is held against what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3.core.results.delegation import (
    UNKNOWN_DELEGATE,
    XNNPACK_DELEGATE,
    Delegated,
    Partitioning,
)

NOT_DELEGATED = "not delegated: ran on cpu"
PARTLY = "partly delegated: "
# Names as `Partitioning` has them: TensorFlow Lite's, then those of LiteRT 2's accelerators.
_ACCELERATOR_OF: dict[str, str] = {
    "GPU": "gpu",
    "LITERT_CL": "gpu",
    "LITERT_GL": "gpu",
    "LITERT_WEBGPU": "gpu",
    "NNAPI": "npu",
    "DispatchDelegate": "npu",
}
_REASONS_SHOWN = 2
_SAYS_WHY = re.compile(
    r"unsupported|not supported|could not be loaded|refused|failed|will run on the CPU|unable|cannot",
    re.IGNORECASE,
)


def accelerator_of(delegate: str) -> str:
    """The accelerator that a delegate runs on; `cpu` for XNNPACK, and for one that is not known here."""
    return _ACCELERATOR_OF.get(delegate, "cpu")


def delegated(timings: LaunchTimings, accelerator: str) -> Delegated | None:
    """Sums up what an accelerator took, over all subgraphs; None where it took nothing.

    Args:
        timings: Of one launch.
        accelerator: `gpu` or `npu`.
    """
    return sum_up(timings.partitionings, accelerator, partly=_is_partly(timings.warnings))


def sum_up(partitionings: Sequence[Partitioning], accelerator: str, *, partly: bool) -> Delegated | None:
    """Sums up partitionings as `delegated` does.

    Args:
        partitionings: Of one launch.
        accelerator: `gpu` or `npu`.
        partly: The log says that it took a part.
    """
    mine = [p for p in partitionings if accelerator_of(p.delegate) == accelerator and p.partitions]
    if not mine:
        return None
    taken = [p.replaced_nodes for p in mine if p.replaced_nodes is not None]
    nodes = [p.nodes for p in mine if p.nodes is not None]
    taken_sum = sum(taken) if len(taken) == len(mine) else None
    nodes_sum = sum(nodes) if len(nodes) == len(mine) else None
    by_cpu = any(p.partitions and accelerator_of(p.delegate) != accelerator for p in partitionings)
    some_left = taken_sum is not None and nodes_sum is not None and taken_sum < nodes_sum
    in_parts = any(p.partitions > 1 for p in mine)
    return Delegated(
        accelerator=accelerator,
        delegates=tuple(dict.fromkeys(p.delegate for p in mine)),
        replaced_nodes=taken_sum,
        nodes=nodes_sum,
        partitions=sum(p.partitions for p in mine),
        complete=not (partly or some_left or by_cpu or (nodes_sum is None and in_parts)),
    )


def delegation_problem(timings: LaunchTimings, accelerator: str) -> str | None:
    """Says why the figures of a launch are none of the accelerator asked for; None where they are."""
    names = dict.fromkeys(p.delegate for p in timings.partitionings if p.partitions)
    foreign = [name for name in names if accelerator_of(name) not in ("cpu", accelerator)]
    if foreign:
        return f"{accelerator} was asked for, the delegate {foreign[0]} ran, which is none of a {accelerator}"
    if accelerator == "cpu" or delegated(timings, accelerator) is not None:
        return None
    unknown = [name for name in names if name != XNNPACK_DELEGATE]
    if unknown:
        return f"{accelerator} was asked for, the delegate {unknown[0]} ran: on what is not known"
    told = [text.removeprefix("benchmark_model: ") for text in timings.warnings if _SAYS_WHY.search(text)]
    if timings.delegate == UNKNOWN_DELEGATE and not told:
        return f"whether the {accelerator} ran is not known: the log names no delegate"
    return NOT_DELEGATED + (f" ({'; '.join(told[:_REASONS_SHOWN])})" if told else "")


def _is_partly(warnings: Sequence[str]) -> bool:
    return any(text.startswith(PARTLY) for text in warnings)
