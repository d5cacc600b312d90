"""Refitted weights: they make up for errors that are systematic, and stay where there are none."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Container

import numpy as np
import pytest

from edge_mnv3.core.results.recipe import ONLY_GAIN
from edge_mnv3_quantization.algorithms import node_fits
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.float_results import (
    Floats,
    drawn_positions,
    float_results,
    shortcut_of,
)
from edge_mnv3_quantization.algorithms.importance import Activation, importance
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.node_fits import RefittedWeights
from edge_mnv3_quantization.algorithms.ranges import choose_ranges
from edge_mnv3_quantization.algorithms.reconstruction import Manner, QuantizedNetwork, reconstruct, refittable
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, value_scales
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from recording_reporter import RecordingReporter
from small_networks import (
    IMAGES,
    SIDE,
    float_outputs,
    int8_outputs,
    observed,
    random_images,
    rounded_weights,
    uneven_network,
)

MANY = random_images(60)
FRESH = random_images(40, seed=6)


def even_network() -> Network:
    """The channels between its convolutions are of one size."""
    return rescale(uneven_network(), {1: np.array([100.0, 1.0, 1.0, 0.1])})


@functools.cache
def unclipped() -> dict[int, Quantization]:
    network = even_network()
    return choose_ranges(network, measure(network, observed(network, IMAGES), IMAGES, seed=0))


def refitted(
    network: Network,
    quantizations: dict[int, Quantization],
    images: Images,
    seed: int = 0,
    kept: Container[int] = (),
    workers: int | None = None,
) -> dict[int, QuantizedWeights]:
    reporter = RecordingReporter()
    nodes = [node for node in refittable(network) if node.output not in kept]
    positions = drawn_positions(network, nodes, len(images), seed)
    weights = reconstruct(
        QuantizedNetwork(network=network, quantizations=quantizations, scales={}),
        images,
        float_results(network, positions, images, workers=workers),
        reporter=reporter,
        workers=workers,
    )
    count = len(network.nodes)
    assert len(weights) == count
    assert reporter.done_and_total == [(done, count) for done in range(1, count + 1)]
    return weights


def error(
    network: Network, quantizations: dict[int, Quantization], weights: dict[int, QuantizedWeights]
) -> float:
    difference = int8_outputs(network, quantizations, weights, FRESH) - float_outputs(network, FRESH)
    return float(np.square(difference).mean())


def clipped() -> tuple[Network, dict[int, Quantization]]:
    """The values between the convolutions are clipped at 60 % of the largest."""
    network = even_network()
    quantizations = unclipped()
    narrow = dataclasses.replace(quantizations[1], scale=quantizations[1].scale * 0.6)
    return network, quantizations | {1: narrow}


def test_nodes_that_are_not_refitted_keep_their_weights() -> None:
    network, quantizations = clipped()
    last = network.nodes[-1].output
    plain = rounded_weights(network, quantizations)
    kept_last, every = (refitted(network, quantizations, MANY, kept=kept) for kept in ((last,), ()))
    np.testing.assert_array_equal(kept_last[last].weights, plain[last].weights)
    np.testing.assert_array_equal(kept_last[last].bias, plain[last].bias)
    assert (every[last].weights != plain[last].weights).any()


def test_weights_make_up_for_clipped_inputs() -> None:
    network, quantizations = clipped()
    plain = error(network, quantizations, rounded_weights(network, quantizations))
    fitted = refitted(network, quantizations, MANY)
    # The bias alone takes back the mean of what is clipped.
    biases = {
        value: dataclasses.replace(quantized, bias=fitted[value].bias)
        for value, quantized in rounded_weights(network, quantizations).items()
    }
    assert error(network, quantizations, fitted) < 0.5 * plain
    assert error(network, quantizations, fitted) < error(network, quantizations, biases)


def test_bias_takes_back_the_mean_error() -> None:
    network, quantizations = clipped()
    wanted = float_outputs(network, MANY).mean(axis=(0, 1, 2, 3))
    one = rounded_weights(network, quantizations)
    before = int8_outputs(network, quantizations, one, MANY).mean(axis=(0, 1, 2, 3)) - wanted
    fitted = refitted(network, quantizations, MANY)
    after = int8_outputs(network, quantizations, fitted, MANY).mean(axis=(0, 1, 2, 3)) - wanted
    assert np.abs(after).max() < np.abs(before).max() / 10


def test_weights_on_the_grid_stay_when_the_input_is_exact() -> None:
    network = uneven_network().up_to(1)
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (4, 1, 1, 3)).astype(np.float64)
    weights[:, 0, 0, 0] = 127.0
    node = dataclasses.replace(network.nodes[0], weights=weights / 127, bias=np.zeros(4))
    network = network.with_nodes([node])
    quantizations = {
        0: Quantization(scale=1 / 255, zero_point=-128),
        1: Quantization(scale=0.02, zero_point=0),
    }
    quantized = refitted(network, quantizations, MANY)[1]
    np.testing.assert_array_equal(quantized.weights, weights)
    np.testing.assert_array_equal(quantized.bias, 0)


def test_one_image_sets_only_biases() -> None:
    network, quantizations = clipped()
    fitted = refitted(network, quantizations, MANY[:1])
    plain = rounded_weights(network, quantizations)
    for value, quantized in fitted.items():
        np.testing.assert_array_equal(quantized.weights, plain[value].weights)
        np.testing.assert_array_equal(quantized.scales, plain[value].scales)
    assert not np.array_equal(fitted[2].bias, plain[2].bias)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_two_runs_give_equal_bytes_with_any_number_of_workers(workers: int) -> None:
    network, quantizations = clipped()
    one = refitted(network, quantizations, MANY, 3)
    other = refitted(network, quantizations, MANY, 3, workers=workers)
    for value in (1, 2):
        for field in ("weights", "scales", "bias"):
            assert getattr(one[value], field).tobytes() == getattr(other[value], field).tobytes()


def test_results_before_equalization_fit_the_divided_values() -> None:
    network, quantizations = clipped()
    scale = np.array([2.0, 1.0, 0.5, 4.0])
    divided = rescale(network, {1: scale})
    positions = drawn_positions(network, refittable(network), len(MANY), 0)
    of_both = [
        reconstruct(
            QuantizedNetwork(network=divided, quantizations=quantizations, scales=scales),
            MANY,
            float_results(reference, positions, MANY),
        )
        for reference, scales in ((network, {1: scale}), (divided, {}))
    ]
    for value in (1, 2):
        for field in ("weights", "bias"):
            one, other = (getattr(weights[value], field).astype(float) for weights in of_both)
            assert np.abs(one - other).max() <= 1  # the float networks differ in their last bits


def test_what_an_activation_does_not_pass_on_is_not_fitted() -> None:
    """Most of what the last convolution gives is below 0, where a fit must not spend its weights."""
    network, quantizations = clipped()
    last = network.nodes[-1]
    lowered = float_outputs(network, MANY).reshape(-1, 2)
    last = dataclasses.replace(last, clamp="relu", bias=-np.quantile(lowered, 0.95, axis=0))
    network = network.with_nodes([*network.nodes[:-1], last])
    quantized = QuantizedNetwork(network=network, quantizations=quantizations, scales={})
    results = float_results(network, drawn_positions(network, refittable(network), len(MANY), 0), MANY)
    by_slope, alike = (
        error(network, quantizations, reconstruct(quantized, MANY, results, manner=Manner(by_slope=flag)))
        for flag in (True, False)
    )
    assert by_slope < 0.9 * alike


def divided_hard_swish() -> tuple[Network, dict[int, Array]]:
    """A convolution, a hard-swish per channel and a depthwise convolution, with equalization scales."""
    rng = np.random.default_rng(4)
    values = {value: Value(name=str(value), shape=(1, SIDE, SIDE, 40 if value else 3)) for value in range(4)}
    network = lower_hard_swish(
        Network(
            values=values,
            nodes=(
                Node(
                    kind="conv",
                    inputs=(0,),
                    output=1,
                    weights=rng.normal(0.0, 6.0, (40, 1, 1, 3)),
                    bias=rng.normal(0.0, 3.0, 40),
                ),
                Node(kind="hard_swish", inputs=(1,), output=2),
                Node(
                    kind="depthwise",
                    inputs=(2,),
                    output=3,
                    weights=rng.normal(size=(1, 3, 3, 40)),
                    bias=np.zeros(40),
                    clamp="relu",
                ),
            ),
            input=0,
            outputs=(3,),
            input_scale=1 / 255,
            input_offset=0.0,
        )
    )
    network = rescale(network, {})  # the next weights take the factor of the product
    sensitivities = measure(network, observed(network, IMAGES), IMAGES, seed=0)
    scales = {group: rng.uniform(0.2, 5.0, 40) for group in group_scales(network, sensitivities)}
    return network, scales


def test_errors_count_at_what_an_activation_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    network, scales = divided_hard_swish()
    divided = value_scales(network, scales)
    rescaled = rescale(network, scales)
    quantizations = choose_ranges(rescaled, measure(rescaled, observed(rescaled, IMAGES), IMAGES, seed=0))
    results = float_results(network, drawn_positions(network, refittable(network), len(MANY), 0), MANY)
    taken: dict[str, Floats] = {}

    def noted(activation: Activation, numbers: Floats) -> Floats:
        taken[activation] = numbers
        return importance(activation, numbers)

    monkeypatch.setattr(node_fits, "importance", noted)
    quantized = QuantizedNetwork(network=rescaled, quantizations=quantizations, scales=divided)
    weights, alike = (
        reconstruct(quantized, MANY, results, manner=Manner(by_slope=flag), workers=1)
        for flag in (True, False)
    )
    first, last = 1, network.nodes[-1].output
    for activation, value in (("hard_swish", first), ("relu", last)):
        wanted = results.numbers[value]
        assert np.sqrt(np.square(taken[activation] - wanted).mean()) < 0.1 * wanted.std()
    assert not np.array_equal(weights[last].weights, alike[last].weights)
    again = reconstruct(quantized, MANY, results, workers=3)
    for value in (first, last):
        for field in ("weights", "scales", "bias"):
            assert getattr(again[value], field).tobytes() == getattr(weights[value], field).tobytes()


def test_two_images_fit_no_gain() -> None:
    network, quantizations = clipped()
    for weights in refitted(network, quantizations, MANY[:2]).values():
        assert isinstance(weights, RefittedWeights)
        assert not (weights.ridges == ONLY_GAIN).any()


def test_hessian_weighted_rounding_is_for_depthwise_convolutions_only() -> None:
    network, quantizations = clipped()
    positions = drawn_positions(network, refittable(network), len(MANY), 0)
    results = float_results(network, positions, MANY)
    quantized = QuantizedNetwork(network=network, quantizations=quantizations, scales={})
    one, other = (
        reconstruct(quantized, MANY, results, manner=Manner(hessian_weighted=flag)) for flag in (True, False)
    )
    assert not any(node.kind == "depthwise" for node in network.nodes)
    for value in (1, 2):
        np.testing.assert_array_equal(one[value].weights, other[value].weights)


def test_a_block_makes_up_for_the_errors_of_what_is_added_to_it() -> None:
    """The value around the block is clipped: its consumer can be told of that by the block alone."""
    rng = np.random.default_rng(3)
    shapes = {0: 3, 1: 8, 2: 8, 3: 8, 4: 8}
    first, middle, last = (rng.normal(size=(8, 1, 1, channels)) for channels in (3, 8, 8))
    network = Network(
        values={value: Value(name=str(value), shape=(1, SIDE, SIDE, c)) for value, c in shapes.items()},
        nodes=(
            Node(kind="conv", inputs=(0,), output=1, weights=first, bias=np.zeros(8)),
            Node(kind="conv", inputs=(1,), output=2, weights=middle, bias=np.ones(8), clamp="relu"),
            Node(kind="conv", inputs=(2,), output=3, weights=last, bias=np.zeros(8)),
            Node(kind="add", inputs=(3, 1), output=4),
        ),
        input=0,
        outputs=(4,),
        input_scale=1 / 255,
        input_offset=0.0,
    )
    assert [shortcut_of(network, node) for node in network.nodes] == [None, None, 1, None]
    quantizations = choose_ranges(network, measure(network, observed(network, IMAGES), IMAGES, seed=0))
    quantizations[1] = dataclasses.replace(quantizations[1], scale=quantizations[1].scale / 2)
    results = float_results(network, drawn_positions(network, refittable(network), len(MANY), 0), MANY)
    alone = dataclasses.replace(results, shortcuts={})
    quantized = QuantizedNetwork(network=network, quantizations=quantizations, scales={})
    with_sums, without = (
        error(network, quantizations, reconstruct(quantized, MANY, each)) for each in (results, alone)
    )
    assert with_sums < 0.9 * without
