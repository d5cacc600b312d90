"""`edge-mnv3 package` on tiny real files, made without TensorFlow."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from PIL import Image

from bench_records import device_result, steady
from edge_mnv3.core.input_range import MINUS_ONE_TO_ONE
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.package import PackageResult
from edge_mnv3.core.results.verify import VerifyResult
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite.range_metadata import with_known_range
from edge_mnv3.packaging.bundle import read_bundle
from edge_mnv3.packaging.contents import golden_vectors
from edge_mnv3.packaging.golden import HostRunner
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3.packaging.metadata import read_packaged
from edge_mnv3_calibration_data.synthetic import synthetic_image
from packaged_drinks import CLASSES, LABELS, SIDE, classifier, package, run
from tiny_models import write_classifier

pytestmark = pytest.mark.xdist_group("package")  # fixtures made once


def test_bundle_holds_everything(bundle: Path) -> None:
    files = read_bundle(bundle).files
    assert {name for name in files if not name.startswith(("apps/", "golden/"))} == {
        "SHA256SUMS",
        "labels.txt",
        "manifest.json",
        "model_card.md",
        "my_drinks_uint8.tflite",
    }
    assert files["labels.txt"].decode() == LABELS
    assert sum(name.startswith("golden/image_") for name in files) == 10
    assert {len(files[f"golden/image_{index:02}.rgb"]) for index in range(10)} == {SIDE * SIDE * 3}
    assert {len(files[f"golden/my_drinks_uint8_{index:02}.bin"]) for index in range(10)} == {CLASSES}
    assert b"my_drinks_uint8.tflite" in files["apps/android/LiteRtClassifier.kt"]
    packaged = read_packaged(files["my_drinks_uint8.tflite"], name="m")
    assert packaged is not None
    assert packaged.files == {"labels.txt": LABELS.encode()}
    assert (packaged.metadata.name, packaged.metadata.license) == ("My drinks", "MIT")
    assert packaged.facts is not None
    assert packaged.facts.accuracy is not None
    assert packaged.facts.accuracy.n == 30


def test_no_path_of_this_machine_is_in_a_bundle(inputs: Path, bundle: Path) -> None:
    for name, content in read_bundle(bundle).files.items():
        assert str(inputs).encode() not in content, name


def test_card_has_the_figures_of_the_results(inputs: Path, bundle: Path) -> None:
    card = (bundle / "model_card.md").read_text()
    validated = json.loads((inputs / "validate.json").read_text())
    benched = json.loads((inputs / "bench.json").read_text())
    assert f"| top-1 | {validated['int8']['top1_percent']:.2f} %, 95 % interval" in card
    assert "30 labelled images of data.csv, preprocessing resize, litert" in card
    assert f"| {benched['median_us'] / 1e3:.3f} ms |" in card
    assert benched["conditions"]["device"] in card
    assert "| licence of the model | MIT |" in card
    assert "| MediaPipe Tasks ImageClassifier | yes |" in card


def test_card_and_manifest_have_the_latencies_of_phones(
    inputs: Path, evidence: list[object], tmp_path: Path
) -> None:
    sha256 = hashlib.sha256((inputs / "my drinks uint8.tflite").read_bytes()).hexdigest()
    good = device_result(steady(20_000), model_sha256=sha256)
    unstable = device_result((9_000, 12_000), model_sha256=sha256, binary="current")
    report = DeviceBenchReport(
        results=(good, unstable, device_result(steady(7_000), model_sha256="0" * 64)),
        not_measured=(),
        published=(),
        profiles=(),
        outputs=(),
        failures=(),
    )
    (tmp_path / "phones.json").write_text(to_json(report))
    done = package(inputs, tmp_path / "b", "--bench", tmp_path / "phones.json", *evidence)
    assert done.exit_code == 0, done.output
    card = (tmp_path / "b" / "model_card.md").read_text()
    rows = [line for line in card.splitlines() if "Maker Pixel, soc821, Android 10" in line]
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| 20.000 ms", "19.960 to 20.040 ms"],
        ["| unstable", "no figure"],
    ]
    assert card.index("On the machine that packaged:") > card.index(rows[1])
    assert "- The latency of `my_drinks_uint8.tflite` on Maker Pixel is unstable: it has no figure." in card
    model = read_manifest(read_bundle(tmp_path / "b").files).models[0]
    assert [latency.binary.name for latency in model.phone_latencies] == ["era-2019", "current"]
    assert len(model.latencies) == 1
    assert run("verify", tmp_path / "b").exit_code == 0


def test_packaging_twice_gives_the_same_bytes(
    inputs: Path, bundle: Path, evidence: list[object], tmp_path: Path
) -> None:
    more = ("--name", "My drinks", "--author", "A", "--license", "MIT", *evidence, "--json")
    first = from_json(PackageResult, package(inputs, tmp_path / "1.zip", "--zip", *more).stdout)
    second = from_json(PackageResult, package(inputs, tmp_path / "2.zip", "--zip", *more).stdout)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert first.zip_sha256 == hashlib.sha256((tmp_path / "2.zip").read_bytes()).hexdigest()
    assert first.sha256 == second.sha256
    # The folder holds the same files.
    assert read_bundle(bundle).files == read_bundle(tmp_path / "1.zip").files
    assert run("verify", tmp_path / "1.zip").exit_code == 0


def test_packaged_file_under_both_litert_apis(bundle: Path) -> None:
    files = read_bundle(bundle).files
    manifest = read_manifest(files)
    model = manifest.models[0]
    images, (expected,) = golden_vectors(files, manifest, model)
    assert len({output.tobytes() for output in expected}) == 10
    path = bundle / model.file
    outputs = HostRunner("xnnpack").run(path, images).outputs
    assert all(np.array_equal(got, wanted) for (got,), wanted in zip(outputs, expected, strict=True))
    compiled = CompiledModel.from_file(str(path))
    inputs, results = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    for image, wanted in zip(images, expected, strict=True):
        inputs[0].write(np.ascontiguousarray(image[np.newaxis]))
        compiled.run_by_index(0, inputs, results)
        assert np.array_equal(results[0].read(CLASSES, np.uint8), wanted)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_other_input_types(inputs: Path, tmp_path: Path, dtype: str) -> None:
    stated = ("--input-range", "0..255") if dtype == "float32" else ()
    done = package(inputs, tmp_path / "b", *stated, model=f"my drinks {dtype}.tflite")
    assert done.exit_code == 0, done.output
    refused = "image tasks refuse it; quantize with --io uint8 for them"
    assert (refused in done.stderr) == (dtype == "int8")
    verified = run("verify", tmp_path / "b", "--json")
    assert verified.exit_code == 0, verified.output
    golden = from_json(VerifyResult, verified.stdout).golden[0]
    assert golden.exact == (dtype == "int8")
    assert golden.difference.differing == 0


def test_several_models_in_one_bundle(inputs: Path, tmp_path: Path) -> None:
    done = package(inputs, tmp_path / "b", inputs / "my drinks float32.tflite", "--json")
    manifest = from_json(PackageResult, done.stdout).manifest
    assert [model.file for model in manifest.models] == ["my_drinks_uint8.tflite", "my_drinks_float32.tflite"]
    assert [model.full_integer for model in manifest.models] == [True, False]
    told = [model.takes_numbers.range_source for model in manifest.models if model.takes_numbers]
    assert told == ["quantization", "pair"]
    assert run("verify", tmp_path / "b").exit_code == 0


def test_metadata_is_replaced_with_force_only_and_then_gives_the_same_bytes(
    inputs: Path, bundle: Path, tmp_path: Path
) -> None:
    packaged = bundle / "my_drinks_uint8.tflite"
    arguments = ("package", packaged, "--labels", inputs / "labels.txt", "-o", tmp_path / "b")
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr == f"error: model {packaged} has metadata already; use --force to replace it\n"
    assert os.listdir(tmp_path) == []
    assert run(*arguments, "--force").exit_code == 0
    manifest = read_manifest(read_bundle(tmp_path / "b").files)
    assert manifest.models[0].measured_sha256 == (
        hashlib.sha256((inputs / "my drinks uint8.tflite").read_bytes()).hexdigest()
    )
    assert run("verify", tmp_path / "b").exit_code == 0


def test_labels_from_class_folders(inputs: Path, tmp_path: Path) -> None:
    for index, name in enumerate(("tea", "coffee", "water", "milk", "juice")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(synthetic_image(index, size=SIDE, seed=0)).save(tmp_path / "photos" / name / "1.png")
    done = run(
        "package", inputs / "my drinks uint8.tflite", "--labels", tmp_path / "photos",
        "--golden", tmp_path / "photos", "-o", tmp_path / "b",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "b" / "labels.txt").read_text() == "coffee\njuice\nmilk\ntea\nwater\n"
    manifest = read_manifest(read_bundle(tmp_path / "b").files)
    assert (manifest.golden.source, len(manifest.golden.files)) == ("images", 5)


def test_file_of_an_ordinary_converter(tmp_path: Path) -> None:
    """Its batch is open, which no app's runtime minds."""
    model = write_classifier(tmp_path / "ordinary.tflite", "uint8", open_batch=True)
    (tmp_path / "labels.txt").write_text("tea\ncoffee\nwater\nmilk\njuice\n")
    done = run("package", model, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "b", "--json")
    assert done.exit_code == 0, done.output
    (packaged,) = from_json(PackageResult, done.stdout).manifest.models
    assert (packaged.input.shape, packaged.outputs[0].tensor.shape) == ((-1, 4, 4, 3), (-1, 5))
    assert packaged.measured_sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert run("verify", tmp_path / "b").exit_code == 0
    assert "{1, kHeight, kWidth, kChannels}" in (tmp_path / "b" / "apps" / "cpp" / "model.h").read_text()


