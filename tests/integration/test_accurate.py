"""Recipes accurate and fast on real graphs: exact rewrites, whole files, less noise than the converter's."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from edge_mnv3.core.choices import IoType
from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.runtime import open_bytes, open_model
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model import builder
from edge_mnv3_calibration_data.synthetic import synthetic_image
from edge_mnv3_quantization.convert import convert_float
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.reading.reader import read_network
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize
from edge_mnv3_quantization.validation.checks import check_int8, inspect_file
from quantizing import quantized
from recording_reporter import RecordingReporter

pytestmark = pytest.mark.unmeasured

SIDE = 64
CLASSES = 10
IMAGES = np.stack([synthetic_image(index, size=SIDE, seed=0) for index in range(24)])
HELD_OUT = np.stack([synthetic_image(index, size=SIDE, seed=1) for index in range(24)])
VARIANTS = ("Small", "Small_minimalistic", "Large", "Large_minimalistic")
of_logits = pytest.mark.xdist_group("accurate logits")  # the model is made once


def with_real_batch_norm(model: Any, seed: int = 0, images: npt.NDArray[np.uint8] = IMAGES) -> Any:
    """Gives a fresh model statistics as training leaves them: measured means, uneven variances and scales."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Running averages become those of the last batch; the scale between channels varies tenfold.
            layer.momentum = 0.0
            gamma, beta, mean, variance = layer.get_weights()
            spread = np.exp(rng.normal(0, 0.8, gamma.shape))
            layer.set_weights([gamma * spread, beta + rng.normal(0, 0.3, beta.shape), mean, variance])
    model([images.astype(np.float32)], training=True)  # Keras holds no graph to the size of its batch
    return model


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"accurate {name}")) for name in VARIANTS],
)
def float_model(request: pytest.FixtureRequest) -> bytes:
    size, _, minimalistic = request.param.partition("_")
    build = getattr(builder, f"MobileNetV3{size}")
    options = {"alpha": 0.35, "minimalistic": bool(minimalistic), "weights": None, "classes": CLASSES}
    keras.utils.set_random_seed(7)
    return convert_float(
        with_real_batch_norm(build(input_tensor=builder.image_input(SIDE, batch_size=1), **options))
    )


