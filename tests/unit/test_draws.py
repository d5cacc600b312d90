"""Seeds of what recipes draw by chance."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.draws import random_generator


@pytest.mark.parametrize("seed", [0, 1, 2**70])
def test_seeds_from_0_on_are_those_of_numpy(seed: int) -> None:
    assert random_generator(seed).integers(1 << 60) == np.random.default_rng(seed).integers(1 << 60)


def test_negative_seeds_differ_from_one_another() -> None:
    draws = {int(random_generator(seed).integers(1 << 60)) for seed in range(-20, 20)}
    assert len(draws) == 40
