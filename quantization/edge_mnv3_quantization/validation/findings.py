"""What was noticed about the files while they were compared, and the gate that decides by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edge_mnv3.core.results.validate import AccuracyDelta, Gate


@dataclass(frozen=True, slots=True)
class RefusedByXnnpack:
    """A file that phones cannot load with their default kernels."""

    fails_gate: ClassVar[bool] = True
    path: Path

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"{self.path} does not load under XNNPACK, the default on phones: do not ship it; "
            "its accuracy was measured with the built-in kernels"
        )


@dataclass(frozen=True, slots=True)
class BackgroundAssumed:
    """A file whose first output was taken for TF-Slim's class "background"."""

    fails_gate: ClassVar[bool] = False
    path: Path

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return f"{self.path} has 1001 outputs: output 0 is taken for 'background', output 1 for label 0"


Finding = RefusedByXnnpack | BackgroundAssumed


def decide_gate(delta: AccuracyDelta, max_drop_points: float, findings: Sequence[Finding]) -> Gate:
    """Compares a drop of top-1 with a limit; a file that phones cannot load fails whatever its accuracy.

    Args:
        delta: The accuracy of int8 less that of float.
        max_drop_points: Largest drop that passes, in percentage points.
        findings: What was noticed about both files.
    """
    drop = -delta.top1_points
    problems = [finding.text for finding in findings if finding.fails_gate]
    # Written so that NaN fails.
    if not drop <= max_drop_points:
        problems.append(f"top-1 drops by {drop:.2f} points, at most {max_drop_points:g} are allowed")
    return Gate(
        max_drop_points=max_drop_points, drop_points=drop, passed=not problems, problems=tuple(problems)
    )
