"""`edge-mnv3 validate` on tiny files: where tasks and labels come from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.runtime import open_model
from packaged_drinks import run
from tiny_models import SIZE, write_classifier, write_outputs

pytestmark = pytest.mark.xdist_group("package")
FORMATS = Path(__file__).parent.parent / "golden" / "formats"
NAMES = ("tea", "coffee", "water", "milk", "juice")
COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of files with scores of five labels, images, and a table of the labels that hold for float."""
    folder = tmp_path_factory.mktemp("labels")
    float_ = write_classifier(folder / "f.tflite", "float32")
    write_classifier(folder / "q.tflite", "uint8")
    (folder / "names.txt").write_text("\n".join(NAMES))
    model = open_model(float_)
    rng = np.random.default_rng(0)
    rows = []
    for index in range(COUNT):
        pixels = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        holds = (model.run_raw(pixels[np.newaxis].astype(np.float32))[0].reshape(-1) > 0).astype(int)
        # In another order than the outputs.
        rows.append(f"{index}.png," + ",".join(str(holds[place]) for place in (4, 3, 2, 1, 0)))
    (folder / "t.csv").write_text(f"file,{','.join(reversed(NAMES))}\n" + "\n".join(rows))
    return folder


def validate(folder: Path, *more: object) -> ValidateResult:
    pair = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite")
    done = run("validate", *pair, "--input-range", "0..255", "--preprocess", "resize", *more, "--json")
    assert done.exit_code in (0, 3), done.output
    return from_json(ValidateResult, done.stdout)


def test_a_column_for_each_label(folder: Path) -> None:
    data = ("--data", folder / "t.csv", "--task", "labels")
    named = validate(folder, *data, "--labels", folder / "names.txt")
    (output,) = named.outputs
    assert (output.labelled, output.scores[0].name) == (True, "mean average precision")
    assert output.scores[0].float_percent == 100
    assert output.scores[0].int8_percent > 95
    assert named.task_source == "stated"
    # In their order the columns are those of other outputs, which is said.
    shifted = validate(folder, *data)
    assert "columns_in_order" in {finding.kind for finding in shifted.findings}
    assert shifted.outputs[0].scores[0].float_percent < 90


def test_what_quantize_json_says_is_used_and_shown(folder: Path) -> None:
    told = json.loads((FORMATS / "quantize-v4.json").read_text())
    facts = {"name": "output", "shape": [5], "activation": "none", "task": "labels"}
    sha256 = hashlib.sha256((folder / "f.tflite").read_bytes()).hexdigest()
    told["float_sha256"] = sha256
    told["model"]["outputs"] = [facts]
    (folder / "quantize.json").write_text(json.dumps(told))
    data = ("--data", folder / "t.csv", "--labels", folder / "names.txt")
    try:
        recorded = validate(folder, *data)
        assert (recorded.outputs[0].output.task, recorded.task_source) == ("labels", "recorded")
        pair = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite", "--input-range", "0..255")
        shown = run("validate", *pair, "--preprocess", "resize", *data).stdout
        assert "task        labels (as quantize.json says)" in shown
        stated = validate(folder, *data, "--task", "embedding")
        assert (stated.outputs[0].output.task, stated.task_source) == ("embedding", "stated")
        told["int8_sha256"] = hashlib.sha256((folder / "q.tflite").read_bytes()).hexdigest()
        for kind, preprocess, is_told in (
            ("folder", "slim", True),
            ("folder", "resize", False),
            ("synthetic", "slim", False),
        ):
            told["calibration"] |= {"kind": kind, "preprocess": preprocess}
            (folder / "quantize.json").write_text(json.dumps(told))
            warnings = [each for each in validate(folder, *data).warnings if "of the calibration" in each]
            assert len(warnings) == is_told
            assert all("take --preprocess slim if that is what apps do" in each for each in warnings)
    finally:
        (folder / "quantize.json").unlink()


def test_each_output_has_labels_of_its_own(folder: Path, tmp_path: Path) -> None:
    """The gate looks at both outputs."""
    write_outputs(tmp_path / "f.tflite", "float32")
    write_outputs(tmp_path / "q.tflite", "uint8")
    model = open_model(tmp_path / "f.tflite")
    rows = []
    for index in range(COUNT):
        pixels = np.asarray(Image.open(folder / f"{index}.png"))
        brightest, kind = (
            int(output.argmax()) for output in model.run_raw(pixels[np.newaxis].astype(np.float32))
        )
        rows.append(f"{folder}/{index}.png,{'rgb'[brightest]},{kind}")
    (tmp_path / "t.csv").write_text("file,a_features,b_kind\n" + "\n".join(rows))
    (tmp_path / "rgb.txt").write_text("r\ng\nb\n")
    data = ("--data", tmp_path / "t.csv", "--task", "classes", "--labels", f"a_features={tmp_path}/rgb.txt")
    result = validate(tmp_path, *data)
    assert [(each.output.name, each.labelled) for each in result.outputs] == [
        ("a_features", True),
        ("b_kind", True),
    ]
    assert [each.scores[0].float_percent for each in result.outputs] == [100, 100]
    # The second output's labels are turned round: its float is at chance.
    text = (tmp_path / "t.csv").read_text()
    wrong = "\n".join(line[:-1] + str((int(line[-1]) + 2) % 5) for line in text.splitlines()[1:])
    (tmp_path / "t.csv").write_text("file,a_features,b_kind\n" + wrong)
    doubted = validate(tmp_path, *data, "--max-drop-points", "5")
    assert doubted.gate is not None
    assert not doubted.gate.passed
    assert doubted.gate.problems[0].startswith("output 'b_kind': ")
