"""An output of classes compared: which class each file puts first, and how often that is the label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.validate import (
    AccuracyDelta,
    ClassLoss,
    Disagreement,
    ImageAnswers,
    OutputComparison,
    ScoreComparison,
)
from edge_mnv3.core.results.validate_statistics import OutputStatistics
from edge_mnv3_quantization.evaluation.records import Columns
from edge_mnv3_quantization.validation.chance import Agreement, agreement
from edge_mnv3_quantization.validation.comparing import Answered, Compared, PairNames
from edge_mnv3_quantization.validation.confidence import (
    Confidences,
    class_confidence,
    compare_confidences,
    probabilities_of,
)
from edge_mnv3_quantization.validation.differences import (
    Classes,
    PairedTop,
    accuracy_delta,
    agreement_percent,
    class_losses,
    image_answers,
    worst_disagreements,
)
from edge_mnv3_quantization.validation.findings import (
    AtChance,
    FewerClasses,
    FilesDisagree,
    Finding,
    NotFinite,
    NumberedOtherwise,
    OneAnswer,
    Saturated,
    TooFewImages,
    Which,
)
from edge_mnv3_quantization.validation.hits import NO_CLASS, TOP, Hits, count_hits, top_classes
from edge_mnv3_quantization.validation.label_numbering import other_numbering
from edge_mnv3_quantization.validation.paired_statistics import PairedAnswers, output_statistics

_LIKELY = 0.05
_MOST = 50.0  # percent
_FEW_ANSWERS = 5  # fewer images may well be of one class
State = Literal["clear", "tied", "not finite"]
STATES: tuple[State, ...] = ("clear", "tied", "not finite")
WHICH: tuple[Which, Which] = ("float", "int8")


class ClassAnswer(NamedTuple):
    """What both files make of one image: what is kept of an output of classes.

    Attributes:
        float_top5: As in `Answer`; of a file that gives no finite numbers `NO_CLASS` alone.
        int8_top5: The same of the int8 file.
        float_margin: As in `Answer`; 0 where a file gives no finite numbers or puts "background" first.
        float_state: Whether the first class is clear.
        int8_state: The same of the int8 file.
        float_scores: The outputs of `float_top5`, float32 numbers as the file gives them (of a softmax:
            probabilities); empty where they are not finite.
        int8_scores: The same of the int8 file, as real numbers.
        confidences: The probabilities that float and int8 give their first class; NaN where they give none,
            or no finite numbers.
    """

    float_top5: tuple[int, ...]
    int8_top5: tuple[int, ...]
    float_margin: float
    float_state: State
    int8_state: State
    float_scores: tuple[float, ...] = ()
    int8_scores: tuple[float, ...] = ()
    confidences: tuple[float, float] = (math.nan, math.nan)


class _First(NamedTuple):
    """The class that each file puts first, an image each."""

    float_: list[int]
    int8: list[int]


class ClassFigures(NamedTuple):
    """What only an output of classes with labels has."""

    float_hits: Hits
    int8_hits: Hits
    delta: AccuracyDelta
    losses: tuple[ClassLoss, ...]
    worst: tuple[Disagreement, ...]
    image_answers: ImageAnswers | None


@dataclass(slots=True, kw_only=True)
class ClassComparison:
    """Compares an output of classes.

    Attributes:
        facts: The output.
        files: What findings call the files.
        classes: How many classes labels may name.
        offsets: Output index of label 0, in the float and in the int8 file.
        named: Labels were matched by name.
        place: Place of the output among the float file's.
        figures: The figures, once labelled answers were compared.
    """

    facts: OutputFacts
    files: PairNames
    classes: int
    offsets: tuple[int, int]
    named: bool = False
    place: int = 0
    figures: ClassFigures | None = field(default=None, init=False)

    def read(self, float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]) -> ClassAnswer:
        """Reads the highest classes of both files, and the float file's margin between them."""
        float_, int8 = float_output.reshape(-1), int8_output.reshape(-1)
        states = _state(float_), _state(int8)
        float_top5, int8_top5 = (
            (NO_CLASS,) if state == "not finite" else top_classes(output, class_offset=offset)
            for output, state, offset in zip((float_, int8), states, self.offsets, strict=True)
        )
        margin = 0.0
        if "not finite" not in states:
            places = [classes[0] + self.offsets[0] for classes in (float_top5, int8_top5)]
            margin = float(float_[places[0]] - float_[places[1]]) if min(places) >= 0 else 0.0
        kind = probabilities_of(self.facts)
        float_scores, int8_scores = (
            () if state == "not finite" else _scores(output, classes, offset)
            for output, classes, state, offset in zip(
                (float_, int8), (float_top5, int8_top5), states, self.offsets, strict=True
            )
        )
        one, other = (
            math.nan if state == "not finite" else class_confidence(output, kind)
            for output, state in zip((float_, int8), states, strict=True)
        )
        return ClassAnswer(float_top5, int8_top5, margin, *states, float_scores, int8_scores, (one, other))

    def columns(self, answers: Sequence[ClassAnswer]) -> Columns:
        """Lays answers out in columns, with classes as numbers of outputs, whatever number label 0 has.

        Returns:
            `float_top5` and `int8_top5`, (images, 5) int32, and `float_scores` and `int8_scores`, the same
            shape in float32, filled up with -1 and 0; `float_margin`, (images,) float32; `states`,
            (images, 2) uint8, the place in `STATES`; `confidences`, (images, 2) float64.
        """
        columns: Columns = {
            "float_margin": np.array([each.float_margin for each in answers], np.float32),
            "states": np.array(
                [[STATES.index(each.float_state), STATES.index(each.int8_state)] for each in answers],
                np.uint8,
            ).reshape(-1, 2),
            "confidences": np.array([each.confidences for each in answers], np.float64).reshape(-1, 2),
        }
        for place, (name, offset) in enumerate(zip(WHICH, self.offsets, strict=True)):
            classes = np.full((len(answers), TOP), -1, np.int32)
            scores = np.zeros((len(answers), TOP), np.float32)
            for row, answer in enumerate(answers):
                top = (answer.float_top5, answer.int8_top5)[place]
                given = (answer.float_scores, answer.int8_scores)[place]
                scores[row, : len(given)] = given
                if top != (NO_CLASS,):
                    classes[row, : len(top)] = np.add(top, offset)
            columns[f"{name}_top5"], columns[f"{name}_scores"] = classes, scores
        return columns

    def answers(self, columns: Columns) -> list[ClassAnswer]:
        """Reads answers from their columns."""
        parts = []
        for name, offset in zip(WHICH, self.offsets, strict=True):
            classes, scores = (columns[f"{name}_{what}"].tolist() for what in ("top5", "scores"))
            counts = (columns[f"{name}_top5"] >= 0).sum(axis=1).tolist()
            parts.append(
                [
                    (tuple(one - offset for one in row[:count]) or (NO_CLASS,), tuple(given[:count]))
                    for row, given, count in zip(classes, scores, counts, strict=True)
                ]
            )
        margins, states = columns["float_margin"].tolist(), columns["states"].tolist()
        given = columns["confidences"].tolist()
        return [
            ClassAnswer(
                float_[0], int8[0], margin, STATES[one], STATES[other], float_[1], int8[1], (sure, as_sure)
            )
            for float_, int8, margin, (one, other), (sure, as_sure) in zip(
                *parts, margins, states, given, strict=True
            )
        ]

    def compare(self, answered: Answered) -> Compared:
        """Compares all answers; with labels, how often each file is right."""
        columns = answered.columns
        truth = (
            None
            if answered.labels is None
            else np.fromiter(map(_class, answered.labels), np.int64, len(answered.labels))
        )
        float_top5, int8_top5 = (
            np.where(
                columns[f"{which}_top5"] >= 0, columns[f"{which}_top5"].astype(np.int64) - offset, NO_CLASS
            )
            for which, offset in zip(WHICH, self.offsets, strict=True)
        )
        answers = PairedTop(
            files=answered.names,
            labels=np.full(len(float_top5), -1, np.int64) if truth is None else truth,
            float_top5=float_top5,
            int8_top5=int8_top5,
            float_margin=columns["float_margin"].astype(np.float64),
        )
        first = _First(float_top5[:, 0].tolist(), int8_top5[:, 0].tolist())
        scores: tuple[ScoreComparison, ...] = ()
        one_class = truth is not None and len(np.unique(truth)) == 1
        findings = _answer_findings(self.files, first, columns["states"], one_class=one_class)
        if truth is not None:
            self.figures = _figures(answers)
            scores = (_score(self.figures),)
            findings = [*self._label_findings(first, truth.tolist()), *findings]
        findings += _agreement_findings(first, self.classes)
        comparison = OutputComparison(
            output=self.facts,
            labelled=truth is not None,
            agreement_percent=agreement_percent(answers),
            threshold=None,
            scores=scores,
            similarity=None,
        )
        return Compared(comparison, tuple(findings), self._statistics(answers, truth, columns["confidences"]))

    def _statistics(
        self, answers: PairedTop, truth: Classes | None, given: npt.NDArray[np.float64]
    ) -> OutputStatistics:
        kind = probabilities_of(self.facts)
        classes = np.stack([answers.float_top5[:, 0], answers.int8_top5[:, 0]], axis=1)
        confidence = None
        if kind is not None:
            confidence = compare_confidences(Confidences(kind, answers.files, truth, classes, given))
        figures = self.figures
        paired = PairedAnswers(
            output=self.facts.name,
            labels=truth,
            float_classes=classes[:, 0],
            int8_classes=classes[:, 1],
            top5=None if figures is None else (figures.float_hits.top5, figures.int8_hits.top5),
        )
        return output_statistics(paired, confidence)

    def _label_findings(self, first: _First, labels: Sequence[int]) -> list[Finding]:
        with_float, with_int8 = (agreement(labels, each, classes=self.classes) for each in first)
        findings: list[Finding] = []
        numbering = other_numbering(labels, first.float_, classes=self.classes)
        if numbering is not None:
            findings.append(NumberedOtherwise(with_float.percent, numbering))
        if not with_float.decidable:
            findings.append(TooFewImages(with_float.n))
        else:
            pairs: list[tuple[Which, Agreement]] = [("float", with_float), ("int8", with_int8)]
            for which, each in pairs:
                if each.at_chance:
                    path = self.files.float_ if which == "float" else self.files.int8
                    findings.append(AtChance(which, path, "top-1", each))
        seen = len(set(labels))
        if fewer_than_chance(len(labels), seen, self.classes):
            met = self.classes * (1 - (1 - 1 / self.classes) ** len(labels))
            findings.append(FewerClasses(seen, self.classes, met, self.named))
        return findings


