"""Throughput of `edge-mnv3 validate` on all cores against one core's own rate of decoding and inference.

    python benchmarks/validate_throughput.py --float M_float.tflite --int8 M_int8.tflite --data val.csv

One core's rate: a plain loop over the same images that decodes, preprocesses and runs both files. Rounds of
the loop and of `validate` alternate. 100 % would be perfect scaling with no overhead.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, Kernels
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import open_model
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.source_kinds import open_images


def single_core_rate(images: ImageSource, paths: tuple[Path, Path], kernels: Kernels) -> float:
    """Images a second on one thread: decode, preprocess, run both files."""
    models = [open_model(path, kernels=kernels) for path in paths]
    size = models[0].inputs[0].shape[1]
    count = images.available or 0
    started = time.perf_counter()
    for index in range(count):
        pixels = images.load(index, shape=ImageShape.square(size), preprocess=DEFAULT_PREPROCESS)
        for model in models:
            model.run(pixels)
    return count / (time.perf_counter() - started)


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--int8", "int8_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--kernels", type=click.Choice(("xnnpack", "builtin")), default="xnnpack", show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(float_path: Path, int8_path: Path, data: Path, kernels: Kernels, rounds: int) -> None:
    """Prints the share of (cores x single-core rate) that `validate` reaches."""
    images = open_images(data, need_labels=True)
    cores = available_cores()
    shares = []
    for _ in range(rounds):
        single = single_core_rate(images, (float_path, int8_path), kernels)
        result = validate(
            ValidateRequest(float_path=float_path, int8_path=int8_path, data=data, kernels=kernels)
        )
        shares.append(100 * result.images_per_s / (cores * single))
        click.echo(
            f"one core {single:.1f} images/s, {cores} cores {result.images_per_s:.1f} images/s: "
            f"{shares[-1]:.1f} %"
        )
    click.echo(
        f"{images.available} images: median {statistics.median(shares):.1f} % of {cores} cores "
        f"({min(shares):.1f} to {max(shares):.1f} %)"
    )


if __name__ == "__main__":
    main()
