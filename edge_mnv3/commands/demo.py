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
from edge_mnv3.core.modelled import DEMO_FILE, read_modelled

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
    validated on images that it was not trained on, and measured on this machine. What both files cost
    on the processors of phones is modelled: these figures come with the package.

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
        ("Latency of float on this machine", bench.table(result.bench_float)),
        ("Latency of int8 on this machine", bench.table(result.bench_int8)),
        ("Modelled for phones: million cycles of an inference", phones_table()),
    )
    body = "\n\n".join(f"{title}\n{text}" for title, text in sections)
    return f"{body}\n\nEverything is in {result.folder}: images, both models, quantize.json, demo.json"


def phones_table() -> str:
    """What the package knows of this network on phones' processors, slowest core first."""
    costs = read_modelled(DEMO_FILE)
    cycles = {(each.processor, each.precision): each.cycles_low for each in costs.costs}
    lines = [f"{'core':<5} {'of':<8} {'float':>6} {'int8':>6}  int8 is faster by"]
    for phone, core in costs.phones.items():
        float_cycles, int8_cycles = cycles[core, "float"], cycles[core, "int8"]
        lines.append(
            f"{core:<5} {phone:<8} {float_cycles / 1e6:>6.2f} {int8_cycles / 1e6:>6.2f}  "
            f"{float_cycles / int8_cycles:.2f} times"
        )
    lines += [
        "Counted once for this network on emulated cores, not measured.",
        "One thread, XNNPACK, and every load in the first cache.",
        "This machine says little about phones: edge-mnv3 bench --device measures yours.",
    ]
    return "\n".join(lines)
