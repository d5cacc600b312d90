"""`edge-mnv3 build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import force_option, json_option, model_options, requests
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH

if TYPE_CHECKING:
    from edge_mnv3.core.results.models import BuildResult
    from edge_mnv3.stages.build import BuildRequest


@click.command("build")
@model_options
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE.keras",
    help="Save the model here.",
)
@force_option
@json_option
@requests("build.BuildRequest")
def command(request: BuildRequest, as_json: bool) -> None:
    """Build a Keras MobileNetV3 and save it.

    \b
    Examples:
      edge-mnv3 build --variant small -o small.keras
      edge-mnv3 build --variant large --weights none --classes 10 -o start.keras
    """
    from edge_mnv3.stages.build import build

    reporter = TerminalReporter()
    result = build(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    suggest(("quantize", Path(result.path), "--calibration", "photos/"))


def table(result: BuildResult) -> str:
    """Writes a result for people."""
    variant, source = result.variant, result.source
    what = (
        f"{variant.name}, {variant.parameters:,} parameters"
        if variant
        else f"made of {source and source.path}"
    )
    return f"{result.path}: {what}"
