"""Weights and biases stay within what int8, int32 and XNNPACK hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.network import Node
from edge_mnv3_quantization.weight_quantization import quantize_weights, weight_scales


def node(kind: str, weights: object, bias: object) -> Node:
    return Node(
        kind=kind,  # type: ignore[arg-type]
        inputs=(0,),
        output=1,
        weights=np.asarray(weights, np.float64),
        bias=np.asarray(bias, np.float64),
    )


@given(st.integers(0, 1000), st.sampled_from(["conv", "depthwise", "dense"]))
def test_weights_are_within_half_a_step(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    shape = {"conv": (5, 3, 3, 4), "depthwise": (1, 3, 3, 5), "dense": (5, 7)}[kind]
    layer = node(kind, rng.normal(0, 1, shape), rng.normal(0, 1, 5))
    found = quantize_weights(layer, 0.01)
    scales = found.scales.astype(np.float64)
    steps = scales if kind == "depthwise" else scales.reshape(-1, *[1] * (len(shape) - 1))
    weights, bias = layer.weights_and_bias()
    assert np.abs(found.weights * steps - weights).max() <= 0.5001 * scales.max()
    assert np.abs(found.weights).max() == 127
    assert np.abs(found.bias * scales * 0.01 - bias).max() <= 0.5001 * scales.max() * 0.01


def test_row_of_almost_nothing_keeps_its_bias() -> None:
    layer = node("conv", [[[[1e-14, -1e-14]]], [[[1.0, 0.5]]]], [2.5, 0.0])
    found = quantize_weights(layer, 0.02)
    # In steps of its largest weight the bias would need 47 bits.
    assert np.isclose(found.bias[0] * np.float64(found.scales[0]) * 0.02, 2.5, rtol=1e-6)
    assert abs(int(found.bias[0])) <= 2**30 + 1
    assert found.weights[0].max() == 0
    assert found.scales[1] == np.float32(1 / 127)


def test_row_of_zeros() -> None:
    scales = weight_scales(node("dense", np.zeros((2, 3)), np.zeros(2)), 0.1)
    assert (scales > 0).all()
    assert (quantize_weights(node("dense", np.zeros((2, 3)), np.zeros(2)), 0.1).weights == 0).all()
