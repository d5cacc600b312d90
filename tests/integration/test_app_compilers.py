"""The sources for apps through real compilers, and run.

C++ is linked with the LiteRT library of the wheel and classifies images with real models. Kotlin is compiled
against doubles of Android's, LiteRT's and MediaPipe's classes, and run: what it would give to the model is
compared with what is measured with, byte by byte. Swift has no compiler here: see test_app_sources_parse.py.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from app_compiling import (
    DOUBLES,
    FEATURES,
    IMAGE_SIZES,
    KOTLIN_CASES,
    LABEL_SCORES,
    LABELS,
    OTHER_SHAPES,
    OUTPUT_TASKS,
    RUN_TIMEOUT_S,
    SIZE,
    SQUARE,
    best,
    compile_cpp,
    context_of,
    picture,
    real_scores,
    run_kotlin,
    write_model,
    write_sources,
)
from app_contexts import app_context, app_output
from edge_mnv3.core.process import run
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.stored_numbers import real_numbers
from edge_mnv3_calibration_data.preprocess import preprocess

pytestmark = pytest.mark.xdist_group("app_compilers")  # Kotlin is compiled once


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


def test_cpp_refuses_other_counts_of_pixels(litert_library: Path, tmp_path: Path) -> None:
    sources = write_sources(tmp_path, context_of("uint8"), "slim")
    program = compile_cpp(
        DOUBLES / "cpp" / "counts.cc", tmp_path / "counts", f"-I{sources / 'cpp'}", f"-I{DOUBLES / 'cpp'}",
        str(litert_library), f"-Wl,-rpath,{litert_library.parent}",
    )  # fmt: skip
    folder = tmp_path / "m"
    write_model(folder, "uint8")
    done = run([str(program), str(folder)], timeout_s=RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    said = "{} bytes of pixels, expected 3072, as Pixels gives them"
    assert done.stdout.splitlines() == [*(said.format(count) for count in (0, 3071, 3073)), "5 scores"]


def test_kotlin_gives_the_model_the_pixels_of_the_measurement(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.tflite.output").write_bytes(bytes(int(score * 8) for score in LABEL_SCORES))
    (tmp_path / "features.tflite").write_bytes(b"")
    (tmp_path / "features.tflite.features.output").write_bytes(np.array(FEATURES, np.float32).tobytes())
    models = {dtype: open_model(write_model(tmp_path, dtype, shape)) for _, dtype, _, shape in KOTLIN_CASES}
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
        answers: dict[str, list[tuple[str, float]]] = {}
        for line in run_kotlin(kotlin_home, kotlin_classes, tmp_path).splitlines():
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
