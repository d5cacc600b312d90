"""Ranges, noise estimates, int8 files and bias correction on a network small enough to reckon by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3.runtime import open_bytes
from edge_mnv3_quantization.activations import Histogram, Images, observe
from edge_mnv3_quantization.bias_correction import correct_biases, run_int8
from edge_mnv3_quantization.equalization import group_factors
from edge_mnv3_quantization.network import Array, Network, Node, Value
from edge_mnv3_quantization.network_writer import Quantization, QuantizedWeights, write_float
from edge_mnv3_quantization.noise import output_gains
from edge_mnv3_quantization.ranges import choose_ranges
from edge_mnv3_quantization.scaling import rescale, value_factors
from edge_mnv3_quantization.weight_quantization import quantize_weights

IMAGES: Images = np.random.default_rng(5).integers(0, 256, (12, 5, 5, 3), dtype=np.uint8)


def uneven_network() -> Network:
    """Two convolutions; the channels between them differ by a factor of a thousand."""
    rng = np.random.default_rng(0)
    sizes = np.array([100.0, 1.0, 1.0, 0.1])
    first = rng.uniform(0.2, 1.0, (4, 1, 1, 3)) * sizes[:, None, None, None]
    second = rng.uniform(0.2, 1.0, (2, 1, 1, 4)) / sizes
    return Network(
        values={i: Value(name=str(i), shape=(1, 5, 5, c)) for i, c in enumerate((3, 4, 2))},
        nodes=(
            Node(kind="conv", inputs=(0,), output=1, weights=first, bias=np.zeros(4), clamp="relu"),
            Node(kind="conv", inputs=(1,), output=2, weights=second, bias=np.zeros(2)),
        ),
        input=0,
        output=2,
        input_scale=1 / 255,
        input_offset=0.0,
    )


def quantized(
    network: Network, factors: dict[int, Array]
) -> tuple[Network, dict[int, Quantization], dict[int, QuantizedWeights], dict[int, Histogram]]:
    histograms = observe(network, IMAGES)
    divided = {
        value: histograms[value].divided(factor)
        for value, factor in value_factors(network, factors).items()
        if value in histograms
    }
    network = rescale(network, factors)
    ranges = choose_ranges(network, divided)
    weights = {n.output: quantize_weights(n, ranges[n.inputs[0]].scale) for n in network.nodes}
    return network, ranges, weights, divided


def real_outputs(
    network: Network, ranges: dict[int, Quantization], weights: dict[int, QuantizedWeights]
) -> Array:
    own = ranges[network.output]
    stored = np.stack(run_int8(network, ranges, weights, IMAGES)).astype(np.float64)
    return own.scale * (stored - own.zero_point)


def float_outputs(network: Network) -> Array:
    model = open_bytes(write_float(network, [network.output]))
    pixels = IMAGES.astype(np.float32) * np.float32(network.input_scale) + np.float32(network.input_offset)
    return np.stack([model.run_raw(image[np.newaxis])[0] for image in pixels]).astype(np.float64)


def test_equalization_brings_channels_to_one_range() -> None:
    network = uneven_network()
    factors = group_factors(network, observe(network, IMAGES))
    wanted = float_outputs(network)
    plain = real_outputs(*quantized(network, {})[:3])
    equal = real_outputs(*quantized(network, factors)[:3])
    # The channel of 0.1 has less than half a step beside that of 100, and a thousand times its weight.
    assert np.square(equal - wanted).mean() < np.square(plain - wanted).mean() / 50
    sizes = np.array([100.0, 1.0, 1.0, 0.1])
    spread = (sizes / factors[1]).max() / (sizes / factors[1]).min()
    assert spread < 10


def test_gains_are_the_sums_of_squares_of_the_weights() -> None:
    network = uneven_network()
    weights, _ = network.nodes[1].weights_and_bias()
    gains = output_gains(network, observe(network, IMAGES))
    np.testing.assert_allclose(gains[1], np.square(weights).sum(axis=(0, 1, 2)))
    np.testing.assert_allclose(gains[2], 1.0)


def test_range_leaves_out_a_lonely_outlier() -> None:
    # 9999 numbers spread evenly over 0..1 and one of 1000.
    bins = np.concatenate([np.linspace(0, 1, 511), [1000.0]])
    shares = np.concatenate([np.full(511, 0.9999999 / 511), [1e-7]])
    histogram = Histogram(
        centres=np.stack([bins] * 2),
        shares=np.stack([shares] * 2),
        mean=np.full(2, 0.5),
        square=np.full(2, 1 / 3),
        factor=np.ones(2),
        low=np.zeros(2),
        high=np.full(2, 1000.0),
    )
    network = uneven_network().up_to(1)
    narrow = dataclasses.replace(
        network,
        nodes=(dataclasses.replace(network.nodes[0], weights=np.ones((2, 1, 1, 3)), bias=np.zeros(2)),),
        values={0: Value(name="0", shape=(1, 5, 5, 3)), 1: Value(name="1", shape=(1, 5, 5, 2))},
    )
    found = choose_ranges(narrow, {1: histogram})[1]
    assert found.zero_point == -128
    # With the outlier inside, one step would be 3.9; clipping it costs 1e-7 * 1e6 = 0.1, like a step of 1.1.
    assert 0.05 < found.scale < 2.0


def test_scale_stays_within_what_xnnpack_accepts() -> None:
    network = uneven_network().up_to(1)
    dead = Histogram(
        centres=np.zeros((4, 512)),
        shares=np.full((4, 512), 1 / 512),
        mean=np.zeros(4),
        square=np.zeros(4),
        factor=np.ones(4),
        low=np.zeros(4),
        high=np.zeros(4),
    )
    ranges = choose_ranges(network, {1: dead})
    weights = quantize_weights(network.nodes[0], ranges[0].scale)
    assert weights.scales.max() * ranges[0].scale / ranges[1].scale < 256


def test_bias_correction_takes_back_the_mean_error() -> None:
    network, ranges, weights, histograms = quantized(uneven_network(), {})
    step = ranges[2].scale
    five_steps = np.rint(5 * step / (weights[2].scales * ranges[1].scale)).astype(np.int32)
    shifted = {
        value: dataclasses.replace(found, bias=found.bias - five_steps) if value == 2 else found
        for value, found in weights.items()
    }
    wanted = float_outputs(network).mean(axis=(0, 1, 2, 3))
    before = real_outputs(network, ranges, shifted).mean(axis=(0, 1, 2, 3)) - wanted
    nodes = []
    corrected = correct_biases(network, histograms, ranges, shifted, IMAGES, on_node=lambda: nodes.append(1))
    after = real_outputs(network, ranges, corrected).mean(axis=(0, 1, 2, 3)) - wanted
    assert len(nodes) == 2
    assert np.abs(before).min() > 4 * step
    # Numbers that the shift had pushed out of the range show less of it than they had.
    assert np.abs(after).max() < np.abs(before).min() / 10


def test_histogram_of_known_numbers() -> None:
    network = uneven_network().up_to(1)
    histogram = observe(network, IMAGES)[1]
    numbers = float_outputs(network).reshape(-1, 4)
    np.testing.assert_allclose(histogram.mean, numbers.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(histogram.square, np.square(numbers).mean(axis=0), rtol=1e-5)
    low, high = histogram.quantiles(0.1)
    assert ((numbers < low).mean(axis=0) < 0.11).all()
    assert ((numbers > high).mean(axis=0) < 0.11).all()
    middle = float(np.median(numbers[:, 1]))
    np.testing.assert_allclose(
        histogram.clipped_mean(0.0, middle)[1], np.minimum(numbers[:, 1], middle).mean(), rtol=1e-2
    )
    with pytest.raises(ValueError, match="has no weights"):
        Node(kind="mean", inputs=(0,), output=1).weights_and_bias()
