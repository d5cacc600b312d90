"""How much errors count in front of an activation: what it does to a small one."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from edge_mnv3_quantization.algorithms.importance import (
    Activation,
    activations,
    has_enough_samples,
    importance,
)
from edge_mnv3_quantization.graph.network import Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish

NUMBERS = np.linspace(-8.0, 8.0, 801, dtype=np.float32).reshape(1, -1, 1)
NODE = Node(kind="conv", inputs=(0,), output=1, weights=np.ones((2, 1, 1, 3)), bias=np.zeros(2))


def hard_swish(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(numbers * np.clip(numbers + 3, 0, 6) / 6)


def test_an_error_in_front_of_a_hard_swish_counts_by_its_slope() -> None:
    weights = importance("hard_swish", NUMBERS)
    numbers = NUMBERS.astype(np.float64)
    slopes = (hard_swish(numbers + 1e-6) - hard_swish(numbers - 1e-6)) / 2e-6
    smooth = np.abs(np.abs(numbers) - 3) > 0.01
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[smooth], np.maximum(slopes**2, 0.02)[smooth], atol=1e-5)
    assert weights.max() == pytest.approx(2.25, abs=0.05)


@pytest.mark.parametrize(("clamp", "high"), [("relu", 9.0), ("relu6", 6.0)])
def test_clamped_numbers_count_least(clamp: Activation, high: float) -> None:
    weights = importance(clamp, NUMBERS)
    inside = (NUMBERS > 1e-3) & (high - 1e-3 > NUMBERS)
    outside = (NUMBERS < -1e-3) | (high + 1e-3 < NUMBERS)
    np.testing.assert_array_equal(weights[inside], 1.0)
    np.testing.assert_array_equal(weights[outside], np.float32(0.02))


def network(*nodes: Node) -> Network:
    values = {value: Value(name=str(value), shape=(1, 4, 4, 2 if value else 3)) for value in range(4)}
    return Network(
        values=values,
        nodes=nodes,
        input=0,
        outputs=(nodes[-1].output,),
        input_scale=1 / 255,
        input_offset=0.0,
    )


def test_what_takes_a_value_is_found() -> None:
    fused = Node(kind="hard_swish", inputs=(1,), output=2)
    with_hard_swish = network(NODE, fused)
    lowered = lower_hard_swish(with_hard_swish)
    assert activations(with_hard_swish) == {1: "hard_swish"}
    assert activations(lowered)[1] == "hard_swish"
    assert activations(network(dataclasses.replace(NODE, clamp="relu"))) == {1: "relu"}
    assert activations(network(NODE)) == {}
    around = Node(kind="add", inputs=(1, 2), output=3)
    assert activations(network(NODE, fused, around)) == {}


def test_each_weight_of_a_row_needs_samples() -> None:
    assert not has_enough_samples(NODE, 3 * 40 - 1)
    assert has_enough_samples(NODE, 3 * 40)
    windows = dataclasses.replace(NODE, kind="depthwise", weights=np.ones((1, 3, 3, 2)))
    assert not has_enough_samples(windows, 9 * 40 - 1)
    assert has_enough_samples(windows, 9 * 40)
