"""How far outputs may differ by rounding."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.results.model_facts import Activation
from edge_mnv3.core.rounding import allowed_difference


@pytest.mark.parametrize("activation", ["softmax", "none"])
@pytest.mark.parametrize("largest", [1e-25, 0.5, 300.0])
def test_linear_outputs_and_softmax(activation: Activation, largest: float) -> None:
    wanted = np.array([[0.1 * largest, -largest]], np.float32)
    assert allowed_difference(wanted, activation) == pytest.approx(1e-4 * largest)


@pytest.mark.parametrize("logit", [-80.0, -57.6, -3.0])
def test_a_sigmoid_may_be_off_as_its_logit_may(logit: float) -> None:
    def sigmoid(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    allowed = allowed_difference(np.array([[sigmoid(logit)]], np.float32), "sigmoid")
    assert allowed == pytest.approx(sigmoid(logit * (1 - 1e-4)) - sigmoid(logit), rel=0.1)


def test_large_sigmoids_are_compared_as_they_are() -> None:
    assert allowed_difference(np.array([[0.9, 1e-20]], np.float32), "sigmoid") == pytest.approx(0.9e-4)


def test_what_some_programs_take_for_nought() -> None:
    assert 1e-39 < allowed_difference(np.array([[1e-39]], np.float32), "sigmoid") < 1e-37


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_nan_allows_nothing(activation: Activation) -> None:
    wanted = np.array([[0.5, np.nan]], np.float32)
    assert not allowed_difference(wanted, activation) >= 0.0
