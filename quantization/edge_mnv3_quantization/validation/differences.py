"""Statistics of two files' answers to the same images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.image_marks import MOST_IMAGES, image_order, images_sha256, packed
from edge_mnv3.core.intervals import Z95
from edge_mnv3.core.results.validate import AccuracyDelta, ClassLoss, Disagreement, ImageAnswers
from edge_mnv3_quantization.validation.hits import Hits

WORST_LISTED = 20
INTERVAL_METHOD = "Bonett-Price adjusted Wald interval for the difference of paired proportions"


class Answer(NamedTuple):
    """The answers of both files to one image.

    Attributes:
        file: Name of the image.
        label: Its class, 0-based.
        float_top5: The float file's five highest classes, highest first; -1 for "background".
        int8_top5: The int8 file's five highest classes.
        float_margin: The float file's output for its highest class less its output for the int8 file's
            highest class.
    """

    file: str
    label: int
    float_top5: tuple[int, ...]
    int8_top5: tuple[int, ...]
    float_margin: float

    @property
    def agree(self) -> bool:
        """Whether both have the same highest class."""
        return self.float_top5[0] == self.int8_top5[0]

    @property
    def float_right(self) -> bool:
        """Whether the float file's highest class is the label."""
        return self.float_top5[0] == self.label

    @property
    def int8_right(self) -> bool:
        """Whether the int8 file's highest class is the label."""
        return self.int8_top5[0] == self.label


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


def accuracy_delta(answers: Sequence[Answer], float_hits: Hits, int8_hits: Hits) -> AccuracyDelta:
    """Compares how often each file is right; the differences are int8 less float."""
    n = len(answers)
    lost = sum(answer.float_right and not answer.int8_right for answer in answers)
    won = sum(answer.int8_right and not answer.float_right for answer in answers)
    return AccuracyDelta(
        top1_points=100 * (int8_hits.top1 - float_hits.top1) / n,
        top5_points=100 * (int8_hits.top5 - float_hits.top5) / n,
        ci95_points=paired_interval_points(lost, won, n),
        method=INTERVAL_METHOD,
        lost=lost,
        won=won,
    )


def agreement_percent(answers: Sequence[Answer]) -> float:
    """Computes the share of images on which both files have the same highest class."""
    return 100 * sum(answer.agree for answer in answers) / len(answers)


def class_losses(answers: Sequence[Answer]) -> tuple[ClassLoss, ...]:
    """Lists the classes that int8 has right less often than float, the worst first."""
    of_class: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        of_class[answer.label].append(answer)
    counted = [
        ClassLoss(
            label=label,
            n=len(members),
            float_correct=sum(answer.float_right for answer in members),
            int8_correct=sum(answer.int8_right for answer in members),
        )
        for label, members in of_class.items()
    ]
    losses = [loss for loss in counted if loss.int8_correct < loss.float_correct]
    return tuple(sorted(losses, key=lambda loss: (loss.int8_correct - loss.float_correct, loss.label)))


def worst_disagreements(answers: Sequence[Answer]) -> tuple[Disagreement, ...]:
    """Lists the answers that int8 changed, those with the largest margin in float first."""
    different = sorted((answer for answer in answers if not answer.agree), key=lambda a: -a.float_margin)
    return tuple(
        Disagreement(
            file=answer.file,
            label=answer.label,
            float_class=answer.float_top5[0],
            int8_class=answer.int8_top5[0],
            float_margin=answer.float_margin,
        )
        for answer in different[:WORST_LISTED]
    )


def image_answers(answers: Sequence[Answer]) -> ImageAnswers | None:
    """Keeps which images each file has right; None of too many."""
    if len(answers) > MOST_IMAGES:
        return None
    names, labels = [answer.file for answer in answers], [answer.label for answer in answers]
    ordered = [answers[place] for place in image_order(names, labels)]
    return ImageAnswers(
        sha256=images_sha256(names, labels),
        float_right=packed([answer.float_right for answer in ordered]),
        int8_right=packed([answer.int8_right for answer in ordered]),
    )
