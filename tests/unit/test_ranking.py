"""Area under the ROC curve and average precision, against hand values, definitions and published examples."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.validation.ranking import (
    average_precision,
    chance_reaches,
    compare,
    roc_auc,
)

NORMAL = NormalDist()
ONCE = np.ones((1, 4))
# The example of scikit-learn's documentation of both functions: 0.75 and 0.83.
TRUTH = np.array([False, False, True, True])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def test_examples_of_scikit_learn() -> None:
    assert roc_auc(SCORES, TRUTH, ONCE) == pytest.approx(0.75)
    assert average_precision(SCORES, TRUTH, ONCE) == pytest.approx(5 / 6)


def test_equal_scores_are_one_threshold() -> None:
    # All equal: each positive ties with each negative, and the only threshold has the precision 2/4.
    assert roc_auc(np.zeros(4), TRUTH, ONCE) == 0.5
    assert average_precision(np.zeros(4), TRUTH, ONCE) == 0.5
    # By hand: positives 2, 1; negatives 1, 0. Pairs: won, won, tied, won. Precision 1, then 2/3.
    tied = np.array([0, 1, 1, 2])
    assert roc_auc(tied, TRUTH, ONCE) == pytest.approx(3.5 / 4)
    assert average_precision(tied, TRUTH, ONCE) == pytest.approx((1 + 2 / 3) / 2)


def test_perfect_and_worst() -> None:
    right = TRUTH.astype(float)
    assert roc_auc(right, TRUTH, ONCE) == 1
    assert roc_auc(-right, TRUTH, ONCE) == 0
    assert average_precision(right, TRUTH, ONCE) == 1
    assert average_precision(-right, TRUTH, ONCE) == 0.5  # the positives come with the last threshold


def test_without_positives_or_negatives_there_is_none() -> None:
    nothing = np.zeros(4, bool)
    assert np.isnan([roc_auc(SCORES, nothing, ONCE), roc_auc(SCORES, ~nothing, ONCE)]).all()
    assert np.isnan(average_precision(SCORES, nothing, ONCE)).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12))
def test_definitions_with_images_that_count_several_times(rows: list[tuple[int, bool, int]]) -> None:
    scores, truth, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated_scores, repeated = np.repeat(scores, weights), np.repeat(truth, weights)
    positives, negatives = repeated_scores[repeated], repeated_scores[~repeated]
    auc = roc_auc(scores, truth, weights[np.newaxis].astype(float))[0]
    precision = average_precision(scores, truth, weights[np.newaxis].astype(float))[0]
    if len(positives) and len(negatives):
        won = np.sign(positives[:, None] - negatives[None, :]) / 2 + 0.5
        assert auc == pytest.approx(won.mean())
    else:
        assert np.isnan(auc)
    if not len(positives):
        assert np.isnan(precision)
        return
    expected = 0.0
    for threshold in set(repeated_scores.tolist()):
        taken = repeated_scores >= threshold
        added = np.sum(repeated[repeated_scores == threshold]) / len(positives)
        expected += added * repeated[taken].mean()
    assert precision == pytest.approx(expected)


def test_comparison_of_equal_files_has_no_difference() -> None:
    paired = compare(roc_auc, SCORES[:, None], SCORES[:, None], TRUTH[:, None])
    assert (paired.float_, paired.int8, paired.ci95) == (0.75, 0.75, (0, 0))


def test_mean_over_labels() -> None:
    truth = np.stack([TRUTH, ~TRUTH], axis=1)
    paired = compare(
        average_precision, np.stack([SCORES, SCORES], axis=1), np.stack([SCORES, -SCORES], axis=1), truth
    )
    second = average_precision(SCORES, ~TRUTH, ONCE)[0]
    assert paired.float_ == pytest.approx((5 / 6 + second) / 2)
    assert paired.int8 > paired.float_


def test_what_chance_reaches() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60)[:, None] % 3 == 0
    areas = [roc_auc(rng.random(60), truth[:, 0], np.ones((1, 60)))[0] for _ in range(1000)]
    assert np.mean(np.array(areas) > chance_reaches(truth)) == pytest.approx(0.05, abs=0.02)
    both = np.concatenate([truth, ~truth], axis=1)
    assert chance_reaches(both) - 0.5 == pytest.approx((chance_reaches(truth) - 0.5) / np.sqrt(2))
    assert chance_reaches(np.array([[True], [False]])) > 1
