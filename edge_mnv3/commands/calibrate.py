"""`edge-mnv3 calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import (
    cache_option,
    force_option,
    images_options,
    json_option,
    model_options,
    requests,
)
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD
from edge_mnv3.core.counts import count

if TYPE_CHECKING:
    from edge_mnv3.core.results.calibrate import CalibrateResult
    from edge_mnv3.stages.calibrate import CalibrateRequest


@click.command("calibrate")
@model_options
@click.option(
    "--calibration",
    type=PATH_OR_WORD,
    metavar="PATH|synthetic",
    help="Read images from a folder, CSV with a column 'file', text list, .npz, tars, TFRecords, Parquet "
    "files, or an earlier run's quantize.json.  [default: the images that DIR has already]",
)
@images_options
@click.option(
    "--merge",
    multiple=True,
    type=PATH,
    metavar="DIR",
    help="Add the images and statistics of another stored calibration; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Make this stored calibration, or go on with it.",
)
@cache_option
@force_option
@json_option
@requests("calibrate.CalibrateRequest")
def command(request: CalibrateRequest, as_json: bool) -> None:
    """Read the calibration images and run the float model over them once, for many quantizations.

    DIR then holds the preprocessed images and the float model's statistics: quantize --calibration DIR reads
    no image. If it is interrupted, the same command goes on where it stopped. With other weights it adds
    their statistics over the same images.

    \b
    Examples:
      edge-mnv3 calibrate --variant small --calibration photos/ -o small.cal
      edge-mnv3 quantize --variant small --calibration small.cal
      edge-mnv3 calibrate --variant small --merge night.cal -o small.cal
    """
    from edge_mnv3.stages.calibrate import calibrate

    reporter = TerminalReporter()
    result = calibrate(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    suggest(("quantize", "MODEL", "--calibration", Path(result.path)))


def table(result: CalibrateResult) -> str:
    """Writes a result for people."""
    rows = [
        ("calibration", f"{result.path} ({result.pixels_size_bytes / 1e6:.2f} MB of pixels)"),
        ("images", f"{count(len(result.calibration.images), 'image')}, {result.calibration.kind}"),
        ("statistics", f"{result.statistics_path} ({result.statistics_size_bytes / 1e6:.2f} MB)"),
        ("observed", f"{result.channels:,} channels of {result.values} values"),
        ("this run", f"{result.observed} images run, {result.reused} done before"),
    ]
    return "\n".join(f"{key:<17}{value}" for key, value in rows)