def test_what_a_float_input_takes_is_stated_or_asked_for(inputs: Path, tmp_path: Path) -> None:
    name = "my drinks float32.tflite"
    asked = package(inputs, tmp_path / "a", model=name)
    assert asked.exit_code == 1
    assert "got a float input of unknown range" in asked.stderr
    assert "--input-range 0..255, -1..1, 0..1, or MEAN/STD" in asked.stderr
    assert not (tmp_path / "a").exists()
    done = package(inputs, tmp_path / "b", "--input-range", "-1..1", "--json", model=name)
    assert done.exit_code == 0, done.output
    bundle = read_bundle(tmp_path / "b")
    (model,) = read_manifest(bundle.files).models
    assert model.takes["LiteRT Interpreter, CompiledModel"] == "yes: pixels as floats -1..1"
    packaged = read_packaged(bundle.files[model.file], name="m")
    assert packaged is not None
    said = packaged.metadata.subgraph_metadata[0].input_tensor_metadata[0]
    assert said.description.endswith("float32 -1..1")
    images, (outputs,) = golden_vectors(bundle.files, read_manifest(bundle.files), model)
    taken = (images[0][np.newaxis].astype(np.float32) - 127.5) / 127.5
    raw = open_model(inputs / name, kernels="xnnpack").run_raw(taken)[0]
    known = tmp_path / "known.tflite"
    known.write_bytes(with_known_range((inputs / name).read_bytes(), MINUS_ONE_TO_ONE, "m"))
    again = run("package", known, "--labels", inputs / "labels.txt", "-o", tmp_path / "c")
    assert again.exit_code == 0, again.output  # metadata of a range alone are no package's
    (model,) = read_manifest(read_bundle(tmp_path / "c").files).models
    assert model.takes["LiteRT Interpreter, CompiledModel"] == "yes: pixels as floats -1..1"
    np.testing.assert_allclose(raw.reshape(-1), outputs[0], rtol=1e-4)
    assert run("verify", tmp_path / "b").exit_code == 0
    assert "- 127.5f) / 127.5f" in bundle.files["apps/cpp/model.h"].decode()


