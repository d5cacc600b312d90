"""The interval of a paired difference, and what is derived from the answers."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.validation.differences import paired_interval_points


def test_interval_by_hand() -> None:
    # n = 98, 9 lost, 1 won: p_lost = 10/100, p_won = 2/100, D = -0.08,
    # half = 1.95996 * sqrt((0.12 - 0.0064) / 100) = 0.066060
    low, high = paired_interval_points(9, 1, 98)
    assert low == pytest.approx(-14.6060, abs=1e-3)
    assert high == pytest.approx(-1.3940, abs=1e-3)


def test_interval_of_equal_models_is_not_a_point() -> None:
    low, high = paired_interval_points(0, 0, 650)
    assert low == pytest.approx(-high)
    assert 0.2 < high < 1.0


@pytest.mark.parametrize(("lost", "won", "n"), [(1, 0, 1), (0, 1, 1), (5, 0, 5)])
def test_interval_stays_in_range(lost: int, won: int, n: int) -> None:
    low, high = paired_interval_points(lost, won, n)
    assert -100 <= low < high <= 100


@pytest.mark.parametrize(("p_lost", "p_won"), [(0.02, 0.02), (0.05, 0.01), (0.005, 0.0)])
def test_interval_covers_the_truth(p_lost: float, p_won: float) -> None:
    rng = np.random.default_rng(0)
    n, trials = 650, 2000
    draws = rng.multinomial(n, [p_lost, p_won, 1 - p_lost - p_won], trials)
    truth = 100 * (p_won - p_lost)
    intervals = [paired_interval_points(int(lost), int(won), n) for lost, won, _ in draws]
    coverage = np.mean([low <= truth <= high for low, high in intervals])
    # 95 % nominal; the standard error of 2000 trials is 0.5 points.
    assert coverage >= 0.935
