"""`edge-mnv3 build`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_mnv3.commands.options import force_option, graph_options, json_option
from edge_mnv3.commands.terminal import TerminalReporter


@click.command("build")
@graph_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE.keras")
@force_option
@json_option
def command(
    variant: str,
    alpha: float | None,
    input_size: int,
    classes: int | None,
    weights: str,
    output: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Build a Keras MobileNetV3 and save it.

    \b
    Examples:
      edge-mnv3 build --variant small -o small.keras
      edge-mnv3 build --variant large_minimalistic --weights none --classes 10 -o start.keras
    """
    from edge_mnv3.core.results.json_format import to_json
    from edge_mnv3.model.arch import parse_variant
    from edge_mnv3.model.graphs import GraphRequest
    from edge_mnv3.stages.build import BuildRequest, build

    reporter = TerminalReporter()
    graph = GraphRequest(
        variant=parse_variant(variant, alpha), input_size_px=input_size, classes=classes, weights=weights
    )
    result = build(BuildRequest(graph=graph, output=output, force=force), reporter)
    reporter.close()
    if as_json:
        click.echo(to_json(result), nl=False)
    else:
        click.echo(f"{result.path}: {result.variant.name}, {result.variant.parameters:,} parameters")
