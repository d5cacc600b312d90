"""Sources for apps through compilers: models, pictures, and what is expected of both."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from PIL import Image

import tiny_models
from app_contexts import app_context, app_output
from edge_mnv3.core.process import run
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3.packaging.android_project import android_project
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.app_golden import golden_paths
from edge_mnv3.packaging.app_sources import app_sources

DOUBLES = Path(__file__).parent / "app_doubles"
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
PROJECT_CODE = "app/src/main/kotlin/edgemnv3"
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


def project_files(context: AppContext) -> dict[str, bytes]:
    """An Android project; model, labels and golden files are but their names."""
    names = [context.model_file, "labels.txt", *golden_paths(context)]
    sources = app_sources(context, preprocess="slim")
    return android_project(context, sources, {name: name.encode() for name in names})


def write_projects(folder: Path) -> list[str]:
    """Writes the activities of two projects, and Gradle's files of one as functions, for a compiler."""
    written = []
    for place, context in (("u8", context_of("uint8")), ("features", OTHER_KINDS["features"])):
        text = project_files(context)[f"{PROJECT_CODE}/app/MainActivity.kt"].decode()
        activity = folder / place / "MainActivity.kt"
        activity.write_text(text.replace("edgemnv3.", f"edgemnv3.{place}."), encoding="utf-8")
        written.append(str(activity))
    for name, receiver, path in (
        ("settings", "Settings", "settings.gradle.kts"),
        ("rootBuild", "Project", "build.gradle.kts"),
        ("appBuild", "Project", "app/build.gradle.kts"),
    ):
        lines = project_files(context_of("uint8"))[path].decode().splitlines()
        imports = [line for line in lines if line.startswith("import ")]
        rest = [line for line in lines if not line.startswith("import ")]
        head = ["package edgemnv3.tests", "import org.gradle.*", *imports]
        (folder / f"{name}.kt").write_text(
            "\n".join([*head, f"fun {receiver}.{name}() {{", *rest, "}"]), encoding="utf-8"
        )
        written.append(str(folder / f"{name}.kt"))
    return written


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


def run_kotlin(kotlin_home: Path, classes: Path, folder: Path) -> str:
    """What the main function of the Kotlin tests prints of a folder."""
    classpath = os.pathsep.join((str(classes), str(kotlin_home / "lib" / "kotlin-stdlib.jar")))
    done = run(
        ["java", *SHORT_RUN, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classpath,
         "edgemnv3.tests.MainKt", str(folder)],
        timeout_s=RUN_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
