from __future__ import annotations

import dataclasses
import functools
import re
import string
from importlib import resources
from types import CodeType
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app_contexts import RGB_224, app_context, app_output
from edge_mnv3.core.choices import PreprocessName
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.packaging.app_context import AppContext, AppKind
from edge_mnv3.packaging.app_sources import SOURCES, app_sources, crop
from edge_mnv3.packaging.templates import FOLDER
from edge_mnv3_calibration_data.preprocess import PREPROCESSES
from examples_count import ANY_CHARACTER, examples

ALL = {"README.md", *(source.path for source in SOURCES)}
# Files that only models without classes have, and those that only models with classes have.
FEATURES = {path for path in ALL if re.search("Model.kt|Model.swift|Embedder|Similarity", path)}
SCORES = {path for path in ALL if re.search("lassifi", path)}


def contexts(dtype: str) -> dict[str, AppContext]:
    """A model of each kind."""
    scores = app_output(dtype, name="kind")
    return {
        "classes": app_context(dtype),
        "labels": app_context(dtype, app_output(dtype, task="labels", count=12)),
        "embedding": app_context(dtype, app_output(dtype, task="embedding", count=64)),
        "outputs": app_context(dtype, scores, app_output(dtype, task="embedding", name="features")),
    }


def wanted(kind: str, dtype: str) -> set[str]:
    paths = ALL - (FEATURES if kind in ("classes", "labels") else SCORES)
    if kind == "outputs":
        paths = {path for path in paths if not re.search("Embedder|Similarity", path)}
    # Neither MediaPipe Tasks nor TensorFlowLiteSwift take int8 tensors.
    return {path for path in paths if dtype != "int8" or not (path.startswith("ios/") or "MediaPipe" in path)}


@pytest.mark.parametrize("kind", get_args(AppKind))
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int8"])
def test_every_template_is_written_where_its_api_takes_the_type(dtype: str, kind: str) -> None:
    context = contexts(dtype)[kind]
    assert context.kind == kind
    sources = app_sources(context, preprocess="slim")
    assert set(sources) == wanted(kind, dtype)
    for path, text in sources.items():
        assert "%%" not in text, path
        assert "None" not in text, path
        assert text.endswith("\n"), path


def test_labels_hold_above_their_threshold() -> None:
    output = dataclasses.replace(app_output(task="labels", count=9), thresholds=(0.25, *[0.5] * 8))
    sources = app_sources(app_context("uint8", output), preprocess="slim")
    for path, condition in {
        "android/LiteRtClassifier.kt": ".filter { scores[it] > THRESHOLDS[it] }",
        "android/MediaPipeClassifier.kt": ".filter { it.score() > THRESHOLDS[it.index()] }",
        "ios/TensorFlowLiteClassifier.swift": ".filter { scores[$0] > Self.thresholds[$0] }",
        "ios/MediaPipeClassifier.swift": ".filter { $0.score > Self.thresholds[$0.index] }",
        "cpp/classifier.h": "if (scores[i] > kThresholds[i])",
    }.items():
        assert condition in sources[path]
        assert re.search(r"0\.25f?, 0\.5", sources[path]), path
    assert "none or several at a time" in sources["README.md"]


def test_outputs_are_read_by_their_names() -> None:
    sources = app_sources(contexts("float32")["outputs"], preprocess="slim")
    assert 'val OUTPUTS = listOf("kind", "features")' in sources["android/LiteRtModel.kt"]
    compiled = sources["android/LiteRtCompiled.kt"]
    assert 'outputs = listOf("kind", "features").map { name ->' in compiled
    assert "outputs[0].readFloat(),\n                outputs[1].readFloat(),\n" in compiled
    assert 'results["features"] = output1' in sources["ios/TensorFlowLiteModel.swift"]
    assert '{"features", kLiteRtElementTypeFloat32, {1, 5}, 1.0f, 0}' in sources["cpp/model.h"]
    assert "| `kind`" in sources["README.md"]
    assert "MediaPipe" not in sources["android/build.gradle.kts"]


