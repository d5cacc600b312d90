"""What the tests of packages share: inputs, results of other commands, a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

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
