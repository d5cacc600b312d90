"""im2col against a plain loop and against the runtime's convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.gradients import Floats
from edge_mnv3_quantization.algorithms.im2col import im2col
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.writer import write_float


def naive_rows(node: Node, given: Floats, result: tuple[int, ...]) -> Array:
    """Gathers the inputs in a loop; with TFLite's SAME padding the odd zero lies behind."""
    _, rows, columns, channels = given.shape
    _, kernel_rows, kernel_columns, _ = node.weights_and_bias()[0].shape
    stride = node.stride
    top = left = 0
    if node.same_padding:
        top = max((result[1] - 1) * stride[0] + kernel_rows - rows, 0) // 2
        left = max((result[2] - 1) * stride[1] + kernel_columns - columns, 0) // 2
    rows_of_taps = np.zeros((result[1], result[2], kernel_rows, kernel_columns, channels))
    for y, x, i, j in np.ndindex(rows_of_taps.shape[:4]):
        row, column = y * stride[0] + i - top, x * stride[1] + j - left
        if 0 <= row < rows and 0 <= column < columns:
            rows_of_taps[y, x, i, j] = given[0, row, column]
    return rows_of_taps.reshape(result[1] * result[2], -1, channels)


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("same", [True, False])
def test_im2col_equals_a_plain_loop_and_gives_the_runtimes_convolution(
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
        outputs=(1,),
    )
    given = rng.normal(size=(1, *side, 3)).astype(np.float32)
    places = np.arange(result[0] * result[1])
    both = np.concatenate([given, rng.normal(size=given.shape).astype(np.float32)])
    rows_of_both = im2col(node, both.astype(np.float64), shape, np.stack([places, places]))
    for image, rows in zip(both, rows_of_both, strict=True):
        np.testing.assert_array_equal(rows, naive_rows(node, image[np.newaxis], shape))
    some = np.stack([places[1::3], places[::-3][: len(places[1::3])]])
    for image, rows in enumerate(im2col(node, both.astype(np.float64), shape, some)):
        np.testing.assert_array_equal(rows, rows_of_both[image, some[image]])
    stored = rng.integers(-128, 128, size=both.shape, dtype=np.int8)
    # Stored numbers stay as they are; where a tap lies outside, the number that stands for zero is taken.
    moved = im2col(node, stored, shape, some, zero=-7).astype(np.int64) + 7
    wanted_moved = im2col(node, stored.astype(np.int64) + 7, shape, some)
    np.testing.assert_array_equal(moved, wanted_moved)
    rows = rows_of_both[0]
    (wanted,) = open_bytes(write_float(network, [1])).run_raw(given)
    taps = weights.reshape(len(weights), -1, 3)
    formula = "ptc,xtc->pc" if kind == "depthwise" else "ptc,otc->po"
    got = np.einsum(formula, rows, taps) + node.weights_and_bias()[1]
    # Float32 sums of up to 75 products of size 1.
    np.testing.assert_allclose(got, wanted.reshape(got.shape), atol=2e-5)


def test_im2col_of_a_dense_node_is_its_input() -> None:
    node = Node(kind="dense", inputs=(0,), output=1, weights=np.ones((2, 3)), bias=np.zeros(2))
    given = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(im2col(node, given, (1, 2), np.array([[0]])), given[np.newaxis, np.newaxis])