def answers(path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    model = open_model(path, kernels="xnnpack")
    output = model.outputs[0]
    raw = np.stack([model.run(image) for image in images]).astype(np.float64)
    return raw if output.scale is None else output.scale * (raw - (output.zero_point or 0))


def noise_db(path: Path, reference: npt.NDArray[np.float64]) -> float:
    """Signal to noise of the answers over held-out images; the signal is what differs between images."""
    error = answers(path, HELD_OUT) - reference
    signal = reference - reference.mean(axis=0)
    return float(10 * np.log10((signal**2).sum() / (error**2).sum()))


@pytest.fixture(scope="module")
def reference(float_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> npt.NDArray[np.float64]:
    """The float model's answers to the held-out images."""
    return answers(written(tmp_path_factory.mktemp("float"), "float.tflite", float_model), HELD_OUT)


@pytest.fixture(scope="module")
def converters_noise_db(
    float_model: bytes, reference: npt.NDArray[np.float64], tmp_path_factory: pytest.TempPathFactory
) -> float:
    content = quantized("stock", float_model, IMAGES)
    return noise_db(written(tmp_path_factory.mktemp("stock"), "stock.tflite", content), reference)


def written(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def assert_rewrites_are_exact(content: bytes, path: Path, images: npt.NDArray[np.uint8]) -> None:
    wanted = answers(path, images)
    # All hard-sigmoids per channel, and all of them tables.
    for per_channel in (None, frozenset[int]()):
        network = rescale(lower_hard_swish(read_network(content), per_channel=per_channel), {})
        model = open_bytes(write_float(network, [network.output]))
        for image, answer in zip(images, wanted, strict=True):
            pixels = image[np.newaxis].astype(np.float32) * network.input_scale + network.input_offset
            got = model.run_raw(pixels.astype(np.float32))[0][0]
            # Float32 rounding through some sixty layers.
            np.testing.assert_allclose(got, answer, atol=2e-5)


def test_reading_and_lowering_change_nothing(float_model: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, "float.tflite", float_model)
    assert_rewrites_are_exact(float_model, path, HELD_OUT[:4])


def test_whole_file_with_less_noise_than_the_converter(
    float_model: bytes, reference: npt.NDArray[np.float64], converters_noise_db: float, tmp_path: Path
) -> None:
    path = written(tmp_path, "int8.tflite", quantized("accurate", float_model, IMAGES))
    checks = check_int8(path, io="uint8")
    assert checks.passed, checks.problems
    assert checks.xnnpack.partitions == 1
    assert "HARD_SWISH" not in checks.xnnpack.undelegated_ops
    ours = noise_db(path, reference)
    print(f"accurate {ours:.1f} dB, stock {converters_noise_db:.1f} dB")
    assert ours > converters_noise_db


@pytest.fixture(scope="module")
def fast_file(float_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes and gives uint8."""
    folder = tmp_path_factory.mktemp("fast")
    return written(folder, "fast.tflite", quantized("fast", float_model, IMAGES))


def test_fast_file_is_whole_and_has_less_noise_than_the_converter(
    fast_file: Path, reference: npt.NDArray[np.float64], converters_noise_db: float
) -> None:
    checks = check_int8(fast_file, io="uint8")
    assert checks.passed, checks.problems
    assert checks.xnnpack.partitions == 1
    assert "HARD_SWISH" not in checks.xnnpack.undelegated_ops
    assert noise_db(fast_file, reference) > converters_noise_db


@pytest.mark.parametrize("io", ["int8", "float32"])
def test_io_types_give_the_same_answers(
    float_model: bytes, fast_file: Path, tmp_path: Path, io: IoType
) -> None:
    # The recipes write their files in one way; this one is the quicker.
    other = written(tmp_path, f"{io}.tflite", quantized("fast", float_model, IMAGES, io=io))
    assert check_int8(other, io=io).passed
    model = open_model(other)
    assert model.inputs[0].dtype == model.outputs[0].dtype == io
    np.testing.assert_allclose(answers(other, HELD_OUT[:6]), answers(fast_file, HELD_OUT[:6]), atol=1e-6)


@of_logits
@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
def test_the_reports_ranges_are_those_of_a_file_that_is_whole(
    logits_model: bytes, io: IoType, tmp_path: Path
) -> None:
    made = quantize(logits_model, small_images(33, 4), RECIPES["fast"], options=QuantizationOptions(io=io))
    graph = read_model(made.model, "m").main_graph
    stored = {tensor.name: (tensor.scales, tensor.zero_points) for tensor in graph.tensors}
    reported = {one.tensor: ((np.float32(one.scale),), (one.zero_point,)) for one in made.report.ranges}
    assert len(reported) == len(made.report.ranges)
    assert {name: stored[name] for name in reported} == reported
    assert check_int8(written(tmp_path, "logits.tflite", made.model), io=io).passed


@of_logits
@pytest.mark.parametrize("recipe", ["accurate", "fast"])
def test_progress_and_determinism(logits_model: bytes, recipe: str) -> None:
    images = small_images(33, 4)
    reporter = RecordingReporter()
    options = QuantizationOptions(seed=3)
    one = quantize(logits_model, images, RECIPES[recipe], options=options, reporter=reporter).model
    assert reporter.plans == [reporter.steps]
    assert (4, 4) in reporter.done_and_total
    assert quantized(recipe, logits_model, images, seed=3) == one


@of_logits
def test_any_number_of_cores_gives_the_same_file(
    logits_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("config", "equalized"):  # few images, and trials all the same
        monkeypatch.setattr(f"edge_mnv3_quantization.recipes.{module}.TRIAL_IMAGES", 5)
    made = set()
    for cores in (1, 2, 3):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        done = quantize(logits_model, small_images(33, 10), RECIPES["accurate"])
        assert len(done.report.exponent_trials) >= 2
        made.add(done.model)
    assert len(made) == 1


@of_logits
def test_fused_hard_swish_stays_an_operator(logits_model: bytes, tmp_path: Path) -> None:
    content = quantized("fast", logits_model, small_images(33, 4), hard_swish="fused")
    path = written(tmp_path, "fused.tflite", content)
    inspected = inspect_file(path)
    assert inspected.ops["HARD_SWISH"] == 19
    assert inspected.full_integer
    assert (inspected.xnnpack.loads, inspected.builtin.loads) == (True, True)
    assert inspected.xnnpack.undelegated_ops["HARD_SWISH"] == 19


def small_images(side: int, count: int) -> npt.NDArray[np.uint8]:
    return np.stack([synthetic_image(index, size=side, seed=0) for index in range(count)])


@pytest.fixture(scope="module")
def logits_model() -> bytes:
    keras.utils.set_random_seed(7)
    return convert_float(
        builder.MobileNetV3Small(
            input_tensor=builder.image_input(33, batch_size=1),
            alpha=0.35,
            weights=None,
            classes=3,
            classifier_activation=None,
        )
    )


def random_architectures() -> list[tuple[str, bool, float, int, int]]:
    """Size, minimalistic, alpha, side in px, classes: each size with and without its hard-swishes."""
    rng = np.random.default_rng(11)
    return [
        (size, minimalistic, float(alpha), int(rng.integers(33, 97)), int(rng.integers(2, 18)))
        for (size, minimalistic), alpha in zip(
            itertools.product(("Small", "Large"), (False, True)),
            rng.permutation([0.35, 0.4, 0.5, 0.6]),
            strict=True,
        )
    ]


@pytest.mark.parametrize(("size", "minimalistic", "alpha", "side", "classes"), random_architectures())
def test_random_architectures(
    tmp_path: Path, size: str, minimalistic: bool, alpha: float, side: int, classes: int
) -> None:
    keras.utils.set_random_seed(side)
    build = getattr(builder, f"MobileNetV3{size}")
    options = {"alpha": alpha, "minimalistic": minimalistic, "weights": None, "classes": classes}
    images = small_images(side, 4)
    model = build(input_tensor=builder.image_input(side, batch_size=1), **options)
    content = convert_float(with_real_batch_norm(model, seed=side, images=images))
    assert_rewrites_are_exact(content, written(tmp_path, "float.tflite", content), images)
    checks = check_int8(written(tmp_path, "fast.tflite", quantized("fast", content, images)), io="uint8")
    assert checks.passed, checks.problems
    assert checks.xnnpack.partitions == 1
    assert set(checks.xnnpack.undelegated_ops) == {"QUANTIZE", "SOFTMAX"}


def test_operator_that_cannot_be_rewritten_is_named() -> None:
    image = builder.image_input(32, batch_size=1)
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.ops.sin(x))
    with pytest.raises(ConversionError, match=r"operator \d+ SIN, tensor '.*': got .*; use --recipe stock$"):
        quantized("accurate", convert_float(keras.Model(image, x)), IMAGES[:2, :32, :32])
