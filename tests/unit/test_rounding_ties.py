"""Products that Arm and other processors round to different steps, and the scales that have none."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.rounding_ties import away_from_ties, rounded_differently
from edge_mnv3_quantization.graph.network import Network, Node, Value
from edge_mnv3_quantization.graph.types import Quantization

ONE = Quantization(scale=1.0, zero_point=0)


def quantization(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization(scale=float(np.float32(scale)), zero_point=zero_point)


@pytest.mark.parametrize(
    ("scale", "some"),
    [
        (4.0, True),  # products of 2 modulo 4 lie between two steps
        (1.0, False),
        (3.0, False),  # there is no half among thirds
    ],
)
def test_pairs_are_counted(scale: float, some: bool) -> None:
    steps = np.arange(-128, 128)
    exact = np.multiply.outer(steps, steps) / scale
    differ = np.clip(np.floor(exact + 0.5), -128, 127) != np.clip(np.rint(exact), -128, 127)
    assert rounded_differently(ONE, ONE, quantization(scale)) == np.count_nonzero(differ)
    assert differ.any() == some


def test_a_product_that_only_a_float_takes_for_a_half() -> None:
    """Scales of a squeeze-excite product that was seen to differ: 6148 of them are 30.5000007 steps."""
    scale = 10653587 / 2**31
    assert 6148 * scale == pytest.approx(30.5, abs=1e-6)
    assert np.rint(np.float32(6148) * np.float32(scale)) == 30
    assert rounded_differently(quantization(scale), ONE, ONE) > 0


def network() -> Network:
    """Two products, joined, and a third of the result."""
    values = {i: Value(name=f"v{i}", shape=(1, 2, 2, 4)) for i in range(6)}
    nodes = (
        Node(kind="mul", inputs=(0, 1), output=2),
        Node(kind="mul", inputs=(1, 1), output=3),
        Node(kind="concat", inputs=(2, 3), output=4),
        Node(kind="mul", inputs=(4, 0), output=5),
    )
    return Network(values=values, nodes=nodes, input=0, outputs=(5,))


def test_scales_move_by_a_hair_and_what_is_joined_stays_joined() -> None:
    joined, last = quantization(4.0, 3), quantization(0.5)
    before = {0: ONE, 1: quantization(2.0), 2: joined, 3: joined, 4: joined, 5: last}
    after = away_from_ties(network(), before)
    assert after[2] == after[3] == after[4] != joined
    assert (after[0], after[1]) == (before[0], before[1])
    for node in network().nodes:
        if node.kind == "mul":
            first, second = (after[value] for value in node.inputs)
            assert rounded_differently(first, second, after[node.output]) == 0
    # Some floats away: 2**-23 each.
    assert after[4].scale == pytest.approx(4.0, rel=1e-5)
    assert after[4].zero_point == 3


def test_scales_without_ties_stay() -> None:
    plain = {0: ONE, **dict.fromkeys(range(1, 5), ONE), 5: quantization(3.0)}
    assert away_from_ties(network(), plain) == plain
