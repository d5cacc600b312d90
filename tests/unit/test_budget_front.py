"""The benchmark of budgets: what it makes of logits."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.budget_front import errors_of, paired_gain_db


def test_half_of_the_error_is_six_decibels_for_sure() -> None:
    rng = np.random.default_rng(0)
    wanted, noise = rng.normal(size=(50, 7)), 0.1 * rng.normal(size=(50, 7))
    before, after = (errors_of(wanted, wanted + share * noise) for share in (1.0, 0.5))
    assert before.snr_db == pytest.approx(20, abs=1)  # 350 numbers of each kind give it to 0.5 dB
    gain, error = paired_gain_db(before, after)
    assert gain == pytest.approx(20 * np.log10(2))
    assert error == pytest.approx(0, abs=1e-9)  # on every image alike


def test_a_gain_on_some_images_has_an_error() -> None:
    wanted = np.random.default_rng(0).normal(size=(40, 5))
    moved = wanted + 0.1
    half = np.where(np.arange(40)[:, np.newaxis] < 20, wanted + 0.05, moved)
    gain, error = paired_gain_db(errors_of(wanted, moved), errors_of(wanted, half))
    assert gain == pytest.approx(-10 * np.log10(0.5 + 0.5 * 0.25))
    assert 0.1 < error < 0.6
    assert errors_of(wanted, moved).agreed.all()
