"""Gradients against finite differences, and patches against a plain loop."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.backward import Floats, gradients
from edge_mnv3_quantization.algorithms.patches import patches
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import logits_value, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float
from random_networks import SIDE, Builder, random_network

STEP = 2.0**-9


def strided_network(seed: int) -> Network:
    """A padded depthwise of stride 2 without SAME, then one of stride 2 and 5×5 with it."""
    builder = Builder(seed)
    x = builder.conv(0, 4, clamp="relu")
    padded = Node(kind="pad", inputs=(x,), output=len(builder.values), paddings=(0, 1, 0, 1))
    x = builder.add(padded, (1, SIDE + 1, SIDE + 1, 4))
    weights = builder.rng.normal(0, 0.4, (1, 3, 3, 4))
    x = builder.weighted("depthwise", x, weights, (1, 3, 3, 4), stride=(2, 2), same_padding=False)
    weights = builder.rng.normal(0, 0.4, (1, 5, 5, 4))
    x = builder.weighted("depthwise", x, weights, (1, 2, 2, 4), stride=(2, 2))
    return builder.finish(builder.squeeze_excite(builder.conv(x, 6, clamp="relu")))


def cases() -> list[tuple[str, Network]]:
    found = [
        (f"hard={hard}, excite={excite}", random_network(seed, hard=hard, excite=excite, shortcut=True))
        for seed, (hard, excite) in enumerate([(True, True), (True, False), (False, True)])
    ]
    return [*found, ("strided", strided_network(3))]


@pytest.mark.parametrize(("name", "network"), cases(), ids=[name for name, _ in cases()])
@pytest.mark.parametrize("table", [False, True])
def test_gradients_equal_finite_differences(name: str, network: Network, table: bool) -> None:
    lowered = lower_hard_swish(network, per_channel=frozenset() if table else None)
    part = rescale(lowered, {})
    part = part.up_to(logits_value(part))
    order = [node.output for node in part.nodes]
    image = np.random.default_rng(1).uniform(-2, 2, part.values[0].shape).astype(np.float32)
    values = dict(zip(order, open_bytes(write_float(part, order)).run_raw(image), strict=True))
    rng = np.random.default_rng(2)
    given = rng.normal(size=values[part.output].shape).astype(np.float32)
    slopes = gradients(part, values, given)
    assert part.input not in slopes
    assert set(slopes) == set(order)
    agree = []
    for node in part.nodes:
        if node.weights is None:
            continue
        inside = np.ones_like(values[node.output], bool)
        if node.clamp != "none":
            inside = values[node.output] > 0
            if node.clamp == "relu6":
                inside &= values[node.output] < 6
        # A step of a bias is the same step in all positions before the clamp.
        expected = (slopes[node.output] * inside).reshape(-1, inside.shape[-1]).sum(axis=0, dtype=np.float64)
        for channel, wanted in enumerate(expected[:4]):
            up, down = (moved(part, node, channel, image, given, step) for step in (STEP, -STEP))
            # Float32 rounding of numbers of size 1, some 1e-7 each, over the step.
            agree.append((up - down) / (2 * STEP) == pytest.approx(wanted, rel=0.01, abs=1e-3))
    # Where a step crosses a clamp, or a bend of hard-swish, the difference lies between both sides' slopes.
    assert np.mean(agree) >= 0.85, name


def moved(part: Network, node: Node, channel: int, image: Floats, given: Floats, step: float) -> float:
    bias = node.weights_and_bias()[1].copy()
    bias[channel] += step
    other = dataclasses.replace(node, bias=bias)
    network = part.with_nodes(other if n.output == node.output else n for n in part.nodes)
    (result,) = open_bytes(write_float(network, [network.output])).run_raw(image)
    return float((result.astype(np.float64) * given).sum())


def test_wide_convolution_of_inner_values_is_refused() -> None:
    wide = Node(kind="conv", inputs=(1,), output=2, weights=np.ones((2, 3, 3, 4)), bias=np.zeros(2))
    network = Network(
        values={i: Value(name=str(i), shape=(1, 5, 5, c)) for i, c in ((1, 4), (2, 2))},
        nodes=(wide,),
        input=0,
        output=2,
    )
    values = {1: np.ones((1, 5, 5, 4), np.float32), 2: np.ones((1, 5, 5, 2), np.float32)}
    with pytest.raises(ConversionError, match=r"a 3×3 convolution of inner values.*1×1.*--recipe stock"):
        gradients(network, values, values[2])


def naive_patches(node: Node, given: Floats, result: tuple[int, ...]) -> Array:
    """What TFLite's SAME padding says: the odd zero lies behind."""
    _, rows, columns, channels = given.shape
    _, kernel_rows, kernel_columns, _ = node.weights_and_bias()[0].shape
    stride = node.stride
    top = left = 0
    if node.same_padding:
        top = max((result[1] - 1) * stride[0] + kernel_rows - rows, 0) // 2
        left = max((result[2] - 1) * stride[1] + kernel_columns - columns, 0) // 2
    found = np.zeros((result[1], result[2], kernel_rows, kernel_columns, channels))
    for y, x, i, j in np.ndindex(found.shape[:4]):
        row, column = y * stride[0] + i - top, x * stride[1] + j - left
        if 0 <= row < rows and 0 <= column < columns:
            found[y, x, i, j] = given[0, row, column]
    return found.reshape(result[1] * result[2], -1, channels)


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("same", [True, False])
def test_patches_equal_a_plain_loop_and_give_the_runtimes_convolution(
    kind: str, kernel: int, stride: int, same: bool
) -> None:
    rng = np.random.default_rng(kernel + stride)
    side = (8, 7)
    result = tuple(-(-s // stride) if same else (s - kernel) // stride + 1 for s in side)
    weights = rng.normal(size=(1 if kind == "depthwise" else 5, kernel, kernel, 3))
    outputs = 3 if kind == "depthwise" else 5
    node = Node(
        kind="depthwise" if kind == "depthwise" else "conv",
        inputs=(0,),
        output=1,
        weights=weights,
        bias=rng.normal(size=outputs),
        stride=(stride, stride),
        same_padding=same,
    )
    shape = (1, *result, outputs)
    network = Network(
        values={0: Value(name="0", shape=(1, *side, 3)), 1: Value(name="1", shape=shape)},
        nodes=(node,),
        input=0,
        output=1,
    )
    given = rng.normal(size=(1, *side, 3)).astype(np.float32)
    places = np.arange(result[0] * result[1])
    both = np.concatenate([given, rng.normal(size=given.shape).astype(np.float32)])
    found_in_both = patches(node, both.astype(np.float64), shape, np.stack([places, places]))
    for image, found in zip(both, found_in_both, strict=True):
        np.testing.assert_array_equal(found, naive_patches(node, image[np.newaxis], shape))
    some = np.stack([places[1::3], places[::-3][: len(places[1::3])]])
    for image, found in enumerate(patches(node, both.astype(np.float64), shape, some)):
        np.testing.assert_array_equal(found, found_in_both[image, some[image]])
    stored = rng.integers(-128, 128, size=both.shape, dtype=np.int8)
    # Stored numbers are cut out as they are; where a tap lies outside, their zero stands.
    moved = patches(node, stored, shape, some, zero=-7).astype(np.int64) + 7
    wanted_moved = patches(node, stored.astype(np.int64) + 7, shape, some)
    np.testing.assert_array_equal(moved, wanted_moved)
    found = found_in_both[0]
    (wanted,) = open_bytes(write_float(network, [1])).run_raw(given)
    taps = weights.reshape(len(weights), -1, 3)
    formula = "ptc,xtc->pc" if kind == "depthwise" else "ptc,otc->po"
    got = np.einsum(formula, found, taps) + node.weights_and_bias()[1]
    # Float32 sums of up to 75 products of size 1.
    np.testing.assert_allclose(got, wanted.reshape(got.shape), atol=2e-5)


def test_patches_of_a_dense_node_are_its_input() -> None:
    node = Node(kind="dense", inputs=(0,), output=1, weights=np.ones((2, 3)), bias=np.zeros(2))
    given = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(
        patches(node, given, (1, 2), np.array([[0]])), given[np.newaxis, np.newaxis]
    )
