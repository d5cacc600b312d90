"""`edge-mnv3 schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import requests

if TYPE_CHECKING:
    from edge_mnv3.stages.schema import SchemaRequest


@click.command("schema")
@click.argument("name", required=False)
@requests("schema.SchemaRequest")
def command(request: SchemaRequest) -> None:
    """Show the JSON Schema of a command's result, by which other programs check what they read.

    NAME is a command with the options that decide its result, such as bench-host. Without it, all names
    are listed.

    \b
    Examples:
      edge-mnv3 schema
      edge-mnv3 schema quantize > quantize.schema.json
    """
    from edge_mnv3.stages.schema import schema

    click.echo(schema(request), nl=False)
