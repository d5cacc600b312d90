"""`edge-mnv3 statistics`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import (
    SEED_HELP,
    cache_option,
    engine_options,
    force_option,
    json_option,
    model_options,
    preprocess_option,
    requests,
)
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD

if TYPE_CHECKING:
    from edge_mnv3.core.results.calibration_statistics import StatisticsResult
    from edge_mnv3.stages.calibration_statistics import CollectStatisticsRequest, MergeStatisticsRequest

_HASH_SHOWN = 12
output_option = click.option(
    "-o", "--output", required=True, type=PATH, metavar="FILE.npz", help="Write the statistics there."
)


@click.group("statistics")
def command() -> None:
    """Collect a float model's calibration statistics over any number of images, and merge parts of them.

    Parts may come from any number of processes, runs and machines: the merged statistics are the same bit by
    bit, and so is what quantize --statistics makes of them.

    \b
    Examples:
      edge-mnv3 statistics collect flowers.keras --calibration photos/ \\
        --shard 1/2 -o parts/1.npz
      edge-mnv3 statistics collect flowers.keras --calibration photos/ \\
        --shard 2/2 -o parts/2.npz
      edge-mnv3 statistics merge parts/ -o all.npz
      edge-mnv3 quantize flowers.keras --calibration photos/ --statistics all.npz
    """


@command.command("collect")
@model_options
@click.option(
    "--calibration",
    type=PATH_OR_WORD,
    required=True,
    metavar="PATH",
    help="Count the images of a folder, CSV with a column 'file', text list, .npz, or an earlier run's "
    "quantize.json.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Draw N images.  [default: all]")
@click.option("--seed", type=int, default=0, show_default=True, help=SEED_HELP)
@preprocess_option
@click.option(
    "--shard",
    metavar="K/N",
    help="Count the images K, K + N, K + 2N and so on only, such as 2/7.  [default: all]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Run this many threads, or processes for 1000 images and more.  [default: one a core]",
)
@engine_options("Run the model")
@output_option
@cache_option
@force_option
@json_option
@requests("calibration_statistics.CollectStatisticsRequest")
def collect(request: CollectStatisticsRequest, as_json: bool) -> None:
    """Run a float model over images, and count its values.

    No image is kept, and memory does not grow with their number. If it is interrupted, the same command goes
    on where it stopped.

    \b
    Examples:
      edge-mnv3 statistics collect flowers.keras --calibration photos/ -o all.npz
      edge-mnv3 statistics collect flowers.keras --calibration /shared/photos \\
        --engine dask --scheduler tcp://10.0.0.1:8786 -o all.npz
    """
    from edge_mnv3.stages.calibration_statistics import collect_statistics

    reporter = TerminalReporter()
    result = collect_statistics(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    suggest(("quantize", "MODEL", "--calibration", "PHOTOS", "--statistics", Path(result.path)))


@command.command("merge")
@click.argument("statistics", nargs=-1, required=True, type=PATH, metavar="FILE.npz|DIR...")
@output_option
@force_option
@json_option
@requests("calibration_statistics.MergeStatisticsRequest")
def merge(request: MergeStatisticsRequest, as_json: bool) -> None:
    """Merge files of statistics, or all of a folder. An image that is in two of them is an error."""
    from edge_mnv3.stages.calibration_statistics import merge_statistics

    reporter = TerminalReporter()
    result = merge_statistics(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    suggest(("quantize", "MODEL", "--calibration", "PHOTOS", "--statistics", Path(result.path)))


@command.command("show")
@click.argument("statistics", nargs=-1, required=True, type=PATH, metavar="FILE.npz|DIR...")
@json_option
def show_(statistics: tuple[Path, ...], as_json: bool) -> None:
    """Show what statistics are of, several as if they were merged."""
    from edge_mnv3.stages.calibration_statistics import show_statistics

    reporter = TerminalReporter()
    result = show_statistics(statistics, reporter)
    reporter.close()
    show(result, table, as_json=as_json)


def table(result: StatisticsResult) -> str:
    """Writes a result for people."""
    facts = result.facts
    rows = [
        ("statistics", f"{result.path} ({result.size_bytes / 1e6:.2f} MB)"),
        ("images", f"{facts.images:,} of {facts.input_shape.text}, {facts.preprocess}"),
        *(("from", data.text) for data in facts.data),
        ("network", f"{facts.network_sha256[:_HASH_SHOWN]}…, {sum(facts.channels):,} channels"),
        ("hash", f"{facts.sha256[:_HASH_SHOWN]}…"),
    ]
    if result.observed or result.reused:
        pace = "" if result.images_per_s is None else f", {result.images_per_s:.0f} images/s"
        rows.append(("this run", f"{result.observed} images run, {result.reused} counted before{pace}"))
    return "\n".join(f"{key:<17}{value}" for key, value in rows)
