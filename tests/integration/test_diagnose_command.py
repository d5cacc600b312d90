"""`edge-mnv3 diagnose` end to end on a small file, without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.commands.diagnose import closing
from edge_mnv3.commands.showing import fitted
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.range_metadata import with_known_range
from edge_mnv3.core.tflite.read import only_graph, read_file
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.graph.types import Quantization
from int8_pairs import IMAGES, LOGITS, POOL, SIDE, float_file, int8_of, small_network

EXPLORER_VARIABLE = "EDGE_MNV3_MODEL_EXPLORER_PYTHON"
MODEL_EXPLORER = os.environ.get(EXPLORER_VARIABLE)
EXPLORE = """
import json, sys
import model_explorer
from model_explorer.builtin_tflite_flatbuffer_adapter import BuiltinTfliteFlatbufferAdapter
model_explorer.config().add_model_from_path(sys.argv[1]).add_node_data_from_path(sys.argv[2])
(graph,) = BuiltinTfliteFlatbufferAdapter().convert(sys.argv[1], {})["graphCollections"][0].graphs
outputs = [output for node in graph["nodes"] for output in node["outputsMetadata"]]
attributes = [attribute for output in outputs for attribute in output["attrs"]]
print(json.dumps([each["value"] for each in attributes if each["key"] == "tensor_name"]))
"""


def run(folder: Path, *arguments: object) -> Result:
    stated = ("--preprocess", "resize", "--input-range", "0..255")
    return run_without_range(folder, *stated, *arguments)


def run_without_range(folder: Path, *arguments: object) -> Result:
    files = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite")
    return CliRunner().invoke(main, ["diagnose", *map(str, files), *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A float file, an int8 file, and images."""
    (tmp_path / "f.tflite").write_bytes(float_file(small_network()))
    (tmp_path / "q.tflite").write_bytes(int8_of(small_network()).to_bytes())
    np.savez(tmp_path / "images.npz", images=IMAGES)
    return tmp_path


def test_table(folder: Path) -> None:
    result = run(folder, "--images", folder / "images.npz", "--samples", 4)
    assert result.exit_code == 0, result.output
    assert result.stderr == "warning: 4 images are few: take 64 for figures that another draw repeats\n"
    lines = result.stdout.splitlines()
    assert f"float   {folder / 'f.tflite'}" in lines
    assert any(line.startswith("images  4 of ") for line in lines)
    recipe = "no channels equalized; 1 of 1 hard-swishes lowered, 1 channel by channel, 0 as a table; biases"
    assert recipe in " ".join(result.stdout.split())
    assert sum(re.match(r"[ \d]\d ", line) is not None for line in lines) == 10
    on_a_terminal = fitted(result.stdout, 80).split("\n")
    assert all(len(line) <= 80 for line in on_a_terminal if "/" not in line)
    share = re.search(r"No tensor makes more than ([0-9.]+) % of the loss", lines[-1])
    assert share is not None
    assert float(share[1]) <= 100


def test_the_last_sentence_says_whether_it_is_good(folder: Path) -> None:
    """Or what to do first; it never calls good what does not load, or of which much changed."""
    done = run(folder, "--images", folder / "images.npz", "--json")
    result = from_json(DiagnoseResult, done.stdout)
    plain = tuple(dataclasses.replace(cost, suggestion="") for cost in result.costs)
    advised = (*plain[:2], dataclasses.replace(plain[2], suggestion="calibrate again"), *plain[3:])

    def said(**changed: Any) -> str:
        return closing(
            dataclasses.replace(result, **{"costs": plain, "agreement_percent": 95.0, "n": 200, **changed})
        )

    assert said().startswith("Good: 95.0 % of the answers to 200 images are the same. No tensor")
    assert said(agreement_percent=100.0, n=35).startswith("Good: 100.0 % of the answers to 35 images")
    assert said(agreement_percent=60.0, n=100).startswith(
        "Not good: 40.0 % of the answers changed. No tensor"
    )
    few = said(agreement_percent=75.0, n=4)  # one image of four
    assert few.startswith(
        "75.0 % of the answers to 4 images are the same. These images are too few to tell "
        "whether that is good: 16 with the same share would be enough. No tensor"
    )
    assert said(agreement_percent=100.0, n=4).startswith(
        "100.0 % of the answers to 4 images are the same. These images are too few to tell "
        "whether that is good: 35 with the same share would be enough. No tensor"
    )
    assert said(agreement_percent=90.0, n=10).startswith(
        "90.0 % of the answers to 10 images are the same. These images are too few to tell "
        "whether that is good. No tensor"
    )
    first = (
        f"What to do first: calibrate again ({plain[2].layer}, {plain[2].share_percent:.1f} % of the loss)."
    )
    assert said(costs=advised) == f"Good: 95.0 % of the answers to 200 images are the same. {first}"
    assert said(agreement_percent=None, snr_db=12.0).startswith("12.0 dB signal to noise. No tensor")
    assert said(xnnpack_problem="ratio").startswith("Not for phones: ")


