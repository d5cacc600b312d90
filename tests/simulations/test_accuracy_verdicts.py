"""How often verdicts over accuracies and labels are wrong, where images are drawn: seeds are fixed."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from click.testing import CliRunner

from benchmarks import verify_alarms
from edge_mnv3.core.exact_tests import LEVEL, binomial_shares
from edge_mnv3.core.intervals import Z95
from edge_mnv3_quantization.validation.chance import agreement
from edge_mnv3_quantization.validation.label_order import labels_moved
from edge_mnv3_quantization.validation.paired_statistics import class_tests
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


def test_classes_that_change_by_chance_are_seldom_named() -> None:
    """Of each of 30 classes 15 images change, by chance alone."""
    rng, draws = np.random.default_rng(0), 40
    labels = np.repeat(np.arange(30), 15)
    alarms = 0
    for _ in range(draws):
        lost = rng.random(len(labels)) < 0.5
        alarms += class_tests(labels, lost, ~lost).shown > 0
    # No more than a share of 5 % would give in 999 of 1,000 cases.
    assert alarms <= int((binomial_shares(draws, LEVEL).cumsum() < 0.999).sum())


def test_simulated_alarms() -> None:
    done = CliRunner().invoke(verify_alarms.main, ["--draws", "200", "--images", "20", "--images", "200"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    alarms = [float(cell) for line in lines[4:12] for cell in line.replace("(", " ").split()[1::2]]
    assert len(alarms) == 2 * len(verify_alarms.ACCURACIES)
    # Of all draws together no more alarms than a share of 5 % would give in 999 of 1,000 cases.
    draws = 200 * len(alarms)
    at_most = int((binomial_shares(draws, LEVEL).cumsum() < 0.999).sum())
    assert sum(alarms) / 100 * 200 <= at_most
    assert float(lines[-1].split()[1]) > 80  # a drop of 40 points, with 20 images