def test_swift_finds_the_models_files_in_a_package_too() -> None:
    for kind in get_args(AppKind):
        sources = app_sources(contexts("uint8")[kind], preprocess="slim")
        assert "#if SWIFT_PACKAGE\n      return .module\n" in sources["ios/ModelBundle.swift"]
        taking = [text for text in sources.values() if "bundle: Bundle" in text]
        assert taking
        assert all("init(bundle: Bundle = .ofModel" in text for text in taking)


def test_swift_reads_frames_by_the_matrix_that_they_state() -> None:
    text = app_sources(app_context(), preprocess="slim")["ios/CameraFrame.swift"]
    # Of BT.709's shares of red and blue in light: 0.2126 and 0.0722.
    red, blue = 0.2126, 0.0722
    green = 1 - red - blue
    shares = {
        "redOfCr": 2 * (1 - red),
        "greenOfCb": 2 * (1 - blue) * blue / green,
        "greenOfCr": 2 * (1 - red) * red / green,
        "blueOfCb": 2 * (1 - blue),
    }
    written = text.partition("bt709 = Matrix(")[2].partition(")")[0]
    assert {name: float(number) for name, number in re.findall(r"(\w+): ([\d.]+)", written)} == pytest.approx(
        shares, abs=5e-5
    )
    assert "throw ModelError.unknownColourMatrix(name)" in text


def test_swift_refuses_frames_of_wide_colours() -> None:
    sources = app_sources(app_context(), preprocess="slim")
    text = sources["ios/CameraFrame.swift"]
    listed = text.partition("private static let wide = [")[2].partition("]")[0]
    assert {name.removeprefix("kCVImageBufferColorPrimaries_") for name in re.findall(r"\w+", listed)} == {
        *("P3_D65", "DCI_P3", "ITU_R_2020")
    }
    assert "throw ModelError.wideColours(primaries)" in text
    assert "case wideColours(String)" in sources["ios/ModelError.swift"]


def test_each_template_file_is_one_source() -> None:
    folder = resources.files("edge_mnv3.packaging") / FOLDER
    written = {"README.md"}
    for part in ("android", "ios", "cpp"):
        written |= {f"{part}/{file.name}" for file in (folder / part).iterdir() if file.is_file()}
    for part in ("android/test", "ios/test"):
        written |= {f"{part}/{file.name}" for file in folder.joinpath(*part.split("/")).iterdir()}
    assert written == ALL


def test_size_files_and_numbers_are_the_models_own() -> None:
    sources = app_sources(
        app_context(
            "uint8",
            app_output(count=7, step=0.00390625),
            image=ImageShape(height_px=96, width_px=128),
            model_file="my-1.0_int8.tflite",
        ),
        preprocess="slim",
    )
    kotlin = sources["android/LiteRtClassifier.kt"]
    assert 'const val MODEL_FILE = "my-1.0_int8.tflite"' in kotlin
    assert 'const val LABELS_FILE = "labels.txt"' in kotlin
    assert "const val CLASS_COUNT = 7" in kotlin
    compiled = sources["android/LiteRtCompiled.kt"]
    assert "((q[it].toInt() and 0xFF) - (0)) * 0.00390625f" in compiled
    assert "inputs[0].writeInt8(pixels)" in compiled
    assert (
        "const val WIDTH = 128\n    const val HEIGHT = 96\n    const val CHANNELS = 3"
        in sources["android/Preprocessing.kt"]
    )
    swift = sources["ios/TensorFlowLiteClassifier.swift"]
    assert "static let classCount = 7" in swift
    assert "Float(Int($0) - 0) * 0.00390625" in swift
    assert "options.isXNNPackEnabled = true" in swift
    assert (
        "kWidth = 128;\nconstexpr int kHeight = 96;\nconstexpr int kChannels = 3;"
        in sources["cpp/preprocessing.h"]
    )
    assert 'constexpr char kModelFile[] = "my-1.0_int8.tflite";' in sources["cpp/model.h"]
    assert "`my-1.0_int8.tflite`: 96×128 pixels (rows × columns), RGB, uint8 in" in sources["README.md"]


