"""Copies of channels: exact in real numbers, moved apart by shares of a step, chosen by noise over cost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mnv3_quantization.algorithms.channel_copies import (
    copied_sensitivity,
    copy_channels,
    copyable_regions,
    movements,
    staggered,
    staggers,
)
from edge_mnv3_quantization.algorithms.channel_groups import group_channels
from edge_mnv3_quantization.algorithms.copy_choice import MOST_COPIES, choose_copies
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, Tail
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.types import Quantization
from random_networks import original, outputs, random_network, wide_network

EXACT = 3e-5  # float32 adds up several thirds of a number where there was one number
STEP = 0.05


def copied(network: Network, seed: int) -> Network:
    """Copies channels of every region one to four times."""
    rng = np.random.default_rng(seed)
    for region in copyable_regions(network):
        counts = rng.integers(1, 5, network.values[region.first].channels)
        network = copy_channels(network, region.first, counts)
    return network


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**16), st.booleans(), st.booleans(), st.booleans())
def test_copies_change_nothing_in_real_numbers(seed: int, hard: bool, excite: bool, shortcut: bool) -> None:
    network = random_network(seed, hard=hard, excite=excite, shortcut=shortcut)
    repeated = copied(network, seed)
    assert repeated.channel_copies
    wanted = outputs(original(network))
    assert np.abs(outputs(original(repeated)) - wanted).max() <= EXACT * max(1.0, np.abs(wanted).max())
    lowered = rescale(lower_hard_swish(repeated, per_channel=()), {})
    assert np.abs(outputs(lowered) - wanted).max() <= EXACT * max(1.0, np.abs(wanted).max())


def test_copies_and_channel_groups_go_together() -> None:
    network = wide_network()
    x = next(
        region.first for region in copyable_regions(network) if network.values[region.first].channels == 48
    )
    counts = np.ones(48, np.intp)
    counts[[3, 40]] = 3, 2
    lowered = rescale(lower_hard_swish(copy_channels(network, x, counts), per_channel=()), {})
    order = np.random.default_rng(1).permutation(51)
    grouped = group_channels(lowered, x, [order[:20], order[20:]])
    assert grouped is not None
    assert np.abs(outputs(grouped[0]) - outputs(original(network))).max() < EXACT
    parts = [value for value, origin in grouped[1].items() if origin.value == x]
    of_parts = [node.stagger for node in grouped[0].nodes if node.output in parts]
    assert len(of_parts) == 2
    np.testing.assert_array_equal(
        np.concatenate([stagger for stagger in of_parts if stagger is not None]), staggers(counts)[order]
    )


def test_copies_are_moved_by_shares_of_a_step_and_cancel() -> None:
    assert staggers(np.array([1, 2, 4])).tolist() == [0, -0.25, 0.25, -0.375, -0.125, 0.125, 0.375]
    network = original(random_network(7, hard=False, excite=False, shortcut=False))
    last = copyable_regions(network)[-1].first  # what a layer alone takes, without an activation
    network = network.with_nodes(
        dataclasses.replace(node, clamp="none") if node.output == last else node for node in network.nodes
    )
    counts = np.full(network.values[last].channels, 3, np.intp)
    repeated = copy_channels(network, last, counts)
    steps = {node.output: Quantization(scale=STEP, zero_point=0) for node in repeated.nodes}
    moved = staggered(repeated, steps)
    np.testing.assert_allclose(movements(repeated, steps)[last], STEP * staggers(counts))
    was, now = (next(n for n in one.nodes if n.output == last) for one in (repeated, moved))
    np.testing.assert_allclose(now.weights_and_bias()[1] - was.weights_and_bias()[1], STEP * staggers(counts))
    assert np.abs(outputs(moved) - outputs(network)).max() < EXACT


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_the_mean_of_rounded_copies_has_a_finer_step(copies: int) -> None:
    numbers = np.random.default_rng(0).uniform(-3, 3, 4000)
    moved = numbers[:, np.newaxis] + staggers(np.array([copies]))
    error = np.square(np.rint(moved).mean(axis=1) - numbers).mean()
    assert error == pytest.approx(1 / (12 * copies**2), rel=0.05)  # 4000 numbers give it to 2 %


def test_copies_that_a_network_cannot_have_are_refused() -> None:
    network = random_network(0, hard=True, excite=True, shortcut=False)
    first = copyable_regions(network)[0].first
    with pytest.raises(ValueError, match="has no channels for 2 counts of copies"):
        copy_channels(network, first, np.ones(2, np.intp))
    with pytest.raises(ValueError, match="cannot be copied"):
        copy_channels(network, network.input, np.full(network.values[network.input].channels, 2))


def test_clipping_all_copies_costs_what_it_did() -> None:
    tail = Tail(unit=np.ones(2), ends=np.array([0.0, 1.0]), costs=np.array([[4.0, 0.0], [6.0, 0.0]]))
    known = Sensitivity(rounding=np.array([8.0, 10.0]), high=tail, low=None)
    both = copied_sensitivity(known, np.array([2, 1]))
    assert both.high.costs[:, 0].tolist() == [2, 2, 6]
    assert both.rounding.tolist() == [2, 2, 10]


def test_the_noisy_channel_of_a_cheap_layer_is_copied_first() -> None:
    network = original(random_network(3, hard=False, excite=False, shortcut=False))
    regions = copyable_regions(network)
    costs = {r.first: np.full(network.values[r.first].channels, 1e-6) for r in regions}
    costs[regions[0].first][2] = 1.0
    assert choose_copies(network, costs, 0.0) == []
    chosen = dict(choose_copies(network, costs, 60.0))
    assert chosen[regions[0].first].argmax() == 2
    assert chosen[regions[0].first][2] == MOST_COPIES  # nothing else is worth as much
    repeated = network
    for first, of_region in chosen.items():
        repeated = copy_channels(repeated, first, of_region)
    assert network_cycles(network) < network_cycles(repeated) <= 1.6 * network_cycles(network)


def test_the_weights_of_copies_are_rounded_together() -> None:
    network = original(random_network(2, hard=False, excite=False, shortcut=False))
    first = copyable_regions(network)[0].first
    counts = np.full(network.values[first].channels, 3, np.intp)
    before, after = (
        next(node for node in one.nodes if first in node.inputs)
        for one in (network, copy_channels(network, first, counts))
    )
    stored, of_copies = (quantize_weights(node, 0.1) for node in (before, after))
    channels = network.values[first].channels
    sums = of_copies.weights.reshape(*stored.weights.shape[:-1], channels, 3).sum(axis=-1, dtype=np.int64)
    np.testing.assert_array_equal(sums, stored.weights)
    np.testing.assert_allclose(of_copies.scales, stored.scales)
    np.testing.assert_array_equal(of_copies.bias, stored.bias)
