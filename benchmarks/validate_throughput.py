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

from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.runtime import Kernels, open_model
from edge_mnv3.stages.validate import validate_files
from edge_mnv3_calibration_data.loading import load_image
from edge_mnv3_calibration_data.sources import Item, open_source
from edge_mnv3_quantization.validation.accuracy import available_cores


def single_core_rate(items: list[Item], paths: tuple[Path, Path], kernels: Kernels) -> float:
    """Images a second on one thread: decode, preprocess, run both files."""
    models = [open_model(path, kernels=kernels) for path in paths]
    size = models[0].inputs[0].shape[1]
    started = time.perf_counter()
    for item in items:
        pixels = load_image(item, preprocess="slim", size=size)
        for model in models:
            model.run(pixels)
    return len(items) / (time.perf_counter() - started)


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--int8", "int8_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--kernels", type=click.Choice(("xnnpack", "builtin")), default="xnnpack", show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(float_path: Path, int8_path: Path, data: Path, kernels: Kernels, rounds: int) -> None:
    """Prints the share of (cores x single-core rate) that `validate` reaches."""
    items = list(open_source(data, need_labels=True).items)
    cores = available_cores()
    shares = []
    for _ in range(rounds):
        single = single_core_rate(items, (float_path, int8_path), kernels)
        result = validate_files(
            float_path,
            int8_path,
            data,
            preprocess="slim",
            kernels=kernels,
            runtime="litert",
            class_offset=None,
            workers=None,
            max_drop_points=None,
            reporter=Reporter(),
        )
        shares.append(100 * result.images_per_s / (cores * single))
        click.echo(
            f"one core {single:.1f} images/s, {cores} cores {result.images_per_s:.1f} images/s: "
            f"{shares[-1]:.1f} %"
        )
    click.echo(
        f"{len(items)} images: median {statistics.median(shares):.1f} % of {cores} cores "
        f"({min(shares):.1f} to {max(shares):.1f} %)"
    )


if __name__ == "__main__":
    main()
