"""What two files' answers to the same images show: intervals, tests, classes and confusions that changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.exact_tests import (
    HOLM,
    LEVEL,
    MCNEMAR,
    SAMPLE_SIZE,
    holm,
    mcnemar_p,
    paired_difference_shown,
    paired_sample_size,
)
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.results.validate_statistics import (
    ClassChange,
    ClassTests,
    ConfidenceComparison,
    Confusion,
    OutputStatistics,
    PairedTest,
    SampleSize,
    Share,
)
from edge_mnv3_quantization.validation.hits import NO_CLASS

LISTED = 20
RESAMPLES = 10_000
BOOTSTRAP = f"percentiles of a paired bootstrap over images, {RESAMPLES} resamples"
_SEED = 0
# Differences for which the number of images is told, in percentage points.
DIFFERENCES_POINTS = (0.5, 1.0, 2.0)
# The fewest images that the test can tell from chance: all of them lost, or all won.
LEAST_CHANGED = next(count for count in range(1, 100) if mcnemar_p(0, count) <= LEVEL)

Classes = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAnswers:
    """The answers of both files, an image a row.

    Attributes:
        output: Name of the output.
        labels: (images,), 0-based; None without labels.
        float_classes: (images,), the class that float answers.
        int8_classes: (images,), the class that int8 answers.
        top5: How many images have the label among float's, and among int8's five highest; None without
            labels, and of one score.
    """

    output: str
    labels: Classes | None
    float_classes: Classes
    int8_classes: Classes
    top5: tuple[int, int] | None = None


def output_statistics(answers: PairedAnswers, confidence: ConfidenceComparison | None) -> OutputStatistics:
    """Computes the statistics of an output.

    Args:
        answers: At least one image.
        confidence: Of the same images.
    """
    n = len(answers.float_classes)
    same = (answers.float_classes == answers.int8_classes) & (answers.float_classes != NO_CLASS)
    agreement = share(int(same.sum()), n)
    labels = answers.labels
    if labels is None:
        return OutputStatistics(
            output=answers.output,
            agreement=agreement,
            float_top1=None,
            int8_top1=None,
            float_top5=None,
            int8_top5=None,
            difference=None,
            class_tests=None,
            confusions=(),
            confidence=confidence,
        )
    float_right, int8_right = answers.float_classes == labels, answers.int8_classes == labels
    lost, won = float_right & ~int8_right, int8_right & ~float_right
    float_top5, int8_top5 = answers.top5 or (None, None)
    return OutputStatistics(
        output=answers.output,
        agreement=agreement,
        float_top1=share(int(float_right.sum()), n),
        int8_top1=share(int(int8_right.sum()), n),
        float_top5=None if float_top5 is None else share(float_top5, n),
        int8_top5=None if int8_top5 is None else share(int8_top5, n),
        difference=paired_test(int(lost.sum()), int(won.sum()), n),
        class_tests=class_tests(labels, lost, won),
        confusions=confusions(labels, answers.float_classes, answers.int8_classes),
        confidence=confidence,
    )


def share(hits: int, n: int) -> Share:
    """Counts a share of `n` images, with its interval."""
    return Share(hits=hits, n=n, percent=100 * hits / n, ci95_percent=wilson_percent(hits, n))


def paired_test(lost: int, won: int, n: int) -> PairedTest:
    """Tests whether two files are right equally often, and how many images would tell it.

    Args:
        lost: Images that only float has right.
        won: Images that only int8 has right.
        n: Images in all.
    """
    p_value, discordant = mcnemar_p(lost, won), (lost + won) / n
    shown = paired_difference_shown(discordant, n)
    return PairedTest(
        lost=lost,
        won=won,
        test=MCNEMAR,
        p_value=p_value,
        shown=p_value <= LEVEL,
        shown_points=None if shown is None else 100 * shown,
        needed=tuple(
            SampleSize(difference_points=points, n=paired_sample_size(discordant, points / 100))
            for points in DIFFERENCES_POINTS
        ),
        sample_size=SAMPLE_SIZE,
    )


def bootstrap_points(lost: int, won: int, n: int) -> tuple[float, float]:
    """Draws images again and again: the 95 % interval of the difference of accuracy, in percentage points.

    A resample's difference depends on nothing but how many lost and won images it has.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7(1).

    Args:
        lost: Images that only the first file has right.
        won: Images that only the second file has right.
        n: Images in all, at least 1.
    """
    shares = [lost / n, won / n, (n - lost - won) / n]
    drawn = np.random.default_rng(_SEED).multinomial(n, shares, RESAMPLES)
    low, high = np.percentile(100 * (drawn[:, 1] - drawn[:, 0]) / n, (2.5, 97.5))
    return float(low), float(high)


def class_tests(labels: Classes, lost: Marks, won: Marks) -> ClassTests:
    """Tests each class of which images changed, corrected for their number.

    McNemar's test takes the number of changed images for given. Of so few that it could not tell even if all
    were lost, a class is not tested, which takes no chance of a false alarm away from the others.

    Args:
        labels: (images,), 0-based.
        lost: (images,), those that only float has right.
        won: (images,), those that only int8 has right.
    """
    present, places = np.unique(labels, return_inverse=True)
    counts, losses, gains = (
        np.bincount(places, weights=each, minlength=len(present)).astype(int).tolist()
        for each in (np.ones(len(labels)), lost, won)
    )
    changed = [row for row in zip(present.tolist(), counts, losses, gains, strict=True) if row[2] + row[3]]
    p_values = {label: mcnemar_p(of_lost, of_won) for label, _, of_lost, of_won in changed}
    tested = [label for label, _, of_lost, of_won in changed if of_lost + of_won >= LEAST_CHANGED]
    corrected = dict(zip(tested, holm([p_values[label] for label in tested]), strict=True))
    changes = [
        ClassChange(
            label=label,
            n=n,
            lost=of_lost,
            won=of_won,
            p_value=p_values[label],
            corrected_p_value=corrected.get(label, 1.0),
            shown=corrected.get(label, 1.0) <= LEVEL,
        )
        for label, n, of_lost, of_won in changed
    ]
    changes.sort(
        key=lambda each: (each.corrected_p_value, each.p_value, -abs(each.won - each.lost), each.label)
    )
    return ClassTests(
        test=f"{MCNEMAR}, of classes of which {LEAST_CHANGED} images or more changed; {HOLM}",
        tested=len(tested),
        changed=len(changed),
        shown=sum(each.shown for each in changes),
        classes=tuple(changes[:LISTED]),
    )


def confusions(labels: Classes, float_classes: Classes, int8_classes: Classes) -> tuple[Confusion, ...]:
    """Counts wrong answers to each class, and lists those whose number changed most.

    What is no answer is left out.

    Args:
        labels: (images,), 0-based.
        float_classes: (images,), float's answers.
        int8_classes: (images,), int8's answers.
    """
    counts: dict[tuple[int, int], list[int]] = {}
    for place, classes in enumerate((float_classes, int8_classes)):
        wrong = (classes != labels) & (classes != NO_CLASS)
        pairs, numbers = np.unique(
            np.stack([labels[wrong], classes[wrong]], axis=1), axis=0, return_counts=True
        )
        for (label, answer), number in zip(pairs.tolist(), numbers.tolist(), strict=True):
            counts.setdefault((label, answer), [0, 0])[place] = number
    changed = sorted(
        (pair for pair, (one, other) in counts.items() if one != other),
        key=lambda pair: (-abs(counts[pair][1] - counts[pair][0]), pair),
    )
    return tuple(
        Confusion(label=pair[0], answer=pair[1], float_n=counts[pair][0], int8_n=counts[pair][1])
        for pair in changed[:LISTED]
    )
