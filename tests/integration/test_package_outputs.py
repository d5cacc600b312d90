"""`edge-mnv3 package` and `verify` of files that give other things than classes, or several outputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.package import BundleManifest, PackageResult
from edge_mnv3.core.results.verify import VerifyResult
from edge_mnv3.core.runtime import open_model
from edge_mnv3.packaging.bundle import read_bundle, write_bundle
from edge_mnv3.packaging.contents import golden_vectors
from edge_mnv3.packaging.manifest import read_manifest, seal
from edge_mnv3.packaging.metadata import read_packaged
from packaged_drinks import package, run
from tiny_models import write_classifier, write_map, write_outputs

pytestmark = pytest.mark.xdist_group("package")
LABELS = "tea\ncoffee\nwater\nmilk\njuice\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "drinks.txt"
    path.write_text(LABELS)
    return path


def manifest_of(bundle: Path) -> BundleManifest:
    return read_manifest(read_bundle(bundle).files)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_embedding(tmp_path: Path, dtype: str) -> None:
    model = write_outputs(tmp_path / "m.tflite", dtype, names=("features", ""))
    done = run("package", model, "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert run("verify", tmp_path / "b").exit_code == 0
    files, manifest = read_bundle(tmp_path / "b").files, manifest_of(tmp_path / "b")
    (packaged,) = manifest.models
    (output,) = packaged.outputs
    assert (output.name, output.facts and output.facts.task, output.labels) == ("features", "embedding", None)
    assert manifest.labels == ()
    assert "labels.txt" not in files
    image_tasks = {api.rpartition(" ")[2] for api in packaged.takes if "Task" in api}
    assert image_tasks == {"ImageEmbedder"}
    assert ("apps/android/MediaPipeEmbedder.kt" in files) == (dtype != "int8")
    assert b"\n---\n\n# m\n\nImage embedder." in files["model_card.md"]
    assert b"the same class" not in files["model_card.md"]
    assert b"It knows its own classes only" not in files["model_card.md"]
    metadata = read_packaged(files["m.tflite"], name="m")
    assert metadata is not None
    said = metadata.metadata.subgraph_metadata[0].output_tensor_metadata[0]
    assert (said.name, said.description, said.associated_files) == (
        "embedding",
        "An embedding of 3 numbers.",
        (),
    )
    assert "same class" not in run("verify", tmp_path / "b").stdout


def test_two_outputs_by_the_names_of_the_signature(tmp_path: Path, labels: Path) -> None:
    model = write_outputs(tmp_path / "m.tflite", "uint8")
    done = run("package", model, "--labels", f"b_kind={labels}", "-o", tmp_path / "b", "--json")
    assert done.exit_code == 0, done.output
    manifest = from_json(PackageResult, done.stdout).manifest
    (packaged,) = manifest.models
    assert [(each.name, each.labels) for each in packaged.outputs] == [
        ("a_features", None),
        ("b_kind", "labels.txt"),
    ]
    assert packaged.takes.keys() == {"LiteRT Interpreter, CompiledModel"}
    verified = run("verify", tmp_path / "b", "--json")
    assert verified.exit_code == 0, verified.output
    runs = from_json(VerifyResult, verified.stdout).golden
    assert [(each.output, each.runner) for each in runs] == [
        (name, runner) for runner in ("host, xnnpack", "host, builtin") for name in ("a_features", "b_kind")
    ]
    files = read_bundle(tmp_path / "b").files
    images, golden = golden_vectors(files, manifest, packaged)
    loaded = open_model(model)
    for place in (0, 1):
        for image, expected in zip(images, golden[place], strict=True):
            assert np.array_equal(loaded.run_all(image)[place].reshape(-1), expected)
    metadata = read_packaged(files["m.tflite"], name="m")
    assert metadata is not None
    described = metadata.metadata.subgraph_metadata[0].output_tensor_metadata
    assert [each.name for each in described] == ["a_features", "b_kind"]
    assert metadata.files == {"labels.txt": LABELS.encode()}


def test_each_output_of_scores_has_labels_of_its_own(tmp_path: Path, labels: Path) -> None:
    model = write_outputs(tmp_path / "m.tflite", "uint8")
    three = tmp_path / "three.txt"
    three.write_text("red\ngreen\nblue\n")
    arguments = ("package", model, "--task", "classes", "--labels", three)
    done = run(*arguments, "-o", tmp_path / "a")
    assert done.exit_code == 1
    assert "names for the model's 5 classes; use --labels b_kind=PATH with a text file" in done.stderr
    done = run(*arguments, "--labels", f"b_kind={labels}", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    manifest = manifest_of(tmp_path / "b")
    assert [each.file for each in manifest.labels] == ["labels_a_features.txt", "labels_b_kind.txt"]
    assert (tmp_path / "b" / "labels_b_kind.txt").read_text() == LABELS
    assert run("verify", tmp_path / "b").exit_code == 0
    assert (
        "| `b_kind` | 5 | classes | `labels_b_kind.txt` |"
        in (tmp_path / "b" / "apps" / "README.md").read_text()
    )


def test_map(tmp_path: Path) -> None:
    done = run("package", write_map(tmp_path / "m.tflite"), "--input-range", "0..1", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert run("verify", tmp_path / "b").exit_code == 0
    files = read_bundle(tmp_path / "b").files
    assert len(files["golden/m_00.bin"]) == 4 * 4 * 3 * 4
    assert not [name for name in files if "MediaPipe" in name]
    assert "Features, 4x4x3 (rows, columns, channels)" in files["apps/android/LiteRtModel.kt"].decode()


def test_an_altered_output_is_named(tmp_path: Path, labels: Path) -> None:
    model = write_outputs(tmp_path / "m.tflite", "uint8")
    done = run("package", model, "--labels", f"b_kind={labels}", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    files = dict(read_bundle(tmp_path / "b").files)
    manifest = read_manifest(files)
    stored = files["golden/m_output1_03.bin"]
    files["golden/m_output1_03.bin"] = bytes([stored[0] ^ 1]) + stored[1:]
    del files["manifest.json"], files["SHA256SUMS"]
    write_bundle(tmp_path / "c", seal(files, manifest), as_zip=False, force=False)
    done = run("verify", tmp_path / "c")
    assert done.exit_code == 3
    assert (
        "DIFFERS  golden images of m.tflite, output b_kind, host, xnnpack: m.tflite gives other "
        "answers to the golden images, output b_kind, host, xnnpack: 1 of 50 values differ"
    ) in done.stdout
    assert "ok       golden images of m.tflite, output a_features, host, xnnpack" in done.stdout
    other = dataclasses.replace(manifest.models[0].outputs[1], labels=None)
    changed = dataclasses.replace(manifest.models[0], outputs=(manifest.models[0].outputs[0], other))
    write_bundle(
        tmp_path / "d",
        seal(files, dataclasses.replace(manifest, models=(changed,))),
        as_zip=False,
        force=False,
    )
    assert "the labels inside are labels.txt, not none" in run("verify", tmp_path / "d").stdout


def test_labels_that_hold_above_thresholds(tmp_path: Path, labels: Path) -> None:
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    arguments = ("package", model, "--labels", labels, "--task", "labels")
    done = run(*arguments, "-o", tmp_path / "a")
    assert done.exit_code == 0, done.output
    # Without a sigmoid a probability of one half is the score 0.
    assert manifest_of(tmp_path / "a").models[0].outputs[0].thresholds == (0.0,) * 5
    numbers = tmp_path / "thresholds.txt"
    numbers.write_text("-1\n0\n0.5\n8\n16\n")
    done = run(*arguments, "--thresholds", numbers, "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert run("verify", tmp_path / "b").exit_code == 0
    kotlin = (tmp_path / "b" / "apps" / "android" / "LiteRtClassifier.kt").read_text()
    assert "floatArrayOf(-1.0f, 0.0f, 0.5f, 8.0f, 16.0f)" in kotlin
    card = (tmp_path / "b" / "model_card.md").read_text()
    assert "Image classifier, 5 labels, which may hold together." in card
    assert "A label holds where its score lies above its threshold: -1 to 16." in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "x={labels}"), "--labels x=…: got no output 'x', expected one of a_features, b_kind"),
        (
            ("--labels", "{labels}", "--labels", "{labels}"),
            "--labels: got {labels} and {labels}, expected one",
        ),
        (("--labels", "a_features={labels}"), "labels {labels}: got 5 labels, expected 3"),
        (
            ("--labels", "b_kind={labels}", "--thresholds", "{labels}"),
            "--thresholds: got embedding of 3, 5 classes, expected one output of labels",
        ),
        (
            ("--labels", "b_kind={labels}", "--score-calibration", "{labels}"),
            "--score-calibration: got embedding of 3, 5 classes, expected one output of scores",
        ),
        (("--task", "labels", "--labels", "{labels}"), "labels {labels}: got 5 labels, expected 3"),
        (
            ("--task", "binary"),
            "task binary: got an output 'features_tensor' of shape (3,), expected one number",
        ),
    ],
)
def test_what_does_not_fit_the_outputs_is_one_line(
    tmp_path: Path, labels: Path, arguments: tuple[str, ...], message: str
) -> None:
    model = write_outputs(tmp_path / "m.tflite", "uint8")
    words = [word.format(labels=labels) for word in arguments]
    done = run("package", model, *words, "-o", tmp_path / "b")
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"error: {message.format(labels=labels)}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("1\n2\n", "got 2 numbers, expected 5, one for each label"),
        ("1\n2\nx\n4\n5\n", "line 3: got 'x', expected a number"),
        ("1\n2\nnan\n4\n5\n", "line 3: got 'nan', expected a number"),
    ],
)
def test_thresholds_that_are_none(tmp_path: Path, labels: Path, numbers: str, message: str) -> None:
    model = write_classifier(tmp_path / "m.tflite", "uint8")
    (tmp_path / "t.txt").write_text(numbers)
    arguments = ("--labels", labels, "--task", "labels", "--thresholds", tmp_path / "t.txt")
    done = run("package", model, *arguments, "-o", tmp_path / "b")
    assert done.exit_code == 1
    assert message in done.stderr


def test_bundle_has_an_android_project_where_it_is_asked_for(
    inputs: Path, bundle: Path, tmp_path: Path
) -> None:
    assert not any("android_project" in name for name in read_bundle(bundle).files)
    done = package(inputs, tmp_path / "b", "--android-project")
    assert done.exit_code == 0, done.output
    files = read_bundle(tmp_path / "b").files
    app = "apps/android_project/app/src"
    assert files[f"{app}/main/assets/my_drinks_uint8.tflite"] == files["my_drinks_uint8.tflite"]
    assert files[f"{app}/main/assets/labels.txt"] == files["labels.txt"]
    assert files[f"{app}/main/kotlin/edgemnv3/Frame.kt"] == files["apps/android/Frame.kt"]
    golden = {name: content for name, content in files.items() if name.startswith("golden/")}
    assert golden == {
        name.removeprefix(f"{app}/androidTest/assets/"): content
        for name, content in files.items()
        if name.startswith(f"{app}/androidTest/assets/")
    }
    assert run("verify", tmp_path / "b").exit_code == 0
