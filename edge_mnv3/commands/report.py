"""`edge-mnv3 report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import force_option, json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD
from edge_mnv3.core.counts import count

if TYPE_CHECKING:
    from edge_mnv3.core.results.report import ReportResult
    from edge_mnv3.stages.report import ReportRequest


@click.command("report")
@click.argument("run", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE.html",
    help="Write the page to this file.  [default: report.html in the folder, or beside the first file]",
)
@click.option(
    "--labels",
    type=PATH_OR_WORD,
    metavar="PATH|imagenet",
    help="Name the classes by these names, one a line, or as the class folders of a folder are.  "
    "[default: what the results tell]",
)
@click.option(
    "--data",
    type=PATH_OR_WORD,
    metavar="CSV|DIR",
    help="Read the pictures of changed answers from here.  [default: where validate read them]",
)
@force_option
@json_option
@requests("report.ReportRequest")
def command(request: ReportRequest, as_json: bool) -> None:
    """Write all results of a run as one HTML page.

    RUN is a folder that quantize or demo wrote, with the results of validate, diagnose, inspect, bench and
    cost in it, or these JSON files one by one. The page names what is missing, with the command that
    makes it. Of the folder of a sweep the page shows the point that is recommended, and the Pareto front.

    The page needs no network. All figures on it are of one float and one int8 file, told by their SHA-256:
    results of other files in the folder are left out, with a note; a file that is named must fit.

    \b
    Examples:
      edge-mnv3 report edge_mnv3_demo
      edge-mnv3 report out -o report.html --force
      edge-mnv3 report out --labels labels.txt --data photos/val.csv
      edge-mnv3 report out/quantize.json validate.json phone.json -o phone.html
    """
    from edge_mnv3.stages.report import report

    reporter = TerminalReporter()
    result = report(request, reporter)
    reporter.close()
    show(result, told, as_json=as_json)


def told(result: ReportResult) -> str:
    """Writes for people what the page shows, in a list of titles of which some have commas."""
    shown = "; ".join(section.title for section in result.sections if section.present)
    missing = "; ".join(section.title for section in result.sections if not section.present)
    lines = [result.verdict, f"shows    {shown}"]
    if missing:
        lines.append(f"without  {missing} (the page says how to get them)")
    pictures = count(result.pictures, "picture")
    lines.append(f"page     {result.path} ({result.size_bytes / 1e6:.2f} MB, {pictures})")
    return "\n".join(lines)