def test_build_files_name_the_libraries() -> None:
    sources = app_sources(app_context(), preprocess="slim")
    gradle = sources["android/build.gradle.kts"]
    assert 'androidResources { noCompress += "tflite" }' in gradle
    assert 'implementation("com.google.ai.edge.litert:litert:2.3.0")' in gradle
    assert 'implementation("com.google.mediapipe:tasks-vision:1.0.0")' in gradle
    assert "pod 'TensorFlowLiteSwift'" in sources["ios/Podfile"]
    assert "pod 'MediaPipeTasksVision'" in sources["ios/Podfile"]
    assert "mediapipe" not in app_sources(app_context("int8"), preprocess="slim")["android/build.gradle.kts"]


def test_build_files_name_their_platforms_sources_only() -> None:
    for kind in get_args(AppKind):
        sources = app_sources(contexts("uint8")[kind], preprocess="slim")
        assert ".swift" not in sources["android/build.gradle.kts"]
        assert ".kt" not in sources["ios/Podfile"]
        assert ".swift" in sources["ios/Podfile"]


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("classes", "MediaPipeClassifier.swift"),
        ("embedding", "MediaPipeEmbedder.swift"),
        ("outputs", None),
    ],
)
def test_the_swift_package_is_without_mediapipe(kind: str, left_out: str | None) -> None:
    """It takes libraries that are no frameworks: only CocoaPods links them."""
    package = app_sources(contexts("uint8")[kind], preprocess="slim")["ios/Package.swift"]
    assert "MediaPipeTasks" not in package
    assert 'dependencies: ["TensorFlowLite"]' in package
    more = "" if left_out is None else f', "{left_out}"'
    assert f'exclude: ["Podfile", "Frameworks", "test"{more}],' in package
    assert (f"{left_out} needs CocoaPods, and is not in this package.\n" in package) == (left_out is not None)


def test_kotlin_says_where_it_calls_what_old_androids_lack() -> None:
    """Android's lint refuses calls of a later level than minSdk in functions that do not say so."""
    text = app_sources(app_context(), preprocess="slim")["android/Photo.kt"]
    later = [each for each in text.split("\n\n") if re.search(r"\b(ImageDecoder|ColorSpace)\.", each)]
    assert later
    assert all("@TargetApi(28)\n    private fun" in each for each in later)


def test_int8_readme_says_which_apis_are_left_out() -> None:
    readme = app_sources(app_context("int8"), preprocess="slim")["README.md"]
    assert "MediaPipe Tasks and TensorFlowLiteSwift take no int8 tensors" in readme
    assert "--io uint8" in readme


GREY = ImageShape(height_px=28, width_px=40, channels=1)


def test_grey_models_have_no_colour_apis() -> None:
    sources = app_sources(app_context(image=GREY), preprocess="slim")
    assert "android/LiteRtClassifier.kt" in sources
    assert not {path for path in sources if "MediaPipe" in path}
    assert "mediapipe" not in sources["android/build.gradle.kts"]
    assert "MediaPipe's classifiers take colour images only" in sources["README.md"]
    assert "const val CHANNELS = 1" in sources["android/Preprocessing.kt"]


def test_float_input_is_normalized() -> None:
    sources = app_sources(app_context("float32"), preprocess="slim")
    assert "(byte - 127.5) / 127.5" in sources["README.md"]
    assert "- 127.5f) / 127.5f" in sources["android/LiteRtCompiled.kt"]
    assert "(Float($0) - 127.5) / 127.5" in sources["ios/TensorFlowLiteClassifier.swift"]
    assert "(pixels[i] - 127.5f) / 127.5f" in sources["cpp/model.h"]


