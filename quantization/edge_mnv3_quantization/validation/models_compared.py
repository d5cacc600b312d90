"""Two models on the same images: the statistics of `validate`, from what the store has of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError
from edge_mnv3.core.results.models_compared import AccuracyDifference
from edge_mnv3.core.results.validate_statistics import OutputStatistics
from edge_mnv3_quantization.evaluation.labelled import KeptOutput
from edge_mnv3_quantization.evaluation.records import Columns
from edge_mnv3_quantization.validation.chance import agreement
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.comparing import Answered, Label, PairNames
from edge_mnv3_quantization.validation.confidence import probabilities_of
from edge_mnv3_quantization.validation.differences import INTERVAL_METHOD, paired_interval_points
from edge_mnv3_quantization.validation.findings import FileFinding, Finding, TooFewImages
from edge_mnv3_quantization.validation.hits import NO_CLASS
from edge_mnv3_quantization.validation.paired_statistics import BOOTSTRAP, bootstrap_points
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.stored_answers import (
    ROLES,
    Role,
    StoredAnswer,
    StoredAnswers,
    merged_columns,
)


class ComparedOutput(NamedTuple):
    """An output of one of the models.

    Attributes:
        output: The output.
        role: Which file of its evaluation the model is.
        file: What warnings call the model.
        answers: What its evaluation has of it.
    """

    output: KeptOutput
    role: Role
    file: Path
    answers: StoredAnswers

    @property
    def offset(self) -> int:
        """Output index of label 0."""
        return self.output.offsets[ROLES.index(self.role)]


class Compared(NamedTuple):
    """What the images show.

    Attributes:
        statistics: What `validate` computes; its float file is A, and its int8 file B.
        difference: None without labels.
        warnings: What the user must know.
    """

    statistics: OutputStatistics
    difference: AccuracyDifference | None
    warnings: tuple[str, ...]


def check_outputs(a: KeptOutput, b: KeptOutput) -> None:
    """Refuses outputs whose answers do not mean the same.

    Raises:
        ArgumentError: With what they mean.
    """
    if a.facts.task != b.facts.task or a.classes != b.classes:
        raise ArgumentError("outputs of A and B", f"{_words(a)}, and {_words(b)}", "the same classes of both")
    if a.threshold is None:
        return
    if (a.threshold, probabilities_of(a.facts)) != (b.threshold, probabilities_of(b.facts)):
        raise ArgumentError(
            "scores of A and B",
            f"decided above {a.threshold:g} and {b.threshold:g}",
            "scores of one kind and threshold",
            "run validate again with the same --threshold",
        )


def compared(
    a: ComparedOutput, b: ComparedOutput, pairs: Sequence[tuple[StoredAnswer, StoredAnswer]]
) -> Compared:
    """Compares two models.

    Args:
        a: The output of the first model, which fits that of the second one.
        b: The output of the second model.
        pairs: Both evaluations' answers to each image that both have; at least one.

    Raises:
        CalibrationDataError: An image has another label in each evaluation.
    """
    labels = _labels(pairs)
    columns = merged_columns((a.answers, b.answers), (a.role, b.role), pairs)
    answered = Answered(names=[one.name for one, _ in pairs], columns=columns, labels=labels)
    found = _comparison(a, b).compare(answered)
    statistics = cast(OutputStatistics, found.statistics)  # of classes and of one score there are some
    warnings = [*_warnings(found.findings), *_chance(statistics, columns, a, b)]
    if labels is None:
        warnings.append("neither evaluation had labels, so that nothing is said of accuracy")
    return Compared(statistics, _difference(statistics), tuple(warnings))


def _comparison(a: ComparedOutput, b: ComparedOutput) -> ClassComparison | ScoresComparison:
    facts, files = a.output.facts, PairNames(a.file, b.file)
    if a.output.threshold is not None:
        return ScoresComparison(facts=facts, files=files, threshold=a.output.threshold)
    return ClassComparison(
        facts=facts, files=files, classes=a.output.classes, offsets=(a.offset, b.offset), named=True
    )


def _labels(pairs: Sequence[tuple[StoredAnswer, StoredAnswer]]) -> list[Label] | None:
    other = [(a, b) for a, b in pairs if None not in (a.label, b.label) and a.label != b.label]
    if other:
        a, b = other[0]
        raise CalibrationDataError(
            f"labels of {len(other)} of {len(pairs)} images",
            f"{_shown(a.label)} for {a.name} with A, and {_shown(b.label)} for {b.name} with B",
            "the same labels of the same images",
            "run validate again where they are wrong, which takes the answers from the store",
        )
    labels = [a.label if b.label is None else b.label for a, b in pairs]
    known = [label for label in labels if label is not None]
    return known if len(known) == len(pairs) else None


def _difference(statistics: OutputStatistics) -> AccuracyDifference | None:
    test, n = statistics.difference, statistics.agreement.n
    if test is None:
        return None
    return AccuracyDifference(
        top1_points=100 * (test.won - test.lost) / n,
        ci95_points=paired_interval_points(test.lost, test.won, n),
        method=INTERVAL_METHOD,
        bootstrap_ci95_points=bootstrap_points(test.lost, test.won, n),
        bootstrap=BOOTSTRAP,
        test=test,
    )


def _warnings(findings: Sequence[Finding]) -> Iterator[str]:
    """What was noticed of each model alone: that one is quantized from the other is not said here."""
    for finding in findings:
        if isinstance(finding, FileFinding):
            yield dataclasses.replace(finding, which="A" if finding.which == "float" else "B").text
        elif isinstance(finding, TooFewImages):
            yield finding.text


def _chance(
    statistics: OutputStatistics, columns: Columns, a: ComparedOutput, b: ComparedOutput
) -> Iterator[str]:
    if a.output.threshold is not None:
        return
    first = [columns[f"{which}_top5"][:, 0] for which in ROLES]
    one, other = (
        np.where(outputs >= 0, outputs.astype(np.int64) - side.offset, NO_CLASS).tolist()
        for outputs, side in zip(first, (a, b), strict=True)
    )
    both = agreement(one, other, classes=a.output.classes)
    if both.decidable and both.at_chance and both.percent < 50:  # nearly all may be of one class
        yield (
            f"A and B agree on {statistics.agreement.percent:.2f} % of the images, no more than by chance: "
            "are their classes in the same order?"
        )


def _words(output: KeptOutput) -> str:
    return f"{output.facts.task} of {output.classes}"


def _shown(label: int | frozenset[int] | None) -> str:
    return ", ".join(map(str, sorted(label))) if isinstance(label, frozenset) else str(label)