def test_table_of_a_file_that_xnnpack_refuses(folder: Path) -> None:
    int8 = int8_of(small_network())
    largest = float(int8.weights[LOGITS].scales.max()) * int8.ranges[POOL].scale
    int8.ranges[LOGITS] = Quantization(scale=largest / 300, zero_point=-128)
    (folder / "q.tflite").write_bytes(int8.to_bytes())
    result = run(folder, "--images", folder / "images.npz")
    assert result.exit_code == 0, result.output
    assert "on built-in kernels: DOES NOT LOAD under XNNPACK" in " ".join(result.stdout.split())
    _, _, refused = result.stdout.partition("does not load under XNNPACK, the default on phones\n")
    assert refused.startswith("   logits CONV_2D\n     scale ratio that XNNPACK refuses: operator ")


def test_every_layer(folder: Path) -> None:
    result = run(folder, "--images", folder / "images.npz", "--layers")
    assert result.exit_code == 0, result.output
    for layer in ("stem", "swish_gate", "depthwise", "pool", "logits"):
        assert f"\n  {layer} " in result.stdout
    assert "most noise in channels\n" in result.stdout


def test_node_data_for_model_explorer(folder: Path) -> None:
    """Every node is a tensor of the float file, with the signal to noise that the result has."""
    target, result_file = folder / "nodes.json", folder / "d.json"
    done = run(folder, "--images", folder / "images.npz", "--model-explorer", target, "-o", result_file)
    assert done.exit_code == 0, done.output
    data = json.loads(target.read_text())
    result = from_json(DiagnoseResult, result_file.read_text())
    known = {tensor.name for tensor in only_graph(read_file(folder / "f.tflite"), "f.tflite").tensors}
    assert {*data["results"]} <= known
    assert {name: node["value"] for name, node in data["results"].items()} == {
        layer.tensor: round(layer.snr_db, 2)
        for layer in result.layers
        if layer.snr_db is not None and layer.tensor != "swish_gate"  # a step of the int8 file alone
    }
    assert [each["stop"] for each in data["gradient"]] == [0, 0.5, 1]
    again = run(folder, "--images", folder / "images.npz", "--model-explorer", target)
    assert again.exit_code == 1
    assert "exists" in again.stderr


@pytest.mark.skipif(
    MODEL_EXPLORER is None,
    reason=f"no Model Explorer: name a Python that has ai-edge-model-explorer with {EXPLORER_VARIABLE}",
)
def test_model_explorer_finds_every_node(folder: Path) -> None:
    """The real program makes its graph of the float file, and reads the node data."""
    target = folder / "nodes.json"
    assert run(folder, "--images", folder / "images.npz", "--model-explorer", target).exit_code == 0
    program = (str(MODEL_EXPLORER), "-c", EXPLORE, str(folder / "f.tflite"), str(target))
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = json.loads(done.stdout.splitlines()[-1])
    assert {*json.loads(target.read_text())["results"]} <= {*named}


def test_json_and_file(folder: Path) -> None:
    target = folder / "new" / "diagnosis.json"
    arguments = ("--images", folder / "images.npz", "--json", "-o", target)
    done = run(folder, *arguments)
    assert done.exit_code == 0, done.output
    result = from_json(DiagnoseResult, done.stdout)
    assert target.read_text() == done.stdout
    assert result.n == len(IMAGES)
    assert result.float_sha256 == sha256_file(folder / "f.tflite")
    again = run(folder, *arguments)
    assert again.exit_code == 1
    assert again.stderr.endswith("exists already; use --force to overwrite it, or another -o\n")
    # The same images give the same figures.
    assert run(folder, *arguments, "--force").stdout == done.stdout