@pytest.mark.parametrize("name", PREPROCESSES)
def test_the_preprocessing_is_named(name: str) -> None:
    sources = app_sources(app_context(), preprocess=name)
    said = crop(name, RGB_224).description
    for path in ("README.md", "android/Preprocessing.kt", "ios/Preprocessing.swift", "cpp/preprocessing.h"):
        assert said in sources[path]


SIZES = (32, 96, 100, 224, 512)


@pytest.mark.parametrize("name", PREPROCESSES)
@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    rows=st.sampled_from(SIZES),
    columns=st.sampled_from(SIZES),
)
def test_crops_are_those_of_the_measurement(
    name: PreprocessName, width: int, height: int, rows: int, columns: int
) -> None:
    shape = ImageShape(height_px=rows, width_px=columns)
    box = crop(name, shape)
    # The expressions are Python as well.
    values: dict[str, Any] = {"width": float(width), "height": float(height), "min": min, "floor": _floor}
    for side in ("left", "upper", "right", "lower"):
        values[side] = eval(_compiled(getattr(box, side)), {"__builtins__": {}}, values)
    got = tuple(values[side] for side in ("left", "upper", "right", "lower"))
    # Double precision on both sides, in another order of operations.
    assert got == pytest.approx(PREPROCESSES[name].box(width, height, shape), rel=1e-12, abs=1e-9)


@functools.cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, "crop", "eval")


def _floor(number: float) -> float:
    return float(int(number))  # never negative here


@examples(30)  # each writes all sources
@given(name=st.text(ANY_CHARACTER, max_size=60))
@example(name="\\")
@example(name="*/ x")
def test_no_name_leaves_its_comment(name: str) -> None:
    sources = app_sources(app_context(name=name), preprocess="slim")
    plain = app_sources(app_context(name=""), preprocess="slim")
    for path, text in sources.items():
        assert len(text.splitlines()) == len(plain[path].splitlines())
        assert text.count("*/") == plain[path].count("*/")
        assert text.count("/*") == plain[path].count("/*")
        assert not re.search(r"\\$", text, re.MULTILINE)


def test_all_values_are_used() -> None:
    folder = resources.files("edge_mnv3.packaging") / FOLDER
    used = set()
    for path in ALL:
        text = folder.joinpath(*path.split("/")).read_text(encoding="utf-8")
        used |= set(re.findall(r"%%\{(\w+)\}", text))
        assert "%%" not in re.sub(r"%%\{\w+\}", "", text)
    assert "name" in used
    assert all(set(name) <= set(string.ascii_lowercase + "_") for name in used)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_dtype": "int16"}, "type of the input: got 'int16', expected one of uint8, int8, float32"),
        (
            {"outputs": (dataclasses.replace(app_output(), dtype=""),)},
            "type of the output: got '', expected one of uint8, int8, float32",
        ),
        (
            {"outputs": (dataclasses.replace(app_output(), labels_file='a"b.txt'),)},
            "file name in a source for apps: got 'a\"b.txt', expected ASCII letters, digits, . _ -",
        ),
        (
            {"outputs": (dataclasses.replace(app_output(), scale=None),)},
            "scale of output 'output': got None, expected a finite number",
        ),
        (
            {"outputs": (app_output(step=float("nan")),)},
            "scale of output 'output': got nan, expected a finite number",
        ),
        (
            {"outputs": (app_output(name='a"b'),)},
            "name in a source for apps: got 'a\"b', expected printable ASCII characters without \" \\ $",
        ),
    ],
)
def test_what_cannot_stand_in_a_source_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        app_sources(dataclasses.replace(app_context(), **change), preprocess="slim")
    assert str(caught.value) == message


def test_unknown_preprocessing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="preprocessing: got 'crop', expected one of slim, resize"):
        app_sources(app_context(), preprocess="crop")
