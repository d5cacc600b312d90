"""What the comparison of one output is made of, whatever the output means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy.typing as npt

from edge_mnv3.core.results.validate import OutputComparison
from edge_mnv3.core.results.validate_statistics import OutputStatistics
from edge_mnv3_quantization.evaluation.records import Columns
from edge_mnv3_quantization.validation.findings import Finding

A = TypeVar("A")
# The labels of an image: a class, or several that hold together.
Label = int | frozenset[int]


class PairNames(NamedTuple):
    """What findings call both files."""

    float_: Path
    int8: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """What was read from one output of both files.

    Attributes:
        names: Names of the images that could be read.
        columns: What a comparison read of each of them, a row an image.
        labels: The labels of each of them; None where there are none for this output.
    """

    names: Sequence[str]
    columns: Columns
    labels: Sequence[Label] | None


@dataclass(frozen=True, slots=True)
class OfOutput(Finding):
    """A finding about one of several outputs."""

    output: str
    finding: Finding

    @property
    def kind(self) -> str:
        """Its name in results."""
        return self.finding.kind

    @property
    def fails_gate(self) -> bool:
        """Whether a gate fails with it."""
        return self.finding.fails_gate

    def _sentence(self) -> str:
        return f"output '{self.output}': {self.finding.text}"


class Compared(NamedTuple):
    """The comparison of an output, what was noticed, and of classes and single scores the statistics."""

    comparison: OutputComparison
    findings: tuple[Finding, ...]
    statistics: OutputStatistics | None = None


class Comparison(Protocol[A]):
    """A way to compare an output, by what it means."""

    def read(self, float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]) -> A:
        """Takes what is needed of the outputs to one image; may be called from several threads.

        Args:
            float_output: The float file's output as it stores it, without the batch's dimension.
            int8_output: The int8 file's.
        """

    def columns(self, answers: Sequence[A]) -> Columns:
        """Makes columns, a row an image, of what `read` took of some images."""

    def compare(self, answered: Answered) -> Compared:
        """Compares all answers."""
