"""An output of scores compared: one for each of several labels that may hold together, or a single one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.validate import OutputComparison, ScoreComparison
from edge_mnv3.core.results.validate_statistics import OutputStatistics
from edge_mnv3_quantization.evaluation.records import Columns
from edge_mnv3_quantization.validation.chance import agreement
from edge_mnv3_quantization.validation.comparing import Answered, Compared, Label, PairNames
from edge_mnv3_quantization.validation.confidence import (
    Confidences,
    compare_confidences,
    probabilities_of,
    score_confidences,
)
from edge_mnv3_quantization.validation.differences import INTERVAL_METHOD, paired_interval_points
from edge_mnv3_quantization.validation.findings import (
    AtChance,
    FilesDisagree,
    Finding,
    LabelsWithoutImages,
    NotFinite,
    OneAnswer,
    TooFewImages,
    Which,
    WorseThanChance,
)
from edge_mnv3_quantization.validation.hits import NO_CLASS
from edge_mnv3_quantization.validation.label_order import OneClassOnly, labels_moved
from edge_mnv3_quantization.validation.paired_statistics import PairedAnswers, output_statistics
from edge_mnv3_quantization.validation.ranking import (
    BOOTSTRAP,
    Metric,
    Scores,
    Truth,
    average_precision,
    chance_reaches,
    compare,
    roc_auc,
)

AUC, PRECISION = "ROC AUC", "mean average precision"
_MOST = 50.0  # percent
_MIDDLE = 0.5
_NONE = -1  # the decision of a score that is not finite
Decisions = npt.NDArray[np.int8]
WHICH: tuple[Which, Which] = ("float", "int8")


class ScoreAnswer(NamedTuple):
    """The scores of both files for one image, (labels,) float32 each."""

    float_: npt.NDArray[np.float32]
    int8: npt.NDArray[np.float32]


class _Files(NamedTuple):
    """The scores of both files, (images, labels)."""

    float_: Scores
    int8: Scores

    def decisions(self, threshold: float) -> tuple[Decisions, Decisions]:
        """Whether each label holds: 1 or 0, and `_NONE` where a score is not finite."""
        one, other = (
            np.where(np.isfinite(scores), scores > threshold, _NONE).astype(np.int8) for scores in self
        )
        return one, other

    def ranked(self, truth: Truth) -> _Files:
        """Puts what is not finite where it is wrong: behind all others where the label holds, else first."""
        worst = np.where(truth, -np.inf, np.inf)
        return _Files(*(np.where(np.isfinite(scores), scores, worst) for scores in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresComparison:
    """Compares an output of scores.

    Attributes:
        facts: The output: a sigmoid's, or the logits before one.
        files: What findings call the files.
        threshold: The score above which a label holds.
    """

    facts: OutputFacts
    files: PairNames
    threshold: float

    @property
    def accuracy_name(self) -> str:
        """What the share of right decisions is called: by the probability where that is one half."""
        return f"accuracy at {_MIDDLE if self.threshold == self.facts.even else self.threshold:g}"

    def read(self, float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]) -> ScoreAnswer:
        """Takes the scores of both files."""
        return ScoreAnswer(float_output.reshape(-1), int8_output.reshape(-1))

    def columns(self, answers: Sequence[ScoreAnswer]) -> Columns:
        """Lays answers out in columns: `float` and `int8`, (images, labels) float32 each."""
        return {
            name: np.stack([each[place] for each in answers]).astype(np.float32)
            for place, name in enumerate(WHICH)
        }

    def compare(self, answered: Answered) -> Compared:
        """Compares all scores; with labels, how well each file ranks or decides."""
        files = _Files(*(answered.columns[which].astype(np.float64) for which in WHICH))
        findings = [*self._not_finite(files), *self._alike(files)]
        decided = files.decisions(self.threshold)
        scores: tuple[ScoreComparison, ...] = ()
        if answered.labels is not None:
            truth = _truth(answered.labels, self.facts)
            if self.facts.task == "binary":
                scores = self._binary(files.ranked(truth), decided, truth, findings)
            else:
                scores = self._labels(files, truth, findings)
        findings += _agreement_findings(decided)
        comparison = OutputComparison(
            output=self.facts,
            labelled=answered.labels is not None,
            agreement_percent=float(100 * ((decided[0] == decided[1]) & (decided[0] != _NONE)).mean()),
            threshold=self.threshold,
            scores=scores,
            similarity=None,
        )
        statistics = self._statistics(answered, files, decided) if self.facts.task == "binary" else None
        return Compared(comparison, tuple(findings), statistics)

    def _statistics(
        self, answered: Answered, files: _Files, decided: tuple[Decisions, Decisions]
    ) -> OutputStatistics:
        """Of a single score; what it decides is called class 1, and the other class 0."""
        truth = None
        if answered.labels is not None:
            truth = _truth(answered.labels, self.facts).reshape(-1).astype(np.int64)
        classes = _classes(np.concatenate(decided, axis=1))
        kind = probabilities_of(self.facts)
        confidence = None
        # At another threshold than one half, the class that is decided is not the more probable one.
        if kind is not None and self.threshold == self.facts.even:
            given = score_confidences(np.concatenate(files, axis=1), kind)
            given[classes == NO_CLASS] = np.nan
            confidence = compare_confidences(Confidences(kind, answered.names, truth, classes, given))
        paired = PairedAnswers(
            output=self.facts.name,
            labels=truth,
            float_classes=classes[:, 0],
            int8_classes=classes[:, 1],
        )
        return output_statistics(paired, confidence)

    def _binary(
        self,
        files: _Files,
        decided: tuple[Decisions, Decisions],
        truth: Truth,
        findings: list[Finding],
    ) -> tuple[ScoreComparison, ...]:
        right = [(each == truth).reshape(-1) for each in decided]
        lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        accuracy = ScoreComparison(
            name=self.accuracy_name,
            float_percent=float(100 * right[0].mean()),
            int8_percent=float(100 * right[1].mean()),
            difference_points=100 * (won - lost) / len(truth),
            ci95_points=paired_interval_points(lost, won, len(truth)),
            method=INTERVAL_METHOD,
        )
        labels = [int(each) for each in truth[:, 0]]
        for which, each in zip(WHICH, decided, strict=True):
            found = agreement(labels, _classes(each[:, 0]).tolist(), classes=2)
            if not found.decidable:
                findings.insert(0, TooFewImages(found.n))
                break
            if found.at_chance:
                findings.insert(0, AtChance(which, self._path(which), self.accuracy_name, found))
        if len(set(labels)) < 2:
            findings.append(OneClassOnly(labels[0]))
            return (accuracy,)
        area = _score(AUC, roc_auc, files, truth)
        findings[:0] = _ranks_by_chance(AUC, area.float_percent / 100, truth)
        return accuracy, area

    def _labels(self, files: _Files, truth: Truth, findings: list[Finding]) -> tuple[ScoreComparison, ...]:
        seen: Truth = np.any(truth, axis=0)
        if not seen.all():
            findings.append(LabelsWithoutImages(int((~seen).sum()), len(seen)))
        if not seen.any():
            return ()
        ranked = files.ranked(truth)
        both = _Files(ranked.float_[:, seen], ranked.int8[:, seen])
        score = _score(PRECISION, average_precision, both, truth[:, seen])
        share = float(100 * truth[:, seen].mean())
        rankable: Truth = seen & ~np.all(truth, axis=0)
        if rankable.any():
            areas = compare(roc_auc, ranked.float_[:, rankable], ranked.int8[:, rankable], truth[:, rankable])
            measure = f"{PRECISION} ({share:.2f} % by chance), mean {AUC}"
            findings[:0] = _ranks_by_chance(measure, areas.float_, truth[:, rankable])
        moved = labels_moved(files.float_, truth) if np.isfinite(files.float_).all() else None
        if moved is not None:
            findings.insert(0, moved)
        return (score,)

    def _path(self, which: Which) -> Path:
        return self.files.float_ if which == "float" else self.files.int8

    def _not_finite(self, files: _Files) -> list[Finding]:
        found: list[Finding] = []
        for which, scores in zip(WHICH, files, strict=True):
            count = int((~np.isfinite(scores)).any(axis=1).sum())
            if count:
                found.append(NotFinite(which, self._path(which), count, len(scores)))
        return found

    def _alike(self, files: _Files) -> list[Finding]:
        return [
            OneAnswer(which, self._path(which), "the same scores")
            for which, scores in zip(WHICH, files, strict=True)
            if len(scores) > 1 and (scores == scores[0]).all()
        ]


def _score(name: str, metric: Metric, files: _Files, truth: Truth) -> ScoreComparison:
    paired = compare(metric, files.float_, files.int8, truth)
    low, high = paired.ci95
    return ScoreComparison(
        name=name,
        float_percent=100 * paired.float_,
        int8_percent=100 * paired.int8,
        difference_points=100 * (paired.int8 - paired.float_),
        ci95_points=(100 * low, 100 * high),
        method=BOOTSTRAP,
    )


def _ranks_by_chance(measure: str, area: float, truth: Truth) -> list[Finding]:
    """Tells an area that chance may reach; nothing where it may reach 1, with a handful of images."""
    reach = chance_reaches(truth)
    below = area <= _MIDDLE or (reach < 1 and area < reach)
    return [WorseThanChance(measure, 100 * area, 100 * min(reach, 1.0))] if below else []


def _truth(labels: Sequence[Label], facts: OutputFacts) -> Truth:
    """Which labels each image has, (images, labels)."""
    truth = np.zeros((len(labels), facts.shape[0]), np.bool_)
    for row, label in zip(truth, labels, strict=True):
        if facts.task == "binary":
            row[0] = label == 1 or label == frozenset((1,))
        else:
            row[[label] if isinstance(label, int) else sorted(label)] = True
    return truth


def _classes(decided: Decisions) -> npt.NDArray[np.int64]:
    """Classes 1 and 0 of a single score's decisions; `NO_CLASS` where there is none."""
    classes: npt.NDArray[np.int64] = np.where(decided == _NONE, NO_CLASS, decided.astype(np.int64))
    return classes


def _agreement_findings(decided: tuple[Decisions, Decisions]) -> list[Finding]:
    """Files that decide otherwise on most images, and on no more labels alike than by chance."""
    float_, int8 = decided
    # What neither file decides is not decided alike.
    one, other = ([row.tobytes() for row in each] for each in (float_, np.where(int8 == _NONE, -2, int8)))
    numbers = {content: number for number, content in enumerate(dict.fromkeys([*one, *other]))}
    both = agreement(
        [numbers[row] for row in one], [numbers[row] for row in other], classes=max(2, len(numbers))
    )
    return [FilesDisagree(both)] if both.ci95_percent[1] < _MOST else []
