"""Statistics, ranges and equalization on networks small enough to reckon by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.ranges import HARD_SIGMOID, best_range, choose_ranges, margin
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.graph.network import Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, value_scales
from small_networks import (
    IMAGES,
    SIZES,
    float_outputs,
    free_sensitivity,
    int8_outputs,
    observed,
    rounded_weights,
    uneven_network,
)


def measured(network: Network) -> dict[int, Sensitivity]:
    return measure(network, observed(network, IMAGES), IMAGES, seed=0)


def quantized_outputs(network: Network, scales: dict[int, Array]) -> Array:
    sensitivities = measured(network)
    divided = value_scales(network, scales)
    network = rescale(network, scales)
    ranges = choose_ranges(network, {v: s.divided(divided[v]) for v, s in sensitivities.items()})
    return int8_outputs(network, ranges, rounded_weights(network, ranges))


def test_cheaper_clipping_narrows_the_range() -> None:
    sensitivity = free_sensitivity(SIZES, 1 / SIZES**2, 1 / SIZES**2)
    cheaper = sensitivity.with_clipping(0.1)
    np.testing.assert_allclose(cheaper.high.costs, 0.1 * sensitivity.high.costs)
    np.testing.assert_array_equal(cheaper.rounding, sensitivity.rounding)
    assert best_range(cheaper).high < best_range(sensitivity).high


def test_equalization_brings_channels_to_one_range() -> None:
    network = uneven_network()
    scales = group_scales(network, measured(network))
    wanted = float_outputs(network)
    plain, equal = quantized_outputs(network, {}), quantized_outputs(network, scales)
    # The channel of 0.1 has less than half a step beside that of 100, and a thousand times its weight.
    assert np.square(equal - wanted).mean() < np.square(plain - wanted).mean() / 50
    assert (SIZES / scales[1]).max() / (SIZES / scales[1]).min() < 10


def test_scales_follow_the_sizes_of_the_channels() -> None:
    network = uneven_network()
    # Rounding and clipping cost every channel the same, relative to its size.
    sensitivity = free_sensitivity(SIZES, 1 / SIZES**2, 1 / SIZES**2)
    scales = group_scales(network, {1: sensitivity})[1]
    assert scales.max() == 1.0
    # Candidates lie 5 % apart, and which of them is best moves with the range's own candidates, 4 % apart.
    np.testing.assert_allclose(scales, SIZES / SIZES.max(), rtol=0.1)
    # 0.1 beside 100 has a thousandth of the range: its rounding costs a million times as much.
    assert best_range(sensitivity.divided(scales)).cost < best_range(sensitivity).cost / 1000


def test_channel_that_costs_nothing_keeps_its_size() -> None:
    network = uneven_network()
    costs = np.array([1.0, 0.0, 0.0, 1.0]) / SIZES**2
    scales = group_scales(network, {1: free_sensitivity(SIZES, costs, costs)})[1]
    # Without a preference it must neither shrink, which would clip it, nor outgrow the others.
    np.testing.assert_allclose(scales[1] / scales[0], SIZES[1] / SIZES[0], rtol=0.5)


def outlier(cost: float) -> Sensitivity:
    """One channel of numbers up to 1, and one number of 10, whose clipping costs `cost` times its square."""
    ends = np.linspace(0, 10, 1001)
    inside = 1e3 * np.square(np.maximum(1 - ends, 0))
    beyond = cost * np.square(np.minimum(10 - ends, 9))
    costs = (inside + beyond)[np.newaxis]
    return Sensitivity(
        rounding=np.ones(1), high=Tail(unit=np.ones(1), ends=ends, costs=costs - costs[:, -1:]), low=None
    )


def test_outlier_is_left_out_when_its_clipping_costs_nothing() -> None:
    low, high, cost = best_range(outlier(0.0))
    assert low == 0.0
    # Candidates lie 4 % apart; clipping below 1 costs at once, steps above it cost little by little.
    assert high == pytest.approx(1.0, rel=0.05)
    assert cost < (10 / STEPS) ** 2 / 12


def test_outlier_is_kept_when_its_clipping_is_dear() -> None:
    # The whole range's rounding costs 1e-4; clipping by a twentieth costs 0.25.
    low, high, cost = best_range(outlier(1.0))
    assert (low, high) == (0.0, 10.0)
    assert cost == pytest.approx((10 / STEPS) ** 2 / 12)


def test_low_side_is_chosen_by_itself() -> None:
    both = Sensitivity(
        rounding=np.ones(1),
        high=outlier(1.0).high,
        low=outlier(0.0).high,
    )
    low, high, _ = best_range(both)
    assert high == 10.0
    assert low == pytest.approx(-1.0, rel=0.05)


def test_scale_stays_within_what_xnnpack_accepts() -> None:
    network = uneven_network().up_to(1)
    dead = free_sensitivity(np.full(4, 1e-12), np.zeros(4))
    ranges = choose_ranges(network, {1: dead})
    weights = rounded_weights(network, ranges)[1]
    assert weights.scales.max() * ranges[0].scale / ranges[1].scale < 256


def test_fused_hard_swish_of_tiny_numbers_loads() -> None:
    network = uneven_network()
    last = Node(kind="hard_swish", inputs=(2,), output=3)
    network = dataclasses.replace(
        network, nodes=(*network.nodes, last), values={**network.values, 3: network.values[2]}, outputs=(3,)
    )
    numbers = {1: SIZES, 2: np.ones(2), 3: np.full(2, 1e-4)}
    ranges = choose_ranges(
        network, {v: free_sensitivity(sizes, np.ones(len(sizes))) for v, sizes in numbers.items()}
    )
    # TFLite's kernel refuses input scale / output scale from 128 on: the next line raises.
    int8_outputs(network, ranges, rounded_weights(network, ranges))
    assert ranges[2].scale / ranges[3].scale < 128


@pytest.mark.parametrize("size", [0.9, 0.31, 0.1, 0.017])
def test_nothing_is_rounded_off_the_zero_point_of_a_mean(size: float) -> None:
    network = uneven_network().up_to(1)
    given = network.values[1]
    mean = dataclasses.replace(given, shape=(1, 1, 1, given.channels))
    network = dataclasses.replace(
        network,
        nodes=(*network.nodes, Node(kind="mean", inputs=(1,), output=2)),
        values={**network.values, 2: mean},
        outputs=(2,),
    )
    known = {
        value: free_sensitivity(np.full(4, high), np.ones(4) / high**2, np.ones(4) / high**2)
        for value, high in ((1, 1.0), (2, size))
    }
    ranges = choose_ranges(network, known)
    plain = choose_ranges(dataclasses.replace(network, nodes=network.nodes[:1]), known)
    assert ranges[1] == plain[1]
    steps = -ranges[1].zero_point * ranges[1].scale / ranges[2].scale
    assert steps > 100
    assert steps % 1 == pytest.approx(0.01, abs=1e-3)
    low, high, _ = best_range(known[2])
    assert 1.0 <= ranges[2].scale / ((high - low) / STEPS) < 1.01


def test_gates_have_the_range_of_their_clamp() -> None:
    first, last = uneven_network().nodes
    values = dict(uneven_network().values)
    values[3] = values[1]
    network = Network(
        values=values,
        nodes=(
            dataclasses.replace(first, clamp="none"),
            Node(kind="hard_swish", inputs=(1,), output=3),
            dataclasses.replace(last, inputs=(3,)),
        ),
        input=0,
        outputs=(2,),
        input_scale=1 / 255,
    )
    lowered = rescale(lower_hard_swish(network, per_channel=frozenset()), {})
    (hard_sigmoid,) = (node for node in lowered.nodes if node.kind == "hard_sigmoid")
    ranges = choose_ranges(lowered, measured(lowered))
    assert ranges[hard_sigmoid.output] == HARD_SIGMOID
    assert HARD_SIGMOID.scale * (127 - HARD_SIGMOID.zero_point) == pytest.approx(6.0)


def test_few_images_get_wider_ranges() -> None:
    assert [margin(n) for n in (1, 4, 10, 100, 500)] == pytest.approx([1.5, 1.48, 1.18, 1.0, 1.0])
    network = uneven_network()
    plain, wide = (choose_ranges(network, measured(network), widened=by) for by in (1.0, 1.5))
    assert wide[0] == plain[0]  # pixels have all their values whatever the images
    for value in (1, 2):
        # Scales are stored as float32.
        assert wide[value].scale == pytest.approx(1.5 * plain[value].scale, rel=1e-6)


def test_statistics_of_known_numbers() -> None:
    network = uneven_network().up_to(1)
    statistics = observed(network, IMAGES)[1]
    numbers = float_outputs(network).reshape(-1, 4)
    np.testing.assert_allclose(statistics.mean, numbers.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.mean_square, np.square(numbers).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.low, numbers.min(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.high, numbers.max(axis=0), rtol=1e-5)
    assert statistics.spread() == (statistics.high - statistics.low).max()
    with pytest.raises(ValueError, match="has no weights"):
        Node(kind="mean", inputs=(0,), output=1).weights_and_bias()
