"""What delegates took of a model, as logs of `benchmark_model` tell it."""

from __future__ import annotations

from dataclasses import dataclass

XNNPACK_DELEGATE = "XNNPACK"
# What `delegate` is where a log denies that there was one, and where it says nothing.
NO_DELEGATE, UNKNOWN_DELEGATE = "none", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """What a delegate took of a subgraph.

    Attributes:
        delegate: `XNNPACK`, `GPU`, `NNAPI`, or the name that the delegate gives itself.
        replaced_nodes: Nodes that it took; None where the build does not say.
        nodes: Nodes that the subgraph had; None where the build does not say.
        partitions: Parts that the graph was cut into, the delegate's and those that it left, as the build
            counts them; of builds that count nodes nowhere, the delegate's alone.
        subgraph: Its number; 0 where the build names none.
    """

    delegate: str
    replaced_nodes: int | None
    nodes: int | None
    partitions: int
    subgraph: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """What really ran on the accelerator that was asked for, over all subgraphs, as the log says.

    Attributes:
        accelerator: `gpu` or `npu`.
        delegates: Names of the delegates that took part of the model there, as in `Partitioning`.
        replaced_nodes: Nodes that they took; None where the build does not say.
        nodes: Nodes that there were; None where the build does not say.
        partitions: As in `Partitioning`: each boundary between two costs a copy.
        complete: They took every node; what they left ran on the CPU.
    """

    accelerator: str
    delegates: tuple[str, ...]
    replaced_nodes: int | None
    nodes: int | None
    partitions: int
    complete: bool

    @property
    def text(self) -> str:
        """All of it in words."""
        if self.replaced_nodes is not None:
            of_all = "" if self.nodes is None else f" of {self.nodes}"
            taken = f"{self.replaced_nodes}{of_all} nodes"
        elif not self.complete:
            taken = "part of the nodes, the log does not say how many,"
        else:
            taken = "all nodes"
        partitions = "1 partition" if self.partitions == 1 else f"{self.partitions} partitions"
        rest = "" if self.complete else "; the rest ran on the cpu"
        return f"{'+'.join(self.delegates)} took {taken} in {partitions}{rest}"
