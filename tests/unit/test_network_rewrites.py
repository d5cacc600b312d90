"""Rewrites change no output, whatever the network: lowering, rescaling, folding of constant excitations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.constant_excitations import foldable_excitations
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.graph.network import WEIGHTED, Network
from edge_mnv3_quantization.graph.rewrites import (
    fold_constant_excitations,
    hard_swish_inputs,
    lower_hard_swish,
)
from edge_mnv3_quantization.graph.scale_sharing import costless_groups, rescale, shared_scales, value_scales
from edge_mnv3_quantization.graph.writer import write_float
from examples_count import examples
from random_networks import SIDE, TOLERANCE, Builder, original, outputs, random_network


@examples(15)
@given(
    seed=st.integers(0, 10_000),
    hard=st.booleans(),
    excite=st.booleans(),
    shortcut=st.booleans(),
    per_channel=st.none() | st.floats(0, 1),
)
def test_lowering_and_rescaling_change_nothing(
    seed: int, hard: bool, excite: bool, shortcut: bool, per_channel: float | None
) -> None:
    network = random_network(seed, hard=hard, excite=excite, shortcut=shortcut)
    wanted = outputs(original(network))
    rng = np.random.default_rng(seed)
    inputs = [node.inputs[0] for node in network.nodes if node.kind == "hard_swish"]
    # All hard-sigmoids per channel, or a share of them from none to all; the others are tables.
    chosen = None if per_channel is None else {x for x in inputs if rng.random() < per_channel}
    lowered = lower_hard_swish(network, per_channel=chosen)
    assert all(node.kind != "hard_swish" for node in lowered.nodes)
    tables = {node.inputs[0] for node in lowered.nodes if node.kind == "hard_sigmoid"}
    assert tables == (set() if chosen is None else set(inputs) - chosen)
    assert hard_swish_inputs(lowered) == set(inputs)
    groups = {shared.group for shared in shared_scales(lowered).values() if shared.group is not None}
    scales = {group: np.exp(rng.uniform(-2, 2, lowered.values[group].channels)) for group in groups}
    rescaled = rescale(lowered, scales)
    assert all(node.factor == 1.0 for node in rescaled.nodes)
    assert np.abs(outputs(rescaled) - wanted).max() < TOLERANCE
    # The rewrite does something: the weights are other ones.
    assert any(
        not np.allclose(one.weights, other.weights)
        for one, other in zip(lowered.nodes, rescaled.nodes, strict=True)
        if one.weights is not None and other.weights is not None
    )


@examples(15)
@given(seed=st.integers(0, 10_000), hard=st.booleans(), shortcut=st.booleans())
def test_costless_scales_change_no_stored_weight(seed: int, hard: bool, shortcut: bool) -> None:
    lowered = lower_hard_swish(random_network(seed, hard=hard, excite=True, shortcut=shortcut))
    network = rescale(lowered, {})
    rng = np.random.default_rng(seed)

    def stored(groups: set[int]) -> list[bool]:
        # Powers of two: without rounding of the scales themselves.
        scales = {group: np.exp2(rng.integers(-3, 4, network.values[group].channels)) for group in groups}
        pairs = zip(network.nodes, rescale(network, scales).nodes, strict=True)
        return [
            bool((quantize_weights(one, 0.01).weights == quantize_weights(other, 0.01).weights).all())
            for one, other in pairs
            if one.kind in WEIGHTED
        ]

    free = costless_groups(network)
    others = {shared.group for shared in shared_scales(network).values() if shared.group is not None} - free
    assert free
    assert all(stored(free))
    assert not all(stored(others))


def test_values_are_divided_by_their_scales() -> None:
    network = rescale(lower_hard_swish(random_network(1, hard=True, excite=True, shortcut=True)), {})
    groups = {shared.group for shared in shared_scales(network).values() if shared.group is not None}
    scales = {g: np.linspace(0.5, 3, network.values[g].channels) for g in groups}
    rescaled = rescale(network, scales)
    image = np.random.default_rng(2).uniform(-2, 2, (1, SIDE, SIDE, 3)).astype(np.float32)
    values = [node.output for node in network.nodes]
    before = open_bytes(write_float(network, values)).run_raw(image)
    after = open_bytes(write_float(rescaled, values)).run_raw(image)
    of_value = value_scales(network, scales)
    for value, one, other in zip(values, before, after, strict=True):
        np.testing.assert_allclose(other * of_value[value], one, rtol=1e-3, atol=1e-4)


def test_hard_swish_group_holds_both_sides() -> None:
    network = lower_hard_swish(random_network(1, hard=True, excite=False, shortcut=False))
    scales = shared_scales(network)
    (hard_sigmoid, product) = next(
        (node, network.consumers(node.output)[0]) for node in network.nodes if node.clamp == "relu6"
    )
    x = hard_sigmoid.inputs[0]
    assert hard_swish_inputs(network) >= {x}
    assert scales[hard_sigmoid.output].group is None
    assert scales[product.output].group == scales[x].group
    # The product is six times what hard-swish gives.
    assert scales[product.output].ratio == pytest.approx(1 / 6)


def test_constant_gates_move_into_the_weights() -> None:
    network = rescale(random_network(3, hard=False, excite=True, shortcut=True), {})
    (excitation,) = foldable_excitations(network)
    producer = network.producer(excitation)
    assert producer is not None
    constant = np.linspace(0.5, 4, network.values[excitation].channels)
    # An excitation that is constant whatever the image: no weights, the bias alone.
    dead = dataclasses.replace(producer, weights=np.zeros_like(producer.weights), bias=constant)
    network = network.with_nodes(dead if node.output == excitation else node for node in network.nodes)
    folded = fold_constant_excitations(network, {excitation: constant})
    assert not any(node.kind == "mul" for node in folded.nodes)
    assert len(folded.nodes) == len(network.nodes) - 4  # mean, two convolutions, product
    assert np.abs(outputs(folded) - outputs(network)).max() < TOLERANCE


def test_fixed_scales_that_contradict_are_refused() -> None:
    builder = Builder(0)
    hard_sigmoid = builder.conv(0, 3, clamp="relu6")
    other = builder.conv(0, 3, clamp="relu6")
    x = builder.plain("mul", (hard_sigmoid, other), (1, SIDE, SIDE, 3), factor=0.5)
    x = builder.plain("add", (x, hard_sigmoid), (1, SIDE, SIDE, 3))
    network = Network(values=builder.values, nodes=tuple(builder.nodes), input=0, outputs=(x,))
    with pytest.raises(ConversionError, match="rewriting the network"):
        shared_scales(network)


def test_factor_without_operator_is_not_written() -> None:
    network = random_network(0, hard=False, excite=True, shortcut=False)
    with pytest.raises(ValueError, match="rescale the network first"):
        write_float(network, [network.output])
