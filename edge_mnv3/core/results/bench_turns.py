"""What `bench --host` of several files measures in turns; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.bench import HostBenchResult, HostProtocol
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.verdicts import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTurnsResult:
    """Latencies of files that ran in turns on this machine, and whether they differ.

    Attributes:
        results: One for each file, in the order given.
        comparisons: The first file against each other one, round by round.
    """

    FORMAT: ClassVar[Format] = Format("host bench in turns")
    schema_version: int = FORMAT.version
    results: tuple[HostBenchResult, ...]
    comparisons: tuple[Comparison, ...]


def runs_words(protocol: HostProtocol) -> str:
    """Says how many runs were timed, and how many ran untimed before them, in each round."""
    if protocol.rounds == 1:
        return f"{protocol.num_runs} runs after {protocol.warmup_runs}"
    return f"{protocol.num_runs} runs in {protocol.rounds} rounds, after {protocol.warmup_runs} in each"
