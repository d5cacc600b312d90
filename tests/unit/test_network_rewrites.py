"""Rewrites change no output, whatever the network: lowering, rescaling, folding of constant gates."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mnv3.errors import ConversionError
from edge_mnv3.runtime import open_bytes
from edge_mnv3_quantization.network import Array, Network, Node, Value
from edge_mnv3_quantization.network_writer import write_float
from edge_mnv3_quantization.rewrites import (
    fold_constant_gates,
    foldable_gates,
    gated_values,
    lower_hard_swish,
)
from edge_mnv3_quantization.scaling import rescale, ties, value_factors

SIDE = 6
# float32 in the runtime, a few dozen summands of size 1: rounding stays far below this.
TOLERANCE = 1e-5


class Builder:
    """Makes networks of the family's blocks with random weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values = {0: Value(name="image", shape=(1, SIDE, SIDE, 3))}
        self.nodes: list[Node] = []

    def add(self, node: Node, shape: tuple[int, ...]) -> int:
        self.values[node.output] = Value(name=f"value {node.output}", shape=shape)
        self.nodes.append(node)
        return node.output

    def conv(self, x: int, channels: int, **options: Any) -> int:
        _, rows, columns, given = self.values[x].shape
        weights = self.rng.normal(0, 1 / np.sqrt(given), (channels, 1, 1, given))
        return self.weighted("conv", x, weights, (1, rows, columns, channels), **options)

    def depthwise(self, x: int, **options: Any) -> int:
        shape = self.values[x].shape
        return self.weighted("depthwise", x, self.rng.normal(0, 0.4, (1, 3, 3, shape[-1])), shape, **options)

    def weighted(self, kind: Any, x: int, weights: Array, shape: tuple[int, ...], **options: Any) -> int:
        bias = self.rng.normal(0, 0.3, shape[-1])
        node = Node(kind=kind, inputs=(x,), output=len(self.values), weights=weights, bias=bias, **options)
        return self.add(node, shape)

    def plain(self, kind: Any, inputs: tuple[int, ...], shape: tuple[int, ...], factor: float = 1.0) -> int:
        node = Node(kind=kind, inputs=inputs, output=len(self.values), factor=factor)
        return self.add(node, shape)

    def activation(self, x: int) -> int:
        return self.plain("hard_swish", (x,), self.values[x].shape)

    def squeeze_excite(self, x: int, factor: float = 1 / 6) -> int:
        channels = self.values[x].channels
        gate = self.plain("mean", (x,), (1, 1, 1, channels))
        gate = self.conv(self.conv(gate, 4, clamp="relu"), channels, clamp="relu6")
        return self.plain("mul", (x, gate), self.values[x].shape, factor)

    def finish(self, x: int) -> Network:
        x = self.plain("mean", (x,), (1, 1, 1, self.values[x].channels))
        x = self.conv(self.activation(self.conv(x, 7)), 5)
        x = self.plain("reshape", (x,), (1, 5))
        x = self.plain("softmax", (x,), (1, 5))
        return Network(values=self.values, nodes=tuple(self.nodes), input=0, output=x)


def random_network(seed: int, *, hard: bool, excite: bool, shortcut: bool) -> Network:
    builder = Builder(seed)
    x = builder.conv(0, 4)
    x = builder.activation(x) if hard else builder.conv(x, 4, clamp="relu")
    y = builder.conv(x, 8, clamp="none" if hard else "relu")
    y = builder.activation(y) if hard else y
    y = builder.depthwise(y, clamp="none" if hard else "relu")
    y = builder.activation(y) if hard else y
    y = builder.squeeze_excite(y) if excite else y
    y = builder.conv(y, 4)
    return builder.finish(builder.plain("add", (x, y), builder.values[x].shape) if shortcut else y)


def outputs(network: Network, seed: int = 0) -> Array:
    image = np.random.default_rng(seed).uniform(-2, 2, network.values[network.input].shape)
    answers = open_bytes(write_float(network, [network.output])).run_raw(image.astype(np.float32))
    return np.asarray(answers[0], np.float64)


def original(network: Network) -> Network:
    """The network with its products' factors moved into weights: a factor has no operator."""
    return rescale(network, {})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), hard=st.booleans(), excite=st.booleans(), shortcut=st.booleans())