def test_float_file_of_another_range(folder: Path) -> None:
    """The figures are those of the file that takes pixels: the network is the same."""
    arguments = ("--images", folder / "images.npz", "--json")
    pixels = from_json(DiagnoseResult, run(folder, *arguments).stdout)
    content = (folder / "f.tflite").read_bytes()
    of_minus_one_to_one = Edit(content, "f").scale_input(np.array([127.5]), np.array([127.5])).to_bytes()
    (folder / "f.tflite").write_bytes(of_minus_one_to_one)
    done = run(folder, *arguments, "--input-range", "-1..1")
    assert done.exit_code == 0, done.output
    result = from_json(DiagnoseResult, done.stdout)
    assert result.snr_db == pytest.approx(pixels.snr_db, abs=0.01)
    assert result.predicted_snr_db == pytest.approx(pixels.predicted_snr_db, abs=0.01)


def test_unknown_range_is_asked_for_and_a_contradiction_is_said(folder: Path) -> None:
    arguments = ("--images", folder / "images.npz", "--preprocess", "resize", "--json")
    asked = run_without_range(folder, *arguments)
    assert asked.exit_code == 1
    assert "f.tflite: got a float input of unknown range" in asked.stderr
    content = (folder / "f.tflite").read_bytes()
    (folder / "f.tflite").write_bytes(with_known_range(content, PIXELS, "f"))
    other = run_without_range(folder, *arguments, "--input-range", "-1..1")
    assert other.exit_code == 0, other.output
    said = "f.tflite is fed -1..1 as stated, but takes 0..255 as its metadata says"
    assert f"warning: {said}" in other.stderr
    assert from_json(DiagnoseResult, other.stdout).warnings[0] == said


def test_images_of_the_run_that_made_the_file(folder: Path) -> None:
    missing = run(folder)
    assert missing.exit_code == 1
    assert "got no quantize.json beside it" in missing.stderr
    assert missing.stderr.endswith("use --images\n")
    request = SampleRequest(samples=9, seed=1, preprocess="resize", shape=ImageShape.square(SIDE))
    sample = open_images(folder / "images.npz").sample(request)
    made = {"int8_sha256": sha256_file(folder / "q.tflite"), "calibration": to_jsonable(sample.manifest)}
    (folder / "quantize.json").write_text(json.dumps(made))
    done = run(folder, "--samples", 5, "--json")
    assert done.exit_code == 0, done.output
    result = from_json(DiagnoseResult, done.stdout)
    assert (result.n, result.images) == (5, str(folder / "quantize.json"))
    (folder / "quantize.json").write_text(json.dumps(made | {"int8_sha256": "other"}))
    other = run(folder)
    assert other.exit_code == 1
    assert "quantize.json, which is of another file, expected the photographs" in other.stderr


def test_synthetic_images_are_warned_of(folder: Path) -> None:
    done = run(folder, "--images", "synthetic", "--samples", 16)
    assert done.exit_code == 0, done.output
    assert "warning: diagnosing on synthetic images: photographs may lose elsewhere" in done.stderr
    assert "images  16 of synthetic" in done.stdout


def test_plot_without_matplotlib(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run(folder, "--images", folder / "images.npz", "--plot", folder / "q.png")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: a plot needs matplotlib, which is not installed; pip install 'edge-mnv3[plot]'\n"
    )


def test_plot_of_another_type(folder: Path) -> None:
    done = run(folder, "--images", folder / "images.npz", "--plot", folder / "q.pdf")
    assert done.exit_code == 1
    assert "q.pdf: got a file of type '.pdf', expected .png or .svg" in done.stderr


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_plot(folder: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    path = folder / f"q.{suffix}"
    done = run(folder, "--images", folder / "images.npz", "--plot", path)
    assert done.exit_code == 0, done.output
    assert path.read_bytes().startswith(start)
    if suffix == "svg":
        text = path.read_text(encoding="utf-8")
        assert "signal to noise, dB" in text
        assert "squared error of the logits" in text


def test_float_file_that_takes_no_image(folder: Path) -> None:
    (folder / "f.tflite").write_bytes(b"TFL3")
    done = run(folder, "--images", folder / "images.npz")
    assert done.exit_code == 1
    assert "f.tflite: got no valid TFLite flatbuffer, expected a whole .tflite file" in done.stderr
