"""`edge-mnv3 build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import force_option, json_option, model_options, requests
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH

if TYPE_CHECKING:
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
      edge-mnv3 build --variant large_minimalistic --weights none --classes 10 -o start.keras
    """
    from edge_mnv3.core.results.json_format import to_json
    from edge_mnv3.stages.build import build

    reporter = TerminalReporter()
    result = build(request, reporter)
    reporter.close()
    if as_json:
        click.echo(to_json(result), nl=False)
    else:
        variant, source = result.variant, result.source
        what = (
            f"{variant.name}, {variant.parameters:,} parameters"
            if variant
            else f"made of {source and source.path}"
        )
        click.echo(f"{result.path}: {what}")
