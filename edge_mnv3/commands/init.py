"""`edge-mnv3 init`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_mnv3.commands.options import force_option
from edge_mnv3.commands.showing import say, suggest
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.choices import RUN_CONFIG
from edge_mnv3.core.errors import OutputError


@click.command("init")
@click.argument("file", required=False, type=PATH, default=RUN_CONFIG, metavar="[FILE.toml]")
@force_option
def command(file: Path, force: bool) -> None:
    """Write a config for edge-mnv3 run, with every key, what it does, and its default.

    Without FILE.toml, it writes edge-mnv3.toml. As it stands, the file runs the demo's classifier of
    handwritten digits through the pipeline, without network.

    \b
    Examples:
      edge-mnv3 init
      edge-mnv3 init flowers.toml
    """
    from edge_mnv3.commands.run_template import template
    from edge_mnv3.core.outputs import write_text

    if str(file) == "-":
        raise OutputError("FILE.toml", "-", "the name of a file", "it is not written to stdout")
    if file.is_file() and not force:
        raise OutputError(
            f"config {file} exists already", next_step="use --force to overwrite it, or another name"
        )
    write_text(file, template(), force=force)
    say(f"written: {file}")
    suggest(("run", *(() if file == RUN_CONFIG else (file,))))
