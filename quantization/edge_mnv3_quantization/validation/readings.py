"""What is kept of the outputs to one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.evaluation.evaluating import Outputs
from edge_mnv3_quantization.evaluation.records import Columns, prefixed
from edge_mnv3_quantization.validation.comparing import Comparison
from edge_mnv3_quantization.validation.file_pair import PairedOutput
from edge_mnv3_quantization.validation.hits import NO_CLASS, TOP, top_outputs
from edge_mnv3_quantization.validation.running import Run


@dataclass(frozen=True, slots=True)
class PairReading:
    """Reads all outputs of a float and an int8 file, in the float file's order.

    An answer has one part for each output: `ClassAnswer`, `ScoreAnswer` or `FeatureAnswer`, by what it means.
    """

    outputs: Sequence[PairedOutput]
    comparisons: Sequence[Comparison[Any]]

    @property
    def kept(self) -> str:
        """The outputs' tasks and places; neither thresholds nor the number of label 0 change what is kept."""
        return "; ".join(f"{each.facts.task} {each.float_place} {each.int8_place}" for each in self.outputs)

    def read(self, outputs: Outputs) -> tuple[Any, ...]:
        """Takes one image's."""
        float_outputs, int8_outputs = outputs
        return tuple(
            comparison.read(float_outputs[output.float_place], int8_outputs[output.int8_place])
            for output, comparison in zip(self.outputs, self.comparisons, strict=True)
        )

    def columns(self, answers: Sequence[tuple[Any, ...]]) -> Columns:
        """Those of each output under its place: `0.float_top5`."""
        parts = zip(self.comparisons, zip(*answers, strict=True), strict=True)
        return prefixed(comparison.columns(part) for comparison, part in parts)


@dataclass(frozen=True, slots=True)
class TopClasses:
    """Reads the five highest classes of one output of one file.

    Attributes:
        place: The output's place.
    """

    place: int

    @property
    def kept(self) -> str:
        """The output's place."""
        return f"top {TOP} of {self.place}"

    def read(self, outputs: Outputs) -> npt.NDArray[Any]:
        """Takes the output, (outputs,)."""
        return outputs[0][self.place].reshape(-1)

    def columns(self, answers: Sequence[npt.NDArray[Any]]) -> Columns:
        """`top5`, (images, 5) int32, as `top_outputs` gives them."""
        return {"top5": top_outputs(np.stack(answers))}


def top_classes(run: Run, *, class_offset: int) -> dict[int, tuple[int, ...]]:
    """Tells the classes that `TopClasses` read.

    Args:
        run: The run.
        class_offset: Output index of label 0.

    Returns:
        Number of each image to its classes as 0-based labels, highest first, with -1 for "background";
        `NO_CLASS` alone where a number is not finite.
    """
    rows = run.columns["top5"].tolist() if run.columns else []
    return {
        index: tuple(one - class_offset for one in row if one >= 0) or (NO_CLASS,)
        for index, row in zip(run.indices, rows, strict=True)
    }
