"""The golden tests for devices, compiled and run: they pass, and they fail where an answer differs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app_compiling import (
    DOUBLES,
    FEATURES,
    KOTLIN_CASES,
    LABELS,
    OTHER_KINDS,
    RUN_TIMEOUT_S,
    SHORT_RUN,
    compile_cpp,
    context_of,
    write_model,
    write_sources,
)
from edge_mnv3.core.process import run
from edge_mnv3.core.runtime import open_model
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.golden import GOLDEN_FOLDER, image_file, output_file

pytestmark = pytest.mark.xdist_group("app_compilers")  # Kotlin is compiled once


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
