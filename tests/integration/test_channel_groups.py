"""Channels computed in groups: nothing changes in real numbers, and the groups are the best ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3_quantization.algorithms import lowering
from edge_mnv3_quantization.algorithms.arm_forms import all_offers, joined_choice, within_budget
from edge_mnv3_quantization.algorithms.channel_groups import (
    MULTIPLE,
    best_division,
    chain_of,
    divisions,
    group_channels,
    moved,
)
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.lowering import lower
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.algorithms.ranges import best_range, choose_ranges
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.diagnosis.diagnose import diagnose
from edge_mnv3_quantization.diagnosis.pairing import pair_files
from edge_mnv3_quantization.graph.heads import logits_value
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, shared_scales
from edge_mnv3_quantization.graph.writer import write_float, write_int8
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes import decisions
from edge_mnv3_quantization.recipes.copies import Decided
from edge_mnv3_quantization.recipes.notes import CHANNEL_GROUPS, write_notes
from examples_count import examples
from quantizing import quantized
from random_networks import SIDE, TOLERANCE, original, outputs, random_network, wide_network
from small_networks import (
    float_outputs,
    free_sensitivity,
    int8_outputs,
    observed,
    random_images,
    rounded_weights,
)

IMAGES = random_images(8, side=SIDE)


def first_chain(network: Network) -> int:
    return next(x for x in sorted(hard_swish_inputs(network)) if chain_of(network, x) is not None)


@examples(10)
@given(
    seed=st.integers(0, 10_000), excite=st.booleans(), second_table=st.booleans(), groups=st.integers(2, 4)
)
def test_grouping_and_rescaling_change_nothing(
    seed: int, excite: bool, second_table: bool, groups: int
) -> None:
    network = random_network(seed, hard=True, excite=excite, shortcut=False)
    wanted = outputs(original(network))
    x = first_chain(lower_hard_swish(network, per_channel=()))
    chain = chain_of(lower_hard_swish(network, per_channel=()), x)
    assert chain is not None
    tables = rescale(lower_hard_swish(network, per_channel=() if second_table else {chain.depthwise}), {})
    rng = np.random.default_rng(seed)
    order = rng.permutation(8)
    cuts = np.sort(rng.choice(np.arange(1, 8), groups - 1, replace=False))
    parts = np.split(order, cuts)
    result = group_channels(tables, x, parts)
    assert result is not None
    grouped, origins = result
    assert np.abs(outputs(grouped) - wanted).max() < TOLERANCE
    # One concatenation, of what the second hard-swish gives or, where that is no table, takes.
    (joined,) = (node for node in grouped.nodes if node.kind == "concat")
    assert joined.output == (chain.end if second_table else chain.depthwise)
    assert len(joined.inputs) == groups
    assert [origins[value].channels.tolist() for value in joined.inputs] == [p.tolist() for p in parts]
    assert sum(node.kind == "hard_sigmoid" for node in grouped.nodes) == sum(
        node.kind == "hard_sigmoid" for node in tables.nodes
    ) + (groups - 1) * (2 if second_table else 1)
    assert grouped.channel_groups == {tables.values[x].name: tuple(tuple(p.tolist()) for p in parts)}
    free = {shared.group for shared in shared_scales(grouped).values() if shared.group is not None}
    scales = {group: np.exp(rng.uniform(-2, 2, grouped.values[group].channels)) for group in free}
    rescaled = rescale(grouped, scales)
    assert np.abs(outputs(rescaled) - wanted).max() < TOLERANCE
    # What a convolution per channel takes has separate equalization scales, joined or not.
    assert (joined.output in free) == (not second_table)


def test_groups_only_where_the_order_of_channels_is_free() -> None:
    network = lower_hard_swish(random_network(1, hard=True, excite=False, shortcut=False), per_channel=())
    x = first_chain(network)
    chain = chain_of(network, x)
    assert chain is not None
    halves = [np.arange(4), np.arange(4, 8)]
    assert group_channels(network, x, halves) is not None
    with pytest.raises(ValueError, match="not every channel of 'value 3' is in one group"):
        group_channels(network, x, [np.arange(4), np.arange(4, 7)])
    # Cut off behind the chain, its channels are the network's output.
    assert group_channels(network.up_to(chain.end), x, halves) is None
    assert chain_of(network, chain.depthwise) is None
    per_channel = lower_hard_swish(random_network(1, hard=True, excite=False, shortcut=False))
    assert [chain_of(per_channel, value) for value in hard_swish_inputs(per_channel)] == [None] * 4


def test_best_groups_are_the_best_of_all() -> None:
    rng = np.random.default_rng(4)
    sizes = rng.permutation(np.repeat([0.01, 0.1, 1.0, 30.0], MULTIPLE))
    member = free_sensitivity(sizes, np.ones(4 * MULTIPLE))
    order = np.argsort(sizes, kind="stable")
    bounds = range(0, 5 * MULTIPLE, MULTIPLE)

    def cost(cuts: tuple[int, ...]) -> float:
        parts = np.split(order, cuts)
        return sum(best_range(member.of_channels(part)).cost for part in parts)

    for most_saved, count in ((0.0, 4), (1e9, 1)):
        groups, least = best_division(divisions([member], [order]), most_saved)
        assert len(groups) == count
        assert sorted(np.concatenate(groups).tolist()) == list(range(4 * MULTIPLE))
        every = [cost(cuts) for n in range(count) for cuts in itertools.combinations(bounds[1:-1], n)]
        # Other candidates for the ends of a range than those of `best_range`.
        assert least == pytest.approx(min(every), rel=0.15)
    four, _ = best_division(divisions([member], [order]), 0.0)
    assert [sorted(set(sizes[group])) for group in four] == [[0.01], [0.1], [1.0], [30.0]]
    # In an order that mixes sizes groups save nothing; the better of two orders is taken.
    mixed = order.reshape(4, MULTIPLE).T.reshape(-1)
    assert len(best_division(divisions([member], [mixed]), 1e-9)[0]) == 1
    assert len(best_division(divisions([member], [mixed, order]), 1e-9)[0]) == 4


def test_fewer_channels_than_two_tiles_stay_together() -> None:
    member = free_sensitivity(np.geomspace(1e-3, 1.0, 2 * MULTIPLE - 1), np.ones(2 * MULTIPLE - 1))
    groups, cost = best_division(divisions([member], [np.arange(2 * MULTIPLE - 1)]), 0.0)
    assert len(groups) == 1
    assert cost == pytest.approx(best_range(member).cost, rel=0.15)


def measured(network: Network) -> dict[int, Sensitivity]:
    return measure(network.up_to(logits_value(network)), observed(network, IMAGES), IMAGES, seed=0)


def test_a_phones_budget_is_kept_by_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = wide_network(4 * MULTIPLE)
    per_channel = rescale(lower_hard_swish(network), {})
    sensitivities = measured(per_channel)
    tables = lower_hard_swish(network, per_channel=())
    offers = all_offers(tables, hard_swish_inputs(per_channel), FormErrors(per_channel, sensitivities))
    # Just what the cheapest steps cost one by one, which together cost a little more in the network.
    cycles = sum(offer[1].cycles - offer[0].cycles for offer in offers)
    cheapest = network_cycles(tables)
    chosen = joined_choice(within_budget(offers, cycles))
    taken = lowering.Forms(chosen.per_channel, chosen.groups)
    assert network_cycles(lower(network, per_channel, sensitivities, taken)[0]) > cheapest + cycles
    monkeypatch.setattr(decisions, "_SHARES", (1.0,))
    budget = 100 * cycles / cheapest
    options = QuantizationOptions(target="phone", budget_percent=budget, synthetic=True)
    decided, costs = decisions.decide(Decided(network, per_channel, sensitivities), {}, IMAGES, options)
    spent = network_cycles(decided.lowered()[0])
    assert cheapest < spent <= cheapest + cycles
    assert spent == pytest.approx(
        cheapest * (1 + costs.forms_percent / 100) * (1 + costs.copies_percent / 100)
    )


def test_auto_groups_where_it_saves_and_runs_as_one_partition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = wide_network()
    per_channel = rescale(lower_hard_swish(network), {})
    sensitivities = measured(per_channel)
    errors = {}
    for worth in (0.001, 1e9):
        monkeypatch.setattr(lowering, "_GROUP_WORTH", worth)
        monkeypatch.setattr(lowering, "_WORTH", 1e9)
        forms = lowering.choose_forms(network, per_channel, sensitivities, "auto")
        grouped, moved = lower(network, per_channel, sensitivities, forms)
        assert np.abs(outputs(grouped) - outputs(original(network))).max() < TOLERANCE
        counted = [node for node in grouped.nodes if node.kind == "concat"]
        assert len(counted) == (1 if worth < 1 else 0)
        part = grouped.up_to(logits_value(grouped))
        quantizations = choose_ranges(part, moved)
        for node in counted:
            assert {quantizations[value] for value in node.inputs} == {quantizations[node.output]}
        weights = rounded_weights(part, quantizations)
        content = write_int8(part, quantizations, weights, io="int8", notes=write_notes(part, {}))
        path = tmp_path / "groups.tflite"
        path.write_bytes(content)
        model = open_model(path, kernels="xnnpack")
        assert (model.partitions, model.undelegated_ops) == (1, {})
        assert open_model(path, kernels="builtin").partitions == 0
        note = read_model(content, "groups").metadata.get(CHANNEL_GROUPS)
        if counted:
            assert note is not None
            (channels,) = json.loads(note).values()
            assert sorted(itertools.chain(*channels)) == list(range(48))
        else:
            assert note is None
        error = int8_outputs(part, quantizations, weights, IMAGES) - float_outputs(part, IMAGES)
        errors[worth] = float(np.square(error).mean())
    # Channels differ by a factor of 300: one scale for all of them costs many times more.
    assert errors[0.001] < 0.5 * errors[1e9]


def test_sensitivities_follow_the_channels() -> None:
    network = wide_network(excite=False)
    tables = rescale(lower_hard_swish(network, per_channel=()), {})
    before = measured(tables)
    x = first_chain(tables)
    order = np.random.default_rng(0).permutation(48)
    result = group_channels(tables, x, [order[:16], order[16:]])
    assert result is not None
    grouped, origins = result
    carried, seen = moved(before, origins), observed(grouped, IMAGES)
    parts = [value for value in seen if value in origins]
    assert len(parts) > 6
    for value in parts:
        np.testing.assert_array_equal(
            carried[value].rounding, before[origins[value].value].rounding[origins[value].channels]
        )
        # The numbers of these very channels: what was seen of others would be exceeded somewhere.
        largest = np.maximum(seen[value].high, 0.0)
        assert (largest <= carried[value].high.last() * (1 + 1e-5) + 1e-9).all()


@pytest.mark.parametrize("second_table", [False, True], ids=["per_channel", "table"])
def test_diagnosis_sees_through_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, second_table: bool
) -> None:
    monkeypatch.setattr(lowering, "_GROUP_WORTH", 0.001)
    monkeypatch.setattr(lowering, "_WORTH", 1e9 if second_table else -1.0)
    network = wide_network(excite=False)
    float_path, int8_path = tmp_path / "f.tflite", tmp_path / "q.tflite"
    float_path.write_bytes(write_float(network, [network.output], pixels=True))
    int8_path.write_bytes(quantized("fast", float_path.read_bytes(), IMAGES))
    # On eight images chance alone makes a decibel between the prediction and the file.
    many = np.random.default_rng(3).integers(0, 256, (200, *IMAGES.shape[1:]), dtype=np.uint8)
    result = diagnose(float_path, int8_path, many, image_source="test")
    assert result.xnnpack_problem is None
    # The last hard-swish, of 7 channels between two convolutions, has no groups.
    assert result.recipe.hard_swishes == 3
    assert result.recipe.hard_swishes_as_table == (3 if second_table else 1)
    assert result.recipe.hard_swishes_in_groups == (2 if second_table else 1)
    grouped = [layer for layer in result.layers if "_group_" in layer.layer]
    assert len(grouped) >= 2 * (4 if second_table else 3)
    # In another order of channels noise would be as large as the signal: 0 dB.
    assert min(layer.snr_db for layer in result.layers if layer.snr_db is not None) > 10
    assert result.predicted_snr_db == pytest.approx(result.snr_db, abs=0.25)


def test_groups_that_the_float_file_cannot_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "_GROUP_WORTH", 0.001)
    network, other = wide_network(excite=False), wide_network(40, excite=False)
    contents = [write_float(one, [one.output], pixels=True) for one in (network, other)]
    int8 = quantized("fast", contents[0], IMAGES)
    with pytest.raises(ModelFileError, match="model q: got channel copies, groups or equalization scales"):
        pair_files(contents[1], int8, float_name="f", int8_name="q")


def test_over_a_single_image_no_gate_counts_as_constant() -> None:
    network = original(wide_network())
    content = write_float(network, [network.output], pixels=True)

    def products(count: int) -> int:
        int8 = quantized("fast", content, IMAGES[:count], hard_swish="lowered")
        return read_model(int8, "q").op_histogram()["MUL"]

    # Three hard-swishes and the squeeze-excite block, whose excitation differs from image to image.
    assert products(1) == products(8) == 4
