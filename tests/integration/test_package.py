"""`edge-mnv3 package` and `edge-mnv3 verify` on tiny real files, made without TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from click.testing import CliRunner, Result
from PIL import Image

from bench_records import device_result, steady
from edge_mnv3.bench_report import DeviceBenchReport
from edge_mnv3.cli import main
from edge_mnv3.errors import BundleError
from edge_mnv3.package_results import PackageResult, VerifyResult
from edge_mnv3.packaging.arm import FOLDER_VARIABLE, arm_folder
from edge_mnv3.packaging.bundle import read_bundle, write_bundle
from edge_mnv3.packaging.contents import golden_vectors
from edge_mnv3.packaging.golden import HostRunner
from edge_mnv3.packaging.manifest import read_manifest, seal
from edge_mnv3.packaging.metadata import read_packaged
from edge_mnv3.result_json import from_json, to_json
from edge_mnv3.runtime import open_model
from edge_mnv3_calibration_data.synthetic import synthetic_image
from int8_pairs import int8_of, small_network
from tiny_models import write_classifier

pytestmark = pytest.mark.xdist_group("package")  # fixtures made once

SIDE = 32
CLASSES = 5
LABELS = "tea\ncoffee\nwater\nmilk\njuice\n"
# Steps of this size keep the sums of 32x32x3 weights of at most 1 within 256 steps.
OUTPUT_SCALE = 40.0


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def classifier(path: Path, dtype: str = "uint8", *, seed: int = 0, classes: int = CLASSES) -> Path:
    kernel = np.random.default_rng(seed).uniform(-1, 1, (classes, SIDE, SIDE, 3)).astype(np.float32)
    kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True)
    return write_classifier(path, dtype, classes=classes, kernel=kernel, side=SIDE, output_scale=OUTPUT_SCALE)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, labels, labelled images."""
    folder = tmp_path_factory.mktemp("inputs")
    for dtype in ("uint8", "int8", "float32"):
        classifier(folder / f"my drinks {dtype}.tflite", dtype)
    (folder / "labels.txt").write_text(LABELS)
    rows = ["file,label"]
    for index in range(30):
        Image.fromarray(synthetic_image(index, size=SIDE, seed=3)).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{index % CLASSES}")
    (folder / "data.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def evidence(inputs: Path) -> list[object]:
    """JSON of validate and bench, as options."""
    uint8, float32 = inputs / "my drinks uint8.tflite", inputs / "my drinks float32.tflite"
    validated = run(
        "validate", "--float", float32, "--int8", uint8, "--data", inputs / "data.csv",
        "--preprocess", "resize", "--json",
    )  # fmt: skip
    (inputs / "validate.json").write_text(validated.stdout)
    benched = run("bench", uint8, "--host", "--runs", 5, "--warmup-runs", 1, "--json")
    (inputs / "bench.json").write_text(benched.stdout)
    return ["--validate", inputs / "validate.json", "--bench", inputs / "bench.json"]


@pytest.fixture(scope="module")
def bundle(inputs: Path, evidence: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "drinks"
    done = package(inputs, path, "--name", "My drinks", "--author", "A", "--license", "MIT", *evidence)
    assert done.exit_code == 0, done.output
    return path


def package(inputs: Path, output: Path, *more: object, model: str = "my drinks uint8.tflite") -> Result:
    return run("package", inputs / model, "--labels", inputs / "labels.txt", "-o", output, *more)


def resealed(bundle: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A bundle with other files whose hashes are all right: what only a look at the contents can find."""
    files = dict(read_bundle(bundle).files)
    manifest = read_manifest(files)
    change(files)
    del files["manifest.json"], files["SHA256SUMS"]
    write_bundle(target, seal(files, manifest), as_zip=False, force=False)
    return target


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
    found = read_packaged(files["my_drinks_uint8.tflite"], name="m")
    assert found is not None
    assert found.files == {"labels.txt": LABELS.encode()}
    assert (found.metadata.name, found.metadata.license) == ("My drinks", "MIT")
    assert found.facts is not None
    assert found.facts.accuracy is not None
    assert found.facts.accuracy.n == 30


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
    assert [latency.binary for latency in model.phone_latencies] == ["era-2019", "current"]
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
    images, expected = golden_vectors(files, manifest, model)
    assert len({output.tobytes() for output in expected}) == 10
    path = bundle / model.file
    outputs = HostRunner("xnnpack").run(path, images).outputs
    assert all(np.array_equal(got, wanted) for got, wanted in zip(outputs, expected, strict=True))
    compiled = CompiledModel.from_file(str(path))
    inputs, results = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    for image, wanted in zip(images, expected, strict=True):
        inputs[0].write(np.ascontiguousarray(image[np.newaxis]))
        compiled.run_by_index(0, inputs, results)
        assert np.array_equal(results[0].read(CLASSES, np.uint8), wanted)


def test_verify_passes_and_tells_what_it_did(bundle: Path) -> None:
    done = run("verify", bundle, "--json")
    assert done.exit_code == 0
    result = from_json(VerifyResult, done.stdout)
    assert result.passed
    assert result.name == "My drinks"
    assert result.sha256 == hashlib.sha256((bundle / "SHA256SUMS").read_bytes()).hexdigest()
    assert [check.name for check in result.checks] == [
        "files",
        "metadata of my_drinks_uint8.tflite",
        "loading of my_drinks_uint8.tflite",
        "golden images of my_drinks_uint8.tflite, host, xnnpack",
        "golden images of my_drinks_uint8.tflite, host, builtin",
    ]
    exact, tolerant = result.golden
    assert (exact.exact, exact.difference.differing, exact.difference.values) == (True, 0, 50)
    assert (tolerant.exact, tolerant.limit, tolerant.difference.images) == (False, 80, 10)
    assert "is what was packaged (sha256 " in run("verify", bundle).stdout


def test_verify_needs_neither_tensorflow_nor_keras(bundle: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules.update(tensorflow=None, keras=None, h5py=None)\n"
        "from edge_mnv3.cli import main\n"
        f"main(['verify', {str(bundle)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_200_altered_bytes_are_found(bundle: Path, tmp_path: Path) -> None:
    files = read_bundle(bundle).files
    names = sorted(files)
    dice = random.Random(0)
    for _ in range(200):
        name = dice.choice([name for name in names if files[name]])
        at = dice.randrange(len(files[name]))
        altered = bytearray(files[name])
        altered[at] ^= 1 << dice.randrange(8)
        (tmp_path / "b").mkdir(exist_ok=True)
        for other in names:
            path = tmp_path / "b" / other
            if not path.exists() or other == name:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(altered if other == name else files[other])
        done = run("verify", tmp_path / "b")
        assert done.exit_code == 3, (name, at)
        first = done.stdout.splitlines()[0]
        assert first.startswith("DIFFERS  files: "), (name, at)
        assert name in first or "manifest.json" in first, (name, at, first)
        (tmp_path / "b" / name).write_bytes(files[name])


def test_altered_zip_is_found(bundle: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.zip", read_bundle(bundle).files, as_zip=True, force=False)
    content = (tmp_path / "b.zip").read_bytes()
    dice = random.Random(1)
    for _ in range(50):
        at = dice.randrange(len(content))
        altered = bytearray(content)
        altered[at] ^= 0xFF
        (tmp_path / "b.zip").write_bytes(altered)
        assert run("verify", tmp_path / "b.zip").exit_code == 3, at


def test_altered_golden_output_with_a_right_hash(bundle: Path, tmp_path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        first = files["golden/my_drinks_uint8_00.bin"]
        files["golden/my_drinks_uint8_00.bin"] = bytes([first[0] ^ 1]) + first[1:]

    done = run("verify", resealed(bundle, tmp_path / "b", change))
    assert done.exit_code == 3
    assert (
        "DIFFERS  golden images of my_drinks_uint8.tflite, host, xnnpack: my_drinks_uint8.tflite answers the "
        "golden "
        "images otherwise, host, xnnpack: 1 of 50 values differ, by up to 1 steps (none may differ); the "
        "same class "
        "on 10 of 10 images"
    ) in done.stdout
    assert "IS NOT WHAT WAS PACKAGED" in done.stdout


@pytest.mark.parametrize("io", ["uint8", "float32"])
@pytest.mark.parametrize(("steps", "exit_code"), [(1, 0), (2, 3)])
def test_a_softmax_may_differ_by_one_step(tmp_path: Path, io: str, steps: int, exit_code: int) -> None:
    (tmp_path / "m.tflite").write_bytes(int8_of(small_network()).to_bytes(io))
    classes = open_model(tmp_path / "m.tflite").outputs[0].shape[-1]
    (tmp_path / "labels.txt").write_text("".join(f"{index}\n" for index in range(classes)))
    done = run("package", tmp_path / "m.tflite", "--labels", tmp_path / "labels.txt", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert run("verify", tmp_path / "b").exit_code == 0

    def change(files: dict[str, bytes]) -> None:
        stored = np.frombuffer(files["golden/m_00.bin"], io)
        moved = np.array(stored, np.float64) * (256 if io == "float32" else 1)
        moved[0] += steps if moved[0] < 128 else -steps
        files["golden/m_00.bin"] = (moved / (256 if io == "float32" else 1)).astype(io).tobytes()

    done = run("verify", resealed(tmp_path / "b", tmp_path / "c", change))
    assert done.exit_code == exit_code, done.output
    assert f"by up to {steps} steps (up to 1 steps may)" in done.stdout


def test_other_labels_with_right_hashes(bundle: Path, tmp_path: Path) -> None:
    done = run(
        "verify",
        resealed(
            bundle, tmp_path / "b", lambda files: files.update({"labels.txt": LABELS.swapcase().encode()})
        ),
    )
    assert done.exit_code == 3
    assert "my_drinks_uint8.tflite: the labels inside are not labels.txt" in done.stdout


def test_other_model_with_right_hashes(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    other = classifier(tmp_path / "my drinks uint8.tflite", seed=1)
    assert run("package", other, "--labels", inputs / "labels.txt", "-o", tmp_path / "o").exit_code == 0
    content = (tmp_path / "o" / "my_drinks_uint8.tflite").read_bytes()
    done = run(
        "verify",
        resealed(bundle, tmp_path / "b", lambda files: files.update({"my_drinks_uint8.tflite": content})),
    )
    assert done.exit_code == 3
    for difference in (
        "its name is 'my drinks uint8', the manifest says 'My drinks'",
        "the file inside is not the one that was measured",
        "its facts are not those of the manifest",
        "answers the golden images otherwise, host, xnnpack",
        "answers the golden images otherwise, host, builtin",
    ):
        assert difference in done.stdout


def test_model_without_metadata_with_right_hashes(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    content = (inputs / "my drinks uint8.tflite").read_bytes()
    done = run(
        "verify",
        resealed(bundle, tmp_path / "b", lambda files: files.update({"my_drinks_uint8.tflite": content})),
    )
    assert done.exit_code == 3
    assert "my_drinks_uint8.tflite has no metadata" in done.stdout


def test_golden_vectors_of_another_size(bundle: Path) -> None:
    files = read_bundle(bundle).files
    manifest = read_manifest(files)
    short = files | {"golden/image_03.rgb": b"123"}
    with pytest.raises(
        BundleError, match="the golden vectors of my_drinks_uint8.tflite are not of their stated"
    ):
        golden_vectors(short, manifest, manifest.models[0])
    fewer = dataclasses.replace(manifest.models[0], golden_outputs=())
    with pytest.raises(BundleError, match="my_drinks_uint8.tflite has 0 golden outputs for 10 images"):
        golden_vectors(files, manifest, fewer)


def test_accuracy_inside_the_stated_interval(inputs: Path, bundle: Path) -> None:
    done = run("verify", bundle, "--data", inputs / "data.csv", "--json")
    assert done.exit_code == 0
    measured = from_json(VerifyResult, done.stdout).accuracy[0]
    stated = json.loads((inputs / "validate.json").read_text())["int8"]["top1_percent"]
    assert (measured.n, measured.top1_percent) == (30, stated)
    low, high = measured.stated_ci95_percent
    assert low < stated < high


def test_accuracy_outside_the_stated_interval(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    """Labels that the model never answers: 0 %."""
    files = read_bundle(bundle).files
    manifest = read_manifest(files)
    model = HostRunner("xnnpack")
    images = [synthetic_image(index, size=SIDE, seed=3) for index in range(30)]
    answers = model.run(bundle / manifest.models[0].file, images).outputs
    rows = [
        f"{inputs}/{index}.png,{(int(output.argmax()) + 1) % CLASSES}" for index, output in enumerate(answers)
    ]
    (tmp_path / "wrong.csv").write_text("file,label\n" + "\n".join(rows))
    done = run("verify", bundle, "--data", tmp_path / "wrong.csv")
    assert done.exit_code == 3
    assert "DIFFERS  accuracy of my_drinks_uint8.tflite: my_drinks_uint8.tflite: top-1 0.00 %" in done.stdout


def test_data_needs_a_stated_accuracy(inputs: Path, tmp_path: Path) -> None:
    package(inputs, tmp_path / "b")
    done = run("verify", tmp_path / "b", "--data", inputs / "data.csv")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: --data: got a bundle that states no accuracy; package it with --validate, or leave --data "
        "out\n"
    )


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_other_input_types(inputs: Path, tmp_path: Path, dtype: str) -> None:
    done = package(inputs, tmp_path / "b", model=f"my drinks {dtype}.tflite")
    assert done.exit_code == 0, done.output
    refused = "image classifiers refuse it; quantize with --io uint8 for them"
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


def test_score_calibration_goes_into_the_file(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("1,1,0\n" * CLASSES)
    done = package(inputs, tmp_path / "b", "--score-calibration", tmp_path / "c.txt")
    assert done.exit_code == 0, done.output
    found = read_packaged((tmp_path / "b" / "my_drinks_uint8.tflite").read_bytes(), name="m")
    assert found is not None
    assert found.files["score_calibration.txt"] == b"\n".join([b"1,1,0"] * CLASSES)
    assert run("verify", tmp_path / "b").exit_code == 0


def with_two_inputs(source: Path, path: Path) -> Path:
    model: Any = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    graph = model.subgraphs[0]
    graph.inputs = [*graph.inputs, graph.operators[1].inputs[0]]
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
    opened = write_classifier(folder / "open.tflite", "uint8", open_batch=True)
    small = write_classifier(folder / "small.tflite", "uint8")
    twin = classifier(folder / "my_drinks_uint8.tflite", seed=1)
    (folder / "few.txt").write_text("a\nb\n")
    (folder / "latin.txt").write_bytes(b"a\nb\nc\nd\ncaf\xe9\n")
    return {
        "no such model": ([folder / "none.tflite"], f"model {folder}/none.tflite: got no such file"),
        "no quantize.json": ([inputs], f"model {inputs}: got a folder without quantize.json"),
        "two inputs": ([two], f"model {two}: got 2 inputs and 1 outputs, expected one image in"),
        "open shape": (
            [opened],
            f"model {opened}: got tensor 'image' of open shape [-1, 4, 4, 3], expected fixed",
        ),
        "truncated": ([folder / "cut.tflite"], f"model {folder}/cut.tflite"),
        "empty": ([folder / "empty.tflite"], f"model {folder}/empty.tflite"),
        "no labels": ([good], "labels: got none, expected names for the model's 5 classes"),
        "few labels": ([good, "--labels", folder / "few.txt"], "labels few.txt: got 2 labels, expected 5"),
        "latin labels": ([good, "--labels", folder / "latin.txt"], "labels latin.txt, line 5: got byte 0xe9"),
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


def test_verify_of_nothing(tmp_path: Path) -> None:
    done = run("verify", tmp_path / "none")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: bundle {tmp_path}/none: got no such folder or file")
    done = run("verify", tmp_path)
    assert done.exit_code == 3
    assert done.stdout.splitlines()[0] == "DIFFERS  files: manifest.json is missing"


def test_arm_without_its_tools_says_what_makes_them(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"error: --arm needs an emulated Arm processor: got no {tmp_path}/sysroot/usr/bin/python3.11; on "
    )
    assert "arm_sysroot.sh' makes it" in done.stderr
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert arm_folder() == tmp_path / "edge-mnv3" / "arm64"


def test_arm_without_qemu(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sysroot/usr/bin/python3.11", "sysroot/proc/cpuinfo", "site/ai_edge_litert"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", "")
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "error: --arm needs qemu's user emulation: got no qemu-aarch64 on the PATH;"
    )
    # An emulator that fails: its last line is told.
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "qemu-aarch64").write_text("#!/bin/sh\necho no such processor >&2\nexit 4\n")
    (tmp_path / "host" / "qemu-aarch64").chmod(0o755)
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert f"the emulated Arm processor in {tmp_path}: got exit code 4 (no such processor)" in done.stderr


def test_golden_images_on_an_emulated_arm_processor(bundle: Path) -> None:
    if not arm_folder().is_dir():
        pytest.skip(f"no emulated Arm processor in {arm_folder()}; arm_sysroot.sh makes it")
    done = run("verify", bundle, "--arm", "--json")
    assert done.exit_code == 0, done.output
    emulated = from_json(VerifyResult, done.stdout).golden[-1]
    assert emulated.runner == "emulated Arm cortex-a76, xnnpack"
    assert emulated.runtime.endswith(" on aarch64")
    assert emulated.exact
    assert emulated.difference.differing == 0
