"""Inspection and checks of files, on tiny real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3_quantization.validation.checks import check_int8, inspect_file
from tiny_models import SIZE, write_classifier


def test_inspect_int8(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "m.tflite", "int8")
    inspected = inspect_file(path)
    assert inspected.size_bytes == path.stat().st_size
    assert inspected.sha256 == sha256_file(path)
    assert inspected.ops == {"CONV_2D": 1, "RESHAPE": 1}
    assert inspected.full_integer
    assert inspected.fixed_shapes
    assert (inspected.inputs[0].name, inspected.inputs[0].shape, inspected.inputs[0].dtype) == (
        "image",
        (1, SIZE, SIZE, 3),
        "int8",
    )
    assert (inspected.inputs[0].scale, inspected.inputs[0].zero_point) == (1.0, -128)
    assert (inspected.outputs[0].scale, inspected.outputs[0].zero_point) == (8.0, 0)
    assert inspected.xnnpack.loads
    assert inspected.xnnpack.partitions == 1
    assert inspected.builtin.partitions == 0


def test_inspect_float_with_open_batch(tmp_path: Path) -> None:
    inspected = inspect_file(write_classifier(tmp_path / "m.tflite", "float32", open_batch=True))
    assert not inspected.full_integer
    assert inspected.float_tensors == ("image", "kernel", "bias", "scores", "output")
    assert not inspected.fixed_shapes
    assert inspected.dynamic_tensors == ("image", "scores", "output")
    assert inspected.inputs[0].scale is None


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_inspect_refuses_what_is_no_model(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError):
        inspect_file(path)


def test_reading_refuses_what_is_no_flatbuffer(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(bytes(range(64)))
    with pytest.raises(ModelFileError, match="no valid TFLite flatbuffer"):
        read_file(tmp_path / "m")


def test_good_file_passes(tmp_path: Path) -> None:
    checks = check_int8(write_classifier(tmp_path / "m.tflite", "uint8"), io="uint8")
    assert checks.passed
    assert checks.problems == ()


def test_wrong_io_type(tmp_path: Path) -> None:
    checks = check_int8(write_classifier(tmp_path / "m.tflite", "int8"), io="uint8")
    assert checks.problems == (
        "has int8 in tensor 'image', where uint8 was asked for",
        "has int8 in tensor 'output', where uint8 was asked for",
    )


def test_float_file_fails(tmp_path: Path) -> None:
    checks = check_int8(write_classifier(tmp_path / "m.tflite", "float32", open_batch=True), io="float32")
    assert not checks.passed
    assert not checks.full_integer
    # Input and output were asked to be float, so three are left.
    assert checks.problems == (
        "has 3 float tensors, the first is 'kernel'",
        "has 3 tensors of open shape, the first is 'image'",
    )


def test_file_that_xnnpack_refuses_names_the_operator(tmp_path: Path) -> None:
    checks = check_int8(write_classifier(tmp_path / "m.tflite", "int8", output_scale=1e-6), io="int8")
    assert not checks.passed
    assert not checks.xnnpack.loads
    assert checks.builtin.loads
    (problem,) = checks.problems
    assert problem.startswith(
        "does not load under XNNPACK, the default on phones: operator 0 CONV_2D, tensor 'scores' "
        "(output scale 1e-06): input scale * weight scale / output scale is "
    )
    assert problem.endswith("XNNPACK accepts below 256")
