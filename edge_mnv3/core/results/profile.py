"""The frozen results of `bench --profile`; `json_format` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.bench import (
    DeviceBenchConditions,
    LaunchTimings,
    add_accelerator_of,
    nest_conditions_of,
)
from edge_mnv3.core.results.formats import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCost:
    """What one operator costs in an inference.

    Attributes:
        op_type: TFLite's name, such as `HARD_SWISH`; for what a delegate runs, the delegate's name.
        outputs: Names of the tensors that it makes; empty for what a delegate does not name.
        graph_index: Number of the operator in the file; None for a delegate's.
        subgraph: Number of its subgraph; operators of others than 0 run inside one of 0.
        by_delegate: A delegate runs it, or it is a delegate's partition.
        calls: Times that it runs in an inference.
        time_us: Mean time in an inference, all calls together.
        share_percent: Share of the profiled time of subgraph 0.
    """

    op_type: str
    outputs: tuple[str, ...]
    graph_index: int | None
    subgraph: int
    by_delegate: bool
    calls: int
    time_us: float
    share_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpTypeShare:
    """What all operators of one type cost in an inference.

    Attributes:
        op_type: TFLite's name, such as `CONV_2D`.
        count: Operators of this type.
        time_us: Time of them all in an inference, on the average.
        share_percent: Share of the profiled time of subgraph 0.
    """

    op_type: str
    count: int
    time_us: float
    share_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpProfileResult:
    """Where the time of an inference goes. Profiling itself takes time: never quote these sums as a latency.

    Attributes:
        runs: Inferences that were profiled.
        total_us: Mean time of the operators of subgraph 0 in an inference.
        costs: Costs in the order of running, subgraph after subgraph.
        by_type: Costs of the operators of subgraph 0 by type, slowest first.
        partitions: Rows of subgraph 0 that stand for a delegate's partition.
        delegated_ops: Operator to count of those in the file that have no row: a delegate took them.
        delegate_internal: What delegates say of their steps; part of the partitions' time.
    """

    runs: int
    total_us: float
    costs: tuple[OpCost, ...]
    by_type: tuple[OpTypeShare, ...]
    partitions: int
    delegated_ops: dict[str, int]
    delegate_internal: tuple[OpCost, ...]

    def slowest(self, count: int = 10) -> tuple[OpCost, ...]:
        """The operators of subgraph 0 that take most time, slowest first."""
        main = (cost for cost in self.costs if cost.subgraph == 0)
        return tuple(sorted(main, key=lambda cost: -cost.time_us)[:count])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfileResult:
    """One profiled launch on a device.

    Attributes:
        conditions: Under which conditions it was measured.
        timings: What the launch printed beside the profile.
        profile: The time of each operator.
        warnings: What the user must know.
    """

    FORMAT: ClassVar[Format] = Format("device profile", (nest_conditions_of, add_accelerator_of))
    schema_version: int = FORMAT.version
    conditions: DeviceBenchConditions
    timings: LaunchTimings
    profile: OpProfileResult
    warnings: tuple[str, ...]
