"""A stretched part of its curve takes the place of a hard-swish, channel by channel, where it fits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms import fitted_channels as fitted_channels_module
from edge_mnv3_quantization.algorithms.arm_forms import all_offers
from edge_mnv3_quantization.algorithms.curves import Curves, fit_channels, fitted_values
from edge_mnv3_quantization.algorithms.fitted_channels import FittedChannels
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.linear_channels import divided_values
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.number_effects import true_errors
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, run_float
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES
from edge_mnv3_quantization.recipes.copies import Decided
from edge_mnv3_quantization.recipes.decisions import decide
from edge_mnv3_quantization.recipes.notes import (
    FITTED_CHANNELS,
    STRAIGHT_CHANNELS,
    read_fitted_channels,
    write_notes,
)
from random_networks import NARROW, SIDE, original, outputs, wide_network, with_a_narrow_channel

IMAGES = np.random.default_rng(0).integers(0, 256, (2 * TRIAL_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
FEW = IMAGES[:8]
FITTING = (2.3, 1.2)  # where a line is much like hard-swish


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


def fitted_channels(network: Network) -> FittedChannels:
    return FittedChannels(lowered(network), *measured(lowered(network)), IMAGES, seed=0)


def product_of(network: Network, x: int) -> int:
    return next(node.output for node in lowered(network).consumers(x) if node.kind == "mul")


@pytest.mark.parametrize("middle", FITTING)
def test_a_narrow_channel_gets_a_curve_of_finer_steps(middle: float) -> None:
    network, x = with_a_narrow_channel(middle)
    found = fitted_channels(network)
    assert found.saved(x) > 0
    fitting = found.fitting(x)
    assert fitting.curves.fitted[NARROW]
    assert fitting.curves.gains[NARROW] < 0.7
    # The values that change, with what errors in them cost now.
    values = divided_values(lowered(network), x)
    assert values is not None
    assert fitting.sensitivities.keys() <= values
    before = measured(lowered(network))[1]
    plain = sum(best_range(before[value]).cost for value in values)
    after = fitting.error + sum(best_range(fitting.sensitivities[value]).cost for value in values)
    assert after < plain
    assert plain - after > 0.5 * found.saved(x)  # the estimate that forms are chosen by


def test_rounding_counts_by_the_gain_and_the_steepness_of_the_curve() -> None:
    network, x = with_a_narrow_channel(2.3)
    fitting = fitted_channels(network).fitting(x)
    _, before = measured(lowered(network))
    slope, offset, gain, *_ = (float(each[NARROW]) for each in fitting.curves)

    rows = [one[0][:, NARROW] for one in run_float(lowered(network), [x], FEW)]
    numbers = np.concatenate(rows).astype(np.float64)

    def mean_square_steepness(given: np.typing.NDArray[np.float64]) -> float:
        inside = np.where(given > -3, (2 * given + 3) / 6, 0.0)
        return float(np.square(np.where(given < 3, inside, 1.0)).mean())

    steeper = mean_square_steepness(slope * numbers + offset) / mean_square_steepness(numbers)
    ratio = gain * np.sqrt(steeper)
    got = fitting.sensitivities[x].rounding[NARROW]
    assert got == pytest.approx(ratio**2 * before[x].rounding[NARROW], rel=0.05)
    product = product_of(network, x)
    got = fitting.sensitivities[product].rounding[NARROW]
    assert got == pytest.approx(gain**2 * before[product].rounding[NARROW], rel=1e-6)


def test_the_cost_of_clipping_moves_with_the_numbers() -> None:
    network, x = with_a_narrow_channel(2.3)
    fitting = fitted_channels(network).fitting(x)
    curves, numbers = fitting.curves, observed(lowered(network))[x]
    ends = np.stack([numbers.low, (numbers.low + numbers.high) / 2, numbers.high], axis=1)
    reached = ends * curves.slopes[:, None] + curves.offsets[:, None]
    clipped = fitting.sensitivities[x].high.at(np.maximum(reached, 0.0))[NARROW]
    assert clipped[0] > clipped[1] > clipped[2]
    far = np.full_like(reached, float(fitting.sensitivities[x].high.last()[NARROW]))
    assert fitting.sensitivities[x].high.at(far)[NARROW, 2] < 1e-9 * clipped[0]


@pytest.mark.parametrize("middle", FITTING)
def test_curves_change_little_and_the_same_in_every_form(middle: float) -> None:
    network, x = with_a_narrow_channel(middle)
    curves = fitted_channels(network).fitting(x).curves
    wanted = outputs(original(network))
    fitted = outputs(original(fit_channels(network, x, curves)))
    tables = lower_hard_swish(fit_channels(network, x, curves), per_channel=())
    assert 0 < np.abs(fitted - wanted).max() < 0.02 * np.abs(wanted).max()
    for other in (fit_channels(lowered(network), x, curves), original(tables)):
        assert np.abs(outputs(other) - fitted).max() < 1e-5 * np.abs(wanted).max()


def _curves_of(network: Network, x: int, **of_narrow: float) -> Curves:
    curves = Curves.none(network.values[x].channels)
    for name, number in of_narrow.items():
        getattr(curves, name)[NARROW] = number
    return curves


def test_a_parabola_stretched_about_its_lowest_point_is_exact_inside_and_at_a_surrounded_border() -> None:
    network, x = with_a_narrow_channel(-0.3)
    wanted = outputs(original(network))
    stretch = 2.0  # about -1.5, between -3 and 3: hard_swish(x) = hard_swish(u) / 4 + constant
    constant = 0.375 / stretch**2 - 0.375
    exact = {
        "slopes": stretch,
        "offsets": 1.5 * stretch - 1.5,
        "gains": stretch**-2,
        "constants": constant,
    }
    around = -constant * stretch**2
    surrounded, zeros = (
        outputs(original(fit_channels(network, x, _curves_of(network, x, **exact, borders=border))))
        for border in (around, 0.0)
    )
    assert np.abs(surrounded - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.abs(zeros - wanted).max() > 1e-2 * np.abs(wanted).max()


@pytest.mark.parametrize("middle", [-8.0, 14.0])
def test_channels_that_hard_swish_stops_or_lets_through_keep_their_results(middle: float) -> None:
    network, x = with_a_narrow_channel(middle, width=0.3)
    fitting = fitted_channels(network).fitting(x)
    wanted = outputs(original(network))
    fitted = outputs(original(fit_channels(network, x, fitting.curves)))
    assert np.abs(fitted - wanted).max() < 0.03 * np.abs(wanted).max()


def test_values_without_statistics_or_costs_are_left_out() -> None:
    network, x = with_a_narrow_channel(2.3)
    statistics, sensitivities = measured(lowered(network))
    assert FittedChannels(lowered(network), {}, sensitivities, FEW, seed=0).saved(x) == 0
    assert FittedChannels(lowered(network), statistics, {}, FEW, seed=0).saved(x) == 0


def test_a_misjudged_border_leaves_the_constants_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    network = wide_network(16)
    x = min(hard_swish_inputs(lowered(network)))
    before = fitted_channels(network)
    assert before.saved(x, surrounded=True) > 0

    def misjudged(*given: Any, **options: Any) -> list[float]:
        others = given[1]
        bordered = [any(node.border is not None for node in one.nodes) for one in others]
        found = true_errors(*given, **options)
        return [1e9 if one else error for one, error in zip(bordered, found, strict=True)]

    monkeypatch.setattr(fitted_channels_module, "true_errors", misjudged)
    after = fitted_channels(network)
    assert after.saved(x, surrounded=True) == 0
    assert after.saved(x) == before.saved(x)
    np.testing.assert_array_equal(after.fitting(x).curves.constants, before.fitting(x).curves.constants)


def test_tables_with_fitted_channels_are_offered_beside_those_without() -> None:
    network, x = with_a_narrow_channel(2.3)
    _, sensitivities = measured(lowered(network))
    errors = FormErrors(lowered(network), sensitivities)
    tables = lower_hard_swish(network, per_channel=())
    inputs = hard_swish_inputs(lowered(network))
    plain = all_offers(tables, inputs, errors)
    offers = all_offers(tables, inputs, errors, fitted_channels(network))
    assert x in offers[0][0].fitted
    assert offers[0][0].cycles == plain[0][0].cycles
    assert offers[0][0].error < plain[0][0].error


@pytest.mark.parametrize(("images", "synthetic"), [(IMAGES, False), (FEW, False), (IMAGES, True)])
def test_only_enough_photographs_tell_of_curves(images: np.typing.NDArray[np.uint8], synthetic: bool) -> None:
    network, x = with_a_narrow_channel(2.3)
    statistics, sensitivities = measured(lowered(network))
    options = QuantizationOptions(target="phone", budget_percent=0.0, synthetic=synthetic)
    decided, costs = decide(Decided(network, lowered(network), sensitivities), statistics, images, options)
    fitted = images is IMAGES and not synthetic
    assert (network.values[x].name in decided.original.fitted_channels) is fitted
    assert decided.original.fitted_channels == decided.measured.fitted_channels
    assert costs == (0.0, 0.0)
    # What the int8 network is to come near has no curves.
    assert (decided.unfitted is not None) is fitted
    assert not decided.reference().fitted_channels
    assert (x in fitted_values(decided.lowered()[0])) is fitted


def test_the_same_images_and_seed_give_the_same_curves() -> None:
    network, x = with_a_narrow_channel(-0.3)
    one, other = (fitted_channels(network).fitting(x) for _ in range(2))
    for first, second in zip(one.curves, other.curves, strict=True):
        np.testing.assert_array_equal(first, second)


def test_notes_hold_the_curves_and_damaged_ones_are_refused() -> None:
    network, x = with_a_narrow_channel(2.3)
    size = network.values[x].channels
    curves = Curves(*(np.full(size, number) for number in (2.5, -0.1, 0.25, 0.5, 0.125)))
    noted = write_notes(fit_channels(network, x, curves), {})
    (read,) = read_fitted_channels(noted).values()
    for wanted, got in zip(curves, read, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert FITTED_CHANNELS not in write_notes(network, {})
    for rows in ("[[1.0],[0.0],[0.0],[0.0],[0.0]]", "[[NaN],[0],[1],[0],[0]]", "[[-1],[0],[1],[0],[0]]"):
        with pytest.raises(ValueError, match="not above 0"):
            read_fitted_channels({FITTED_CHANNELS: f'{{"x":{rows}}}'.encode()})
    with pytest.raises(ValueError, match="3 rows of numbers, where 5 were expected"):
        read_fitted_channels({FITTED_CHANNELS: b'{"x":[[1.0],[0.0],[1.0]]}'})


def test_the_lines_of_older_files_are_read_as_curves_without_constants() -> None:
    read = read_fitted_channels({STRAIGHT_CHANNELS: b'{"x":[[2.0,1.0],[-0.5,0.0],[0.25,1.0]]}'})
    for wanted, got in zip(
        ([2.0, 1.0], [-0.5, 0.0], [0.25, 1.0], [0.0, 0.0], [0.0, 0.0]), read["x"], strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
    assert read["x"].fitted.tolist() == [True, False]


def test_curves_that_do_not_fit_a_network_are_refused() -> None:
    network, x = with_a_narrow_channel(2.3)
    with pytest.raises(ValueError, match="channels, and 1 curves"):
        fit_channels(network, x, Curves.none(1))
    whole = Curves.none(network.values[network.output].channels)
    with pytest.raises(ValueError, match="cannot be divided"):
        fit_channels(network, network.output, whole)


def test_constants_need_layers_that_can_take_them() -> None:
    network, x = with_a_narrow_channel(2.3)
    result = next(node.output for node in network.consumers(x) if node.kind == "hard_swish")
    taker = network.consumers(result)[0]
    summed = max(network.values) + 1
    values = {**network.values, summed: dataclasses.replace(network.values[result], name="summed")}
    nodes = []
    for node in network.nodes:
        if node.output == taker.output:
            nodes.append(
                dataclasses.replace(
                    taker, kind="add", weights=None, bias=None, inputs=(result, result), output=summed
                )
            )
            node = dataclasses.replace(node, inputs=(summed,))
        nodes.append(node)
    with pytest.raises(ValueError, match="cannot be divided|not only layers with weights"):
        fit_channels(network.with_nodes(nodes, values), x, _curves_of(network, x, constants=0.1))