def test_lowering_and_rescaling_change_nothing(seed: int, hard: bool, excite: bool, shortcut: bool) -> None:
    network = random_network(seed, hard=hard, excite=excite, shortcut=shortcut)
    wanted = outputs(original(network))
    lowered = lower_hard_swish(network)
    assert all(node.kind != "hard_swish" for node in lowered.nodes)
    rng = np.random.default_rng(seed)
    groups = {tie.group for tie in ties(lowered).values() if tie.group is not None}
    factors = {group: np.exp(rng.uniform(-2, 2, lowered.values[group].channels)) for group in groups}
    rescaled = rescale(lowered, factors)
    assert all(node.factor == 1.0 for node in rescaled.nodes)
    assert np.abs(outputs(rescaled) - wanted).max() < TOLERANCE
    # The rewrite does something: the weights are other ones.
    assert any(
        not np.allclose(one.weights, other.weights)
        for one, other in zip(lowered.nodes, rescaled.nodes, strict=True)
        if one.weights is not None and other.weights is not None
    )


def test_values_are_divided_by_their_factors() -> None:
    network = rescale(lower_hard_swish(random_network(1, hard=True, excite=True, shortcut=True)), {})
    groups = {tie.group for tie in ties(network).values() if tie.group is not None}
    factors = {g: np.linspace(0.5, 3, network.values[g].channels) for g in groups}
    rescaled = rescale(network, factors)
    image = np.random.default_rng(2).uniform(-2, 2, (1, SIDE, SIDE, 3)).astype(np.float32)
    values = [node.output for node in network.nodes]
    before = open_bytes(write_float(network, values)).run_raw(image)
    after = open_bytes(write_float(rescaled, values)).run_raw(image)
    of_value = value_factors(network, factors)
    for value, one, other in zip(values, before, after, strict=True):
        np.testing.assert_allclose(other * of_value[value], one, rtol=1e-3, atol=1e-4)


def test_hard_swish_group_holds_both_sides() -> None:
    network = lower_hard_swish(random_network(1, hard=True, excite=False, shortcut=False))
    found = ties(network)
    (gate, product) = next(
        (node, network.consumers(node.output)[0]) for node in network.nodes if node.clamp == "relu6"
    )
    x = gate.inputs[0]
    assert gated_values(network) >= {x}
    assert found[gate.output].group is None
    assert found[product.output].group == found[x].group
    # The product is six times what hard-swish gives.
    assert found[product.output].ratio == pytest.approx(1 / 6)


def test_constant_gates_move_into_the_weights() -> None:
    network = rescale(random_network(3, hard=False, excite=True, shortcut=True), {})
    (gate,) = foldable_gates(network)
    producer = network.producer(gate)
    assert producer is not None
    constant = np.linspace(0.5, 4, network.values[gate].channels)
    # A gate that is constant whatever the image: no weights, the bias alone.
    dead = dataclasses.replace(producer, weights=np.zeros_like(producer.weights), bias=constant)
    network = network.with_nodes(dead if node.output == gate else node for node in network.nodes)
    folded = fold_constant_gates(network, {gate: constant})
    assert not any(node.kind == "mul" for node in folded.nodes)
    assert len(folded.nodes) == len(network.nodes) - 4  # mean, two convolutions, product
    assert np.abs(outputs(folded) - outputs(network)).max() < TOLERANCE


def test_fixed_factors_that_contradict_are_refused() -> None:
    builder = Builder(0)
    gate = builder.conv(0, 3, clamp="relu6")
    other = builder.conv(0, 3, clamp="relu6")
    x = builder.plain("mul", (gate, other), (1, SIDE, SIDE, 3), factor=0.5)
    x = builder.plain("add", (x, gate), (1, SIDE, SIDE, 3))
    network = Network(values=builder.values, nodes=tuple(builder.nodes), input=0, output=x)
    with pytest.raises(ConversionError, match="rewriting the network"):
        ties(network)


def test_factor_without_operator_is_not_written() -> None:
    network = random_network(0, hard=False, excite=True, shortcut=False)
    with pytest.raises(ValueError, match="rescale the network first"):
        write_float(network, [network.output])
