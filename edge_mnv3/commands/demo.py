"""`edge-mnv3 demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands import bench, quantize, validate
from edge_mnv3.commands.options import force_option, json_option, requests
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.choices import DEMO_FOLDER

if TYPE_CHECKING:
    from edge_mnv3.core.results.demo import DemoResult
    from edge_mnv3.stages.demo import DemoRequest


@click.command("demo")
@click.option(
    "-o",
    "--output-dir",
    "folder",
    type=PATH,
    default=DEMO_FOLDER,
    help="Work in this folder.",
    show_default=True,
    metavar="DIR",
)
@force_option
@json_option
@requests("demo.DemoRequest")
def command(request: DemoRequest, as_json: bool) -> None:
    """Run the whole pipeline on bundled weights, without network, in about a minute.

    A small_minimalistic classifier of handwritten digits is built, calibrated on real images, quantized,
    validated on images that it was not trained on, and measured on this machine.

    \b
    Examples:
      edge-mnv3 demo
      edge-mnv3 demo -o /tmp/demo --json
    """
    from edge_mnv3.stages.demo import demo

    reporter = TerminalReporter()
    result = demo(request, reporter)
    reporter.close()
    show(result, _table, as_json=as_json)
    suggest(("report", Path(result.folder)), ("quantize", "MODEL.keras", "--calibration", "photos/"))


def _table(result: DemoResult) -> str:
    sections = (
        ("Quantized", quantize.table(result.quantize)),
        ("Accuracy on held-out handwritten digits", validate.table(result.validate)),
        ("Latency of float", bench.table(result.bench_float)),
        ("Latency of int8", bench.table(result.bench_int8)),
    )
    body = "\n\n".join(f"{title}\n{text}" for title, text in sections)
    return f"{body}\n\nEverything is in {result.folder}: images, both models, quantize.json, demo.json"
