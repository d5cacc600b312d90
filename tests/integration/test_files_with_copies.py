"""A budget buys channel copies: nearer to float, one partition, the same bytes again, and diagnosis knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.commands.diagnose import table
from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite.output_facts import read_outputs
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.quantize import QuantizeRequest
from edge_mnv3_quantization.diagnosis.diagnose import diagnose
from edge_mnv3_quantization.diagnosis.pairing import pair_files
from edge_mnv3_quantization.exploring.held_out import Runs, held_out_figures, logits_of
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import RECIPES, TRIAL_IMAGES
from edge_mnv3_quantization.recipes.notes import (
    CHANNEL_COPIES,
    LINEAR_SCALES,
    read_copies,
    read_fitted_channels,
    read_linear_scales,
)
from edge_mnv3_quantization.recipes.quantize import quantize
from quantizing import quantized
from random_networks import SIDE, original, wide_network, with_a_narrow_channel

IMAGES = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
OTHERS = np.random.default_rng(3).integers(0, 256, (64, SIDE, SIDE, 3), dtype=np.uint8)
BUDGET_PERCENT = 60.0


@pytest.fixture(scope="module")
def float_model() -> bytes:
    network = original(wide_network())
    return write_float(network, [network.output], pixels=True)


@pytest.mark.parametrize("recipe", ["accurate", "fast"])
def test_a_budget_brings_the_file_nearer_to_float(float_model: bytes, recipe: str, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.tflite" for name in ("float", "plain", "copied")}
    paths["float"].write_bytes(float_model)
    paths["plain"].write_bytes(quantized(recipe, float_model, IMAGES))
    options = QuantizationOptions(budget_percent=BUDGET_PERCENT)
    made = quantize(float_model, IMAGES, RECIPES[recipe], options=options)
    paths["copied"].write_bytes(made.model)
    assert made.model == quantize(float_model, IMAGES, RECIPES[recipe], options=options).model
    assert 0 < made.report.copies_cost_percent <= BUDGET_PERCENT
    noted = read_copies(read_model(made.model, "copied").metadata[CHANNEL_COPIES])
    assert len(noted) == len(made.report.copied_layers) > 0
    added = [sum(counts) - len(counts) for counts in noted.values()]
    assert added == [layer.added_channels for layer in made.report.copied_layers]
    model = open_model(paths["copied"], kernels="xnnpack")
    assert (model.partitions, model.undelegated_ops.keys() - {"QUANTIZE", "SOFTMAX"}) == (1, set())
    assert open_model(paths["copied"], kernels="builtin").partitions == 0
    plain, copied = (
        diagnose(paths["float"], paths[name], OTHERS, image_source="test") for name in ("plain", "copied")
    )
    assert copied.recipe_report is not None
    assert any("channels computed 2 to" in deed for cost in copied.costs for deed in cost.recipe_did)
    assert copied.recipe_report.copied_layers == made.report.copied_layers
    assert copied.snr_db is not None
    assert plain.snr_db is not None
    # Compared with other channels than their own, layers of copies would have 0 dB or less.
    worst = [min(one.snr_db for one in result.layers if one.snr_db is not None) for result in (plain, copied)]
    assert worst[1] > worst[0]
    assert copied.predicted_snr_db == pytest.approx(copied.snr_db, abs=0.5)
    assert copied.snr_db > plain.snr_db


def test_a_channel_that_hard_swish_lets_through_is_divided_and_known_to_diagnosis(tmp_path: Path) -> None:
    plain = original(_with_a_raised_channel(wide_network(), 40.0))
    paths = {name: tmp_path / f"{name}.tflite" for name in ("float", "phone", "x86")}
    paths["float"].write_bytes(write_float(plain, [plain.output], pixels=True))
    content = paths["float"].read_bytes()
    for name, options in {
        "phone": QuantizationOptions(target="phone", budget_percent=0.0),
        "x86": QuantizationOptions(target="x86", budget_percent=0.0),
    }.items():
        made = quantize(content, IMAGES, RECIPES["fast"], options=options)
        paths[name].write_bytes(made.model)
        noted = read_linear_scales(read_model(made.model, name).metadata.get(LINEAR_SCALES, b"{}"))
        assert made.report.target == name
        # The channel is still linear behind the depthwise convolution.
        assert sum(made.report.divided_channels.values()) == len(noted) == (2 if name == "phone" else 0)
        assert all(scales[5] > 1 for scales in noted.values())
        if name == "phone":  # the cheapest file
            assert {form.form for form in made.report.hard_swishes} == {"table"}
            assert (made.report.forms_cost_percent, made.report.copies_cost_percent) == (0.0, 0.0)
    assert open_model(paths["phone"], kernels="xnnpack").partitions == 1
    result = diagnose(paths["float"], paths["phone"], OTHERS, image_source="test")
    assert result.snr_db is not None
    assert result.predicted_snr_db == pytest.approx(result.snr_db, abs=1.5)
    worst = min(layer.snr_db for layer in result.layers if layer.snr_db is not None)
    assert worst > 0  # compared with numbers that were not divided, a layer would have less


def test_diagnosis_sees_what_a_divided_channel_loses_where_it_is_not_linear(tmp_path: Path) -> None:
    plain = original(_with_a_raised_channel(wide_network(), 12.0))
    content = write_float(plain, [plain.output], pixels=True)
    # On these images the channel stays near 12, on others it goes far below 3.
    grey = np.random.default_rng(1).integers(120, 136, (8, SIDE, SIDE, 3), dtype=np.uint8)
    options = QuantizationOptions(target="phone", budget_percent=0.0)
    made = quantize(content, grey, RECIPES["fast"], options=options)
    assert sum(made.report.divided_channels.values()) > 0
    paths = {"float": tmp_path / "float.tflite", "int8": tmp_path / "int8.tflite"}
    paths["float"].write_bytes(content)
    paths["int8"].write_bytes(made.model)
    result = diagnose(paths["float"], paths["int8"], OTHERS, image_source="test")
    wanted, got = (logits_of(one, OTHERS, Runs()) for one in (content, made.model))
    figures = held_out_figures(wanted, got, read_outputs(paths["float"]), "xnnpack")
    # The ratio to the user's own float file, and not to it with the channel divided.
    assert result.snr_db == pytest.approx(figures.snr_db, abs=0.01)
    assert result.snr_db == result.layers[-1].snr_db
    assert result.agreement_percent == figures.agreement_percent
    assert result.divided_channels_snr_db is not None
    assert result.divided_channels_snr_db < 40
    assert result.predicted_snr_db == pytest.approx(result.snr_db, abs=1.5)
    assert "linear and fitted channels divided, " in table(result)
    like_calibration = diagnose(paths["float"], paths["int8"], grey, image_source="test")
    assert like_calibration.divided_channels_snr_db is not None
    assert like_calibration.divided_channels_snr_db > 70  # float32's rounding alone, of a weak signal


def test_curves_in_place_of_hard_swish_are_known_to_diagnosis(tmp_path: Path) -> None:
    plain = original(with_a_narrow_channel(2.3, width=0.3)[0])
    content = write_float(plain, [plain.output], pixels=True)
    options = QuantizationOptions(target="phone", budget_percent=0.0)
    images = np.random.default_rng(5).integers(0, 256, (2 * TRIAL_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    made = quantize(content, images, RECIPES["fast"], options=options)
    assert made.model == quantize(content, images, RECIPES["fast"], options=options).model
    noted = read_fitted_channels(read_model(made.model, "int8").metadata)
    assert sum(made.report.divided_channels.values()) == sum(one.fitted.sum() for one in noted.values()) > 0
    paths = {"float": tmp_path / "float.tflite", "int8": tmp_path / "int8.tflite"}
    paths["float"].write_bytes(content)
    paths["int8"].write_bytes(made.model)
    assert open_model(paths["int8"], kernels="xnnpack").partitions == 1
    result = diagnose(paths["float"], paths["int8"], OTHERS, image_source="test")
    assert result.divided_channels_snr_db is not None
    assert result.snr_db is not None
    # The curves lose less than int8 does, and the layers up to the hard-swish are compared with the curves.
    assert result.divided_channels_snr_db > result.snr_db + 10.0
    assert result.predicted_snr_db == pytest.approx(result.snr_db, abs=0.5)
    assert all(layer.snr_db is not None and layer.snr_db > 0 for layer in result.layers[:3])


@pytest.mark.parametrize("budget", [0.0, 10.0])
def test_a_phones_budget_gives_the_same_bytes_again(budget: float) -> None:
    plain = original(_with_a_raised_channel(wide_network(), 40.0))
    content = write_float(plain, [plain.output], pixels=True)
    options = QuantizationOptions(target="phone", budget_percent=budget, seed=5)
    made = [quantize(content, IMAGES, RECIPES["accurate"], options=options) for _ in range(2)]
    assert made[0].model == made[1].model
    assert made[0].report.target == "phone"
    assert sum(made[0].report.divided_channels.values()) > 0
    spent = made[0].report.forms_cost_percent, made[0].report.copies_cost_percent
    assert (spent == (0.0, 0.0)) is (budget == 0)


def _with_a_raised_channel(network: Network, by: float) -> Network:
    """Adds to the bias of one channel in front of the first hard-swish."""
    x = next(node.inputs[0] for node in network.nodes if node.kind == "hard_swish")
    nodes = [
        dataclasses.replace(node, bias=node.bias + np.where(np.arange(len(node.bias)) == 5, by, 0.0))
        if node.output == x and node.bias is not None
        else node
        for node in network.nodes
    ]
    return network.with_nodes(nodes)


def test_copies_that_the_float_file_cannot_have(float_model: bytes) -> None:
    other = original(wide_network(40))
    content = write_float(other, [other.output], pixels=True)
    int8 = quantized("fast", float_model, IMAGES, budget_percent=BUDGET_PERCENT)
    with pytest.raises(ModelFileError, match="model q: got channel copies, groups or equalization scales"):
        pair_files(content, int8, float_name="f", int8_name="q")


@pytest.mark.parametrize(
    ("recipe", "budget", "problem"),
    [
        ("accurate", -1.0, "--budget: got -1, expected 0 to 100"),
        ("accurate", float("nan"), "budget_percent: got nan"),
        ("stock", 5.0, "--budget with recipe stock: got 5, expected 0"),
    ],
)
def test_budgets_that_nobody_can_spend(recipe: str, budget: float, problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem):
        QuantizeRequest(graph=GraphRequest(variant=VARIANTS["small"]), recipe=recipe, budget_percent=budget)
