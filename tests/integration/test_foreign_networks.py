"""Float files of other forms, quantized: one XNNPACK partition, the same outputs, answers near float's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error
from edge_mnv3.core.input_range import MINUS_ONE_TO_ONE, PIXELS, ZERO_TO_ONE, InputRange
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.attached import MODEL_ENTRY
from edge_mnv3.core.tflite.input_facts import known_range
from edge_mnv3.core.tflite.range_metadata import with_known_range
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.whole_models import whole_model
from edge_mnv3_quantization.diagnosis.diagnose import Ends, diagnose
from edge_mnv3_quantization.exploring.held_out import Runs, logits_of
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize
from real_outputs import outputs
from written_graphs import VALID, Written

MEAN_AND_DEVIATION = InputRange((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
SHAPE = (12, 16)
LEAST_DB = 6.0  # an int8 file whose noise is a quarter of the signal is none that works


def images(count: int, channels: int = 3, *, seed: int = 0) -> Any:
    """Pictures of a few smooth patches."""
    rng = np.random.default_rng(seed)
    patches = rng.normal(120, 60, (count, 3, 4, channels)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(patches + rng.normal(0, 10, patches.shape), 0, 255).astype(np.uint8)


def normalized(graph: Written, x: int) -> int:
    """Writes a batch norm that is not fused, of the statistics of some images."""
    rows = outputs(graph.finish(x), images(24, min(graph.shapes[graph.image][1:])), graph.takes)[0]
    numbers = rows.reshape(-1, rows.shape[-1])
    x = graph.op("SUB", x, graph.constant(numbers.mean(axis=0)))
    return graph.op("MUL", x, graph.constant(1.5 / np.maximum(numbers.std(axis=0), 1e-6)))


def features(graph: Written, image: int) -> int:
    """A border, an unfused batch norm, a hard-swish and squeeze-excite that are written out, a shortcut."""
    rows, columns = (size + 2 for size in graph.shapes[image][1:3])
    sides = graph.constant([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    x = graph.op("PAD", image, sides, shape=(1, rows, columns, graph.shapes[image][-1]))
    x = normalized(graph, graph.conv(x, 8, 3, **VALID | {"stride_h": 2, "stride_w": 2}))
    limited = graph.op("RELU6", graph.op("ADD", x, graph.constant(3.0)))
    x = graph.op("MUL", graph.op("MUL", limited, graph.constant(1 / 6)), x)
    y = graph.op("RELU", normalized(graph, graph.depthwise(x)))
    excitation = graph.conv(graph.conv(graph.mean(y), 4, fused_activation_function="RELU"), 8)
    excitation = graph.op("RELU6", graph.op("ADD", excitation, graph.constant(3.0)))
    y = graph.op("MUL", y, graph.op("MUL", excitation, graph.constant(1 / 6)))
    return graph.op("ADD", normalized(graph, graph.conv(y, 8)), x)


def with_head(head: str, takes: InputRange = PIXELS) -> tuple[bytes, int]:
    """Writes a network; tells how many channels its image has."""
    channels = 1 if head == "grey" else 3
    first = head == "channels first"
    graph = Written((1, channels, *SHAPE) if first else (1, *SHAPE, channels), seed=4, takes=takes)
    image = graph.transpose(graph.image, 0, 2, 3, 1) if first else graph.image
    if head == "grey":
        image = graph.op("CONCATENATION", image, image, image, shape=(1, *SHAPE, 3), axis=3)
    x = features(graph, image)
    if head == "map":
        return graph.finish(x), channels
    pooled = graph.mean(x, keep_dims=False, name="REDUCE_MAX" if head == "largest" else "MEAN")
    if head == "embedding":
        return graph.finish(pooled), channels
    if head == "both pools":
        largest = graph.mean(x, keep_dims=False, name="REDUCE_MAX")
        pooled = graph.op("CONCATENATION", pooled, largest, shape=(1, 16), axis=-1)
    if head == "flattened":
        pooled = graph.reshape(x, 1, int(np.prod(graph.shapes[x])))
        pooled = graph.op("RELU", normalized(graph, pooled))
    hidden = graph.op(
        "LOGISTIC" if head == "sigmoid" else "HARD_SWISH", normalized(graph, graph.dense(pooled, 8))
    )
    scores = normalized(graph, graph.dense(hidden, 1 if head == "sigmoid" else 5))
    if head == "sigmoid":
        return graph.finish(graph.op("LOGISTIC", scores)), channels
    if head == "both scores":
        score = graph.op("LOGISTIC", graph.dense(hidden, 1))
        other = graph.op("SUB", graph.constant(1.0), score, shape=(1, 1))
        return graph.finish(graph.op("CONCATENATION", other, score, shape=(1, 2), axis=-1)), channels
    if head == "several":
        labels = graph.op("LOGISTIC", normalized(graph, graph.dense(hidden, 3)))
        return graph.finish(labels, scores, x, names=("labels", "classes", "map")), channels
    return graph.finish(scores), channels


HEADS = (
    "classes",
    "grey",
    "channels first",
    "map",
    "largest",
    "embedding",
    "flattened",
    "sigmoid",
    "several",
    "both pools",
    "both scores",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def decibels(wanted: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> float:
    """The signal, what differs between images, to the error."""
    signal, noise = np.square(wanted - wanted.mean(axis=0)).sum(), np.square(wanted - got).sum()
    return float(10 * np.log10(signal / noise))


def _ends_are_left_out_alike(head: str, content: bytes, made: bytes, pixels: Any) -> None:
    """A sweep compares what stands in front of probabilities."""
    wanted, got = (logits_of(each, pixels[:2], Runs(input_range=PIXELS)) for each in (content, made))
    assert wanted.cut == got.cut
    assert any(wanted.cut) == (head in ("sigmoid", "several"))
    assert [rows.shape for rows in wanted.rows] == [rows.shape for rows in got.rows]


@pytest.mark.parametrize("recipe", ["accurate", "fast"])
@pytest.mark.parametrize("head", HEADS)
def test_heads_in_int8(head: str, recipe: str) -> None:
    content, channels = with_head(head)
    made = quantize(content, images(24, channels), RECIPES[recipe]).model
    assert open_bytes(made).partitions == 1
    unseen = images(24, channels, seed=1)
    pairs = list(zip(outputs(content, unseen, PIXELS), outputs(made, unseen, None), strict=True))
    for wanted, got in pairs:
        assert wanted.shape == got.shape
        assert decibels(wanted, got) > LEAST_DB
    if head != "channels first":  # which takes other pixels than its int8 file
        _ends_are_left_out_alike(head, content, made, unseen)
    if head == "several":
        (signature,) = read_model(made, "int8").signatures
        graph = read_model(made, "int8").main_graph
        assert [graph.tensors[number].name for number in graph.outputs] == ["labels", "classes", "map"]
        assert signature.outputs == dict(zip(("labels", "classes", "map"), graph.outputs, strict=True))


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("takes", [MINUS_ONE_TO_ONE, ZERO_TO_ONE, MEAN_AND_DEVIATION])
def test_ranges_in_int8(takes: InputRange, io: Any) -> None:
    """Files of integers take pixels, those of floats what the float file takes."""
    content, _ = with_head("classes", takes)
    options = QuantizationOptions(io=io, input_range=takes)
    made = quantize(content, images(24), RECIPES["fast"], options=options).model
    assert open_bytes(made).partitions == 1
    unseen = images(24, seed=1)
    (wanted,), (got,) = (
        outputs(content, unseen, takes),
        outputs(made, unseen, takes if io == "float32" else None),
    )
    assert decibels(wanted, got) > LEAST_DB


@pytest.mark.parametrize(("recipe", "takes"), [("fast", MEAN_AND_DEVIATION), ("stock", MINUS_ONE_TO_ONE)])
def test_float_ends_take_what_the_float_file_takes(recipe: str, takes: InputRange, tmp_path: Path) -> None:
    """The file tells its range itself, and is diagnosed by it."""
    path, out = tmp_path / "m.tflite", tmp_path / "out"
    path.write_bytes(with_known_range(with_head("classes", takes)[0], takes, "m"))
    np.savez(tmp_path / "images.npz", images=images(24))
    done = run(
        "quantize", path, "--io", "float32", "--recipe", recipe, "--samples", 24, "--preprocess", "resize",
        "--calibration", tmp_path / "images.npz", "-o", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    files = [out / f"m_{kind}.tflite" for kind in ("float", "int8")]
    assert all((known_range(file) or PIXELS).is_near(takes) for file in files)
    models = [open_bytes(file.read_bytes(), kernels="xnnpack", input_range=takes) for file in files]
    wanted, got = (np.stack([model.run_all(image)[0] for image in images(24)]) for model in models)
    assert decibels(wanted, got) > LEAST_DB
    diagnosed = run(
        "diagnose", "--float", files[0], "--int8", files[1], "--preprocess", "resize", "--json",
        "--images", tmp_path / "images.npz",
    )  # fmt: skip
    assert diagnosed.exit_code == 0, diagnosed.output
    # Numbers that are computed of pixels may fall on the other side of the edge between two steps.
    assert json.loads(diagnosed.stdout)["snr_db"] == pytest.approx(decibels(wanted, got), abs=0.1)


def test_answers_that_are_all_alike_are_told(tmp_path: Path) -> None:
    """On the screen and in quantize.json."""
    path, out = tmp_path / "m.tflite", tmp_path / "out"
    path.write_bytes(with_head("classes")[0])
    np.savez(tmp_path / "images.npz", images=images(1).repeat(8, axis=0))
    done = run(
        "quantize", path, "--input-range", "0..255", "--recipe", "fast", "--preprocess", "resize",
        "--samples", 8, "--calibration", tmp_path / "images.npz", "-o", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    written = json.loads((out / "quantize.json").read_text())
    (finding,) = written["findings"]
    assert finding["kind"] == "float_answers_alike"
    assert finding["text"] in written["warnings"]
    assert f"warning: {finding['text']}" in done.stderr


@pytest.mark.parametrize("head", ["channels first", "several", "sigmoid"])
def test_the_converters_recipe_takes_pixels_too(head: str) -> None:
    """Whatever the float file takes, and in whatever order; what describes the float file is left out."""
    content, channels = with_head(head, MEAN_AND_DEVIATION)
    described = with_known_range(content, MEAN_AND_DEVIATION, "m")
    options = QuantizationOptions(input_range=MEAN_AND_DEVIATION)
    made = quantize(described, images(24, channels), RECIPES["stock"], options=options).model
    assert MODEL_ENTRY in read_model(described, "m").metadata
    assert MODEL_ENTRY not in read_model(made, "m").metadata
    unseen = images(24, channels, seed=1)
    pairs = zip(outputs(content, unseen, MEAN_AND_DEVIATION), outputs(made, unseen, None), strict=True)
    for wanted, got in pairs:
        assert wanted.shape == got.shape
        assert decibels(wanted, got) > LEAST_DB


@pytest.mark.parametrize("head", ["channels first", "classes"])
def test_a_float_file_is_compared_as_it_was_given(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes it take channels last is a part of what is compared."""
    path = tmp_path / "m.tflite"
    path.write_bytes(with_head(head)[0])
    request = ModelRequest(path=path, input_range=PIXELS)
    assert whole_model(request, use_cache=False, reporter=SILENT).shape.dimensions == (*SHAPE, 3)
    other = with_head("embedding")[0]
    monkeypatch.setattr("edge_mnv3.model.tflite_models.with_channels_last", lambda *_: other)
    with pytest.raises(EdgeMnv3Error):
        whole_model(request, use_cache=False, reporter=SILENT)


