"""Gradients of functions without weights, against differences of their results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.gradients import gradients
from edge_mnv3_quantization.graph.network import Array, Kind, Network, Node, Value

STEP, TOLERANCE = 1e-4, 1e-4  # the differences are of float64, and off by the square of the step

FUNCTIONS: dict[Kind, Callable[[Array], Array]] = {
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "l2_normalization": lambda x: x / np.sqrt(np.square(x).sum(axis=-1, keepdims=True)),
}


@pytest.mark.parametrize("kind", list(FUNCTIONS))
def test_gradient_is_that_of_differences(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    x, given = (rng.normal(size=(2, 1, 1, 5)) for _ in range(2))
    function = FUNCTIONS[kind]
    values = {number: Value(name=str(number), shape=x.shape) for number in (0, 1)}
    network = Network(values=values, nodes=(Node(kind=kind, inputs=(0,), output=1),), input=0, outputs=(1,))
    numbers = {0: x.astype(np.float32), 1: function(x).astype(np.float32)}
    found = gradients(network, numbers, {1: given.astype(np.float32)})[0]
    for place in np.ndindex(x.shape):
        moved = np.zeros(x.shape)
        moved[place] = STEP
        wanted = ((function(x + moved) - function(x - moved)) * given).sum() / (2 * STEP)
        assert abs(float(found[place]) - wanted) <= TOLERANCE
