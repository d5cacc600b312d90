"""The stock recipe is TensorFlow's converter: the same tensors, whatever steps are shared."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.choices import IO_TYPES, IoType
from edge_mnv3.core.errors import ConversionError, ModelFileError
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.runtime import open_model
from edge_mnv3.model import builder
from edge_mnv3_quantization.convert import convert_float
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize
from edge_mnv3_quantization.validation.checks import check_int8
from quantizing import quantized
from recording_reporter import RecordingReporter

SIDE = 64
IMAGES = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
# TensorFlow's own conversions; they come after the tests by which the recipe's files are measured.
of_plain = pytest.mark.unmeasured


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(f"stock {name}"))
        for name in ("Small", "Large_minimalistic")
    ],
)
def model(request: pytest.FixtureRequest) -> Any:
    size, _, minimalistic = request.param.partition("_")
    return getattr(builder, f"MobileNetV3{size}")(
        input_tensor=builder.image_input(SIDE, batch_size=1),
        alpha=0.35,
        minimalistic=bool(minimalistic),
        weights=None,
        classes=10,
    )


@pytest.fixture(scope="module")
def float_model(model: Any) -> bytes:
    return convert_float(model)


@pytest.fixture(scope="module")
def int8_models(float_model: bytes) -> dict[IoType, bytes]:
    """The recipe's files by type of input and output."""
    return {io: quantized("stock", float_model, IMAGES, io=io) for io in IO_TYPES}


@pytest.fixture(scope="module")
def exported(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SavedModel that `from_keras_model` writes each time: half of what a conversion takes."""
    folder = tmp_path_factory.mktemp("exported")
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec(model.inputs[0].shape, dtype=model.inputs[0].dtype, name=model.inputs[0].name)
    archive.add_endpoint("serve", functools.partial(model.__call__, training=False), [spec])
    with captured_native_output():
        archive.write_out(folder)
    return folder


@pytest.fixture(scope="module")
def plain_int8_models(exported: Path) -> dict[IoType, bytes]:
    """What a script without this project makes, by type of input and output; one converter makes all."""

    def representative_dataset() -> Iterator[list[np.ndarray[Any, Any]]]:
        for image in IMAGES:
            yield [image[np.newaxis].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_saved_model(str(exported))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    models: dict[IoType, bytes] = {}
    for io in IO_TYPES:
        converter.inference_input_type = converter.inference_output_type = getattr(tf, io)
        with captured_native_output():
            models[io] = bytes(converter.convert())
    return models


def plain_float(model: Any) -> bytes:
    """What a script without this project would do."""
    with captured_native_output():
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def contents(model: bytes) -> tuple[list[Any], list[Any]]:
    """All tensors with their data and quantization, and all operators with their options, without names."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]

    def as_list(value: Any) -> list[Any]:
        return [] if value is None else np.asarray(value).tolist()

    tensors = [
        (
            tensor.type,
            as_list(tensor.shape),
            as_list(tensor.quantization.scale) if tensor.quantization else [],
            as_list(tensor.quantization.zeroPoint) if tensor.quantization else [],
            bytes(as_list(parsed.buffers[tensor.buffer].data)),
        )
        for tensor in graph.tensors
    ]
    operators = [
        (
            parsed.operatorCodes[operator.opcodeIndex].builtinCode,
            as_list(operator.inputs),
            as_list(operator.outputs),
            sorted(vars(operator.builtinOptions).items(), key=str) if operator.builtinOptions else [],
        )
        for operator in graph.operators
    ]
    return tensors, [(code, i, o, str(options)) for code, i, o, options in operators]


def test_float_answers_as_keras(model: Any, float_model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.tflite"
    path.write_bytes(float_model)
    for kernels in ("xnnpack", "builtin"):
        loaded = open_model(path, kernels=kernels)
        for image in IMAGES[:3]:
            expected = np.asarray(model({"image": image[np.newaxis].astype(np.float32)}, training=False))[0]
            # float32 with batch norms folded into other roundings; probabilities of 10 classes.
            np.testing.assert_allclose(loaded.run(image), expected, atol=1e-5)


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
def test_io_types_are_whole_integer_files(
    int8_models: dict[IoType, bytes], tmp_path: Path, io: IoType
) -> None:
    path = tmp_path / "q.tflite"
    path.write_bytes(int8_models[io])
    checks = check_int8(path, io=io)
    assert checks.full_integer
    assert checks.fixed_shapes
    assert checks.builtin.loads
    model = open_model(path, kernels="builtin")
    assert model.inputs[0].dtype == model.outputs[0].dtype == io
    assert model.inputs[0].shape == (1, SIDE, SIDE, 3)


@of_plain
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
def test_equals_the_plain_converter(
    plain_int8_models: dict[IoType, bytes], int8_models: dict[IoType, bytes], io: IoType
) -> None:
    ours = contents(int8_models[io])
    theirs = contents(plain_int8_models[io])
    assert len(ours[0]) > 60
    assert ours == theirs


def in_order_of_operators(model: bytes) -> list[Any]:
    """All operators with what their tensors hold; the order in which a file lists constants is left out."""
    tensors, operators = contents(model)
    return [
        (code, options, [tensors[tensor] for tensor in (*inputs, *outputs)])
        for code, inputs, outputs, options in operators
    ]


@of_plain
def test_float_equals_the_plain_converter(model: Any, float_model: bytes) -> None:
    ours, theirs = in_order_of_operators(float_model), in_order_of_operators(plain_float(model))
    assert len(ours) > 30
    assert ours == theirs


def test_progress_and_determinism(float_model: bytes, int8_models: dict[IoType, bytes]) -> None:
    reporter = RecordingReporter()
    first = quantize(float_model, IMAGES, RECIPES["stock"], reporter=reporter).model
    assert reporter.done_and_total == [(done, len(IMAGES)) for done in range(1, len(IMAGES) + 1)]
    assert first == int8_models["uint8"]  # of another run


def test_interruption_is_passed_on(float_model: bytes) -> None:
    class Interrupted(Reporter):
        def progress(self, done: int, total: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(float_model, IMAGES, RECIPES["stock"], reporter=Interrupted())


def test_open_batch_is_refused() -> None:
    model = builder.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), alpha=0.35, minimalistic=True)
    with pytest.raises(ConversionError, match=r"got input of shape \(None, 32, 32, 3\), expected one"):
        convert_float(model)


def test_what_is_no_model_is_one_line() -> None:
    with pytest.raises(ModelFileError) as caught:
        quantized("stock", b"no model", IMAGES)
    assert str(caught.value).startswith("model float: got no valid TFLite flatbuffer")
    assert "\n" not in str(caught.value)
