"""An output of classes compared: which class each file puts first, and how often that is the label."""

from __future__ import annotations

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
    class_confidences,
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
from edge_mnv3_quantization.validation.hits import NO_CLASS, Hits, count_hits, top_outputs
from edge_mnv3_quantization.validation.label_numbering import other_numbering
from edge_mnv3_quantization.validation.paired_statistics import PairedAnswers, output_statistics

_LIKELY = 0.05
_MOST = 50.0  # percent
_FEW_ANSWERS = 5  # fewer images may well be of one class
State = Literal["clear", "tied", "not finite"]
STATES: tuple[State, ...] = ("clear", "tied", "not finite")
WHICH: tuple[Which, Which] = ("float", "int8")


class ClassOutputs(NamedTuple):
    """What both files give for one image, float32 each: (outputs,)."""

    float_: npt.NDArray[Any]
    int8: npt.NDArray[Any]


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

    def read(self, float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]) -> ClassOutputs:
        """Takes the outputs of both files, which are ranked for many images at once."""
        return ClassOutputs(float_output.reshape(-1), int8_output.reshape(-1))

    def columns(self, answers: Sequence[ClassOutputs]) -> Columns:
        """Ranks answers, with classes as numbers of outputs, whatever number label 0 has.

        Returns:
            `float_top5` and `int8_top5`, (images, 5) int32, the highest outputs of each file, and
            `float_scores` and `int8_scores`, the same shape in float32, their real numbers (of a softmax:
            probabilities): filled up with -1 and 0, which is all that there is where a number is not finite;
            `float_margin`, (images,) float32, as in `PairedTop`; `states`, (images, 2) uint8, the place in
            `STATES`; `confidences`, (images, 2) float64, the probabilities that float and int8 give their
            first class, NaN where they give none.
        """
        kind = probabilities_of(self.facts)
        float_, int8 = (np.stack([answer[place] for answer in answers]) for place in range(len(WHICH)))
        float_top5, int8_top5 = top_outputs(float_), top_outputs(int8)
        # The float file's output of the class that int8 puts first; it has none for int8's "background".
        other = int8_top5[:, 0] - self.offsets[1] + self.offsets[0]
        known = np.flatnonzero((float_top5[:, 0] >= 0) & (int8_top5[:, 0] >= 0) & (other >= 0))
        margin = np.zeros(len(answers), np.float32)
        margin[known] = float_[known, float_top5[known, 0]] - float_[known, other[known]]
        return {
            "float_margin": margin,
            "states": np.stack([_states(float_), _states(int8)], axis=1),
            "confidences": np.stack([class_confidences(each, kind) for each in (float_, int8)], axis=1),
            "float_top5": float_top5,
            "float_scores": _scores(float_, float_top5),
            "int8_top5": int8_top5,
            "int8_scores": _scores(int8, int8_top5),
        }

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


def _scores(outputs: npt.NDArray[Any], places: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    found = np.take_along_axis(outputs, np.maximum(places, 0), axis=1)
    return np.where(places >= 0, found, np.float32(0)).astype(np.float32)


def _states(outputs: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Places in `STATES` of (images, outputs): (images,)."""
    tied = (outputs == outputs.max(axis=1, keepdims=True)).sum(axis=1) > 1
    of_finite = np.where(tied, STATES.index("tied"), STATES.index("clear"))
    finite = np.isfinite(outputs).all(axis=1)
    return np.where(finite, of_finite, STATES.index("not finite")).astype(np.uint8)


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
