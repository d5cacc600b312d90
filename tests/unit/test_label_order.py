"""Labels that may hold together, in another order than the outputs."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.validation.label_order import labels_moved

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(120, 4))
TRUTH = SCORES + RNG.normal(0, 0.3, SCORES.shape) > 0


def test_labels_in_their_order_are_left_alone() -> None:
    assert labels_moved(SCORES, TRUTH) is None


@pytest.mark.parametrize("order", [[1, 2, 3, 0], [0, 1, 3, 2]])
def test_another_order_is_found(order: list[int]) -> None:
    found = labels_moved(SCORES, TRUTH[:, order])
    assert found is not None
    assert found.moved == tuple((label, output) for label, output in enumerate(order) if label != output)
    assert found.moved_percent > 90
    assert found.own_percent < found.moved_percent
    assert "labels in another order than in training" in found.text


def test_a_label_without_images_is_left_out() -> None:
    truth = TRUTH.copy()
    truth[:, 1] = False
    assert labels_moved(SCORES, truth) is None
    assert labels_moved(SCORES[:, :1], truth[:, :1]) is None
