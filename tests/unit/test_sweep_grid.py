"""The grid of a sweep: its points, their names and keys, and what counts as done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, OutputError
from edge_mnv3.core.results.images import ImageRecord, ImageShape
from edge_mnv3.core.results.sweep import CostBasis
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages import sweep_measure
from edge_mnv3.stages.done_file import DONE_FILE
from edge_mnv3.stages.sweep import _refuse_other_labels
from edge_mnv3.stages.sweep_images import SweepImages, labelled_state
from edge_mnv3.stages.sweep_kept import MARK_FILE, Done, quantize_key, sweep_folder
from edge_mnv3.stages.sweep_request import SweepRequest, grid, weights_of
from edge_mnv3_calibration_data.source_kinds import open_images
from recording_reporter import RecordingReporter


def names(**options: Any) -> list[str]:
    points, _ = grid(SweepRequest(**{"variants": ("small",), **options}), 10)
    return [point.name for point in points]


def test_a_grid_is_every_combination_in_order() -> None:
    points, remarks = grid(
        SweepRequest(
            variants=("small", "large"), alphas=(0.75, 1.0), recipes=("fast", "accurate"), budgets=(0, 7.5),
            seeds=(3, 1),
        ),
        None,
    )  # fmt: skip
    assert len({point.name for point in points}) == len(points) == 4 * 2 * 2 * 2
    assert [point.name for point in points[:3]] == [
        "small_0.75_fast_budget0_seed3", "small_0.75_fast_budget0_seed1", "small_0.75_fast_budget7.5_seed3",
    ]  # fmt: skip
    assert {point.request.output_dir for point in points} == {
        Path("edge_mnv3_sweep", point.name) for point in points
    }
    assert remarks == ()


def test_a_recipe_without_copies_has_one_budget() -> None:
    request = SweepRequest(variants=("small",), recipes=("stock", "fast"), budgets=(15, 30))
    points, remarks = grid(request, None)
    assert [point.row for point in points] == ["small_1.0 fast 15", "small_1.0 fast 30", "small_1.0 stock 0"]
    assert remarks == ("recipe stock spends no budget: it has the points of 0 only",)


def test_targets_are_an_axis_of_recipes_that_choose_forms() -> None:
    request = SweepRequest(
        variants=("small",), recipes=("stock", "fast"), budgets=(0, 15), targets=("phone", "x86", "phone")
    )
    points, remarks = grid(request, None)
    assert [point.row for point in points] == [
        "small_1.0 fast 0 phone", "small_1.0 fast 15 phone", "small_1.0 fast 0", "small_1.0 fast 15",
        "small_1.0 stock 0",
    ]  # fmt: skip
    assert [point.name for point in points][1:3] == [
        "small_1.0_fast_phone_budget15_seed0", "small_1.0_fast_budget0_seed0",
    ]  # fmt: skip
    assert [(point.request.target, point.request.budget_percent) for point in points][::2] == [
        ("phone", 0), ("x86", 0), ("x86", 0),
    ]  # fmt: skip
    assert remarks[1] == "recipe stock chooses no forms: it has the points of x86 only"
    with pytest.raises(ArgumentError, match="--target phone with --hard-swish lowered"):
        grid(SweepRequest(variants=("small",), targets=("phone",), hard_swish="lowered"), None)


def test_values_that_are_given_twice_are_one() -> None:
    assert names(budgets=(0, 0.0, 5), seeds=(0, 0), recipes=("fast", "fast")) == [
        "small_1.0_fast_budget0_seed0", "small_1.0_fast_budget5_seed0",
    ]  # fmt: skip


def test_models_of_one_name_have_folders_of_their_own() -> None:
    models = ("a/pets model.keras", "b/pets model.keras", "b/Pets_float.tflite")
    assert names(variants=(), models=models, budgets=(0,)) == [
        f"{name}_accurate_budget0_seed0" for name in ("pets-model-1", "pets-model-2", "Pets")
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"variants": ()}, "the models: got none, expected MODEL"),
        ({"recipes": ()}, "--recipes: got none"),
        ({"targets": ()}, "--targets: got none"),
        ({"recipes": ("faster",)}, "--recipes: got 'faster'"),
        ({"weights": "none"}, "the same for every point"),
        ({"variants": (), "models": ("a.keras",), "alphas": (0.5,)}, "--alphas: got no --variants"),
        ({"variants": (), "models": ("a.keras",), "classes": 5}, "--classes: got no --variants"),
        ({"input_range": "0..1"}, "--input-range: got no MODEL"),
        ({"labels": "labels.txt"}, "--labels: got no --data"),
        ({"cost": "time"}, "--cost: got 'time'"),
    ],
)
def test_what_makes_no_grid_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        SweepRequest(**{"variants": ("small",), **options})


def test_weights_are_found_in_a_folder(tmp_path: Path) -> None:
    small, narrow = parse_variant("small"), parse_variant("small", 0.35)
    plain = tmp_path / "mobilenet_v3_small_224_1.0_float.h5"
    assert weights_of(tmp_path, small) == tmp_path / f"weights_{plain.name}"
    plain.touch()
    assert weights_of(tmp_path, small) == plain
    assert weights_of(tmp_path, narrow) == tmp_path  # none are published: said when they are read
    assert weights_of("imagenet", small) == "imagenet"


def test_a_key_is_of_everything_but_the_place() -> None:
    (point,), _ = grid(SweepRequest(variants=("small",), budgets=(0,)), 10)
    key = quantize_key(point, "network", "images", "code")
    changed: dict[str, Any] = {
        "samples": 11, "seed": 1, "preprocess": "resize", "recipe": "fast", "hard_swish": "fused",
        "budget_percent": 5.0, "io": "int8", "statistics": ("a.npz",), "target": "phone",
    }  # fmt: skip
    same: dict[str, Any] = {
        "output_dir": "elsewhere",
        "force": False,
        "use_cache": False,
        "calibration": "moved",
    }
    others = {field.name for field in dataclasses.fields(point.request)} - {*changed, *same}
    assert others == {"graph"}  # a new field must be in one of the two
    narrow = GraphRequest(variant=parse_variant("small", 0.75))
    keys = [
        quantize_key(dataclasses.replace(point, request=request), "network", "images", "code")
        for request in (
            *(dataclasses.replace(point.request, **{name: value}) for name, value in changed.items()),
            dataclasses.replace(point.request, graph=narrow),
        )
    ]
    keys += [
        quantize_key(point, *parts)
        for parts in (
            ("other", "images", "code"),
            ("network", "other", "code"),
            ("network", "images", "other"),
        )
    ]
    assert len({key, *keys}) == len(keys) + 1
    moved = dataclasses.replace(point.request, **same)
    assert quantize_key(dataclasses.replace(point, request=moved), "network", "images", "code") == key


def test_a_point_that_is_kept_warns_as_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    request = SweepRequest(variants=("small",), budgets=(0,))
    (point,), _ = grid(request, 10)
    made = SimpleNamespace(warnings=("one image was left out", "few images"))
    images = SimpleNamespace(calibration_identity=lambda seed: "images", compares=False)
    monkeypatch.setattr(Done, "has", lambda *_: True)
    monkeypatch.setattr(sweep_measure, "read_quantize_result", lambda path: made)
    monkeypatch.setattr(sweep_measure.Measuring, "_cost", lambda *_: 1.0)
    measuring = sweep_measure.Measuring(
        request=request,
        images=cast(SweepImages, images),
        basis=CostBasis(kind="modelled_cycles", processor="a76", method="modelled"),
        code="code",
        networks={point.request.graph: "network"},
    )
    reporter = RecordingReporter()
    assert measuring.measure(point, reporter).kept
    assert reporter.warnings == [*made.warnings]


def test_a_step_is_done_with_its_key_and_whole_files(tmp_path: Path) -> None:
    done, file, other = Done(tmp_path), tmp_path / "a.tflite", tmp_path / "held_out.json"
    assert not done.has("quantize", "key")
    file.write_bytes(b"model")
    other.write_bytes(b"{}")
    done.note("quantize", "key", [file])
    done.note("held_out", "key 2", [other])
    assert done.has("quantize", "key")
    assert done.has("held_out", "key 2")
    assert not done.has("quantize", "another")
    assert not done.has("quantize", None)
    file.write_bytes(b"mode1")
    assert not done.has("quantize", "key")
    file.unlink()
    assert not done.has("quantize", "key")
    done.forget()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"quantize": 1}', '{"quantize": {"key": "key"}}', "\0"])
def test_damaged_notes_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / DONE_FILE).write_text(text)
    assert not Done(tmp_path).has("quantize", "key")
    Done(tmp_path).forget()
    assert not (tmp_path / DONE_FILE).exists()


def test_notes_name_no_file_elsewhere(tmp_path: Path) -> None:
    outside, folder = tmp_path / "mine.txt", tmp_path / "point"
    outside.touch()
    folder.mkdir()
    notes = {"quantize": {"key": "key", "files": {"../mine.txt": "x"}}}
    (folder / DONE_FILE).write_text(json.dumps(notes))
    Done(folder).forget()
    assert outside.exists()


def test_folders_of_others_and_of_a_running_sweep_are_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").touch()
    with pytest.raises(OutputError, match="a folder with other files"), sweep_folder(theirs):
        pass
    ours = tmp_path / "ours"
    with sweep_folder(ours):
        (ours / "point").mkdir()
        with pytest.raises(OutputError, match="another sweep is writing in"), sweep_folder(ours):
            pass
    with sweep_folder(ours):  # again
        assert (ours / MARK_FILE).exists()
    with pytest.raises(ZeroDivisionError), sweep_folder(tmp_path / "a" / "new"):
        _ = 1 / 0
    assert not (tmp_path / "a" / "new").exists()


def images(tmp_path: Path, count: int, *, equal: int = 0) -> Path:
    """A folder of files that need not be decoded; the last `equal` hold what the first holds."""
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for index in range(count):
        (folder / f"{index}.png").write_bytes(b"0" if index >= count - equal else f"{index}".encode())
    return folder


def test_held_out_images_are_no_points(tmp_path: Path) -> None:
    folder = images(tmp_path, 40)
    request = SweepRequest(variants=("small",), calibration=folder, seeds=(0, 1, 2))
    found = SweepImages(request, compares=True)
    assert found.samples == 10
    calibrated = {index for seed in (0, 1, 2) for index in found._touched(seed)}
    assert len(found._touched(0)) == 12  # one of twenty may be unreadable, and its next is taken
    assert not calibrated & {*found.held_out_indices}
    assert len(calibrated) + found.held_out == 40
    several = SweepImages(request, compares=False)
    assert (several.samples, several.held_out) == (None, 0)


def test_a_copy_of_a_calibration_image_is_not_held_out(tmp_path: Path) -> None:
    folder = images(tmp_path, 40, equal=15)
    request = SweepRequest(variants=("small",), calibration=folder, samples=20)
    found = SweepImages(request, compares=True)
    held_out = [open_images(folder).name(index) for index in found.held_out_indices]
    assert len(held_out) >= 2
    assert not {"0.png", *(f"{index}.png" for index in range(25, 40))} & {*held_out}


def test_a_changed_image_is_another_calibration(tmp_path: Path) -> None:
    folder = images(tmp_path, 30)
    request = SweepRequest(variants=("small",), calibration=folder)
    before = SweepImages(request, compares=True)
    again = SweepImages(request, compares=True)
    assert again.calibration_identity(0) == before.calibration_identity(0) != before.calibration_identity(1)
    assert again.held_out_identity() == before.held_out_identity()
    drawn = open_images(folder).name(before._touched(0)[0])
    (folder / drawn).write_bytes(b"another")
    after = SweepImages(request, compares=True)
    assert after.calibration_identity(0) != before.calibration_identity(0)
    used = ImageRecord(file=drawn, sha256=hashlib.sha256(b"another").hexdigest(), label=None)
    assert after.were_hashed(0, [used])
    assert not before.were_hashed(0, [used])  # it changed between the key and the quantization


def photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index:02}.png")
    return folder


def test_a_held_out_image_that_changes_under_a_sweep_is_refused(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 12)
    request = SweepRequest(variants=("small",), calibration=folder, samples=4)
    found = SweepImages(request, compares=True)
    shape = ImageShape.square(4)
    assert len(found.held_out_pixels(shape)) == found.held_out
    changed = open_images(folder).name(found.held_out_indices[0])
    Image.new("RGB", (8, 8), (0, 200, 0)).save(folder / changed)
    with pytest.raises(CalibrationDataError, match=f"held-out image {changed}: got one that changed since"):
        found.held_out_pixels(ImageShape.square(5))


def test_held_out_images_that_are_made_are_the_same_again() -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    shape = ImageShape.square(4)
    made = SweepImages(SweepRequest(variants=("small",), calibration="digits", samples=4), compares=True)
    assert len(made.held_out_pixels(shape)) == made.held_out


@pytest.mark.parametrize("change", ["image", "label", "column", "names"])
def test_labelled_images_that_change_under_a_sweep_are_refused(tmp_path: Path, change: str) -> None:
    photos(tmp_path / "photos", 3)
    table = tmp_path / "val.csv"
    table.write_text("file,label,kind\nphotos/00.png,0,a\nphotos/01.png,1,b\n")
    (tmp_path / "names.txt").write_text("a\nb\n")
    request = SweepRequest(variants=("small",), data=table, labels=tmp_path / "names.txt")
    before = labelled_state(table, None, request.labels)
    _refuse_other_labels(request, before)
    if change == "image":
        Image.new("RGB", (8, 8), (0, 200, 0)).save(tmp_path / "photos" / "01.png")
    elif change == "names":
        (tmp_path / "names.txt").write_text("b\na\n")
    else:
        row = "1,a" if change == "label" else "0,b"
        table.write_text(f"file,label,kind\nphotos/00.png,{row}\nphotos/01.png,1,b\n")
    with pytest.raises(CalibrationDataError, match="images or labels that changed while the sweep ran"):
        _refuse_other_labels(request, before)
    _refuse_other_labels(SweepRequest(variants=("small",)), None)


def test_images_in_an_archive_are_told_by_their_own_bytes(tmp_path: Path) -> None:
    folder, archive = images(tmp_path, 12, equal=2), tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, "photos")
    request = SweepRequest(variants=("small",), calibration=archive, samples=6)
    found = SweepImages(request, compares=True)
    assert found.held_out_identity() != found.calibration_identity(0) is not None
    drawn = found._touched(0)[0]
    sha256 = open_images(archive).part_sha256(drawn)
    assert sha256 is not None
    assert found.were_hashed(0, [ImageRecord(file="x", sha256=sha256, label=None)])
    assert not found.were_hashed(0, [ImageRecord(file="x", sha256="0" * 64, label=None)])


def test_too_few_images_to_hold_any_out(tmp_path: Path) -> None:
    folder = images(tmp_path, 12)
    with pytest.raises(CalibrationDataError, match="0 images that no point is calibrated on"):
        SweepImages(SweepRequest(variants=("small",), calibration=folder, samples=12), compares=True)
    others = tmp_path / "others"
    others.mkdir()
    for index in range(5):
        (others / f"{index}.png").write_bytes(f"{index}".encode())  # as in the calibration
    (others / "x.png").write_bytes(b"x")
    (others / "y.png").write_bytes(b"y")
    request = SweepRequest(variants=("small",), calibration=folder, samples=12, held_out=others)
    assert SweepImages(request, compares=True).held_out == 2


def test_no_number_makes_the_name_of_another_model() -> None:
    """Two models in one folder would be taken for two seeds of one."""
    models = ("a/m.keras", "b/m.keras", "c/m-1.keras", "d/M-2.keras")
    assert names(variants=(), models=models, budgets=(0,)) == [
        f"{name}_accurate_budget0_seed0" for name in ("m-3", "m-4", "m-1", "M-2")
    ]


def test_budgets_that_are_written_alike_are_refused() -> None:
    with pytest.raises(ArgumentError, match="two that are both written small_1.0_accurate_budget12.3457"):
        names(budgets=(12.345671, 12.345674))
