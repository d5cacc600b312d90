"""A small classifier of drinks, as files of all input types, and the command that packages it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from tiny_models import write_classifier

SIDE = 32
CLASSES = 5
LABELS = "tea\ncoffee\nwater\nmilk\njuice\n"
# Steps of this size keep the sums of 32x32x3 weights of at most 1 within 256 steps.
OUTPUT_SCALE = 40.0


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def classifier(path: Path, dtype: str = "uint8", *, seed: int = 0, classes: int = CLASSES) -> Path:
    kernel = np.random.default_rng(seed).uniform(-1, 1, (classes, SIDE, SIDE, 3)).astype(np.float32)
    kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True)
    return write_classifier(path, dtype, classes=classes, kernel=kernel, output_scale=OUTPUT_SCALE)


def package(inputs: Path, output: Path, *more: object, model: str = "my drinks uint8.tflite") -> Result:
    return run("package", inputs / model, "--labels", inputs / "labels.txt", "-o", output, *more)
