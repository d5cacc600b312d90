"""Calibration statistics at scale: their rate, memory and size, and that parts give the same int8 file.

    python -m benchmarks.calibration_scale --float F.tflite --data calibration.csv --images 10000
    python -m benchmarks.calibration_scale --float F.tflite --data calibration.csv --parts 2 --parts 7

The rate is compared with that of a plain loop in one thread that decodes, runs the float model and adds up
its numbers, before and afterwards: by the clock, and by the processor time of all processes, which other
programs on the machine disturb less. Peak memory is that of all processes together. With --images the images
are repeated, in files of their own. With --parts the images are also divided into so many shards, each
counted by itself; merged in another order, their file must have the bytes of the whole one, and the int8
files that the recipe makes of each must be the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
from pathlib import Path

import click

from benchmarks.validate_rate import Memory, Spent, cpu_s, repeated
from edge_mnv3.core.choices import DEFAULT_PREPROCESS
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.stages.calibration_statistics import (
    CollectStatisticsRequest,
    MergeStatisticsRequest,
    collect_statistics,
    merge_statistics,
)
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import open_float_model
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.calibration.shard_totals import observation
from edge_mnv3_quantization.calibration.statistics import observed_network
from edge_mnv3_quantization.evaluation.evaluating import Shard
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES


def plain_loop(request: CollectStatisticsRequest, count: int) -> Spent:
    """One thread: decode, run, add up."""
    with open_float_model(request.graph, use_cache=True, reporter=SILENT) as opened:
        model = opened.made()
    network = observed_network(model.content, model.input_range)
    task = observation(network, model.shape, DEFAULT_PREPROCESS)
    images, models = open_images(request.calibration), task.open_models()
    wall, cpu = time.perf_counter(), cpu_s()
    task.done(models, Shard(0, images, [index % (images.available or 1) for index in range(count)]))
    return Spent(count, time.perf_counter() - wall, cpu_s() - cpu)


def whole(request: CollectStatisticsRequest) -> tuple[Spent, int, int]:
    """Collects all images: what it took, peak memory in kilobytes, and the size of the file in bytes."""
    memory, cpu, wall = Memory(), cpu_s(), time.perf_counter()
    memory.start()
    result = collect_statistics(request)
    spent = Spent(result.facts.images, time.perf_counter() - wall, cpu_s() - cpu)
    return spent, memory.end(), result.size_bytes


def of_parts(request: CollectStatisticsRequest, parts: int, folder: Path) -> Path:
    """Collects each shard by itself, and merges them from the last to the first."""
    files = []
    for number in range(parts, 0, -1):
        files.append(folder / f"{number}_of_{parts}.npz")
        collect_statistics(dataclasses.replace(request, shard=f"{number}/{parts}", output=files[-1]))
    output = folder / f"merged_{parts}.npz"
    merge_statistics(MergeStatisticsRequest(statistics=files, output=output))
    return output


def int8_sha256(request: CollectStatisticsRequest, statistics: Path, recipe: str, samples: int) -> str:
    """Quantizes with statistics."""
    made = quantize(
        QuantizeRequest(
            graph=request.graph,
            calibration=request.calibration,
            samples=samples,
            statistics=[statistics],
            recipe=recipe,
            output_dir=statistics.with_suffix(""),
        )
    )
    return made.int8_sha256


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--images", "count", type=int, help="Repeat the images up to this number.")
@click.option("--parts", multiple=True, type=int, help="Collect in so many shards too; may be repeated.")
@click.option("--recipe", type=click.Choice(tuple(RECIPES)), default=DEFAULT_RECIPE, show_default=True)
@click.option("--samples", default=200, show_default=True, help="Images of quantize, with --parts.")
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
@click.option("--single", default=200, show_default=True, help="Images of each single-threaded loop.")
def main(
    float_path: Path,
    data: Path,
    count: int | None,
    parts: tuple[int, ...],
    recipe: str,
    **numbers: int | None,
) -> None:
    """Prints the share of (cores x one thread's rate) that collecting reaches, memory and sizes."""
    workers, single = numbers["workers"] or available_cores(), numbers["single"] or 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = data if count is None else repeated(data, count, folder)
        request = CollectStatisticsRequest(
            graph=ModelRequest(path=float_path),
            calibration=table,
            output=folder / "whole.npz",
            workers=workers,
        )
        before = plain_loop(request, single)
        spent, peak_kb, size_bytes = whole(request)
        after = plain_loop(request, single)
        alone = Spent(2 * single, before.wall_s + after.wall_s, before.cpu_s + after.cpu_s)
        for name, each in (("one thread", alone), (f"{workers} workers, all else included", spent)):
            click.echo(
                f"{name}: {each.images / each.wall_s:.1f} images/s, "
                f"{1000 * each.cpu_s / each.images:.2f} ms of processor time an image"
            )
        by_clock = (spent.images / spent.wall_s) / (workers * alone.images / alone.wall_s)
        by_cpu = (spent.images / spent.cpu_s) / (alone.images / alone.cpu_s)
        click.echo(
            f"{spent.images} images: {100 * by_clock:.1f} % by the clock, "
            f"{100 * by_cpu:.1f} % by processor time"
        )
        click.echo(f"peak memory of all processes {peak_kb / 1000:.0f} MB, file {size_bytes / 1e6:.2f} MB")
        if parts:
            samples = numbers["samples"] or 1
            wanted = hashlib.sha256((folder / "whole.npz").read_bytes()).hexdigest()
            int8 = int8_sha256(request, folder / "whole.npz", recipe, samples)
            click.echo(f"1 part: statistics {wanted[:12]}, int8 {int8[:12]}")
        for number in parts:
            merged = of_parts(request, number, folder)
            got = hashlib.sha256(merged.read_bytes()).hexdigest()
            of_merged = int8_sha256(request, merged, recipe, samples)
            click.echo(f"{number} parts: statistics {got[:12]}, int8 {of_merged[:12]}")
            if (got, of_merged) != (wanted, int8):
                raise click.ClickException(f"{number} parts are not the same bytes as one")


if __name__ == "__main__":
    main()
