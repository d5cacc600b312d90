"""The probabilities that files give their answers: how they shift, and how true they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.model_facts import Activation, OutputFacts
from edge_mnv3.core.results.validate_statistics import (
    CalibrationError,
    ConfidenceComparison,
    Effect,
    Flip,
    Probabilities,
)

BINS = 15
CALIBRATION = f"expected calibration error, {BINS} bins of equal width of the answer's probability"
LISTED = 20
LEAST_IMAGES = 20
RESAMPLES = 1000
UNITS = 500  # the cost of resampling does not grow with more images
INTERVAL = (
    f"percentiles of a paired bootstrap, {RESAMPLES} resamples of images; of more than {UNITS} images of "
    f"{UNITS} groups into which they are dealt"
)
_SEED = 0
# Sigmoids of several classes do not add up to one, and of other functions no probability follows.
_OF_CLASSES: dict[Activation, Probabilities] = {
    "softmax": "as given",
    "log_softmax": "exponential of the scores",
    "none": "softmax of the scores",
}
_OF_SCORE: dict[Activation, Probabilities] = {"sigmoid": "as given", "none": "sigmoid of the score"}

Numbers = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


class Confidences(NamedTuple):
    """The answers of both files with their probabilities, an image a row.

    Attributes:
        probabilities: How they follow from the outputs.
        names: Names of the images.
        labels: (images,), 0-based; None without labels.
        classes: (images, 2), the classes that float and int8 answer.
        given: (images, 2), the probabilities that they give them, 0 to 1.
    """

    probabilities: Probabilities
    names: Sequence[str]
    labels: Classes | None
    classes: Classes
    given: Numbers


def probabilities_of(facts: OutputFacts) -> Probabilities | None:
    """How the probability of an answer follows from an output; None where none does."""
    if facts.task == "classes":
        return _OF_CLASSES.get(facts.activation)
    return _OF_SCORE.get(facts.activation) if facts.task == "binary" else None


def class_confidences(outputs: npt.NDArray[Any], probabilities: Probabilities | None) -> Numbers:
    """Computes the probabilities of the highest class of each image.

    Args:
        outputs: (images, classes), real numbers.
        probabilities: As `probabilities_of` says.

    Returns:
        (images,), 0 to 1; NaN where there are no probabilities, or a number is not finite.
    """
    numbers = outputs.astype(np.float64)
    highest = numbers.max(axis=1)
    given = np.full(len(numbers), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        if probabilities == "as given":
            given = highest
        elif probabilities == "exponential of the scores":
            given = np.exp(highest)
        elif probabilities == "softmax of the scores":
            given = 1 / np.exp(numbers - highest[:, np.newaxis]).sum(axis=1)
    return np.where(np.isfinite(numbers).all(axis=1), given, np.nan)


def score_confidences(scores: Numbers, probabilities: Probabilities) -> Numbers:
    """Computes the probabilities of what single scores decide, that of one half being the middle.

    Args:
        scores: Of any shape.
        probabilities: As `probabilities_of` says.

    Returns:
        0.5 to 1 where they are probabilities, of the same shape.
    """
    positive = scores if probabilities == "as given" else 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    larger: Numbers = np.maximum(positive, 1 - positive)
    return larger


def compare_confidences(answers: Confidences) -> ConfidenceComparison | None:
    """Compares confidences; None where they are no probabilities."""
    given = answers.given
    if not ((given >= 0) & (given <= 1)).all():
        return None
    right = None if answers.labels is None else answers.classes == answers.labels[:, None]
    sums = _Sums.of(given, right)
    whole = np.ones((1, len(sums.counts)))
    resampled = _resamples(len(sums.counts)) if len(given) >= LEAST_IMAGES else None
    float_mean, int8_mean = (100 * given.mean(axis=0)).tolist()
    return ConfidenceComparison(
        probabilities=answers.probabilities,
        float_mean_percent=float_mean,
        int8_mean_percent=int8_mean,
        shift_points=int8_mean - float_mean,
        ci95_points=None if resampled is None else _interval(sums.shifts(resampled)),
        interval=INTERVAL,
        calibration=None if right is None else _calibration(sums, whole, resampled),
        flips=_flips(answers, right),
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over units of images: the images themselves, or groups of them, so that resampling stays cheap.

    Attributes:
        counts: (units,), images.
        given: (units, 2), probabilities.
        gaps: (units, 2 * bins), right answers less probabilities, bin by bin, of float and then of int8.
    """

    counts: Numbers
    given: Numbers
    gaps: Numbers

    @staticmethod
    def of(given: Numbers, right: npt.NDArray[np.bool_] | None) -> _Sums:
        # Images that lie side by side are often of one class: dealing them out keeps groups alike.
        unit = np.arange(len(given)) % UNITS
        units = min(len(given), UNITS)
        gaps = np.zeros((units, 2 * BINS))
        if right is not None:
            for file in (0, 1):
                which = np.clip(np.ceil(given[:, file] * BINS).astype(int) - 1, 0, BINS - 1)
                np.add.at(gaps, (unit, which + file * BINS), right[:, file] - given[:, file])
        sums = [np.bincount(unit, weights=given[:, file], minlength=units) for file in (0, 1)]
        return _Sums(np.bincount(unit, minlength=units).astype(np.float64), np.stack(sums, axis=1), gaps)

    def shifts(self, weights: Numbers) -> Numbers:
        """Mean of int8 less that of float, (resamples,), of weights (resamples, units)."""
        means = weights @ self.given / (weights @ self.counts)[:, None]
        shifts: Numbers = means[:, 1] - means[:, 0]
        return shifts

    def errors(self, weights: Numbers) -> Numbers:
        """Calibration errors of both files, (resamples, 2)."""
        gaps = np.abs(weights @ self.gaps).reshape(len(weights), 2, BINS).sum(axis=2)
        errors: Numbers = gaps / (weights @ self.counts)[:, None]
        return errors


