"""Exact tests and sample sizes: against values of SciPy and R, and against what they promise."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edge_mnv3.core.exact_tests import (
    LEVEL,
    POWER,
    binomial_shares,
    fisher_p,
    holm,
    mcnemar_p,
    paired_difference_shown,
    paired_sample_size,
    told_below,
)

# SciPy 1.17.1, `scipy.stats.fisher_exact`; importing it takes longer than all of these tests, so the wider
# comparison is in tests/integration/test_against_scipy.py.
FISHER_VALUES = [
    ((12, 20, 516, 650), 0.04945938116552914),
    ((0, 20, 516, 650), 6.213064480943169e-14),
    ((480, 650, 516, 650), 0.021733839150758324),
    ((4800, 5000, 49000, 50000), 5.20159287676496e-17),
    ((650, 650, 20, 20), 1.0),
    ((1, 1, 0, 1), 1.0),
]
# SciPy 1.17.1, `scipy.stats.binomtest(lost, lost + won)`.
MCNEMAR_VALUES = [
    ((25, 10), 0.016673847800120715),
    ((9, 1), 0.021484375),
    ((0, 5), 0.0625),
    ((7, 7), 1.0),
    ((1200, 1100), 0.03896685268382023),
]


@pytest.mark.parametrize(("counts", "expected"), FISHER_VALUES)
def test_fisher(counts: tuple[int, int, int, int], expected: float) -> None:
    hits, n, other_hits, other_n = counts
    assert fisher_p(*counts) == pytest.approx(expected, rel=1e-9)
    assert fisher_p(other_hits, other_n, hits, n) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("counts", "expected"), MCNEMAR_VALUES)
def test_mcnemar(counts: tuple[int, int], expected: float) -> None:
    assert mcnemar_p(*counts) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(*counts[::-1]) == mcnemar_p(*counts)


def test_nothing_that_differs_is_no_difference() -> None:
    assert mcnemar_p(0, 0) == 1.0


def test_holm() -> None:
    # Four tests in ascending order: 4 x 0.005, 3 x 0.01, 2 x 0.03; 1 x 0.04 is less than the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    # statsmodels 0.15.0, `multipletests(…, method="holm")`.
    expected = (0.0007, 0.06, 0.147, 0.4, 0.06, 0.9, 0.024)
    assert holm([0.0001, 0.012, 0.049, 0.2, 0.012, 0.9, 0.004]) == pytest.approx(expected)
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.995])
@pytest.mark.parametrize(("n", "new_n"), [(40, 20), (30, 30)])
def test_fisher_seldom_tells_equal_shares_apart(n: int, new_n: int, share: float) -> None:
    """Every pair of counts with its probability: the share of false alarms itself, not an estimate of it."""
    known, new = binomial_shares(n, share), binomial_shares(new_n, share)
    told = np.array([[_told(hits, n, more, new_n) for more in range(new_n + 1)] for hits in range(n + 1)])
    assert known @ told @ new <= LEVEL


@functools.cache
def _told(hits: int, n: int, new_hits: int, new_n: int) -> bool:
    return fisher_p(hits, n, new_hits, new_n) <= LEVEL


def test_what_is_told_is_told_as_often_as_promised() -> None:
    share = told_below(516, 650, 100, LEVEL)
    assert share is not None
    chances = binomial_shares(100, share)
    found = sum(chances[hits] for hits in range(80) if _told(516, 650, hits, 100))
    assert found == pytest.approx(POWER)
    assert told_below(65, 650, 20, LEVEL) is None  # 0 of 20 come up too often with a share of 10 %
    assert told_below(0, 650, 5000, LEVEL) is None


@pytest.mark.parametrize(("discordant", "difference"), [(0.06, 0.02), (0.02, 0.02), (0.3, 0.05)])
def test_sample_sizes_suffice(discordant: float, difference: float) -> None:
    """The power of McNemar's test by its definition, over every number of images that one model alone has."""
    n = paired_sample_size(discordant, difference)
    lost = (discordant + difference) / 2 / discordant
    power = 0.0
    for count, chance in enumerate(binomial_shares(n, discordant)):
        if chance > 1e-6:
            of_lost = binomial_shares(count, lost) if lost < 1 else np.eye(count + 1)[count]
            critical = _critical(count)
            power += chance * (of_lost[: critical + 1].sum() + of_lost[count - critical :].sum())
    # Counts are whole numbers, so the power moves by steps.
    assert power >= POWER - 0.01
    assert paired_difference_shown(discordant, n) == pytest.approx(difference, rel=0.01)


@functools.cache
def _critical(count: int) -> int:
    """The largest smaller count with which the test tells a difference; -1 where none does."""
    return int(np.searchsorted(2 * np.cumsum(binomial_shares(count, 0.5)), LEVEL, side="right")) - 1


def test_too_few_images_show_no_difference() -> None:
    assert paired_difference_shown(0.5, 3) is None
