"""The sources for apps through real compilers, and run.

C++ is linked with the LiteRT library of the wheel and classifies images with real models. Kotlin is compiled
against doubles of Android's, LiteRT's and MediaPipe's classes, and run: what it would give to the model is
compared with what is measured with, byte by byte. Swift has no compiler here: see test_app_sources_parse.py.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from PIL import Image, ImageOps

import tiny_models
from app_contexts import app_context, app_output
from edge_mnv3.core.process import run
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3.core.runtime import open_model, real_numbers
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.app_sources import app_sources
from edge_mnv3.packaging.golden import GOLDEN_FOLDER, image_file, output_file
from edge_mnv3_calibration_data.preprocess import preprocess

pytestmark = pytest.mark.xdist_group("app_compilers")  # Kotlin is compiled once
DOUBLES = Path(__file__).parent.parent / "app_doubles"
SIZE = 32
SQUARE = ImageShape.square(SIZE)
LABELS = ("Gänseblümchen", "rose", "tulip, red", "sun flower", "dandelion")
# Larger than the input, odd, of the same size, narrower.
IMAGE_SIZES: tuple[tuple[int, int], ...] = ((500, 333), (33, 31), (32, 32), (20, 40))
if int(PIL.__version__.split(".")[0]) >= 13:
    # Pillow resizes tall images from top to bottom first from 13 on, as the sources do: another last bit.
    IMAGE_SIZES += ((20, 97), (1, 700), (120, 400))
OUTPUT_STEP = 8.0
OTHER_SHAPES = (
    ImageShape(height_px=24, width_px=40),
    ImageShape(height_px=40, width_px=24, channels=1),
    ImageShape(height_px=28, width_px=28, channels=1),
)
# Package in tests/app_doubles/kotlin/Main.kt, type of the model, preprocessing, shape of the input.
KOTLIN_CASES = (
    ("u8", "uint8", "slim", SQUARE),
    ("i8", "int8", "resize256", OTHER_SHAPES[1]),
    ("f32", "float32", "resize", OTHER_SHAPES[0]),
)
FEATURES = (-2.0, 0.0, 3.5)
LABEL_SCORES = (0.75, 0.25, 0.5, 0.0, 0.625)
OTHER_KINDS = {
    "labels": app_context(
        "uint8", app_output(task="labels", step=1 / 8), image=SQUARE, model_file="labels.tflite"
    ),
    "features": app_context(
        "float32",
        app_output("float32", task="embedding", count=3, name="features"),
        image=SQUARE,
        model_file="features.tflite",
    ),
}
OUTPUT_TASKS: tuple[Task, ...] = ("embedding", "classes")
COMPILE_TIMEOUT_S = 300.0
# Java's second compiler takes longer than it saves in programs that end after seconds.
SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
RUN_TIMEOUT_S = 60.0


def picture(width: int, height: int) -> Image.Image:
    """Noise over a slope: any wrong weight or shift shows."""
    rng = np.random.default_rng(width * 10000 + height)
    slope = np.linspace(0, 120, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
    return Image.fromarray((slope + rng.uniform(0, 75, (height, width, 3))).astype(np.uint8))


def context_of(dtype: str, image: ImageShape = SQUARE) -> AppContext:
    """That of `tiny_models.write_classifier`, whose float input takes pixels 0..255."""
    zero_point = {"uint8": 128, "int8": 0}.get(dtype)
    context = app_context(
        dtype,
        dataclasses.replace(app_output(dtype, step=OUTPUT_STEP), zero_point=zero_point),
        name="flowers of 5 kinds",
        image=image,
        model_file=f"{dtype}.tflite",
    )
    if dtype == "float32":
        return dataclasses.replace(context, float_input_mean=0.0, float_input_std=1.0)
    return context


def write_sources(folder: Path, context: AppContext, preprocess_name: str) -> Path:
    for path, text in app_sources(context, preprocess=preprocess_name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def write_model(folder: Path, dtype: str, image: ImageShape = SQUARE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 0.01, (len(LABELS), *image.dimensions)).astype(np.float32)
    return tiny_models.write_classifier(
        folder / f"{dtype}.tflite", dtype, kernel=kernel, output_scale=OUTPUT_STEP
    )


def real_scores(raw: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    zero_point = {"uint8": 128, "int8": 0, "float32": 0}[str(raw.dtype)]
    step = 1.0 if raw.dtype == np.float32 else OUTPUT_STEP
    scores: npt.NDArray[np.float64] = (raw.astype(np.float64) - zero_point) * step
    return scores


def best(scores: npt.NDArray[np.float64]) -> list[tuple[str, float]]:
    return [(LABELS[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]


def compile_cpp(source: Path, target: Path, *more: str) -> Path:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: install g++ or clang++")
    done = run(
        [compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", str(source),
         "-o", str(target), *more],
        timeout_s=COMPILE_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.parametrize("shape", [SQUARE, *OTHER_SHAPES], ids=lambda shape: shape.text)
@pytest.mark.parametrize("name", ["slim", "resize", "resize256"])
def test_cpp_pixels_are_those_of_the_measurement(name: str, shape: ImageShape, tmp_path: Path) -> None:
    sources = write_sources(tmp_path, context_of("uint8", shape), name)
    program = compile_cpp(DOUBLES / "cpp" / "pixels.cc", tmp_path / "pixels", f"-I{sources / 'cpp'}")
    for width, height in IMAGE_SIZES:
        image = picture(width, height)
        (tmp_path / "in").write_bytes(image.tobytes())
        done = run(
            [str(program), str(width), str(height), str(tmp_path / "in"), str(tmp_path / "out")],
            timeout_s=RUN_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        expected = preprocess(image, name=name, shape=shape)
        got = np.frombuffer((tmp_path / "out").read_bytes(), np.uint8).reshape(expected.shape)
        assert np.array_equal(got, expected), (width, height)


@pytest.fixture(scope="module")
def litert_library() -> Path:
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.submodule_search_locations
    library = Path(spec.submodule_search_locations[0]) / "libLiteRt.so"
    if not library.exists():
        pytest.skip(f"the wheel of ai-edge-litert has no {library.name} on this system")
    return library


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_cpp_gives_the_answers_of_the_interpreter(dtype: str, litert_library: Path, tmp_path: Path) -> None:
    sources = write_sources(tmp_path, context_of(dtype), "slim")
    program = compile_cpp(
        sources / "cpp" / "main.cc", tmp_path / "classify", f"-I{DOUBLES / 'cpp'}",
        str(litert_library), f"-Wl,-rpath,{litert_library.parent}",
    )  # fmt: skip
    folder = tmp_path / "the model"
    model = open_model(write_model(folder, dtype))
    for width, height in IMAGE_SIZES:
        image = picture(width, height)
        image.save(tmp_path / "image.ppm")
        done = run([str(program), str(folder), str(tmp_path / "image.ppm")], timeout_s=RUN_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        answers = [line.split("\t") for line in done.stdout.splitlines()]
        expected = best(real_scores(model.run(preprocess(image, name="slim", shape=SQUARE))))
        assert [label for _, label in answers] == [label for label, _ in expected]
        # The program prints six digits.
        assert [float(score) for score, _ in answers] == pytest.approx([s for _, s in expected], rel=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_cpp_reads_outputs_by_their_names(dtype: str, litert_library: Path, tmp_path: Path) -> None:
    """The signature has them in another order than the graph."""
    model = tiny_models.write_outputs(tmp_path / "m.tflite", dtype)
    loaded = open_model(model)
    outputs = [
        dataclasses.replace(
            app_output(dtype, task=task, count=count, name=name),
            scale=tensor.scale,
            zero_point=tensor.zero_point,
        )
        for tensor, name, task, count in zip(
            loaded.outputs, ("a_features", "b_kind"), OUTPUT_TASKS, (3, 5), strict=True
        )
    ]
    shape = ImageShape.square(tiny_models.SIZE)
    context = app_context(dtype, *outputs, image=shape, model_file=model.name)
    if dtype == "float32":
        context = dataclasses.replace(context, float_input_mean=0.0, float_input_std=1.0)
    sources = write_sources(tmp_path, context, "slim")
    program = compile_cpp(
        sources / "cpp" / "main.cc", tmp_path / "run_model", f"-I{DOUBLES / 'cpp'}",
        str(litert_library), f"-Wl,-rpath,{litert_library.parent}",
    )  # fmt: skip
    image = picture(33, 31)
    image.save(tmp_path / "image.ppm")
    done = run([str(program), str(tmp_path), str(tmp_path / "image.ppm")], timeout_s=RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    answers = [line.split("\t") for line in done.stdout.splitlines()]
    given = loaded.run_all(preprocess(image, name="slim", shape=shape))
    for (name, *numbers), stored, tensor in zip(answers, given, loaded.outputs, strict=True):
        expected = real_numbers(stored, tensor).reshape(-1).tolist()
        assert [float(number) for number in numbers] == pytest.approx(expected, rel=1e-5), name
    assert [name for name, *_ in answers] == ["a_features", "b_kind"]


def test_cpp_says_what_is_wrong(litert_library: Path, tmp_path: Path) -> None:
    sources = write_sources(tmp_path, context_of("uint8"), "slim")
    program = compile_cpp(
        sources / "cpp" / "main.cc", tmp_path / "classify", f"-I{DOUBLES / 'cpp'}",
        str(litert_library), f"-Wl,-rpath,{litert_library.parent}",
    )  # fmt: skip
    model = write_model(tmp_path / "m", "uint8")
    picture(40, 40).save(tmp_path / "image.ppm")
    short = tmp_path / "short.ppm"
    short.write_bytes((tmp_path / "image.ppm").read_bytes()[:-1])

    def error(image: Path) -> str:
        done = run([str(program), str(model.parent), str(image)], timeout_s=RUN_TIMEOUT_S)
        assert done.returncode == 1
        return done.stderr.splitlines()[-1]

    assert error(short) == f"{short} is cut short"
    model.write_bytes(b"no model")
    assert error(tmp_path / "image.ppm").startswith("cannot read the model: LiteRT status ")
    (model.parent / "labels.txt").write_text("one\ntwo\n")
    assert error(tmp_path / "image.ppm").endswith("labels.txt has 2 lines, not 5")


@pytest.fixture(scope="module")
def kotlin_home() -> Path:
    home = os.environ.get("EDGE_MNV3_KOTLIN_HOME")
    if not home or shutil.which("java") is None:
        pytest.skip(
            "no Kotlin compiler; needs java and EDGE_MNV3_KOTLIN_HOME, the npm package kotlin-compiler"
        )
    return Path(home)


@pytest.fixture(scope="module")
def kotlin_classes(kotlin_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three types in one compilation, each with another preprocessing."""
    folder = tmp_path_factory.mktemp("kotlin")
    files = [str(path) for path in sorted((DOUBLES / "kotlin").glob("*.kt"))]
    written = [
        (package, write_sources(folder / package, context_of(dtype, shape), name))
        for package, dtype, name, shape in KOTLIN_CASES
    ]
    written += [
        (package, write_sources(folder / package, context, "slim"))
        for package, context in OTHER_KINDS.items()
    ]
    for package, sources in written:
        for path in sorted((sources / "android").rglob("*.kt")):
            text = path.read_text(encoding="utf-8")
            assert text.startswith("package edgemnv3\n")
            path.write_text(
                text.replace("package edgemnv3\n", f"package edgemnv3.{package}\n", 1), encoding="utf-8"
            )
            files.append(str(path))
    done = run(
        ["java", *SHORT_RUN, "-cp", str(kotlin_home / "lib" / "kotlin-compiler.jar"),
         "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", str(kotlin_home),
         "-jvm-target", "1.8", "-Werror", *files, "-d", str(folder / "classes")],
        timeout_s=COMPILE_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "classes"


def test_kotlin_gives_the_model_the_pixels_of_the_measurement(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.tflite.output").write_bytes(bytes(int(score * 8) for score in LABEL_SCORES))
    (tmp_path / "features.tflite").write_bytes(b"")
    (tmp_path / "features.tflite.features.output").write_bytes(np.array(FEATURES, np.float32).tobytes())
    models = {dtype: open_model(write_model(tmp_path, dtype, shape)) for _, dtype, _, shape in KOTLIN_CASES}
    classpath = os.pathsep.join((str(kotlin_classes), str(kotlin_home / "lib" / "kotlin-stdlib.jar")))
    for width, height in IMAGE_SIZES:
        image = picture(width, height)
        image.save(tmp_path / "image.ppm")
        expected: dict[str, list[tuple[str, float]]] = {
            "mediapipe": [("first", 1.0), ("second", 0.5)],
            "labels": [(LABELS[0], 0.75), (LABELS[4], 0.625)],  # above 0.5
            "mediapipe_labels": [("first", 1.0)],
            "features": [(str(place), number) for place, number in enumerate(FEATURES)],
            "similarity": [("itself", 1.0)],
            "mediapipe_features": [("0", SIZE), ("1", SIZE)],
        }
        for _, dtype, name, shape in KOTLIN_CASES:
            raw = models[dtype].run(preprocess(image, name=name, shape=shape))
            (tmp_path / f"{dtype}.tflite.output").write_bytes(raw.tobytes())
            expected[dtype] = best(real_scores(raw))[:3]
        done = run(
            ["java", *SHORT_RUN, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classpath,
             "edgemnv3.tests.MainKt", str(tmp_path)],
            timeout_s=RUN_TIMEOUT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers: dict[str, list[tuple[str, float]]] = {}
        for line in done.stdout.splitlines():
            kind, rest = line.split(" ", 1)
            label, score = rest.rsplit(" ", 1)
            answers.setdefault(kind, []).append((label, float(score)))
        assert {kind: [label for label, _ in ranked] for kind, ranked in answers.items()} == {
            kind: [label for label, _ in ranked] for kind, ranked in expected.items()
        }
        for kind, ranked in answers.items():
            # float32 and its decimal digits.
            assert [s for _, s in ranked] == pytest.approx([s for _, s in expected[kind]], rel=1e-6)
        for _, dtype, name, shape in KOTLIN_CASES:
            pixels = preprocess(image, name=name, shape=shape).astype(np.int16)
            wanted = {"uint8": pixels, "int8": pixels - 128, "float32": pixels}[dtype].astype(dtype)
            given = np.frombuffer((tmp_path / f"{dtype}.tflite.input").read_bytes(), dtype)
            assert np.array_equal(given.reshape(wanted.shape), wanted), (dtype, width, height)
        shown = np.frombuffer((tmp_path / "uint8.tflite.mediapipe").read_bytes(), np.uint8)
        assert np.array_equal(shown.reshape(SIZE, SIZE, 3), preprocess(image, name="slim", shape=SQUARE)), (
            width,
            height,
        )


def padded(rows: npt.NDArray[np.uint8], row_stride: int, pixel_stride: int) -> bytes:
    """One channel as a camera lays it out: noise between the pixels, and the last row not filled up."""
    height, width = rows.shape
    laid = np.random.default_rng(1).integers(0, 256, (height, row_stride), np.uint8)
    laid[:, : width * pixel_stride : pixel_stride] = rows
    return laid.tobytes()[: row_stride * (height - 1) + (width - 1) * pixel_stride + 1]


def of_yuv(luma: npt.NDArray[Any], blueness: npt.NDArray[Any], redness: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """RGB by the constants of JFIF, in real numbers; each chroma pixel colours two by two."""
    height, width = luma.shape
    cb, cr = (
        plane.repeat(2, 0).repeat(2, 1)[:height, :width].astype(float) - 128 for plane in (blueness, redness)
    )
    light = luma.astype(float)
    colours = [light + 1.402 * cr, light - 0.344136 * cb - 0.714136 * cr, light + 1.772 * cb]
    return np.clip(np.stack(colours, -1), 0, 255)


FRAME_WIDTH, FRAME_HEIGHT, CROP = 46, 34, (2, 4, 45, 33)


def write_frames(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Writes camera images of both formats in all rotations; returns the upright crops as real numbers."""
    rng = np.random.default_rng(5)
    rgb = np.asarray(picture(FRAME_WIDTH, FRAME_HEIGHT))
    rgba = np.dstack([rgb, rng.integers(0, 256, rgb.shape[:2], np.uint8)])
    (folder / "rgba").write_bytes(padded(rgba.reshape(FRAME_HEIGHT, -1), FRAME_WIDTH * 4 + 24, 1))
    luma = rng.integers(0, 256, (FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    chroma = [rng.integers(0, 256, (FRAME_HEIGHT // 2, FRAME_WIDTH // 2), np.uint8) for _ in range(2)]
    (folder / "luma").write_bytes(padded(luma, 64, 1))
    planes = {"planar": (1, 32), "interleaved": (2, 50)}
    for kind, (pixel, row) in planes.items():
        for name, plane in zip(("cb", "cr"), chroma, strict=True):
            (folder / f"{name}_{kind}").write_bytes(padded(plane, row, pixel))
    left, top, right, bottom = CROP
    expected, lines = {}, []
    for degrees in (0, 90, 180, 270):
        of = f"{FRAME_WIDTH} {FRAME_HEIGHT} {left} {top} {right} {bottom} {degrees}"
        lines.append(f"rgba{degrees} 1 {of} rgba {FRAME_WIDTH * 4 + 24} 4")
        sources = {"rgba": rgb.astype(float)}
        for kind, (pixel, row) in planes.items():
            lines.append(f"{kind}{degrees} 35 {of} luma 64 1 cb_{kind} {row} {pixel} cr_{kind} {row} {pixel}")
            sources[kind] = of_yuv(luma, *chroma)
        for kind, colours in sources.items():
            # numpy turns the other way round.
            expected[f"{kind}{degrees}"] = np.rot90(colours[top:bottom, left:right], -degrees // 90)
    (folder / "frames.txt").write_text("\n".join(lines))
    return expected


def test_kotlin_reads_cameras_and_bitmaps_of_any_kind(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    image = picture(41, 29)
    image.save(tmp_path / "image.ppm")
    model = open_model(write_model(tmp_path, "uint8"))
    raw = model.run(preprocess(image, name="slim", shape=SQUARE))
    (tmp_path / "uint8.tflite.output").write_bytes(raw.tobytes())
    expected = write_frames(tmp_path)
    classpath = os.pathsep.join((str(kotlin_classes), str(kotlin_home / "lib" / "kotlin-stdlib.jar")))
    done = run(
        ["java", *SHORT_RUN, "-cp", classpath, "edgemnv3.tests.MainKt", str(tmp_path)],
        timeout_s=RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    for name, colours in expected.items():
        got = np.frombuffer((tmp_path / f"{name}.rgb").read_bytes(), np.uint8).reshape(colours.shape)
        # Rounded to the nearest; the six digits of JFIF's constants leave a hundredth.
        assert np.abs(got - colours).max() <= 0.51, name
        pixels = np.frombuffer((tmp_path / f"{name}.pixels").read_bytes(), np.uint8)
        wanted = preprocess(Image.fromarray(got), name="slim", shape=SQUARE)
        assert np.array_equal(pixels.reshape(wanted.shape), wanted), name
    for orientation in range(9):
        exif = image.getexif()
        exif[0x0112] = orientation
        turned = image.copy()
        turned.info["exif"] = exif.tobytes()
        upright = ImageOps.exif_transpose(turned)
        assert (tmp_path / f"exif{orientation}.rgb").read_bytes() == upright.tobytes(), orientation
    assert done.stdout.splitlines() == [
        "refused IllegalArgumentException: a bitmap of ALPHA_8 has no colours",
        "refused IllegalArgumentException: rotation by 45 degrees: expected a multiple of 90",
        "refused IllegalArgumentException: EXIF orientation 9: expected 0 to 8",
        "refused IllegalArgumentException: 3 pixels for an image of 2 x 2",
        "refused IllegalArgumentException: camera image of format 256: expected YUV_420_888 or RGBA_8888",
        "refused IllegalArgumentException: a crop of 2,4 to 999,33 in a camera image of 46 x 34",
        "refused IllegalArgumentException: 2 bytes, expected 3072",
        "refused IllegalStateException: this classifier is closed",
        "log edgemnv3 no GPU for uint8.tflite, it runs on the CPU: "
        "com.google.ai.edge.litert.LiteRtException: no GPU here",
        "runs on CPU",
        "told no GPU here",
        "runs on CPU",
        "runs on GPU",
        "refused IllegalArgumentException: NPU: expected CPU or GPU",
    ]


def write_golden(
    folder: Path, context: AppContext, images: list[npt.NDArray[Any]], answers: list[npt.NDArray[Any]]
) -> None:
    """The golden images, and of each the raw answer, as a bundle has them."""
    (folder / GOLDEN_FOLDER).mkdir(exist_ok=True)
    for index, (image, answer) in enumerate(zip(images, answers, strict=True)):
        (folder / image_file(index, grey=context.image.is_grey)).write_bytes(image.tobytes())
        (folder / output_file(context.model_file, index)).write_bytes(answer.tobytes())


def golden_images(context: AppContext) -> list[npt.NDArray[Any]]:
    rng = np.random.default_rng(11)
    return [rng.integers(0, 256, context.image.dimensions, np.uint8) for _ in range(context.golden_count)]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_cpp_golden_test_finds_the_image_that_differs(
    dtype: str, litert_library: Path, tmp_path: Path
) -> None:
    context = context_of(dtype)
    sources = write_sources(tmp_path, context, "slim")
    program = compile_cpp(
        sources / "cpp" / "golden_test.cc", tmp_path / "golden_test", f"-I{DOUBLES / 'cpp'}",
        str(litert_library), f"-Wl,-rpath,{litert_library.parent}",
    )  # fmt: skip
    model = open_model(write_model(tmp_path, dtype))
    images = golden_images(context)
    answers = [model.run(image).reshape(-1) for image in images]

    def verdict() -> tuple[int | None, list[str], str]:
        done = run([str(program), str(tmp_path), str(tmp_path / GOLDEN_FOLDER)], timeout_s=RUN_TIMEOUT_S)
        errors = [line for line in done.stderr.splitlines() if not line.startswith(("INFO", "WARNING"))]
        return done.returncode, errors, done.stdout

    write_golden(tmp_path, context, images, answers)
    passed = f"10 golden answers of {context.model_file} are as they should be\n"
    assert verdict() == (0, [], passed)
    near, far = (answers[7].copy() for _ in range(2))
    if dtype == "float32":
        near[2] += np.abs(near).max() * 0.0009
        far[2] += np.abs(far).max() * 0.01
    else:
        near[2] -= 1
        far[2] -= 2
    write_golden(tmp_path, context, images, [*answers[:7], near, *answers[8:]])
    assert verdict() == (0, [], passed)
    write_golden(tmp_path, context, images, [*answers[:7], far, *answers[8:]])
    status, errors, _ = verdict()
    assert status == 1
    assert errors[0].startswith("image_07, output output: number 2 is ")
    assert ("2 steps apart, 1 allowed" in errors[0]) == (dtype != "float32")
    assert "; the highest number is at " in errors[0]
    assert errors[1:] == [f"1 of 10 golden answers of {context.model_file} differ"]
    (tmp_path / image_file(3)).write_bytes(b"12")
    assert verdict()[:2] == (1, ["image_03 is of another size"])
    (tmp_path / image_file(3)).unlink()
    assert verdict()[:2] == (1, [f"cannot read {tmp_path / image_file(3)}"])


def test_kotlin_golden_test_finds_the_image_that_differs(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    """The double gives every image the same answer."""
    classpath = os.pathsep.join((str(kotlin_classes), str(kotlin_home / "lib" / "kotlin-stdlib.jar")))
    contexts = {dtype: context_of(dtype, shape) for _, dtype, _, shape in KOTLIN_CASES}
    contexts["features"] = OTHER_KINDS["features"]
    answers: dict[str, npt.NDArray[Any]] = {
        "uint8": np.array([130, 7, 200, 199, 0], np.uint8),
        "int8": np.array([-128, 7, 100, 127, 0], np.int8),
        "float32": np.array([0.5, -3.0, 1.0, 2.0, 0.0], np.float32),
        "features": np.array(FEATURES, np.float32),
    }
    wrong = {name: answer.copy() for name, answer in answers.items()}
    wrong["uint8"][2] -= 2
    wrong["int8"][0] += 1  # within the limit
    wrong["float32"][3] = np.nan
    wrong["features"] = wrong["features"][:2]
    for name, context in contexts.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
        output = f"{context.model_file}{'.features' if name == 'features' else ''}.output"
        (folder / output).write_bytes(answers[name].tobytes())
        write_golden(folder, context, golden_images(context), [answers[name]] * 10)

    def said() -> list[str]:
        done = run(
            ["java", *SHORT_RUN, "-cp", classpath, "edgemnv3.tests.MainKt", str(tmp_path)],
            timeout_s=RUN_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert said() == [f"{name} passed" for name in contexts]
    for name, context in contexts.items():
        write_golden(tmp_path / name, context, golden_images(context), [*[answers[name]] * 9, wrong[name]])
    assert said() == [
        "uint8 1 of 10 golden answers of uint8.tflite differ:",
        "uint8 image_09, output output: number 2 is 576.0, the golden one 560.0: 2.0 steps apart, 1 allowed; "
        "the highest number is at 2, the golden one at 3",
        "int8 passed",
        "float32 1 of 10 golden answers of float32.tflite differ:",
        "float32 image_09, output output: number 3 is 2.0, the golden one NaN: Infinity millionths of the "
        "largest apart, 1000 allowed; the highest number is at 3, the golden one at 3",
        "features 1 of 10 golden answers of features.tflite differ:",
        "features image_09, output features: 3 numbers, not 2",
    ]
