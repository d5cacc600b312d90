"""Scales go through a hard-swish where it is the identity."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.linear_channels import (
    choose_linear_scales,
    divide_channels,
    divided_sensitivities,
    divided_values,
)
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.recipes.notes import LINEAR_SCALES, read_linear_scales, write_notes
from random_networks import original, outputs, random_network
from small_networks import free_sensitivity

LINEAR = 1  # the channel of the first hard-swish that is always large


def network_with_a_linear_channel() -> tuple[Network, int]:
    network = random_network(3, hard=True, excite=True, shortcut=False)
    x = min(hard_swish_inputs(lower_hard_swish(network)))
    nodes = []
    for node in network.nodes:
        if node.output == x:
            _, bias = node.weights_and_bias()
            node = dataclasses.replace(node, bias=bias + np.where(np.arange(len(bias)) == LINEAR, 200.0, 0.0))
        nodes.append(node)
    return network.with_nodes(nodes), x


def scales_of(network: Network, x: int, scale: float) -> Array:
    return np.where(np.arange(network.values[x].channels) == LINEAR, scale, 1.0)


def test_division_changes_nothing_where_the_channel_stays_linear() -> None:
    network, x = network_with_a_linear_channel()
    wanted = outputs(original(network))
    divided = divide_channels(network, x, scales_of(network, x, 8.0))
    assert np.abs(outputs(original(divided)) - wanted).max() < 1e-5 * np.abs(wanted).max()
    # So it is where each hard-swish is lowered already.
    lowered = divide_channels(rescale(lower_hard_swish(network), {}), x, scales_of(network, x, 8.0))
    assert np.abs(outputs(lowered) - wanted).max() < 1e-5 * np.abs(wanted).max()
    # Other channels, and the same one divided by too much, are not linear.
    bent = divide_channels(network, x, scales_of(network, x, 500.0))
    assert np.abs(outputs(original(bent)) - wanted).max() > 1e-3 * np.abs(wanted).max()
    noted = read_linear_scales(write_notes(divided, {})[LINEAR_SCALES])
    assert noted == {network.values[x].name: scales_of(network, x, 8.0).tolist()}
    assert LINEAR_SCALES not in write_notes(network, {})


def test_scales_that_do_not_fit_are_refused() -> None:
    network, x = network_with_a_linear_channel()
    with pytest.raises(ValueError, match="channels, and 2 scales"):
        divide_channels(network, x, np.ones(2))
    with pytest.raises(ValueError, match="cannot be divided"):
        divide_channels(network, network.output, np.ones(network.values[network.output].channels))
    for entry in (b'{"x":[0.5]}', b'{"x":[NaN]}'):
        with pytest.raises(ValueError, match="not 1 or more"):
            read_linear_scales(entry)


@pytest.mark.parametrize(("low", "largest"), [(40.0, 12.0), (10.0, 3.0), (3.1, 1.0), (-1.0, 1.0)])
def test_scales_leave_the_channel_linear_and_save_error(low: float, largest: float) -> None:
    network, x = network_with_a_linear_channel()
    lowered = rescale(lower_hard_swish(network), {})
    channels = lowered.values[x].channels
    high = np.where(np.arange(channels) == LINEAR, 60.0, 3.0)
    statistics = ChannelStatistics(
        mean=high / 2, mean_square=high**2 / 3, low=np.where(high > 3, low, -1.0), high=high
    )
    values = divided_values(lowered, x)
    assert values is not None
    sensitivities = {value: free_sensitivity(high, np.ones(channels)) for value in values}
    chosen = choose_linear_scales(lowered, {x: statistics}, sensitivities)
    if largest == 1.0:
        assert chosen == {}
        return
    (scales,) = chosen.values()
    np.testing.assert_array_equal(np.delete(scales, LINEAR), 1.0)
    # A tenth less than the smallest number still stays above 3.
    assert 1.0 < scales[LINEAR] <= largest
    after = divided_sensitivities(lowered, sensitivities, x, scales)
    assert best_range(after[x]).cost < best_range(sensitivities[x]).cost
