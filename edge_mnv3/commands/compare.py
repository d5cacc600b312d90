"""`edge-mnv3 compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.device_options import usage_errors
from edge_mnv3.commands.options import json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.types import PATH

if TYPE_CHECKING:
    from edge_mnv3.stages.compare import CompareRequest


@click.command("compare")
@click.argument("a", type=PATH, metavar="A.json")
@click.argument("b", type=PATH, metavar="B.json")
@click.option(
    "--allow",
    multiple=True,
    metavar="NAME",
    help="Let this condition differ, such as model, binary, kernels, threads or device; may be repeated.",
)
@json_option
@requests("compare.CompareRequest")
def command(request: CompareRequest, as_json: bool) -> None:
    """Say in words whether two results of bench or reproduce differ.

    Exit code 0 for any verdict. Exit code 1: nothing is compared, because conditions differ; it says which.
    Files of different names are meant to be two models.

    \b
    Examples:
      edge-mnv3 compare before.json after.json
      edge-mnv3 compare xnnpack.json builtin.json --allow kernels --allow delegate
    """
    from edge_mnv3.commands.bench_tables import compare_table
    from edge_mnv3.stages.compare import compare

    with usage_errors():
        result = compare(request)
    show(result, compare_table, as_json=as_json)
