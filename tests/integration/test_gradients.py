"""Gradients against finite differences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.gradients import Floats, gradients
from edge_mnv3_quantization.graph.heads import logits_value
from edge_mnv3_quantization.graph.network import Network, Node
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float
from random_networks import SIDE, Builder, random_network

pytestmark = pytest.mark.unmeasured

CHANGE = 2.0**-9


def strided_network(seed: int) -> Network:
    """Depthwise convolutions of stride 2: 3×3 without SAME behind a pad, then 5×5 with SAME."""
    builder = Builder(seed)
    x = builder.conv(0, 4, clamp="relu")
    padded = Node(kind="pad", inputs=(x,), output=len(builder.values), paddings=(0, 1, 0, 1))
    x = builder.add(padded, (1, SIDE + 1, SIDE + 1, 4))
    weights = builder.rng.normal(0, 0.4, (1, 3, 3, 4))
    x = builder.weighted("depthwise", x, weights, (1, 3, 3, 4), stride=(2, 2), same_padding=False)
    weights = builder.rng.normal(0, 0.4, (1, 5, 5, 4))
    x = builder.weighted("depthwise", x, weights, (1, 2, 2, 4), stride=(2, 2))
    return builder.finish(builder.squeeze_excite(builder.conv(x, 6, clamp="relu")))


def joined_network(seed: int) -> Network:
    """A 3×3 convolution of stride 2, maximum and mean side by side, and a hidden sigmoid."""
    builder = Builder(seed)
    x = builder.conv(0, 4, clamp="relu")
    weights = builder.rng.normal(0, 0.3, (5, 3, 3, 4))
    x = builder.weighted("conv", x, weights, (1, SIDE // 2, SIDE // 2, 5), stride=(2, 2))
    pooled = [builder.plain(kind, (x,), (1, 1, 1, 5)) for kind in ("max", "mean")]
    x = builder.conv(builder.plain("concat", tuple(pooled), (1, 1, 1, 10)), 6)
    return builder.finish(builder.plain("logistic", (x,), (1, 1, 1, 6)))


def cases() -> list[tuple[str, Network]]:
    random_cases = [
        (f"hard={hard}, excite={excite}", random_network(seed, hard=hard, excite=excite, shortcut=True))
        for seed, (hard, excite) in enumerate([(True, True), (True, False), (False, True)])
    ]
    return [*random_cases, ("strided", strided_network(3)), ("joined", joined_network(4))]


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
    by_value = gradients(part, values, {part.output: given})
    assert part.input not in by_value
    assert set(by_value) == set(order)
    agree = []
    for node in part.nodes:
        if node.weights is None:
            continue
        inside = np.ones_like(values[node.output], bool)
        if node.clamp != "none":
            inside = values[node.output] > 0
            if node.clamp == "relu6":
                inside &= values[node.output] < 6
        # A change of a bias is the same change in all positions before the clamp.
        expected = (
            (by_value[node.output] * inside).reshape(-1, inside.shape[-1]).sum(axis=0, dtype=np.float64)
        )
        for channel, wanted in enumerate(expected[:4]):
            up, down = (moved(part, node, channel, image, given, change) for change in (CHANGE, -CHANGE))
            # Float32 rounding of numbers of size 1, some 1e-7 each, over the change.
            agree.append((up - down) / (2 * CHANGE) == pytest.approx(wanted, rel=0.01, abs=1e-3))
    # Where a change crosses a clamp, or a bend of hard-swish, the difference lies between two gradients.
    assert np.mean(agree) >= 0.85, name


def moved(part: Network, node: Node, channel: int, image: Floats, given: Floats, change: float) -> float:
    bias = node.weights_and_bias()[1].copy()
    bias[channel] += change
    other = dataclasses.replace(node, bias=bias)
    network = part.with_nodes(other if n.output == node.output else n for n in part.nodes)
    (result,) = open_bytes(write_float(network, [network.output])).run_raw(image)
    return float((result.astype(np.float64) * given).sum())