def test_one_of_several_outputs_is_diagnosed(tmp_path: Path) -> None:
    """Labels are alike where all of them are; features have no answers, and no output is chosen unsaid."""
    content, _ = with_head("several")
    int8 = quantize(content, images(24), RECIPES["stock"]).model
    paths = tmp_path / "f.tflite", tmp_path / "q.tflite"
    for path, written in zip(paths, (content, int8), strict=True):
        path.write_bytes(written)
    unseen = images(48, seed=2)
    agreements = {
        head: diagnose(*paths, unseen, image_source="test", ends=Ends(head=head)).agreement_percent
        for head in ("labels", "classes", "map")
    }
    (labels, classes, _), (labels_int8, classes_int8, _) = (
        outputs(one, unseen, takes) for one, takes in ((content, PIXELS), (int8, None))
    )
    labels_alike = ((labels > 0.5) == (labels_int8 > 0.5)).all(axis=(1, 2)).mean()
    classes_alike = (classes.argmax(axis=-1) == classes_int8.argmax(axis=-1)).mean()
    assert max(labels_alike, classes_alike) < 1
    assert agreements == {"labels": 100 * labels_alike, "classes": 100 * classes_alike, "map": None}
    for head, got in ((None, "3 outputs (labels, classes, map)"), ("none", "'none'")):
        with pytest.raises(ArgumentError, match=re.escape(got)):
            diagnose(*paths, unseen, image_source="test", ends=Ends(head=head))
