"""The command line end to end, on small real graphs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.demo import DemoResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.models import InspectResult
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.versions import __version__
from edge_mnv3_calibration_data.sources import digits
from edge_mnv3_calibration_data.synthetic import synthetic_image
from h5_files import write_legacy
from tiny_models import write_classifier

SMALL_GRAPH = ["--variant", "small_minimalistic", "--alpha", "0.35", "--input-size", "64"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


of_one_model = pytest.mark.xdist_group("commands")  # quantized once


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images in 4 class folders."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(40):
        (folder / f"class {index % 4}").mkdir(exist_ok=True)
        Image.fromarray(synthetic_image(index, size=80, seed=0)).save(
            folder / f"class {index % 4}" / f"{index:02}.png"
        )
    return folder


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> tuple[Path, QuantizeResult]:
    """A small graph with random weights and 4 classes, quantized."""
    out = tmp_path_factory.mktemp("out") / "new folder"
    result = run(
        "quantize", *SMALL_GRAPH, "--weights", "none", "--classes", 4, "--calibration", photos,
        "--samples", 12, "-o", out, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "warning: random weights were asked for" in result.stderr
    return out, from_json(QuantizeResult, result.stdout)


@of_one_model
def test_quantize_writes_three_files(quantized: tuple[Path, QuantizeResult]) -> None:
    out, result = quantized
    name = "mobilenet_v3_small_minimalistic_0.35_64"
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}_float.tflite", f"{name}_int8.tflite", "quantize.json"
    ]  # fmt: skip
    assert result.float_path == str(out / f"{name}_float.tflite")
    assert result.int8_sha256 == sha256_file(Path(result.int8_path))
    assert result.int8_size_bytes == Path(result.int8_path).stat().st_size < result.float_size_bytes / 2
    assert result.checks.passed
    assert result.checks.xnnpack.loads
    assert result.variant is not None
    assert result.variant.classes == 4
    assert result.weights is not None
    assert result.weights.source == "none"
    assert len(result.calibration.images) == 12
    labels = [record.label for record in result.calibration.images if record.label is not None]
    assert sorted(labels) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    steps = (
        *("calibration_images", "import", "build", "convert_float", "quantize", "checks"),
        "compare_answers",
    )
    assert set(result.timings_s) == set(steps)
    assert not result.float_from_cache  # random weights are not kept
    assert result.versions["ai-edge-litert"]
    assert from_json(QuantizeResult, (out / "quantize.json").read_text()) == result


@of_one_model
def test_json_contract(quantized: tuple[Path, QuantizeResult]) -> None:
    data = json.loads((quantized[0] / "quantize.json").read_text())
    assert data["float_path"].endswith("_float.tflite")
    assert data["int8_path"].endswith("_int8.tflite")
    assert data["checks"]["full_integer"] is True
    assert data["checks"]["xnnpack"]["loads"] is True
    assert data["checks"]["xnnpack"]["partitions"] >= 1


@of_one_model
def test_existing_outputs_need_force(quantized: tuple[Path, QuantizeResult]) -> None:
    out, _ = quantized
    before = (out / "quantize.json").read_bytes()
    result = run("quantize", *SMALL_GRAPH, "--weights", "none", "-o", out)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith(
        "exists already; use --force to overwrite it, or another -o"
    )
    assert (out / "quantize.json").read_bytes() == before


@of_one_model
def test_earlier_run_is_repeated_from_its_json(
    quantized: tuple[Path, QuantizeResult], tmp_path: Path
) -> None:
    out, first = quantized
    again = run(
        "quantize", *SMALL_GRAPH, "--weights", "none", "--classes", 4, "--calibration", out / "quantize.json",
        "-o", tmp_path / "again", "--io", "int8", "--no-softmax", "--json",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    second = from_json(QuantizeResult, again.stdout)
    assert second.calibration == first.calibration
    assert second.io == "int8"
    assert second.variant is not None
    assert not second.variant.include_softmax
    inspected = from_json(InspectResult, run("inspect", second.int8_path, "--json").stdout)
    assert inspected.inputs[0].dtype == inspected.outputs[0].dtype == "int8"
    assert "SOFTMAX" not in inspected.ops
    other_size = run(
        "quantize", *SMALL_GRAPH[:-1], 96, "--weights", "none", "--calibration", out / "quantize.json",
        "-o", tmp_path / "size",
    )  # fmt: skip
    assert other_size.exit_code == 1
    assert "got images of 64 px, expected 96 px; use --input-size 64" in other_size.stderr


def test_synthetic_is_the_default_and_said(tmp_path: Path) -> None:
    arguments = ("quantize", *SMALL_GRAPH, "--weights", "none", "--samples", 4, "-o", tmp_path / "a")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "warning: calibrating on synthetic images" in result.stderr
    assert "4 images, synthetic" in result.stdout
    again = run(
        "quantize", *SMALL_GRAPH, "--weights", "none", "--calibration", tmp_path / "a" / "quantize.json",
        "-o", tmp_path / "b", "--json",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    assert from_json(QuantizeResult, again.stdout).calibration.kind == "synthetic"
    assert "warning: calibrating on synthetic images" in again.stderr


@of_one_model
def test_validate(quantized: tuple[Path, QuantizeResult], photos: Path) -> None:
    _, files = quantized
    arguments = ("validate", "--float", files.float_path, "--int8", files.int8_path, "--data", photos)
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["n"] == 40
    assert data["delta"]["top1_points"] == pytest.approx(
        data["int8"]["top1_percent"] - data["float"]["top1_percent"]
    )
    low, high = data["delta"]["ci95_points"]
    assert low < high
    assert 0 <= data["agreement_percent"] <= 100
    assert from_json(ValidateResult, result.stdout).preprocess == "slim"
    gated = run(*arguments, "--max-drop-points", -100)
    assert gated.exit_code == 3
    assert "GATE FAILED: " in gated.stdout
    assert "top-1 drops by " in gated.stdout
    chance = run(*arguments, "--max-drop-points", 100, "--kernels", "builtin", "--workers", 1)
    assert chance.exit_code == 3
    assert "GATE FAILED: float is right no more often than by chance" in chance.stdout


@of_one_model
def test_inspect(quantized: tuple[Path, QuantizeResult]) -> None:
    _, files = quantized
    result = from_json(InspectResult, run("inspect", files.int8_path, "--json").stdout)
    assert result.full_integer
    assert result.ops["CONV_2D"] > 20
    assert result.xnnpack.partitions == files.checks.xnnpack.partitions
    int8_table = run("inspect", files.int8_path).stdout
    assert (
        "XNNPACK          loads, 1 partition; left to the built-in kernels: 2 QUANTIZE, 1 SOFTMAX"
        in int8_table
    )
    assert "least runtime    TensorFlow Lite 1.15.0, or any LiteRT" in int8_table
    # The weights are random, and so are the scores' steps, which may be finer than its SOFTMAX takes.
    micro = ("has all operators", "lacks SOFTMAX of steps of 2^-26 or less")
    assert any(f"TFLite Micro     {words}\n" in int8_table for words in micro)
    table = run("inspect", files.float_path).stdout
    assert "full integer     no, " in table
    assert "image:0 [1, 64, 64, 3] float32" in table


@of_one_model
def test_bench(quantized: tuple[Path, QuantizeResult]) -> None:
    _, files = quantized
    result = run("bench", files.int8_path, "--host", "--runs", 20, "--warmup-runs", 2, "--json")
    assert result.exit_code == 0, result.output
    bench = from_json(HostBenchResult, result.stdout)
    assert 0 < bench.min_us <= bench.p5_us <= bench.median_us <= bench.p95_us <= bench.max_us
    assert bench.conditions.protocol.num_runs == 20
    assert bench.conditions.model_sha256 == files.int8_sha256
    assert "(not a phone)" in run("bench", files.int8_path, "--host", "--runs", 5).stdout
    assert run("bench", files.int8_path).exit_code == 2
    done = run("bench", files.int8_path, files.float_path, "--host", "--runs", 20, "--json")
    turns = from_json(HostTurnsResult, done.stdout)
    assert [result.conditions.model_sha256 for result in turns.results] == [
        files.int8_sha256,
        files.float_sha256,
    ]
    assert all(len(result.block_medians_us) == 20 for result in turns.results)
    assert len(turns.comparisons) == 1
    few = run("bench", files.int8_path, files.float_path, "--host", "--runs", 5)
    assert (few.exit_code, "--runs: got 5, expected 20 at least, one for each" in few.stderr) == (2, True)


def test_build_and_quantize_a_local_model(tmp_path: Path) -> None:
    path = tmp_path / "start.keras"
    built = run("build", *SMALL_GRAPH, "--weights", "none", "--classes", 3, "-o", path, "--json")
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout)["sha256"] == sha256_file(path)
    again = run("build", *SMALL_GRAPH, "--weights", path, "-o", path, "--force")
    assert again.exit_code == 0, again.output
    assert again.stdout == f"{path}: small_minimalistic_0.35, 264,395 parameters\n"
    result = run("quantize", *SMALL_GRAPH, "--weights", path, "--samples", 2, "-o", tmp_path / "q", "--json")
    assert result.exit_code == 0, result.output
    assert from_json(QuantizeResult, result.stdout).model.outputs[0].shape == (3,)


def test_demo(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    result = run("demo", "-o", tmp_path / "demo", "--json", "--force")
    assert result.exit_code == 0, result.output
    demo = from_json(DemoResult, result.stdout)
    assert from_json(DemoResult, (tmp_path / "demo" / "demo.json").read_text()) == demo
    assert demo.validate.n == 1797 - digits.TRAINING_IMAGES
    # What tools/train_demo.py reported, on images of other writers.
    assert demo.validate.float_.top1_percent == pytest.approx(98.06, abs=0.3)
    assert demo.validate.figures is not None
    assert demo.validate.figures.int8_top1_percent > 95
    assert demo.quantize.checks.passed
    assert demo.quantize.calibration.preprocess == demo.validate.preprocess == "resize"
    again = run("demo", "-o", tmp_path / "demo")
    assert again.exit_code == 1
    assert (
        again.stderr == f"error: demo folder {tmp_path / 'demo'} exists already; use --force, or another -o\n"
    )


def test_demo_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = run("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "error: the handwritten digits come with scikit-learn, which is not installed; "
        "pip install 'edge-mnv3[digits]'"
    )
    assert list(tmp_path.iterdir()) == []


BAD_QUANTIZE: list[tuple[list[str], int, str]] = [
    ([], 1, "the model: got neither, expected MODEL (a .keras, .h5, SavedModel folder or float .tflite) or"),
    (["m.keras", "--variant", "small"], 1, "the model: got m.keras and --variant small, expected MODEL"),
    (["m.keras"], 1, "model m.keras: got no such file, expected a .keras, a whole-model .h5, a SavedModel"),
    (["m.keras", "--weights", "w.h5"], 1, "--weights with MODEL: got m.keras, expected what the model has"),
    (["m.keras", "--no-softmax"], 1, "leave --softmax or --no-softmax out"),
    (["m.keras", "--input-size", "big"], 1, "input size: got 'big', expected a side in pixels such as 224"),
    (["m.keras", "--input-range", "wide"], 1, "input range: got 'wide', expected 0..255, -1..1, 0..1, or"),
    (["--variant", "small", "--input-range", "0..1"], 1, "none: such a network takes pixels 0..255"),
    (["--variant", "small", "--input-size", "96x128"], 1, "got 96x128, expected the side of a square"),
    (["--variant", "medium"], 2, "'medium' is not one of"),
    (["--variant", "small_0.75", "--alpha", "1"], 1, "expected 0.75; use --variant small --alpha 1.0"),
    (["--variant", "small", "--alpha", "-1"], 1, "alpha: got -1.0, expected a finite number greater than 0"),
    (["--variant", "small", "--input-size", "31"], 1, "got 31, expected at least 32"),
    (["--variant", "small", "--weights", "no.h5"], 1, "weights no.h5: got no such file"),
    (["--variant", "small", "--classes", "5"], 1, "classes with the ImageNet weights: got 5, expected 1000"),
    (
        ["--variant", "small_minimalistic", "--alpha", "0.5"],
        1,
        "published weights of small_minimalistic_0.5: got none",
    ),
    (["--variant", "small", "--calibration", "nowhere"], 1, "images nowhere: got no such file or folder"),
    (["--variant", "small", "--samples", "0"], 2, "0 is not in the range x>=1"),
    (["--variant", "small", "--recipe", "best"], 2, "'best' is not one of"),
    (["--variant", "small", "--io", "int4"], 2, "'int4' is none of"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), BAD_QUANTIZE)
def test_bad_arguments(arguments: list[str], code: int, text: str, tmp_path: Path) -> None:
    result = run("quantize", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == code
    assert text in result.stderr
    assert sum(line.startswith(("error:", "Error:")) for line in result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_bad_calibration_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.csv").write_text("name\nx\n")
    (tmp_path / "broken").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "broken" / "a.jpg")
    (tmp_path / "broken" / "b.jpg").write_bytes((tmp_path / "broken" / "a.jpg").read_bytes()[:100])
    Image.new("I;16", (20, 20)).save(tmp_path / "broken" / "c.png")
    for source, text in (
        ("empty", "got none, expected at least one image"),
        ("wrong.csv", "got columns name, expected the columns file and, if known, label"),
        ("broken", "2 of 3 images cannot be read, more than 5 %"),
    ):
        result = run(
            "quantize", *SMALL_GRAPH, "--weights", "none", "--classes", 3, "--calibration", tmp_path / source,
            "-o", tmp_path / "out",
        )  # fmt: skip
        assert result.exit_code == 1
        assert text in result.stderr.splitlines()[-1]
        assert not (tmp_path / "out").exists()


def test_weights_of_another_network(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "other.h5", classes=7)
    result = run("quantize", "--variant", "large", "--weights", path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "do not fit large_1.0 with top" in result.stderr
    assert result.stderr.rstrip().endswith("the file fits small_minimalistic_0.35 with 7 classes")
    classes = run("quantize", *SMALL_GRAPH, "--weights", path, "--classes", 3, "-o", tmp_path / "out")
    assert "got 7, expected 3; use --classes 7 or none at all" in classes.stderr


def test_bad_models(tmp_path: Path) -> None:
    int8 = write_classifier(tmp_path / "q.tflite", "int8")
    float_ = write_classifier(tmp_path / "f.tflite", "float32")
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(int8.read_bytes()[:200])
    (tmp_path / "d.csv").write_text("file,label\nx.png,1\n")
    (tmp_path / "x.png").touch()
    data = ("--data", tmp_path / "d.csv")
    for arguments, text in (
        (("inspect", cut), "no valid TFLite flatbuffer, expected a whole .tflite file; it may be truncated"),
        (("bench", cut, "--host"), "no valid TFLite flatbuffer"),
        (("inspect", tmp_path / "no.tflite"), "no such file"),
        (("inspect", tmp_path), "got a folder, expected a .tflite file"),
        (("bench", tmp_path, "--host"), "got a folder, expected a .tflite file"),
        (("validate", "--float", tmp_path, "--int8", int8, *data), "got a folder, expected a .tflite file"),
        (("diagnose", "--float", tmp_path, "--int8", int8, "--images", "synthetic"), "got a folder"),
        (("compare", tmp_path, cut), "got a folder"),
        (
            ("build", *SMALL_GRAPH, "--weights", tmp_path, "-o", tmp_path / "m.keras"),
            "got a folder, expected a .h5",
        ),
        (("validate", "--float", float_, "--int8", float_, *data), "no quantized tensor: a float file"),
        (("validate", "--float", float_, "--int8", cut, *data), "no valid TFLite flatbuffer"),
        (("validate", "--float", int8, "--int8", int8, *data), "expected a float32 .tflite file"),
        (
            ("validate", "--float", float_, "--int8", int8, *data),
            "none can be read: got an empty file",
        ),
    ):
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        assert text in result.stderr.splitlines()[-1]
        assert len(result.stderr.splitlines()) == 1


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("EDGE_MNV3_WEIGHTS_URL", "http://127.0.0.1:9")
    result = run("quantize", "--variant", "small_minimalistic", "-o", tmp_path / "out")
    assert result.exit_code == 1
    name = "weights_mobilenet_v3_small_minimalistic_224_1.0_float.h5"
    assert result.stderr.splitlines()[-1] == (
        f"error: download of http://127.0.0.1:9/{name}: got no connection (ConnectionError); put the file at "
        f"{tmp_path / 'keras' / 'models' / name} by hand, or use --weights FILE; "
        "edge-mnv3 demo needs no download"
    )
    assert not (tmp_path / "out").exists()


def test_help_is_complete() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in ("quantize", "validate", "inspect", "bench", "build", "published", "demo"):
        assert f"\n  {name}" in result.stdout
        assert "Examples:" in run(name, "--help").stdout
    assert run("no-such-command").exit_code == 2
    assert run("--version").stdout == f"edge-mnv3, version {__version__}\n"
