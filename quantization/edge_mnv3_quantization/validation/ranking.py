"""Area under the ROC curve and average precision, and the paired bootstrap of their differences.

Equal scores are one threshold, as they are to an app: within them no order counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
BOOTSTRAP = f"percentiles of a paired bootstrap over images, {RESAMPLES} resamples"
_BLOCK = 2_000_000  # weights held at once
_SEED = 0
_ONE_SIDED_95 = 1.645  # standard deviations of a normal distribution

Array = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]
Metric = Callable[[Scores, Truth, Array], Array]


class Paired(NamedTuple):
    """A metric of two files on the same images.

    Attributes:
        float_: The float file's.
        int8: The int8 file's.
        ci95: The 95 % interval of int8 less float.
    """

    float_: float
    int8: float
    ci95: tuple[float, float]


class _Counts(NamedTuple):
    """Weights summed down to each threshold, from the highest score on: (resamples, thresholds) each."""

    positives: Array
    all: Array


def roc_auc(scores: Scores, truth: Truth, weights: Array) -> Array:
    """Computes the area under the ROC curve: how often a positive has a higher score than a negative.

    Source: Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143(1); equal scores count half.

    Args:
        scores: (images,).
        truth: (images,), which are positive.
        weights: (resamples, images), how often each image counts.

    Returns:
        (resamples,), 0 to 1; NaN where there are no positives or no negatives.
    """
    counts = _counts(scores, truth, weights)
    negatives = counts.all - counts.positives
    of_threshold = np.diff(counts.positives, prepend=0.0, axis=1)
    negatives_of_threshold = np.diff(negatives, prepend=0.0, axis=1)
    below = negatives[:, -1:] - negatives
    ordered = (of_threshold * (below + negatives_of_threshold / 2)).sum(axis=1)
    pairs = counts.positives[:, -1] * negatives[:, -1]
    return _share(ordered, pairs)


def average_precision(scores: Scores, truth: Truth, weights: Array) -> Array:
    """Computes the average precision: precision at each threshold, by the recall that the threshold adds.

    Source: Zhu 2004, "Recall, precision and average precision", University of Waterloo, section 3; without
    interpolation, as scikit-learn's `average_precision_score`.

    Args:
        scores: (images,).
        truth: (images,), which are positive.
        weights: (resamples, images), how often each image counts.

    Returns:
        (resamples,), 0 to 1; NaN where there are no positives.
    """
    counts = _counts(scores, truth, weights)
    precision = np.divide(counts.positives, counts.all, out=np.zeros_like(counts.all), where=counts.all > 0)
    added = np.diff(counts.positives, prepend=0.0, axis=1)
    return _share((precision * added).sum(axis=1), counts.positives[:, -1])


def chance_reaches(truth: Truth) -> float:
    """Computes which mean area under the ROC curve scores that know nothing reach in 1 of 20 cases.

    Source: the variance of the Mann-Whitney statistic without ties, (positives + negatives + 1) / (12 *
    positives * negatives), from Mann and Whitney 1947, "On a test of whether one of two random variables is
    stochastically larger than the other"; scores of different labels are taken to be independent.

    Args:
        truth: (images, labels), which labels each image has; of each at least one must have it, and one not.

    Returns:
        0.5 to above 1, where so few images tell nothing.
    """
    positives = truth.sum(axis=0)
    negatives = len(truth) - positives
    variances = (len(truth) + 1) / (12 * positives * negatives)
    return 0.5 + _ONE_SIDED_95 * float(np.sqrt(variances.sum())) / len(positives)


def compare(metric: Metric, float_scores: Scores, int8_scores: Scores, truth: Truth) -> Paired:
    """Computes the mean over labels of a metric for both files, and the interval of the difference.

    Args:
        metric: `roc_auc` or `average_precision`.
        float_scores: (images, labels).
        int8_scores: (images, labels).
        truth: (images, labels), which labels each image has; of each at least one image must have it, and for
            `roc_auc` one must not.
    """
    once = np.ones((1, len(truth)))
    float_, int8 = (_mean(metric, scores, truth, once) for scores in (float_scores, int8_scores))
    rng = np.random.default_rng(_SEED)
    block = max(1, min(RESAMPLES, _BLOCK // len(truth)))
    differences: list[float] = []
    while len(differences) < RESAMPLES:
        count = min(block, RESAMPLES - len(differences))
        weights = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), count).astype(np.float64)
        drawn = _mean(metric, int8_scores, truth, weights) - _mean(metric, float_scores, truth, weights)
        differences += drawn.tolist()
    low, high = np.nanpercentile(differences, (2.5, 97.5)) if np.isfinite(differences).any() else (-1.0, 1.0)
    return Paired(float(float_[0]), float(int8[0]), (float(low), float(high)))


def _mean(metric: Metric, scores: Scores, truth: Truth, weights: Array) -> Array:
    """The mean over labels, (resamples,); a label that a resample leaves without images is left out of it."""
    total, count = np.zeros(len(weights)), np.zeros(len(weights))
    for label in range(truth.shape[1]):
        each = metric(scores[:, label], truth[:, label], weights)
        known = np.isfinite(each)
        total += np.where(known, each, 0.0)
        count += known
    return _share(total, count)


def _counts(scores: Scores, truth: Truth, weights: Array) -> _Counts:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    all_ = np.cumsum(weights[:, order], axis=1)[:, last]
    positives = np.cumsum(weights[:, order] * truth[order], axis=1)[:, last]
    return _Counts(positives, all_)


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
