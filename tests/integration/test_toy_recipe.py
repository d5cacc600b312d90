"""A recipe that is only registered works everywhere; its report says what was done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_mnv3.commands.diagnose import table
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_calibration_data.synthetic import synthetic_image
from edge_mnv3_quantization.diagnosis.diagnose import diagnose
from edge_mnv3_quantization.recipes.config import RECIPES, RecipeConfig
from edge_mnv3_quantization.recipes.notes import RECIPE_REPORT, read_report

SIDE, IMAGES = 32, 6
TOY = RecipeConfig(
    name="toy",
    summary="for this test",
    description="refits weights, and never equalizes in front of convolutions",
    engine="equalized",
    measured_images=2,
    refits_weights=True,
    untried_exponent=0.0,
    hard_swish_policies=("lowered",),
    synthetic_warning="toys need photographs",
)

pytestmark = [pytest.mark.xdist_group("toy_recipe")]  # quantized once


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> QuantizeResult:
    folder = tmp_path_factory.mktemp("toy")
    keras.utils.set_random_seed(3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(RECIPES, TOY.name, TOY)
        request = QuantizeRequest(
            graph=GraphRequest(
                variant=parse_variant("small", 0.35), input_size_px=SIDE, classes=3, weights="none"
            ),
            calibration="synthetic",
            samples=IMAGES,
            seed=0,
            preprocess="slim",
            recipe=TOY.name,
            hard_swish="lowered",
            io="uint8",
            output_dir=folder,
            force=False,
        )
        return quantize(request, SILENT)


def test_report_says_what_was_done(made: QuantizeResult) -> None:
    report = made.recipe_report
    assert report is not None
    assert made.warnings[0] == TOY.synthetic_warning
    assert (report.recipe, report.engine) == ("toy", "equalized")
    assert (report.images, report.measured_images) == (IMAGES, 2)
    assert (report.equalization_exponent, report.exponent_trials) == (0.0, ())
    assert [form.form for form in report.hard_swishes] == ["per_channel"] * 19
    assert report.channel_groups == {}
    # Synthetic images: the weights of maps of stride 8 and larger only.
    refitted = {layer.layer.split("_1")[0] for layer in report.refitted_layers}
    assert "conv" in refitted
    assert 5 < len(report.refitted_layers) < 30
    for layer in report.refitted_layers:
        assert 0 <= layer.refitted_channels <= layer.channels
        assert (layer.median_ridge is None) == (layer.refitted_channels == 0)
    assert any(layer.refitted_channels for layer in report.refitted_layers)
    assert set(report.phases_s) == {"observe", "measure", "equalize", "choose_exponent", "quantize_weights"}


def test_ranges_are_those_of_the_file(made: QuantizeResult) -> None:
    assert made.recipe_report is not None
    first = made.recipe_report.ranges[0]
    assert (first.low, first.high) == pytest.approx((-1, 1), abs=0.01)  # the image
    (graph,) = read_model(Path(made.int8_path).read_bytes(), "toy").graphs
    stored = {tensor.scales[0] for tensor in graph.tensors if len(tensor.scales) == 1}
    for one in made.recipe_report.ranges:
        assert one.scale in stored
        assert one.low == one.scale * (-128 - one.zero_point)
        assert one.high == one.scale * (127 - one.zero_point)


def test_report_is_written_beside_the_file_and_in_it(made: QuantizeResult) -> None:
    folder = Path(made.int8_path).parent
    assert from_json(QuantizeResult, (folder / "quantize.json").read_text()) == made
    assert made.recipe_report is not None
    note = read_model(Path(made.int8_path).read_bytes(), "toy").metadata[RECIPE_REPORT]
    assert read_report(note) == dataclasses.replace(made.recipe_report, ranges=(), phases_s={})


def test_diagnosis_tells_what_the_file_notes(made: QuantizeResult) -> None:
    images = np.stack([synthetic_image(index, size=SIDE, seed=1) for index in range(16)])
    result = diagnose(Path(made.float_path), Path(made.int8_path), images, image_source="test")
    assert made.recipe_report is not None
    assert result.recipe_report == dataclasses.replace(made.recipe_report, ranges=(), phases_s={})
    assert result.recipe.hard_swishes == result.recipe.hard_swishes_as_convolution == 19
    assert result.recipe.corrected_operators == len(made.recipe_report.refitted_layers)
    shown = " ".join(table(result).split())
    assert "recipe toy; equalization exponent 0, no trials; " in shown
    layers = made.recipe_report.refitted_layers
    weights = sum(layer.refitted_channels > 0 for layer in layers)
    assert 0 < weights < len(layers)
    operators = f"{len(layers)} of {result.recipe.weighted_operators} operators"
    assert f"biases refitted in {operators}, weights in {weights}" in shown
    phrases = {phrase for cost in result.costs for phrase in cost.recipe_did}
    # Which of them depends on the images: few give other weights to few layers.
    told = (
        "biases refitted, ridge",
        "times a gain, biases refitted",
        "bias refitted; no other weights were better",
    )
    assert any(phrase.find(words) >= 0 for phrase in phrases for words in told)