@pytest.mark.parametrize("names", ["dog", "cat\ndog"])
def test_one_output_tells_two_classes_apart(names: str, tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "m.tflite", "uint8", classes=1)
    (tmp_path / "labels.txt").write_text(names)
    done = run("package", model, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "b" / "labels.txt").read_text() == "dog\n"
    assert run("verify", tmp_path / "b").exit_code == 0
    assert (
        "Image classifier, one score, of the class named in" in (tmp_path / "b" / "model_card.md").read_text()
    )
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    refused = run("package", model, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "c")
    assert refused.exit_code == 1
    assert (
        "labels labels.txt: got 3 labels, expected the name of the class that the one output"
        in refused.stderr
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_inputs_that_are_not_square_and_grey_ones(channels: int, tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(0, 0.01, (3, 16, 24, channels)).astype(np.float32)
    model = write_classifier(tmp_path / "m.tflite", "uint8", kernel=kernel)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    Image.new("RGB", (50, 40), (255, 0, 0)).save(tmp_path / "red.png")
    done = run(
        "package",
        model,
        "--labels",
        tmp_path / "labels.txt",
        "--golden",
        tmp_path,
        "-o",
        tmp_path / "b",
        "--json",
    )
    assert done.exit_code == 0, done.output
    manifest = from_json(PackageResult, done.stdout).manifest
    assert manifest.golden.shape == (16, 24, channels)
    assert run("verify", tmp_path / "b").exit_code == 0
    files = read_bundle(tmp_path / "b").files
    (image,) = (files[name] for name in manifest.golden.files)
    assert image == (bytes([255, 0, 0]) if channels == 3 else bytes([76])) * 16 * 24
    packaged = read_packaged(files["m.tflite"], name="m")
    assert packaged is not None
    said = packaged.metadata.subgraph_metadata[0].input_tensor_metadata[0]
    assert said.description == f"{'RGB' if channels == 3 else 'grey'} image, 24x16 pixels, uint8 0..255"
    (answers,) = {model.takes["MediaPipe Tasks ImageClassifier"] for model in manifest.models}
    assert answers == ("yes" if channels == 3 else "no: it takes colour images only")
    assert ("apps/android/MediaPipeClassifier.kt" in files) == (channels == 3)


def test_score_calibration_goes_into_the_file(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("1,1,0\n" * CLASSES)
    done = package(inputs, tmp_path / "b", "--score-calibration", tmp_path / "c.txt")
    assert done.exit_code == 0, done.output
    packaged = read_packaged((tmp_path / "b" / "my_drinks_uint8.tflite").read_bytes(), name="m")
    assert packaged is not None
    assert packaged.files["score_calibration.txt"] == b"\n".join([b"1,1,0"] * CLASSES)
    assert run("verify", tmp_path / "b").exit_code == 0


def with_two_inputs(source: Path, path: Path) -> Path:
    model: Any = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    graph = model.subgraphs[0]
    graph.inputs = [*graph.inputs, graph.operators[1].inputs[0]]
    return written(model, path)


def with_open_size(source: Path, path: Path) -> Path:
    model: Any = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].shapeSignature = [-1, -1, -1, 3]
    return written(model, path)


def written(model: Any, path: Path) -> Path:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def bad_inputs(inputs: Path, folder: Path) -> dict[str, tuple[list[object], str]]:
    """Arguments of `package`, and how the one line must begin after `error: `."""
    good, labels = inputs / "my drinks uint8.tflite", inputs / "labels.txt"
    two = with_two_inputs(good, folder / "two.tflite")
    (folder / "cut.tflite").write_bytes(good.read_bytes()[:900])
    (folder / "empty.tflite").write_bytes(b"")
    opened = with_open_size(good, folder / "open.tflite")
    small = write_classifier(folder / "small.tflite", "uint8")
    twin = classifier(folder / "my_drinks_uint8.tflite", seed=1)
    few, latin = folder / "few.txt", folder / "latin.txt"
    few.write_text("a\nb\n")
    latin.write_bytes(b"a\nb\nc\nd\ncaf\xe9\n")
    return {
        "no such model": ([folder / "none.tflite"], f"model {folder}/none.tflite: got no such file"),
        "no quantize.json": ([inputs], f"model {inputs}: got a folder without quantize.json"),
        "two inputs": ([two], f"model {two}: got 2 inputs, expected one image"),
        "open shape": (
            [opened],
            f"model {opened}: got tensor 'image' of open shape [-1, -1, -1, 3], expected fixed",
        ),
        "truncated": ([folder / "cut.tflite"], f"model {folder}/cut.tflite"),
        "empty": ([folder / "empty.tflite"], f"model {folder}/empty.tflite"),
        "no labels": ([good], "labels: got none, expected names for the model's 5 classes"),
        "few labels": ([good, "--labels", few], f"labels {few}: got 2 labels, expected 5"),
        "latin labels": ([good, "--labels", latin], f"labels {latin}, line 5: got byte 0xe9"),
        "missing labels": (
            [good, "--labels", folder / "no.txt"],
            f"labels {folder}/no.txt: got no such file",
        ),
        "name": (
            [good, "--labels", labels, "--name", "a\nb"],
            r"--name: got 'a\nb', expected 1 to 200 printable",
        ),
        "empty name": ([good, "--labels", labels, "--name", " "], "--name: got ' ', expected 1 to 200"),
        "another size": (
            [good, small, "--labels", labels],
            f"model {small}: got 4 px and 5 classes, expected 32",
        ),
        "one name": (
            [good, twin, "--labels", labels],
            "2 models: got the name my_drinks_uint8.tflite for each, expected different names",
        ),
        "no result": (
            [good, "--labels", labels, "--validate", labels],
            f"result {labels}: got Expecting value",
        ),
        "missing result": (
            [good, "--labels", labels, "--bench", folder / "no.json"],
            f"result {folder}/no.json: got no such file or directory, expected what edge-mnv3 bench",
        ),
        "other file": (
            [twin, "--labels", labels, "--bench", inputs / "bench.json"],
            f"result {inputs}/bench.json: got a measurement of other files than those that are packaged",
        ),
    }


CASES = (
    "no such model", "no quantize.json", "two inputs", "open shape", "truncated", "empty", "no labels",
    "few labels", "latin labels", "missing labels", "name", "empty name", "another size", "one name",
    "no result", "missing result", "other file",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_writes_nothing(
    inputs: Path, evidence: list[object], tmp_path: Path, case: str
) -> None:
    (tmp_path / "given").mkdir()
    cases = bad_inputs(inputs, tmp_path / "given")
    assert tuple(cases) == CASES
    arguments, begins = cases[case]
    before = sorted(tmp_path.rglob("*"))
    done = run("package", *arguments, "-o", tmp_path / "out" / "b")
    assert done.exit_code == 1, done.output
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {begins}"), done.stderr
    assert sorted(tmp_path.rglob("*")) == before
