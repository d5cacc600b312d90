"""What the tests of packages and of sources for apps share: inputs, results of commands, compilers."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from app_compiling import (
    COMPILE_TIMEOUT_S,
    DOUBLES,
    KOTLIN_CASES,
    OTHER_KINDS,
    SHORT_RUN,
    context_of,
    write_projects,
    write_sources,
)
from edge_mnv3.core.process import run as run_process
from edge_mnv3_calibration_data.synthetic import synthetic_image
from packaged_drinks import CLASSES, LABELS, SIDE, classifier, package, run


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, labels, labelled images."""
    folder = tmp_path_factory.mktemp("inputs")
    for dtype in ("uint8", "int8", "float32"):
        classifier(folder / f"my drinks {dtype}.tflite", dtype)
    (folder / "labels.txt").write_text(LABELS)
    rows = ["file,label"]
    for index in range(30):
        Image.fromarray(synthetic_image(index, size=SIDE, seed=3)).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{index % CLASSES}")
    (folder / "data.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def evidence(inputs: Path) -> list[object]:
    """JSON of validate and bench, as options."""
    uint8, float32 = inputs / "my drinks uint8.tflite", inputs / "my drinks float32.tflite"
    validated = run(
        "validate", "--float", float32, "--int8", uint8, "--data", inputs / "data.csv",
        "--preprocess", "resize", "--json",
    )  # fmt: skip
    (inputs / "validate.json").write_text(validated.stdout)
    benched = run("bench", uint8, "--host", "--runs", 5, "--warmup-runs", 1, "--json")
    (inputs / "bench.json").write_text(benched.stdout)
    return ["--validate", inputs / "validate.json", "--bench", inputs / "bench.json"]


@pytest.fixture(scope="session")
def bundle(inputs: Path, evidence: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "drinks"
    done = package(inputs, path, "--name", "My drinks", "--author", "A", "--license", "MIT", *evidence)
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(scope="session")
def litert_library() -> Path:
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.submodule_search_locations
    library = Path(spec.submodule_search_locations[0]) / "libLiteRt.so"
    if not library.exists():
        pytest.skip(f"the wheel of ai-edge-litert has no {library.name} on this system")
    return library


@pytest.fixture(scope="session")
def kotlin_home() -> Path:
    home = os.environ.get("EDGE_MNV3_KOTLIN_HOME")
    if not home or shutil.which("java") is None:
        pytest.skip(
            "no Kotlin compiler; needs java and EDGE_MNV3_KOTLIN_HOME, the npm package kotlin-compiler"
        )
    return Path(home)


@pytest.fixture(scope="session")
def kotlin_classes(kotlin_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three types in one compilation, each with another preprocessing."""
    folder = tmp_path_factory.mktemp("kotlin")
    files = [str(path) for path in sorted((DOUBLES / "kotlin").glob("*.kt"))]
    written = [
        (place, write_sources(folder / place, context_of(dtype, shape), name))
        for place, dtype, name, shape in KOTLIN_CASES
    ]
    written += [
        (place, write_sources(folder / place, context, "slim")) for place, context in OTHER_KINDS.items()
    ]
    for place, sources in written:
        for path in sorted((sources / "android").rglob("*.kt")):
            text = path.read_text(encoding="utf-8")
            assert text.startswith("package edgemnv3\n")
            path.write_text(
                text.replace("package edgemnv3\n", f"package edgemnv3.{place}\n", 1), encoding="utf-8"
            )
            files.append(str(path))
    files += write_projects(folder)
    done = run_process(
        ["java", *SHORT_RUN, "-cp", str(kotlin_home / "lib" / "kotlin-compiler.jar"),
         "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", str(kotlin_home),
         "-jvm-target", "1.8", "-Werror", *files, "-d", str(folder / "classes")],
        timeout_s=COMPILE_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "classes"
