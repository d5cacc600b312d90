"""The statistics of `validate` and `verify` against SciPy, over many tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edge_mnv3.core.exact_tests import binomial_shares, fisher_p, mcnemar_p
from edge_mnv3.core.intervals import wilson_percent


def test_fisher() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        n, other_n = (int(each) for each in rng.choice([1, 5, 20, 100, 650, 5000], 2))
        share = rng.random()
        hits, other_hits = int(rng.binomial(n, share)), int(rng.binomial(other_n, share))
        expected = stats.fisher_exact([[hits, n - hits], [other_hits, other_n - other_hits]]).pvalue
        assert fisher_p(hits, n, other_hits, other_n) == pytest.approx(expected, rel=1e-9)


def test_mcnemar() -> None:
    rng = np.random.default_rng(1)
    for most in (3, 30, 300, 100_000):
        for _ in range(30):
            lost, won = (int(each) for each in rng.integers(0, most, 2))
            expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
            assert mcnemar_p(lost, won) == pytest.approx(expected, rel=1e-8)


def test_wilson() -> None:
    for hits, n in ((0, 1), (1, 1), (3, 20), (516, 650), (49_999, 50_000)):
        interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson_percent(hits, n) == pytest.approx((100 * interval.low, 100 * interval.high))


def test_binomial() -> None:
    for n, share in ((1, 0.5), (20, 0.995), (650, 0.1)):
        assert binomial_shares(n, share) == pytest.approx(
            stats.binom.pmf(np.arange(n + 1), n, share), rel=1e-9
        )
