"""Labels that may hold together, in another order than the model's outputs: read off its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.ranking import Scores, Truth, compare, roc_auc

_FOLDS = 2
_MOST_LABELS = 64  # the areas of all pairs are computed
_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class LabelsMoved(Finding):
    """Labels that other outputs rank better than their own.

    Attributes:
        moved: Label to the output that ranks it best, where that is another.
        own_percent: Mean area under the ROC curve with each label's own output.
        moved_percent: With the outputs that rank it best, on other images than they were read off.
    """

    NAME: ClassVar[str] = "labels_numbered_otherwise"
    moved: tuple[tuple[int, int], ...]
    own_percent: float
    moved_percent: float

    def _sentence(self) -> str:
        examples = ", ".join(f"{label} by output {output}" for label, output in self.moved[:_EXAMPLES])
        more = f" and {len(self.moved) - _EXAMPLES} more" if len(self.moved) > _EXAMPLES else ""
        return (
            f"float's mean ROC AUC is {self.own_percent:.2f} %, but {self.moved_percent:.2f} % with label "
            f"{examples}{more}: labels in another order than in training; give the names of the outputs with "
            "--labels"
        )


@dataclass(frozen=True, slots=True)
class OneClassOnly(Finding):
    """Images of one of two classes, of which a file that always gives the same answer has all right."""

    NAME: ClassVar[str] = "fewer_classes"
    label: int

    def _sentence(self) -> str:
        return (
            f"all images are of class {self.label}: a file that always answers so would have all right; add "
            f"images of class {1 - self.label}"
        )


def labels_moved(scores: Scores, truth: Truth) -> LabelsMoved | None:
    """Finds labels that other outputs rank better, each output standing for one label.

    The order is read off one half of the images and held against the labels' own outputs on the other.

    Args:
        scores: (images, labels), the float file's.
        truth: (images, labels).
    """
    half = [np.arange(len(truth)) % _FOLDS == fold for fold in range(_FOLDS)]
    known: Truth = np.all([truth[each].any(axis=0) & ~truth[each].all(axis=0) for each in half], axis=0)
    places = np.flatnonzero(known)
    if not 2 <= len(places) <= _MOST_LABELS:
        return None
    order = _best_outputs(scores[half[0]][:, places], truth[half[0]][:, places])
    moved = tuple(
        (int(places[label]), int(places[output])) for label, output in enumerate(order) if label != output
    )
    if not moved:
        return None
    held_out, held_truth = scores[half[1]][:, places], truth[half[1]][:, places]
    paired = compare(roc_auc, held_out, held_out[:, order], held_truth)
    if paired.ci95[0] <= 0:
        return None
    return LabelsMoved(moved, 100 * paired.float_, 100 * paired.int8)


def _best_outputs(scores: Scores, truth: Truth) -> list[int]:
    """Takes to each label the output that ranks it best, each output once, the best pairs first."""
    labels = truth.shape[1]
    once = np.ones((1, len(truth)))
    areas = np.array(
        [
            [roc_auc(scores[:, output], truth[:, label], once)[0] for output in range(labels)]
            for label in range(labels)
        ]
    )
    order = [-1] * labels
    for pair in np.argsort(-areas, axis=None, kind="stable"):
        label, output = divmod(int(pair), labels)
        if order[label] < 0 and output not in order:
            order[label] = output
    return order
