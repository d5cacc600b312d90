"""What is kept of the outputs to one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_mnv3_quantization.evaluation.evaluating import Outputs
from edge_mnv3_quantization.evaluation.records import Columns, prefixed, unprefixed
from edge_mnv3_quantization.validation.comparing import Comparison
from edge_mnv3_quantization.validation.file_pair import PairedOutput
from edge_mnv3_quantization.validation.hits import NO_CLASS, TOP, top_classes


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
        """Reads one image's."""
        float_outputs, int8_outputs = outputs
        return tuple(
            comparison.read(float_outputs[output.float_place], int8_outputs[output.int8_place])
            for output, comparison in zip(self.outputs, self.comparisons, strict=True)
        )

    def columns(self, answers: Sequence[tuple[Any, ...]]) -> Columns:
        """Those of each output under its place: `0.float_top5`."""
        parts = zip(self.comparisons, zip(*answers, strict=True), strict=True)
        return prefixed(comparison.columns(part) for comparison, part in parts)

    def answers(self, columns: Columns) -> list[tuple[Any, ...]]:
        """Reads answers from their columns."""
        parts = (
            comparison.answers(unprefixed(columns, place))
            for place, comparison in enumerate(self.comparisons)
        )
        return list(zip(*parts, strict=True))


@dataclass(frozen=True, slots=True)
class TopClasses:
    """Reads the five highest classes of one output of one file.

    Attributes:
        place: The output's place.
        class_offset: Output index of label 0.
    """

    place: int
    class_offset: int

    @property
    def kept(self) -> str:
        """The output's place."""
        return f"top {TOP} of {self.place}"

    def read(self, outputs: Outputs) -> tuple[int, ...]:
        """Ranks one image's, as `top_classes` does; `NO_CLASS` alone where a number is not finite."""
        output = outputs[0][self.place].reshape(-1)
        if not np.isfinite(output).all():
            return (NO_CLASS,)
        return top_classes(output, class_offset=self.class_offset)

    def columns(self, answers: Sequence[tuple[int, ...]]) -> Columns:
        """`top5`, (images, 5) int32: numbers of outputs, filled up with -1."""
        top5 = np.full((len(answers), TOP), -1, np.int32)
        for row, classes in zip(top5, answers, strict=True):
            if classes != (NO_CLASS,):
                row[: len(classes)] = np.add(classes, self.class_offset)
        return {"top5": top5}

    def answers(self, columns: Columns) -> list[tuple[int, ...]]:
        """Reads answers from their columns."""
        return [
            tuple(one - self.class_offset for one in row if one >= 0) or (NO_CLASS,)
            for row in columns["top5"].tolist()
        ]