def fewer_than_chance(n: int, seen: int, classes: int) -> bool:
    """Whether images drawn evenly from all classes would hardly be of so few.

    Args:
        n: Images.
        seen: Classes that have an image.
        classes: Classes that there are.

    Returns:
        Whether `n` images are of `seen` classes or fewer in at most 5 % of the draws.
    """
    if seen >= classes:
        return False
    # The shares of draws that have met 0, 1, ... `seen` classes after each image.
    met = np.zeros(seen + 1)
    met[0] = 1.0
    known = np.arange(seen + 1) / classes
    for _ in range(n):
        new = met * known
        new[1:] += met[:-1] * (1 - known[:-1])
        met = new
        if met.sum() <= _LIKELY:
            return True
    return False


def _scores(output: npt.NDArray[Any], classes: tuple[int, ...], offset: int) -> tuple[float, ...]:
    return tuple(output[[one + offset for one in classes]].astype(np.float32).tolist())


def _state(output: npt.NDArray[Any]) -> State:
    if not np.isfinite(output).all():
        return "not finite"
    return "tied" if np.count_nonzero(output == output.max()) > 1 else "clear"


def _class(label: int | frozenset[int]) -> int:
    """The one class of an image, whose labels were checked."""
    return label if isinstance(label, int) else next(iter(label))


