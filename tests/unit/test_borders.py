"""Constants around a map in the place of zeros: the same in float, in int8, and for several images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.channel_copies import copy_channels
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.exploring.file_cost import modelled_cycles
from edge_mnv3_quantization.graph.batches import batched
from edge_mnv3_quantization.graph.borders import padding, reaches_beyond, stored_border
from edge_mnv3_quantization.graph.map_views import view_of
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.types import Quantization
from edge_mnv3_quantization.graph.writer import write_float, write_int8

SIDE, CHANNELS = 7, 3
BORDER = np.array([0.5, -1.25, 2.0])


def network(stride: tuple[int, int], taps: int, border: Array | None, kind: str = "depthwise") -> Network:
    rng = np.random.default_rng(taps)
    rows, columns = (-(-SIDE // each) for each in stride)
    shape = (1, taps, taps, CHANNELS) if kind == "depthwise" else (4, taps, taps, CHANNELS)
    outputs = CHANNELS if kind == "depthwise" else 4
    values = {
        0: Value(name="image", shape=(1, SIDE, SIDE, CHANNELS)),
        1: Value(name="map", shape=(1, SIDE, SIDE, CHANNELS)),
        2: Value(name="result", shape=(1, rows, columns, outputs)),
    }
    identity = Node(
        kind="conv",
        inputs=(0,),
        output=1,
        weights=np.eye(CHANNELS).reshape(CHANNELS, 1, 1, CHANNELS),
        bias=np.zeros(CHANNELS),
    )
    taker = Node(
        kind=kind,  # type: ignore[arg-type]
        inputs=(1,),
        output=2,
        weights=rng.normal(size=shape),
        bias=rng.normal(size=outputs),
        stride=stride,
        border=border,
    )
    return Network(values=values, nodes=(identity, taker), input=0, outputs=(2,))


def run(given: Network, images: Array) -> Array:
    content = write_float(batched(given, len(images)), [given.output])
    return np.asarray(open_bytes(content).run_raw(images.astype(np.float32))[0], np.float64)


def surrounded(given: Network, image: Array) -> Array:
    """The map with its border, as the definition says."""
    node = given.nodes[1]
    result = given.values[2].shape
    (top, left), (rows, columns) = padding(node, given.values[1].shape, result)
    whole = np.broadcast_to(BORDER, (1, rows, columns, CHANNELS)).copy()
    whole[:, top : top + SIDE, left : left + SIDE] = image
    weights, bias = node.weights_and_bias()
    sums = np.zeros(result)
    for row, column in np.ndindex(*result[1:3]):
        part = whole[0, row * node.stride[0] :, column * node.stride[1] :][
            : weights.shape[1], : weights.shape[2]
        ]
        if node.kind == "depthwise":
            sums[0, row, column] = (part * weights[0]).sum(axis=(0, 1)) + bias
        else:
            sums[0, row, column] = (part * weights).sum(axis=(1, 2, 3)) + bias
    return sums


@pytest.mark.parametrize("kind", ["depthwise", "conv"])
@pytest.mark.parametrize(("stride", "taps"), [((1, 1), 3), ((2, 2), 3), ((1, 1), 5), ((2, 1), 5)])
def test_a_convolution_takes_the_constants_around_its_map(
    stride: tuple[int, int], taps: int, kind: str
) -> None:
    given = network(stride, taps, BORDER, kind)
    image = np.random.default_rng(1).normal(size=(1, SIDE, SIDE, CHANNELS))
    np.testing.assert_allclose(run(given, image), surrounded(given, image), atol=1e-4)


def test_a_border_of_zeros_is_no_border() -> None:
    image = np.random.default_rng(1).normal(size=(1, SIDE, SIDE, CHANNELS))
    zeros, none = (run(network((2, 2), 3, border), image) for border in (np.zeros(CHANNELS), None))
    np.testing.assert_allclose(zeros, none, atol=1e-5)


def test_several_images_have_the_same_border_each() -> None:
    images = np.random.default_rng(1).normal(size=(3, SIDE, SIDE, CHANNELS))
    given = network((2, 2), 3, BORDER)
    together = run(given, images)
    for image, result in zip(images, together, strict=True):
        np.testing.assert_allclose(run(given, image[np.newaxis])[0], result, atol=1e-5)


def test_equalization_scales_divide_the_border_like_the_map() -> None:
    given = network((2, 2), 3, BORDER)
    image = np.random.default_rng(1).normal(size=(1, SIDE, SIDE, CHANNELS))
    scaled = rescale(given, {1: np.array([0.5, 2.0, 4.0])})
    assert scaled.nodes[1].border is not None
    np.testing.assert_allclose(scaled.nodes[1].border, BORDER / [0.5, 2.0, 4.0])
    np.testing.assert_allclose(run(scaled, image), run(given, image), atol=1e-4)


def test_copies_of_a_channel_have_its_border() -> None:
    given = network((2, 2), 3, BORDER, "conv")
    copied = copy_channels(given, 1, np.array([1, 3, 1]))
    assert copied.nodes[1].border is not None
    np.testing.assert_array_equal(copied.nodes[1].border, BORDER[[0, 1, 1, 1, 2]])
    image = np.random.default_rng(1).normal(size=(1, SIDE, SIDE, CHANNELS))
    np.testing.assert_allclose(run(copied, image), run(given, image), atol=1e-4)


def test_the_border_is_stored_like_the_map_and_ends_where_it_does() -> None:
    node = network((1, 1), 3, np.array([0.5, -100.0, 100.0])).nodes[1]
    stored = stored_border(node, Quantization(scale=0.25, zero_point=-10))
    assert stored.tolist() == [-8, -128, 127]
    assert (
        stored_border(dataclasses.replace(node, border=None), Quantization(scale=0.25, zero_point=-10)) == -10
    )


def test_only_what_lies_within_reach_needs_a_border() -> None:
    shape = (1, SIDE, SIDE, CHANNELS)
    assert reaches_beyond(network((1, 1), 3, None).nodes[1], shape, shape)
    assert not reaches_beyond(network((1, 1), 1, None).nodes[1], shape, shape)
    valid = dataclasses.replace(network((1, 1), 3, None).nodes[1], same_padding=False)
    assert not reaches_beyond(valid, shape, (1, SIDE - 2, SIDE - 2, CHANNELS))


def test_a_map_with_a_border_has_no_view_of_whole_rows() -> None:
    plain, bordered = (network((1, 1), 1, border).nodes[1] for border in (None, BORDER))
    shape = (1, SIDE, SIDE, CHANNELS)
    assert view_of(plain, shape, shape) is not None
    assert view_of(bordered, shape, shape) is None


def test_a_border_costs_what_its_file_is_modelled_to_cost() -> None:
    plain, bordered = (network((2, 2), 3, border) for border in (None, BORDER))
    assert network_cycles(bordered) > network_cycles(plain)
    of_file = modelled_cycles(write_float(bordered, [bordered.output]), "file")
    # The file's two small convolutions of constants are beside it.
    assert of_file == pytest.approx(network_cycles(bordered), abs=2 * 400 + 300)


INT8 = {
    0: Quantization(scale=1 / 64, zero_point=-1),
    1: Quantization(scale=1 / 50, zero_point=-10),
    2: Quantization(scale=1 / 5, zero_point=3),
}


def int8_file(given: Network) -> bytes:
    weights = {
        node.output: quantize_weights(node, INT8[node.inputs[0]].scale)
        for node in given.nodes
        if node.weights is not None
    }
    return write_int8(given, INT8, weights, io="int8")


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
@pytest.mark.parametrize(("stride", "taps"), [((2, 2), 3), ((1, 1), 5)])
def test_an_int8_file_takes_the_border_of_the_float_network(
    stride: tuple[int, int], taps: int, kernels: Kernels
) -> None:
    given = network(stride, taps, np.array([0.5, -1.25, 2.0]))
    stored = np.random.default_rng(2).integers(-60, 60, (1, SIDE, SIDE, CHANNELS), dtype=np.int8)
    result = open_bytes(int8_file(given), kernels=kernels).run_raw(stored)[0]
    real = (stored.astype(np.float64) - INT8[0].zero_point) * INT8[0].scale
    got = (result.astype(np.float64) - INT8[2].zero_point) * INT8[2].scale
    assert np.abs(got - surrounded(given, real)).max() < 2 * INT8[2].scale


def test_an_app_may_give_a_file_with_a_border_several_images_at_once() -> None:
    given = network((2, 2), 3, BORDER)
    content = int8_file(given)
    images = np.random.default_rng(2).integers(-60, 60, (3, SIDE, SIDE, CHANNELS), dtype=np.int8)
    interpreter = Interpreter(model_content=content)
    interpreter.resize_tensor_input(0, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    together = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    model = open_bytes(content)
    for image, result in zip(images, together, strict=True):
        np.testing.assert_array_equal(model.run_raw(image[np.newaxis])[0][0], result)
