"""Weights and biases stay within what int8, int32 and XNNPACK hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_quantization.algorithms import weight_quantization
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights, weight_scales
from edge_mnv3_quantization.graph.network import Array, Node
from edge_mnv3_quantization.graph.types import QuantizedWeights
from examples_count import examples


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
    quantized = quantize_weights(layer, 0.01)
    scales = quantized.scales.astype(np.float64)
    steps = scales if kind == "depthwise" else scales.reshape(-1, *[1] * (len(shape) - 1))
    weights, bias = layer.weights_and_bias()
    assert np.abs(quantized.weights * steps - weights).max() <= 0.5001 * scales.max()
    most = np.abs(
        quantized.weights.reshape(-1, 5) if kind == "depthwise" else quantized.weights.reshape(5, -1).T
    ).max(0)
    assert (most >= 64).all()
    assert (scales >= weight_scales(layer, 0.01)).all()
    assert np.abs(quantized.bias * scales * 0.01 - bias).max() <= 0.5001 * scales.max() * 0.01


def test_row_of_almost_nothing_keeps_its_bias() -> None:
    layer = node("conv", [[[[1e-14, -1e-14]]], [[[1.0, 0.5]]]], [2.5, 0.0])
    quantized = quantize_weights(layer, 0.02)
    # In steps of its largest weight the bias would need 47 bits.
    assert np.isclose(quantized.bias[0] * np.float64(quantized.scales[0]) * 0.02, 2.5, rtol=1e-6)
    assert abs(int(quantized.bias[0])) <= 2**30 + 1
    assert quantized.weights[0].max() == 0
    assert np.allclose(
        quantized.weights[1].reshape(-1) * np.float64(quantized.scales[1]), [1.0, 0.5], rtol=1e-6
    )


def test_row_of_zeros() -> None:
    scales = weight_scales(node("dense", np.zeros((2, 3)), np.zeros(2)), 0.1)
    assert (scales > 0).all()
    assert (quantize_weights(node("dense", np.zeros((2, 3)), np.zeros(2)), 0.1).weights == 0).all()


def rows_of(quantized: QuantizedWeights, kind: str) -> Array:
    """Stored weights as real numbers, (O, taps)."""
    scales = quantized.scales.astype(np.float64)
    if kind == "depthwise":
        return np.asarray(quantized.weights.reshape(-1, len(scales)).T * scales[:, None])
    return np.asarray(quantized.weights.reshape(len(scales), -1) * scales[:, None])


@given(st.integers(0, 1000), st.sampled_from(["conv", "depthwise"]))
def test_weights_that_lie_on_steps_stay_there(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.integers(-120, 121, (6, 3, 3, 4) if kind == "conv" else (1, 5, 5, 6)).astype(np.float64)
    unit = rng.uniform(0.001, 1)
    quantized = quantize_weights(node(kind, steps * unit, np.zeros(6)), 0.01)
    wanted = steps.reshape(6, -1) if kind == "conv" else steps.reshape(-1, 6).T
    assert np.allclose(rows_of(quantized, kind), wanted * unit, rtol=0, atol=1e-5 * unit)


def test_steps_are_no_worse_than_the_finest() -> None:
    rng = np.random.default_rng(3)
    layer = node("conv", rng.normal(0, 1, (40, 1, 1, 30)), np.zeros(40))
    rows, finest = layer.weights_and_bias()[0].reshape(40, -1), weight_scales(layer, 0.01)[:, None]
    errors = np.square(rows_of(quantize_weights(layer, 0.01), "conv") - rows).sum(axis=1)
    assert (errors <= np.square(finest * np.rint(rows / finest) - rows).sum(axis=1) * (1 + 1e-6)).all()


def costs_by_row(seed: int) -> tuple[Array, Array]:
    """E[(e x)^2] of each row, rounded to nearest and rounded by the covariance of inputs that are alike."""
    rng = np.random.default_rng(seed)
    layer = node("depthwise", rng.normal(0, 1, (1, 3, 3, 8)), np.zeros(8))
    # Neighbouring pixels are alike.
    shared, different = rng.normal(0, 1, (8, 500, 1)), rng.normal(0, 1, (8, 500, 9))
    x = shared + 0.2 * different
    covariance = x.transpose(0, 2, 1) @ x / 500
    wanted = layer.weights_and_bias()[0].reshape(9, 8).T

    def cost(quantized: QuantizedWeights) -> Array:
        error = rows_of(quantized, "depthwise") - wanted
        return np.asarray(np.einsum("ot,otu,ou->o", error, covariance, error))

    return cost(quantize_weights(layer, 0.01)), cost(quantize_weights(layer, 0.01, covariance=covariance))


@examples(25)  # each sweeps over 64 scales
@given(st.integers(0, 1000))
def test_weighing_by_the_covariance_costs_no_row_anything(seed: int) -> None:
    nearest, weighed = costs_by_row(seed)
    assert (weighed <= nearest * 1.01).all()  # a ridge of a thousandth is added to the covariance


def test_errors_of_inputs_that_go_together_cancel() -> None:
    # What is left depends on the draw: 3 to 16 % of the cost over these 20, 7 % of all together.
    nearest, weighed = (np.sum(costs) for costs in zip(*map(costs_by_row, range(20)), strict=True))
    assert weighed < 0.1 * nearest


def nearest(rows: Array, scales: Array) -> Array:
    return np.clip(np.rint(rows / scales[:, np.newaxis]), -127, 127)


def laid_out(rows: Array, order: str) -> Array:
    return np.asfortranarray(rows) if order == "F" else np.ascontiguousarray(rows)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 9), (2, 24), (3, 30), (70, 1), (513, 9), (1100, 24), (40, 900)])
def test_errors_are_those_of_one_candidate_after_another(shape: tuple[int, int], order: str) -> None:
    # Bit by bit: of two candidates that are almost equal, the last bits choose.
    rows = laid_out(np.random.default_rng(0).normal(size=shape), order)
    candidates = np.abs(rows).max(axis=1) / np.arange(127, 63, -1)[:, np.newaxis]
    wanted = [
        np.square(rows - scales[:, np.newaxis] * nearest(rows, scales)).mean(axis=1) for scales in candidates
    ]
    np.testing.assert_array_equal(weight_quantization._errors(rows, candidates), wanted)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 9), (16, 1), (3, 25), (150, 9), (700, 25)])
def test_sweeps_are_those_of_one_candidate_after_another(shape: tuple[int, int], order: str) -> None:
    rng = np.random.default_rng(0)
    rows = laid_out(rng.normal(size=shape), order)
    root = rng.normal(size=(*shape, shape[1]))
    metric = root @ root.transpose(0, 2, 1)
    candidates = np.abs(rows).max(axis=1) / np.array([127, 100, 64])[:, np.newaxis]
    stored, errors, _ = weight_quantization._swept(rows, candidates, metric)
    for scales, got, lost in zip(candidates, stored, errors, strict=True):
        wanted = nearest(rows, scales)
        for _ in range(3):
            for tap in range(shape[1]):
                error = scales[:, np.newaxis] * wanted - rows
                slope = np.einsum("ot,ot->o", metric[:, tap], error)
                moved = wanted[:, tap] - np.rint(slope / (metric[:, tap, tap] * scales))
                wanted[:, tap] = np.clip(moved, -127, 127)
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(lost, scales[:, np.newaxis] * wanted - rows)