def _figures(answers: PairedTop) -> ClassFigures:
    float_hits = count_hits(answers.labels, answers.float_top5)
    int8_hits = count_hits(answers.labels, answers.int8_top5)
    return ClassFigures(
        float_hits=float_hits,
        int8_hits=int8_hits,
        delta=accuracy_delta(answers, float_hits, int8_hits),
        losses=class_losses(answers),
        worst=worst_disagreements(answers),
        image_answers=image_answers(answers),
    )


def _score(figures: ClassFigures) -> ScoreComparison:
    return ScoreComparison(
        name="top-1",
        float_percent=figures.float_hits.top1_percent,
        int8_percent=figures.int8_hits.top1_percent,
        difference_points=figures.delta.top1_points,
        ci95_points=figures.delta.ci95_points,
        method=figures.delta.method,
    )


def _answer_findings(
    files: PairNames, answers: _First, states: npt.NDArray[np.uint8], *, one_class: bool
) -> list[Finding]:
    """What the answers themselves show; that all are alike says nothing where all images are of one class."""
    findings: list[Finding] = []
    n = len(states)
    for which, path, first, of_file in zip(WHICH, files, answers, states.T, strict=True):
        not_finite, tied = (int((of_file == STATES.index(state)).sum()) for state in ("not finite", "tied"))
        if not_finite:
            findings.append(NotFinite(which, path, not_finite, n))
        elif 2 * tied > n:
            findings.append(Saturated(which, path, tied, n))
        elif n >= _FEW_ANSWERS and len(set(first)) == 1 and not one_class:
            findings.append(OneAnswer(which, path, f"class {first[0]}"))
    return findings


def _agreement_findings(first: _First, classes: int) -> list[Finding]:
    both = agreement(first.float_, first.int8, classes=classes)
    low, high = both.ci95_percent
    # Where nearly all images are of one class, files that agree on nearly all do so by chance too.
    by_chance = both.decidable and both.at_chance and low <= _MOST
    return [FilesDisagree(both)] if high < _MOST or by_chance else []
