"""Values taken from few runs of parts, against runs of the whole network up to each of them, bit by bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.float_results import drawn_positions, float_results
from edge_mnv3_quantization.algorithms.int8_activations import Int8Activations, run_int8, stored_pixels
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.ranges import choose_ranges
from edge_mnv3_quantization.calibration.activations import float_input
from edge_mnv3_quantization.graph.heads import logits_value
from edge_mnv3_quantization.graph.network import WEIGHTED, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_float, write_int8
from random_networks import SIDE, original, random_network
from small_networks import observed, random_images, rounded_weights

IMAGES = random_images(19, side=SIDE)


def lowered(seed: int) -> Network:
    """A network with hard-swishes, squeeze-excite and a sum, its pixels scaled to -1..1."""
    plain = random_network(seed, hard=True, excite=True, shortcut=True)
    network = original(lower_hard_swish(plain))
    return dataclasses.replace(network, input_scale=2 / 255, input_offset=-1.0)


def ranges(network: Network) -> dict[int, Quantization]:
    logits = logits_value(network)
    sensitivities = measure(network.up_to(logits), observed(network, IMAGES), IMAGES, seed=0)
    return {**choose_ranges(network, sensitivities), network.input: Quantization(scale=2 / 255, zero_point=0)}


def weighted(network: Network) -> list[Node]:
    return [node for node in network.nodes if node.kind in WEIGHTED]


def with_a_vector(network: Network) -> Network:
    """The network with a mean, a 1×1 map, reshaped to a vector: converters do so to 1×1 maps in sums."""
    mean = next(node for node in network.nodes if node.kind == "mean")
    vector, after = max(network.values) + 1, max(network.values) + 2
    shape = network.values[mean.output].shape
    values = {
        **network.values,
        vector: Value(name="vector", shape=shape[-1:]),
        after: Value(name="after", shape=shape),
    }
    nodes: list[Node] = []
    for node in network.nodes:
        taken = tuple(after if value == mean.output else value for value in node.inputs)
        nodes.append(dataclasses.replace(node, inputs=taken))
        if node is mean:
            nodes.append(Node(kind="reshape", inputs=(mean.output,), output=vector))
            nodes.append(Node(kind="add", inputs=(mean.output, vector), output=after))
    return network.with_nodes(nodes, values)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("network", [lowered(2), with_a_vector(lowered(2))], ids=["maps", "vector"])
def test_int8_values_of_parts_are_those_of_the_whole(network: Network, workers: int) -> None:
    quantizations = ranges(network)
    weights = rounded_weights(network, quantizations)
    activations = Int8Activations(network, quantizations, IMAGES, workers)
    part_weights: dict[int, QuantizedWeights] = {}
    compared = 0
    for node in weighted(network):
        value = node.inputs[0]
        got = activations.stored(value, part_weights)
        part_weights[node.output] = weights[node.output]  # known only from here on
        if value == network.input:
            np.testing.assert_array_equal(got, stored_pixels(IMAGES))
            continue
        whole = open_bytes(write_int8(network.up_to(value), quantizations, weights, io="int8"))
        for image, numbers in zip(IMAGES, got, strict=True):
            (wanted,) = whole.run_raw(stored_pixels(image[np.newaxis]))
            np.testing.assert_array_equal(numbers, wanted[0])
        compared += 1
    assert compared == len(weighted(network)) - 1


@pytest.mark.parametrize("count", [1, 7, 8, 9, 17])
def test_any_number_of_images_gives_each_its_output(count: int) -> None:
    network = lowered(3).up_to(logits_value(lowered(3)))
    quantizations = ranges(network)
    weights = rounded_weights(network, quantizations)
    every = run_int8(network, quantizations, weights, IMAGES)
    assert len(np.unique(every.reshape(len(every), -1), axis=0)) > 15  # images differ
    np.testing.assert_array_equal(run_int8(network, quantizations, weights, IMAGES[:count]), every[:count])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_float_results_are_those_before_the_clamp_at_the_drawn_positions(workers: int) -> None:
    network = lowered(4)
    positions = drawn_positions(network, weighted(network), len(IMAGES), seed=0)
    results = float_results(network, positions, IMAGES, workers=workers).numbers
    assert list(results) == [node.output for node in weighted(network)]
    assert any(node.clamp != "none" for node in weighted(network))
    for node in weighted(network):
        part = network.up_to(node.output)
        last = dataclasses.replace(part.nodes[-1], clamp="none")
        whole = open_bytes(write_float(part.with_nodes((*part.nodes[:-1], last)), [node.output]))
        for number, image in enumerate(IMAGES):
            (wanted,) = whole.run_raw(float_input(network, image))
            wanted = wanted.reshape(-1, wanted.shape[-1])[positions[node.output][number]]
            np.testing.assert_array_equal(results[node.output][number], wanted)


def test_positions_are_drawn_node_by_node_and_image_by_image() -> None:
    network = lowered(5)
    large = [node for node in weighted(network) if network.values[node.output].positions == SIDE * SIDE]
    nodes = [node for node in large if node.kind == "depthwise"]
    assert len(nodes) > 1
    rng = np.random.default_rng(7)
    for positions in drawn_positions(network, nodes, 3, seed=7).values():
        for image in positions:
            np.testing.assert_array_equal(image, np.sort(rng.choice(SIDE * SIDE, 16, replace=False)))
    few = drawn_positions(network, [node for node in weighted(network) if node.kind == "conv"], 2, seed=7)
    for value, positions in few.items():  # 36 positions are not more than the 48 that are used
        np.testing.assert_array_equal(positions, [np.arange(network.values[value].positions)] * 2)


def test_of_more_images_fewer_positions_are_drawn() -> None:
    network = lowered(5)
    nodes = [node for node in weighted(network) if network.values[node.output].positions == SIDE * SIDE]
    for images, depthwise, others in ((200, 16, 36), (500, 7, 20), (1000, 4, 10)):
        drawn = drawn_positions(network, nodes, images, seed=0)
        for node in nodes:
            most = depthwise if node.kind == "depthwise" else others
            assert drawn[node.output].shape == (images, most)
