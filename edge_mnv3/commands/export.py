"""`edge-mnv3 export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import force_option, requests
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, Choice
from edge_mnv3.core.choices import EXPORT_FORMS

if TYPE_CHECKING:
    from edge_mnv3.stages.export import ExportRequest


@click.command("export")
@click.argument("results", nargs=-1, required=True, type=PATH, metavar="RESULT.json...")
@click.option(
    "--as",
    "form",
    type=Choice(EXPORT_FORMS),
    default=EXPORT_FORMS[0],
    show_default=True,
    help="Write this form: a table with a row for every result, Bencher's metrics (nanoseconds), "
    "github-action-benchmark's customSmallerIsBetter (milliseconds), a suite of pyperf (seconds), a trace "
    "for Perfetto (of what bench --profile measured), or rows of LiteRT's leaderboard.",
)
@click.option(
    "--repository",
    metavar="OWNER/NAME",
    help="Name the model's repository on Hugging Face, for rows of the leaderboard.",
)
@click.option(
    "--pipeline-tag",
    metavar="TAG",
    help="Name its task, for rows of the leaderboard.  [default: image-classification]",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Write it to this file, not to stdout.",
)
@force_option
@requests("export.ExportRequest")
def command(request: ExportRequest) -> None:
    """Write results of bench, reproduce or run in the forms that other programs read.

    Of the run.json of a run, bencher and github-action-benchmark also get accuracy, size and instructions on
    Arm processors.

    Results that must not be quoted, and those of emulated devices, give no figure, and a note says so.

    A row of the leaderboard is the middle launch of a measurement with LiteRT's build on all cores of a
    phone. What is missing for it is an error.

    \b
    Examples:
      edge-mnv3 export phone.json > phone.csv
      edge-mnv3 export a.json b.json --as bencher -o bencher.json
      edge-mnv3 export out/run.json --as bencher -o bencher.json
      edge-mnv3 export before.json --as pyperf -o before.pyperf.json
      edge-mnv3 export profiled.json --as perfetto -o trace.json
      edge-mnv3 export app.json --as litert-leaderboard \\
        --repository me/flowers -o row.jsonl
    """
    from edge_mnv3.stages.export import export

    reporter = TerminalReporter()
    text = export(request, reporter)
    reporter.close()
    if request.output is None:
        click.echo(text, nl=False)
