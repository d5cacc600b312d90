"""Statistics of two files' answers to the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.image_marks import MOST_IMAGES, image_order, images_sha256, packed
from edge_mnv3.core.intervals import Z95
from edge_mnv3.core.results.validate import AccuracyDelta, ClassLoss, Disagreement, ImageAnswers
from edge_mnv3_quantization.validation.hits import NO_CLASS, Hits

WORST_LISTED = 20
Classes = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]
INTERVAL_METHOD = "Bonett-Price adjusted Wald interval for the difference of paired proportions"


class PairedTop(NamedTuple):
    """The answers of both files, an image a row. Classes are 0-based; -1 stands for "background".

    Attributes:
        files: Names of the images.
        labels: (images,) int64, the images' classes; -1 for all without labels.
        float_top5: (images, 5) int64, the float file's highest classes, highest first; `NO_CLASS` where
            it has fewer, or gave no finite numbers.
        int8_top5: The int8 file's.
        float_margin: (images,) float64, the float file's output for its highest class less its output for the
            int8 file's highest class.
    """

    files: Sequence[str]
    labels: Classes
    float_top5: Classes
    int8_top5: Classes
    float_margin: npt.NDArray[np.float64]

    @property
    def agree(self) -> Marks:
        """Where both have the same highest class; files that give no class do not agree."""
        float_, int8 = self.float_top5[:, 0], self.int8_top5[:, 0]
        return np.equal(float_, int8) & np.not_equal(float_, NO_CLASS)

    @property
    def float_right(self) -> Marks:
        """Where the float file's highest class is the label."""
        return np.equal(self.float_top5[:, 0], self.labels)

    @property
    def int8_right(self) -> Marks:
        """Where the int8 file's highest class is the label."""
        return np.equal(self.int8_top5[:, 0], self.labels)


def paired_interval_points(lost: int, won: int, n: int) -> tuple[float, float]:
    """Computes the 95 % interval of the accuracy difference on the same images, in percentage points.

    Args:
        lost: How many images only the first model has right.
        won: How many images only the second model has right.
        n: Number of images, at least 1.

    Source: Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", Journal of Educational and Behavioral Statistics 37(4): one image is added to each
    of the two counts and two to n, and the Wald interval is taken. It keeps its coverage for small and for
    zero counts, where the plain Wald interval collapses.
    """
    p_lost, p_won = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    difference = p_won - p_lost
    half = Z95 * math.sqrt((p_won + p_lost - difference**2) / (n + 2))
    return max(-100.0, 100 * (difference - half)), min(100.0, 100 * (difference + half))


def accuracy_delta(answers: PairedTop, float_hits: Hits, int8_hits: Hits) -> AccuracyDelta:
    """Compares how often each file is right; the differences are int8 less float."""
    n = len(answers.labels)
    lost = int((answers.float_right & ~answers.int8_right).sum())
    won = int((answers.int8_right & ~answers.float_right).sum())
    return AccuracyDelta(
        top1_points=100 * (int8_hits.top1 - float_hits.top1) / n,
        top5_points=100 * (int8_hits.top5 - float_hits.top5) / n,
        ci95_points=paired_interval_points(lost, won, n),
        method=INTERVAL_METHOD,
        lost=lost,
        won=won,
    )


def agreement_percent(answers: PairedTop) -> float:
    """Computes the share of images on which both files have the same highest class."""
    return 100 * int(answers.agree.sum()) / len(answers.labels)


def class_losses(answers: PairedTop) -> tuple[ClassLoss, ...]:
    """Lists the classes that int8 has right less often than float, the worst first."""
    labels, row, n = np.unique(answers.labels, return_inverse=True, return_counts=True)
    float_, int8 = (
        np.bincount(row, weights=right, minlength=len(labels)).astype(np.int64)
        for right in (answers.float_right, answers.int8_right)
    )
    order = np.lexsort((labels, int8 - float_))
    return tuple(
        ClassLoss(
            label=int(labels[place]),
            n=int(n[place]),
            float_correct=int(float_[place]),
            int8_correct=int(int8[place]),
        )
        for place in order.tolist()
        if int8[place] < float_[place]
    )


def worst_disagreements(answers: PairedTop) -> tuple[Disagreement, ...]:
    """Lists the answers that int8 changed, those with the largest margin in float first."""
    different = np.flatnonzero(~answers.agree)
    order = different[np.argsort(-answers.float_margin[different], kind="stable")]
    return tuple(
        Disagreement(
            file=answers.files[place],
            label=int(answers.labels[place]),
            float_class=int(answers.float_top5[place, 0]),
            int8_class=int(answers.int8_top5[place, 0]),
            float_margin=float(answers.float_margin[place]),
        )
        for place in order[:WORST_LISTED].tolist()
    )


def image_answers(answers: PairedTop) -> ImageAnswers | None:
    """Keeps which images each file has right; None of too many."""
    if len(answers.labels) > MOST_IMAGES:
        return None
    labels = answers.labels.tolist()
    order = image_order(answers.files, labels)
    return ImageAnswers(
        sha256=images_sha256(answers.files, labels),
        float_right=packed(answers.float_right[order].tolist()),
        int8_right=packed(answers.int8_right[order].tolist()),
    )
