"""The measured cost of errors, against what it must be where the network is linear."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.directions import TEMPERATURE
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from random_networks import Builder
from small_networks import float_outputs, observed, random_images

# Draws of random signs: the mean of squares of normal numbers has a standard error of sqrt(2 / 1500), 4 %.
COUNT = 1500
FOUR_ERRORS = 0.16


def linear_network(size: float) -> Network:
    """One pixel, three channels of uneven size and both signs, mapped to five logits of some size."""
    rng = np.random.default_rng(3)
    first = np.diag([1.0, 3.0, 10.0]) + rng.normal(0, 0.1, (3, 3))
    second = rng.normal(0, size, (5, 3))
    return Network(
        values={i: Value(name=str(i), shape=(1, 1, 1, c)) for i, c in enumerate((3, 3, 5))},
        nodes=(
            Node(kind="conv", inputs=(0,), output=1, weights=first[:, None, None], bias=np.zeros(3)),
            Node(kind="conv", inputs=(1,), output=2, weights=second[:, None, None], bias=np.zeros(5)),
        ),
        input=0,
        outputs=(2,),
        input_scale=2 / 255,
        input_offset=-1.0,
    )


IMAGES = random_images(COUNT, side=1)
# Logits of almost the same size: all classes count alike.
EVEN = 1e-3
# Logits of some ±3: an error counts by the chance of its class.
UNEVEN = 0.3
NUMBERS = float_outputs(linear_network(EVEN).up_to(1), IMAGES).reshape(COUNT, 3)


@functools.cache
def measured(size: float) -> Sensitivity:
    network = linear_network(size)
    return measure(network, observed(network, IMAGES), IMAGES, seed=0)[1]


def gains(size: float) -> Array:
    """Cost of an error of 1 in each image's channels, (COUNT, 3)."""
    weights = linear_network(size).nodes[1].weights_and_bias()[0].reshape(5, 3)
    chances = np.exp(NUMBERS @ weights.T / TEMPERATURE)
    chances /= chances.sum(axis=1, keepdims=True)
    # The variance over the classes, as what all logits have in common counts for nothing, times their number.
    return np.asarray(5 * (chances @ weights**2 - (chances @ weights) ** 2))


def test_rounding_costs_the_squares_of_the_weights() -> None:
    weights = linear_network(EVEN).nodes[1].weights_and_bias()[0].reshape(5, 3)
    wanted = np.square(weights - weights.mean(axis=0)).sum(axis=0)
    # Besides sampling: rounding errors are spread evenly, with a variance of step² / 12, to 5 %.
    np.testing.assert_allclose(measured(EVEN).rounding, wanted, rtol=FOUR_ERRORS + 0.05)


@pytest.mark.parametrize("size", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_rounding_costs_the_squared_error_of_the_logits(size: float) -> None:
    step = (NUMBERS.max(axis=0) - NUMBERS.min(axis=0)) / STEPS
    errors = np.rint(NUMBERS / step) * step - NUMBERS
    wanted = (gains(size) * np.square(errors)).mean(axis=0) * 12 / step**2
    np.testing.assert_allclose(measured(size).rounding, wanted, rtol=FOUR_ERRORS)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("size", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_clipping_costs_the_squared_error_of_the_logits(size: float, share: float) -> None:
    sensitivity = measured(size)
    assert sensitivity.low is not None
    for tail, numbers in ((sensitivity.high, NUMBERS), (sensitivity.low, -NUMBERS)):
        ends = numbers.max(axis=0) * share
        errors = np.minimum(numbers, ends) - numbers
        wanted = (gains(size) * np.square(errors)).mean(axis=0)
        # Only images beyond the end tell: over seeds the quotient is 1 with a standard deviation of up to
        # 0.14. Three of them.
        np.testing.assert_allclose(tail.at(ends[:, None])[:, 0], wanted, rtol=0.42)


def test_same_seed_gives_same_costs() -> None:
    few, network = IMAGES[:8], linear_network(EVEN)
    statistics = observed(network, few)
    one, again, other = (measure(network, statistics, few, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rounding, again.rounding)
    np.testing.assert_array_equal(one.high.costs, again.high.costs)
    assert not np.array_equal(one.rounding, other.rounding)


def test_numbers_below_a_hard_sigmoids_end_cost_nothing() -> None:
    builder = Builder(0)
    x = builder.conv(0, 4)
    hard_sigmoid = builder.add(Node(kind="hard_sigmoid", inputs=(x,), output=2, clamp="relu6"), (1, 6, 6, 4))
    x = builder.plain("mul", (x, hard_sigmoid), (1, 6, 6, 4))
    network = Network(
        values=builder.values,
        nodes=tuple(builder.nodes),
        input=0,
        outputs=(x,),
        input_scale=0.05,
        input_offset=-6.0,
    )
    images = random_images(8, side=6)
    sensitivity = measure(network, observed(network, images), images, seed=0)[1]
    assert sensitivity.low is not None
    # The numbers go down to -6 and below, but the range needs to hold no more than -3.
    assert observed(network, images)[1].low.min() < -6
    np.testing.assert_allclose(sensitivity.low.last(), 3.0)
    assert (sensitivity.low.at(np.full((4, 1), 1.5)) > 0).all()


def tail() -> Tail:
    return Tail(
        unit=np.array([1.0, 2.0]),
        ends=np.array([0.0, 1.0, 4.0]),
        costs=np.array([[8.0, 2.0, 0.0], [4.0, 1.0, 0.0]]),
    )


def test_tail_is_linear_between_its_ends_and_nothing_beyond() -> None:
    ends = np.array([[0.0, 0.5, 1.0, 2.5, 4.0, 9.0], [0.0, 1.0, 2.0, 5.0, 8.0, 9.0]])
    wanted = [[8.0, 5.0, 2.0, 1.0, 0.0, 0.0], [4.0, 2.5, 1.0, 0.5, 0.0, 0.0]]
    np.testing.assert_allclose(tail().at(ends), wanted)
    np.testing.assert_array_equal(tail().last(), [4.0, 8.0])


def test_divided_sensitivity_costs_the_same_for_divided_errors() -> None:
    factor = np.array([0.5, 10.0])
    one = Sensitivity(rounding=np.array([3.0, 5.0]), high=tail(), low=tail())
    other = one.divided(factor)
    step = np.array([0.1, 0.2])
    np.testing.assert_allclose(other.rounding * (step / factor) ** 2, one.rounding * step**2)
    ends = np.array([[0.7, 3.0], [1.1, 20.0]])
    assert other.low is not None
    for changed in (other.high, other.low):
        np.testing.assert_allclose(changed.at(ends / factor[:, None]), tail().at(ends))
        np.testing.assert_allclose(changed.last(), tail().last() / factor)
    assert Sensitivity(rounding=one.rounding, high=tail(), low=None).divided(factor).low is None


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_measures_the_same(workers: int) -> None:
    few, network = IMAGES[:31], linear_network(UNEVEN)
    statistics = observed(network, few)
    one, other = (measure(network, statistics, few, seed=0, workers=count)[1] for count in (1, workers))
    for name in ("rounding", "high", "low"):
        assert pickle.dumps(getattr(one, name)) == pickle.dumps(getattr(other, name)), name
