"""What a recipe did, as users' files hold it: new files, and those of the release before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.recipe import (
    CopiedLayer,
    ExponentTrial,
    HardSwishForm,
    RecipeReport,
    RefittedLayer,
    TensorRange,
)
from edge_mnv3_quantization.recipes.notes import read_groups, read_report, read_scales, write_report

GOLDEN = Path(__file__).parent.parent / "golden" / "formats"
REPORT = RecipeReport(
    recipe="accurate",
    engine="equalized",
    images=100,
    measured_images=90,
    equalization_exponent=0.5,
    exponent_trials=(
        ExponentTrial(exponent=1.0, logits_mse=0.25),
        ExponentTrial(exponent=0.5, logits_mse=0.125),
    ),
    hard_swishes=(
        HardSwishForm(layer="activation", input_layer="conv", form="table_by_groups", groups=3),
        HardSwishForm(layer="activation_1", input_layer="conv_1", form="per_channel", groups=1),
    ),
    target="phone",
    forms_cost_percent=5.25,
    divided_channels={"conv": 2},
    channel_groups={"conv": (16, 16, 40)},
    copied_layers=(
        CopiedLayer(layer="conv", channels=16, copied_channels=5, added_channels=16, most_copies=4),
    ),
    copies_cost_percent=14.5,
    folded_excitations=("squeeze_excite_conv_1",),
    refitted_layers=(
        RefittedLayer(
            layer="conv",
            channels=72,
            refitted_channels=0,
            smallest_ridge=None,
            median_ridge=None,
            largest_ridge=None,
        ),
        RefittedLayer(
            layer="depthwise",
            channels=72,
            refitted_channels=70,
            smallest_ridge=0.001,
            median_ridge=0.1,
            largest_ridge=10.0,
        ),
    ),
    ranges=(TensorRange(layer="conv", tensor="net/conv;", low=-3.0, high=2.1, scale=0.02, zero_point=22),),
    phases_s={"observe": 1.5},
)


def test_note_holds_all_but_ranges_and_times() -> None:
    entry = write_report(REPORT)
    assert b"\n" not in entry
    noted = json.loads(entry)
    assert (noted["ranges"], noted["phases_s"]) == ([], {})
    read = read_report(entry)
    assert (read.hard_swishes, read.refitted_layers) == (REPORT.hard_swishes, REPORT.refitted_layers)
    assert read.exponent_trials == REPORT.exponent_trials
    assert (read.channel_groups, read.folded_excitations) == (
        REPORT.channel_groups,
        REPORT.folded_excitations,
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (write_report(REPORT)[:-1], "Expecting"),
        (b"\xff", "utf-8"),
        (write_report(REPORT).replace(b'"schema_version":3', b'"schema_version":9'), "reads 1 to 3"),
    ],
    ids=["cut", "not_text", "of_a_later_release"],
)
def test_damaged_note_is_refused(entry: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_report(entry)


def test_notes_of_the_release_before_are_read() -> None:
    scales = read_scales((GOLDEN / "channel_factors-v1.bin").read_bytes())
    assert len(scales) > 10
    assert all(scale.max() == 1.0 for scale in scales.values())
    groups = read_groups((GOLDEN / "channel_groups-v1.bin").read_bytes())
    for channels in groups.values():
        joined = np.concatenate([np.array(group) for group in channels])
        np.testing.assert_array_equal(np.sort(joined), np.arange(len(joined)))


def test_quantize_json_of_the_release_before() -> None:
    text = (GOLDEN / "quantize-v1.json").read_text(encoding="utf-8")
    result = from_json(QuantizeResult, text)
    assert (result.schema_version, result.recipe_report, result.hard_swish) == (8, None, "auto")
    assert from_json(QuantizeResult, to_json(result)) == result


def test_first_files_of_version_1_lack_the_choice_of_hard_swish() -> None:
    data = json.loads((GOLDEN / "quantize-v1.json").read_text(encoding="utf-8"))
    del data["hard_swish"]
    assert from_json(QuantizeResult, json.dumps(data)).hard_swish == "auto"
    # A choice that was made is kept.
    assert from_json(QuantizeResult, json.dumps(data | {"hard_swish": "fused"})).hard_swish == "fused"


def test_diagnose_json_of_the_release_before() -> None:
    result = from_json(DiagnoseResult, (GOLDEN / "diagnose-v1.json").read_text(encoding="utf-8"))
    assert (result.schema_version, result.recipe_report) == (4, None)
    assert {layer.histogram for layer in result.layers} == {None}
    assert result.recipe.hard_swishes == 19