def _calibration(sums: _Sums, whole: Numbers, resampled: Numbers | None) -> CalibrationError:
    """The error by Guo et al. 2017, "On calibration of modern neural networks", ICML, equation 3."""
    float_, int8 = (100 * sums.errors(whole)[0]).tolist()
    interval = None
    if resampled is not None:
        errors = sums.errors(resampled)
        interval = _interval(errors[:, 1] - errors[:, 0])
    return CalibrationError(
        method=CALIBRATION,
        float_percent=float_,
        int8_percent=int8,
        difference_points=int8 - float_,
        ci95_points=interval,
    )


def _resamples(units: int) -> Numbers:
    generator = np.random.default_rng(_SEED)
    drawn = generator.multinomial(units, np.full(units, 1 / units), RESAMPLES)
    return drawn.astype(np.float64)


def _interval(values: Numbers) -> tuple[float, float]:
    low, high = 100 * np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _flips(answers: Confidences, right: npt.NDArray[np.bool_] | None) -> tuple[Flip, ...]:
    flipped = np.flatnonzero(answers.classes[:, 0] != answers.classes[:, 1])
    order = flipped[np.argsort(-answers.given[flipped, 0], kind="stable")][:LISTED]
    effects: dict[tuple[bool, bool], Effect] = {(True, False): "lost", (False, True): "won"}
    return tuple(
        Flip(
            file=answers.names[place],
            label=None if answers.labels is None else int(answers.labels[place]),
            float_class=int(answers.classes[place, 0]),
            int8_class=int(answers.classes[place, 1]),
            float_confidence=float(answers.given[place, 0]),
            int8_confidence=float(answers.given[place, 1]),
            effect=None
            if right is None
            else effects.get((bool(right[place, 0]), bool(right[place, 1])), "neither"),
        )
        for place in order.tolist()
    )
