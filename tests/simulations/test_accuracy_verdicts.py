"""How often verdicts over accuracies and labels are wrong, where images are drawn: seeds are fixed."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from edge_mnv3.core.intervals import Z95
from edge_mnv3_quantization.validation.chance import agreement
from edge_mnv3_quantization.validation.label_order import labels_moved
from edge_mnv3_quantization.validation.ranking import Scores, Truth, compare, roc_auc

NORMAL = NormalDist()


def test_guesses_are_called_better_than_chance_once_in_forty() -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice(4, 150, p=[0.7, 0.1, 0.1, 0.1]).tolist()
    drawn = rng.choice(4, (1500, 150), p=[0.7, 0.1, 0.1, 0.1]).tolist()
    better = [not agreement(labels, guesses, classes=4).at_chance for guesses in drawn]
    assert np.mean(better) <= 0.025 + Z95 * 0.005  # of one side of 95 %; 0.004 is the standard error


def test_interval_of_the_difference_covers_it() -> None:
    # Scores of positives are normal about 1 and of negatives about 0, and int8 adds as much noise again: the
    # areas are the normal distribution's at 1/sqrt(2) and at 1/2.
    rng = np.random.default_rng(2)

    def draw() -> tuple[Scores, Scores, Truth]:
        truth = rng.random((80, 1)) < 0.4
        scores = truth + rng.normal(0, 1, truth.shape)
        return scores, scores + rng.normal(0, 1, truth.shape), truth

    expected = NORMAL.cdf(0.5) - NORMAL.cdf(0.5**0.5)
    intervals = [compare(roc_auc, *draw()).ci95 for _ in range(20)]
    covered = sum(low <= expected <= high for low, high in intervals)
    assert covered >= 16  # fewer would happen once in 300 draws at 95 %
    assert all(high - low < 0.5 for low, high in intervals)


def test_scores_that_say_nothing_have_no_order() -> None:
    rng = np.random.default_rng(0)
    noise = [labels_moved(rng.normal(size=(60, 4)), rng.random((60, 4)) > 0.5) for _ in range(10)]
    # Of 10 intervals of 95 % one may lie beyond.
    assert sum(each is not None for each in noise) <= 1
