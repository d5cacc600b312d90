"""Results and calibrations of the first release are read."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.commands.quantize import table
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.result_files import (
    read_calibration_manifest,
    read_int8_sha256,
    read_quantize_result,
    read_result,
)
from edge_mnv3.core.results.calibrate import CalibrateResult
from edge_mnv3.core.results.calibration_statistics import CountedImages, UsedStatistics
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.models import BuildResult, InspectResult
from edge_mnv3.core.results.package import PackageResult
from edge_mnv3.core.results.recipe import CopiedLayer
from edge_mnv3.core.results.sweep import SweepPlan, SweepResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.results.verify import VerifyResult
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.sources.stored import read_stored

FORMATS = Path(__file__).parents[1] / "golden" / "formats"
IMAGES = FORMATS / "images"


@pytest.mark.parametrize(
    ("name", "kind", "command"),
    [
        ("build-v1", BuildResult, "build"),
        ("calibrate-v1", CalibrateResult, "calibrate"),
        ("calibrate-v2", CalibrateResult, "calibrate"),
        ("package-v1", PackageResult, "package"),
        ("sweep-v1", SweepResult, "sweep"),
        ("sweep-plan-v1", SweepPlan, "sweep --dry-run"),
        ("validate-v2", ValidateResult, "validate"),
        ("validate-v3", ValidateResult, "validate"),
        ("validate-v4", ValidateResult, "validate"),
        ("validate-v5", ValidateResult, "validate"),
        ("validate-v6", ValidateResult, "validate"),
        ("verify-v1", VerifyResult, "verify"),
        ("verify-altered-v1", VerifyResult, "verify"),
        ("verify-v2", VerifyResult, "verify"),
    ],
)
def test_results_are_read_whole(name: str, kind: type[Any], command: str) -> None:
    path = FORMATS / f"{name}.json"
    result = read_result(kind, path, command=command)
    added: set[str] = {
        CalibrateResult: {"float_from_cache", "model", "source"},
        BuildResult: {"source"},
        ValidateResult: {
            *("label_names_sha256", "ordered_names", "image_answers"),
            *("statistics", "task_source", "image_sha256"),
        },
    }.get(kind, set())
    told = json.loads(path.read_text()).keys() - {ValidateResult: {"workers", "images_per_s"}}.get(
        kind, set()
    )
    assert json.loads(to_json(result)).keys() == told | added


def test_manifest_of_one_output_of_scores() -> None:
    content = (FORMATS / "bundle-manifest-v3.json").read_bytes()
    manifest = read_manifest({"manifest.json": content})
    stored = json.loads(content)
    (output,) = manifest.models[0].outputs
    assert (output.facts, output.thresholds, output.labels) == (None, (), "labels.txt")
    assert list(output.golden) == stored["models"][0]["golden_outputs"]
    assert output.tensor.name == output.name == stored["models"][0]["output"]["name"]
    assert output.has_classes
    assert [labels.count for labels in manifest.labels] == [5]


def test_manifest_that_does_not_tell_which_images_were_right() -> None:
    (model,) = read_manifest({"manifest.json": (FORMATS / "bundle-manifest-v4.json").read_bytes()}).models
    assert (model.accuracy and model.accuracy.n, model.stated_images) == (30, None)


def test_verification_of_one_output() -> None:
    result = read_result(VerifyResult, FORMATS / "verify-v1.json", command="verify")
    assert {run.output for run in result.golden} == {None}


def test_verification_by_the_stated_interval() -> None:
    (accuracy,) = read_result(VerifyResult, FORMATS / "verify-v2.json", command="verify").accuracy
    assert (accuracy.n, accuracy.passed, accuracy.stated_ci95_percent[0] < accuracy.top1_percent) == (
        30,
        True,
        True,
    )
    assert (accuracy.test, accuracy.p_value, accuracy.level, accuracy.told_below_percent) == (None,) * 4


def test_inspection_of_the_first_release() -> None:
    inspected = read_result(InspectResult, FORMATS / "inspect-v1.json", command="inspect")
    assert (inspected.ops, inspected.needs) == ({"CONV_2D": 1, "RESHAPE": 1}, None)


def test_inspection_that_does_not_tell_what_made_the_outputs() -> None:
    inspected = read_result(InspectResult, FORMATS / "inspect-v2.json", command="inspect")
    assert (inspected.activations, inspected.needs and inspected.needs.missing_in_micro) == ((), ())


@pytest.mark.parametrize("name", ["validate-v1", "validate-gate-v1"])
def test_validations_of_the_first_release(name: str) -> None:
    path = FORMATS / f"{name}.json"
    result = read_result(ValidateResult, path, command="validate")
    stored = json.loads(path.read_text())
    assert result.figures is not None
    assert result.figures.float_top1_percent == stored["float"]["top1_percent"]
    assert result.figures.delta.lost == stored["delta"]["lost"]
    assert (result.float_.input, result.outputs, result.findings) == (None, (), ())


def test_quantize_json_of_the_first_release() -> None:
    path = FORMATS / "quantize-v1.json"
    result = read_quantize_result(path)
    assert (result.recipe, result.variant and result.variant.name, len(result.calibration.images)) == (
        "accurate",
        "small_0.05",
        20,
    )
    assert read_int8_sha256(path) == result.int8_sha256
    assert read_calibration_manifest(path) == result.calibration


def test_several_outputs_are_shown_by_name() -> None:
    result = read_quantize_result(FORMATS / "quantize-v4.json")
    assert not any(line.startswith("output ") and ":" in line for line in table(result).splitlines())
    facts = result.model.outputs[0]
    heads = (
        dataclasses.replace(facts, name="kind", activation="softmax"),
        dataclasses.replace(facts, name="gate", activation="hard_sigmoid"),
        dataclasses.replace(facts, name="raw", activation="none"),
    )
    shown = table(dataclasses.replace(result, model=dataclasses.replace(result.model, outputs=heads)))
    lines = [line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith("output ")]
    assert [line.split(" ")[0] for line in lines] == ["kind:", "gate:", "raw:"]
    assert [line.split(", ")[1] for line in lines] == ["softmax", "hard-sigmoid", "no activation"]


def test_quantize_json_from_before_there_was_a_cache() -> None:
    result = read_quantize_result(FORMATS / "quantize-v2.json")
    assert result.schema_version == 8
    assert result.float_from_cache is False
    assert result.recipe_report is not None
    assert len(result.calibration.images) == 6


@pytest.mark.parametrize("version", [1, 2, 3])
def test_old_networks_were_variants_that_take_pixels(version: int) -> None:
    result = read_quantize_result(FORMATS / f"quantize-v{version}.json")
    assert result.source is None
    image, (output,) = result.model.input, result.model.outputs
    assert (image.height_px, image.width_px, image.channels) == (32, 32, 3)
    assert (image.mean, image.std, image.range_source) == ((0.0,), (1.0,), "definition")
    assert (output.shape, output.activation, output.task) == ((3,), "softmax", "classes")


def test_quantize_json_from_before_answers_were_looked_at() -> None:
    result = read_quantize_result(FORMATS / "quantize-v4.json")
    assert (result.variant, result.findings) == (None, ())
    assert result.source is not None
    assert result.source.path == "birds.tflite"
    assert (result.model.input.mean, result.model.input.range_source) == ((127.5,), "stated")


def test_quantize_json_from_before_there_was_a_budget() -> None:
    result = read_quantize_result(FORMATS / "quantize-v5.json")
    assert (result.budget_percent, result.io) == (0.0, "uint8")
    report = read_quantize_result(FORMATS / "quantize-v2.json").recipe_report
    assert report is not None
    assert (report.copied_layers, report.copies_cost_percent) == ((), 0.0)
    assert not any(line.startswith("budget") for line in table(result).splitlines())


def test_quantize_json_from_before_statistics_were_given() -> None:
    result = read_quantize_result(FORMATS / "quantize-v6.json")
    assert (result.statistics, result.budget_percent) == (None, 5.0)
    assert not any(line.startswith("statistics") for line in table(result).splitlines())
    data = (CountedImages(sha256="d", location="photos"),)
    for paths, words in ((("a.npz",), "a.npz"), (("a.npz", "b.npz"), "2 files")):
        used = UsedStatistics(paths=paths, sha256="s", images=12_000, data=data)
        lines = table(dataclasses.replace(result, statistics=used)).splitlines()
        shown = [line.split(maxsplit=1)[1] for line in lines if line.startswith("statistics")]
        assert shown == [f"12,000 images, {words}"]


def test_quantize_json_from_before_there_was_a_target() -> None:
    result = read_quantize_result(FORMATS / "quantize-v7.json")
    assert (result.target, result.budget_percent) == ("x86", 40.0)
    report = result.recipe_report
    assert report is not None
    assert (report.target, report.forms_cost_percent, report.divided_channels) == ("x86", None, {})
    assert len(report.copied_layers) == 4


def test_a_budget_is_shown_with_what_it_bought() -> None:
    result = read_quantize_result(FORMATS / "quantize-v2.json")
    assert result.recipe_report is not None
    layer = CopiedLayer(layer="stem", channels=16, copied_channels=9, added_channels=16, most_copies=4)
    for layers, cost, words in (
        ((layer,), 14.94, "16 channel copies in 1 layer(s), for 14.9 of 15 % more modelled Arm cost"),
        ((), 0.0, "no channel copies, for 0.0 of 15 % more modelled Arm cost"),
    ):
        report = dataclasses.replace(result.recipe_report, copied_layers=layers, copies_cost_percent=cost)
        lines = table(dataclasses.replace(result, budget_percent=15.0, recipe_report=report)).splitlines()
        assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("budget")] == [words]
        report = dataclasses.replace(report, target="phone", forms_cost_percent=5.0)
        shown = dataclasses.replace(result, target="phone", budget_percent=15.0, recipe_report=report)
        assert f"forms of hard-swish for 5.0, {words}" in table(shown)


def test_images_of_a_run_of_the_first_release(tmp_path: Path) -> None:
    manifest = read_calibration_manifest(FORMATS / "quantize-v1.json")
    here = dataclasses.replace(manifest, root=str(IMAGES.resolve()))
    (tmp_path / "manifest.json").write_text(to_json(here))
    request = SampleRequest(samples=20, preprocess="resize", shape=ImageShape.square(32))
    again = open_images(tmp_path / "manifest.json").sample(request)
    assert again.manifest == here
    # The same draw from the images themselves: a seed stands for the same images in every version.
    drawn = open_images(IMAGES / "digits.csv").sample(request)
    assert drawn.manifest == here
    np.testing.assert_array_equal(drawn.pixels, again.pixels)


def test_synthetic_images_of_the_first_release() -> None:
    path = FORMATS / "quantize-synthetic-v1.json"
    manifest = read_calibration_manifest(path)
    request = SampleRequest(samples=len(manifest.images), shape=manifest.input_shape)
    assert open_images(path).sample(request).manifest == manifest
    assert open_images("synthetic").sample(request).manifest == manifest


def test_stored_calibration_of_the_first_release(tmp_path: Path) -> None:
    folder = FORMATS / "stored-v1.calibration"
    stored = read_stored(folder)
    assert stored.pixels.shape == (12, 32, 32, 3)
    request = SampleRequest(samples=12, preprocess="resize", shape=ImageShape.square(32))
    for name in ("first.txt", *(record.file for record in stored.contents.manifest.images)):
        shutil.copy(IMAGES / name, tmp_path)
    drawn = open_images(tmp_path / "first.txt").sample(request)
    np.testing.assert_array_equal(drawn.pixels, stored.pixels)
    assert dataclasses.replace(drawn.manifest, root=stored.contents.manifest.root) == stored.contents.manifest
    # Written again, the shape of its images is said in another way, and what was not read.
    then, now = (
        json.loads(text) for text in ((folder / "calibration.json").read_text(), to_json(stored.contents))
    )
    assert then["manifest"].pop("input_size_px") == 32
    assert now["manifest"].pop("schema_version") > 1
    assert now["manifest"].pop("unread") == []
    assert now["manifest"].pop("input_shape") == {"height_px": 32, "width_px": 32, "channels": 3}
    assert now == then


def test_manifest_of_wide_grey_images() -> None:
    path = FORMATS / "manifest-v2.json"
    manifest = read_calibration_manifest(path)
    assert manifest.input_shape == ImageShape(height_px=24, width_px=32, channels=1)
    assert json.loads(path.read_text())["schema_version"] == 2
    request = SampleRequest(samples=3, seed=5, shape=manifest.input_shape)
    assert open_images(path).sample(request).manifest == manifest


def test_manifest_that_tells_what_was_not_read() -> None:
    manifest = read_calibration_manifest(FORMATS / "manifest-v3.json")
    assert json.loads(to_json(manifest)) == json.loads((FORMATS / "manifest-v3.json").read_text())
    request = SampleRequest(samples=2, preprocess="resize", shape=ImageShape.square(32))
    drawn = open_images(IMAGES).sample(request).manifest
    assert dataclasses.replace(drawn, root=manifest.root) == manifest
    assert [files.text for files in manifest.unread] == [
        "1 .csv file is not read: no image format (digits.csv)",
        "1 .txt file is not read: no image format (first.txt)",
    ]


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"{", "Expecting property name"),
        (b"[]", "a JSON object was expected, got list"),
        (b"{}", "QuantizeResult: missing keys"),
        (b"\xff", "codec can't decode"),
        pytest.param(b"[" * 100_000, "recursion|Stack overflow", id="deep"),
    ],
)
def test_what_is_no_result(tmp_path: Path, content: bytes, got: str) -> None:
    path = tmp_path / "quantize.json"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=got) as caught:
        read_quantize_result(path)
    assert str(caught.value).startswith(f"result {path}: got ")
    assert str(caught.value).endswith(", expected what edge-mnv3 quantize --json wrote")
    assert read_int8_sha256(path) is None


def test_a_missing_result(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        read_quantize_result(tmp_path / "quantize.json")
    assert str(caught.value) == (
        f"result {tmp_path / 'quantize.json'}: got no such file or directory, "
        "expected what edge-mnv3 quantize --json wrote"
    )
