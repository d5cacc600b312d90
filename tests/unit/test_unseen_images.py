"""What the recipes do otherwise with few images, and with synthetic ones."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, shrunk
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Network, Node, Value
from edge_mnv3_quantization.recipes.synthetic_images import is_refitted, reaching_further
from small_networks import observed

SIDE, CHANNELS = 64, 3
IMAGES = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
STEM, MIDDLE, SMALL, MEAN, LOGITS = range(1, 6)


def network() -> Network:
    """Maps of strides 2, 8 and 32 (32, 8 and 2 positions a side), then the logits."""
    rng = np.random.default_rng(1)
    shapes = {0: SIDE, STEM: 32, MIDDLE: 8, SMALL: 2, MEAN: 1, LOGITS: 1}
    values = {i: Value(name=str(i), shape=(1, side, side, CHANNELS)) for i, side in shapes.items()}

    def weighted(kind: Literal["conv", "depthwise"], output: int, stride: int) -> Node:
        shape = (CHANNELS, 1, 1, CHANNELS) if kind == "conv" else (1, 3, 3, CHANNELS)
        return Node(
            kind=kind,
            inputs=(output - 1,),
            output=output,
            stride=(stride, stride),
            weights=rng.normal(0, 1, shape),
            bias=np.zeros(CHANNELS),
        )

    nodes = (
        weighted("conv", STEM, 2),
        weighted("depthwise", MIDDLE, 4),
        weighted("depthwise", SMALL, 4),
        Node(kind="mean", inputs=(SMALL,), output=MEAN),
        weighted("conv", LOGITS, 1),
    )
    return Network(values=values, nodes=nodes, input=0, outputs=(LOGITS,))


NETWORK = network()


def seen() -> dict[int, ChannelStatistics]:
    return observed(NETWORK, IMAGES)


def test_channels_of_small_maps_are_evened() -> None:
    plain = {
        value: dataclasses.replace(known, mean_square=np.array([100.0, 1.0, 0.0]))
        for value, known in seen().items()
    }
    shrunk_statistics = shrunk(NETWORK, plain, 10)
    # The mean of the squares is 101 / 3; 4 / 10 - 4 / 100 of it is added.
    np.testing.assert_allclose(
        shrunk_statistics[SMALL].mean_square, plain[SMALL].mean_square + 0.36 * 101 / 3
    )
    # 32 by 32 positions are 256 times those of stride 32.
    np.testing.assert_allclose(
        shrunk_statistics[STEM].mean_square, plain[STEM].mean_square + 0.36 * 101 / 3 / 256**2
    )
    for images in (100, 1000):
        np.testing.assert_array_equal(
            shrunk(NETWORK, plain, images)[SMALL].mean_square, plain[SMALL].mean_square
        )
    always = shrunk(NETWORK, plain, 1000, least=0.1)
    np.testing.assert_allclose(always[SMALL].mean_square, plain[SMALL].mean_square + 0.1 * 101 / 3)


def reach(sensitivity: Sensitivity) -> tuple[np.ndarray, np.ndarray]:
    assert sensitivity.low is not None
    return sensitivity.high.last(), sensitivity.low.last()


def test_small_maps_reach_further_and_logits_do_not() -> None:
    plain = measure(NETWORK.up_to(LOGITS), seen(), IMAGES, seed=0)
    stretched = reaching_further(NETWORK, (LOGITS,), plain)
    for value, factor in ((STEM, 1), (MIDDLE, 1), (SMALL, 3), (MEAN, 3), (LOGITS, 1)):
        for one, other in zip(reach(stretched[value]), reach(plain[value]), strict=True):
            np.testing.assert_allclose(one, factor * other)
        np.testing.assert_array_equal(stretched[value].rounding, plain[value].rounding)


def test_weights_of_large_maps_are_refitted() -> None:
    assert [is_refitted(NETWORK, node) for node in NETWORK.nodes] == [True, True, False, False, False]
