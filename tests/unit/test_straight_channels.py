"""A line takes the place of a channel in which hard-swish is nearly straight."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.arm_forms import all_offers
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.linear_channels import divided_values
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.algorithms.straight_channels import (
    Lines,
    Straightening,
    choose_straight_channels,
    straighten,
)
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, run_float
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES
from edge_mnv3_quantization.recipes.copies import Decided
from edge_mnv3_quantization.recipes.decisions import decide
from edge_mnv3_quantization.recipes.notes import STRAIGHT_CHANNELS, read_straight_channels, write_notes
from random_networks import NARROW, SIDE, original, outputs, with_a_narrow_channel

IMAGES = np.random.default_rng(0).integers(0, 256, (2 * TRIAL_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
FEW = IMAGES[:8]


def lowered(network: Network) -> Network:
    return rescale(lower_hard_swish(network), {})


def observed(network: Network) -> dict[int, ChannelStatistics]:
    values = [node.output for node in network.nodes]
    rows = [np.concatenate(each) for each in zip(*run_float(network, values, FEW), strict=True)]
    return {
        value: ChannelStatistics(
            mean=of_value.mean(axis=0),
            mean_square=np.square(of_value).mean(axis=0),
            low=of_value.min(axis=0).astype(np.float64),
            high=of_value.max(axis=0).astype(np.float64),
        )
        for value, of_value in zip(values, rows, strict=True)
    }


def measured(network: Network) -> tuple[dict[int, ChannelStatistics], dict[int, Sensitivity]]:
    statistics = observed(network)
    return statistics, measure(network, statistics, FEW, seed=0)


def chosen(network: Network, x: int) -> Straightening | None:
    return choose_straight_channels(lowered(network), *measured(lowered(network)), FEW).get(x)


def test_a_narrow_channel_becomes_a_line_of_finer_steps() -> None:
    network, x = with_a_narrow_channel(2.3)
    found = chosen(network, x)
    assert found is not None
    assert found.lines.gains[NARROW] < 0.7
    assert found.saved > found.error >= 0
    # The values that change, with what errors in them cost now.
    values = divided_values(lowered(network), x)
    assert values is not None
    assert found.sensitivities.keys() <= values
    before = measured(lowered(network))[1]
    assert found.sensitivities[x].rounding[NARROW] < before[x].rounding[NARROW]
    saved = sum(best_range(before[v]).cost - best_range(found.sensitivities[v]).cost for v in values)
    assert found.saved == pytest.approx(saved - found.error)


def test_an_error_in_a_line_counts_by_its_gain() -> None:
    network, x = with_a_narrow_channel(2.3)
    found = chosen(network, x)
    assert found is not None
    _, before = measured(lowered(network))
    gain, slope = found.lines.gains[NARROW], (2 * 2.3 + 3) / 6  # of the hard-swish at 2.3; beyond 3 it is 1
    for value, share in ((x, gain / slope), (found_product(network, x), gain)):
        got, known = found.sensitivities[value].rounding, before[value].rounding
        assert got[NARROW] == pytest.approx(share**2 * known[NARROW], rel=0.02)
        np.testing.assert_array_equal(np.delete(got, NARROW), np.delete(known, NARROW))
    # The ends move with the numbers: what clipped half of the range clips as much of it now.
    numbers = observed(lowered(network))[x]
    low, high = numbers.low[NARROW], numbers.high[NARROW]
    at = np.zeros((network.values[x].channels, 3))
    at[NARROW] = low, (low + high) / 2, high
    moved = at * found.lines.slopes[:, None] + found.lines.offsets[:, None]
    clipped = found.sensitivities[x].high.at(moved)[NARROW]
    assert clipped[0] > clipped[1] > clipped[2] == 0


def found_product(network: Network, x: int) -> int:
    return next(node.output for node in lowered(network).consumers(x) if node.kind == "mul")


def test_lines_change_little_and_the_same_in_every_form() -> None:
    network, x = with_a_narrow_channel(2.3)
    found = chosen(network, x)
    assert found is not None
    wanted = outputs(original(network))
    straight = outputs(original(straighten(network, x, found.lines)))
    tables = lower_hard_swish(straighten(network, x, found.lines), per_channel=())
    assert 0 < np.abs(straight - wanted).max() < 0.01 * np.abs(wanted).max()
    for other in (straighten(lowered(network), x, found.lines), original(tables)):
        assert np.abs(outputs(other) - straight).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("middle", [-0.1, -2.0, 0.1])
def test_channels_that_are_no_lines_stay(middle: float) -> None:
    network, x = with_a_narrow_channel(middle, width=0.3)
    found = chosen(network, x)
    assert found is None or found.lines.gains[NARROW] == 1


def test_values_without_statistics_or_costs_are_left_out() -> None:
    network, x = with_a_narrow_channel(2.3)
    statistics, sensitivities = measured(lowered(network))
    assert x not in choose_straight_channels(lowered(network), {}, sensitivities, FEW)
    assert x not in choose_straight_channels(lowered(network), statistics, {}, FEW)


def test_a_table_with_lines_is_offered_beside_one_without() -> None:
    network, x = with_a_narrow_channel(2.3)
    statistics, sensitivities = measured(lowered(network))
    found = choose_straight_channels(lowered(network), statistics, sensitivities, FEW)
    errors = FormErrors(lowered(network), sensitivities)
    tables = lower_hard_swish(network, per_channel=())
    saved = {value: one.saved for value, one in found.items()}
    offers = all_offers(tables, hard_swish_inputs(lowered(network)), errors, saved)
    plain = all_offers(tables, hard_swish_inputs(lowered(network)), errors)
    assert x in offers[0][0].straight
    assert offers[0][0].cycles == plain[0][0].cycles
    assert offers[0][0].error < plain[0][0].error


@pytest.mark.parametrize(("images", "synthetic"), [(IMAGES, False), (FEW, False), (IMAGES, True)])
def test_only_enough_photographs_tell_of_lines(images: np.typing.NDArray[np.uint8], synthetic: bool) -> None:
    network, x = with_a_narrow_channel(2.3)
    statistics, sensitivities = measured(lowered(network))
    options = QuantizationOptions(target="phone", budget_percent=0.0, synthetic=synthetic)
    decided, costs = decide(Decided(network, lowered(network), sensitivities), statistics, images, options)
    assert (network.values[x].name in decided.original.straight_channels) is (
        images is IMAGES and not synthetic
    )
    assert decided.original.straight_channels == decided.measured.straight_channels
    assert costs == (0.0, 0.0)


def test_notes_hold_the_lines_and_damaged_ones_are_refused() -> None:
    network, x = with_a_narrow_channel(2.3)
    size = network.values[x].channels
    lines = Lines(np.full(size, 2.5), np.full(size, -0.1), np.full(size, 0.25))
    noted = write_notes(straighten(network, x, lines), {})
    (read,) = read_straight_channels(noted[STRAIGHT_CHANNELS]).values()
    for wanted, got in zip(lines, read, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert STRAIGHT_CHANNELS not in write_notes(network, {})
    for entry in (b'{"x":[[1.0],[0.0],[0.0]]}', b'{"x":[[NaN],[0.0],[1.0]]}', b'{"x":[[-1.0],[0.0],[1.0]]}'):
        with pytest.raises(ValueError, match="not above 0"):
            read_straight_channels(entry)


def test_lines_that_do_not_fit_are_refused() -> None:
    network, x = with_a_narrow_channel(2.3)
    one = np.ones(1)
    with pytest.raises(ValueError, match="channels, and 1 lines"):
        straighten(network, x, Lines(one, one, one))
    whole = np.ones(network.values[network.output].channels)
    with pytest.raises(ValueError, match="cannot be divided"):
        straighten(network, network.output, Lines(whole, whole, whole))
