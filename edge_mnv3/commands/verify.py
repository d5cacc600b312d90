"""`edge-mnv3 verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.device_options import adb_option
from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.options import json_option, label_map_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD

if TYPE_CHECKING:
    from edge_mnv3.core.results.verify import VerifyResult
    from edge_mnv3.stages.verify import VerifyRequest


@click.command("verify")
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option(
    "--data",
    type=PATH_OR_WORD,
    metavar="PATH|digits",
    help="Measure the accuracy on these labelled images, few or many, and test whether it is the one that "
    "the bundle states.",
)
@label_map_option
@click.option("--arm", is_flag=True, help="Also run the golden images on an emulated Arm processor.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="SERIAL|HOST:PORT|ssh:HOST|all",
    help="Also run the golden images on a phone that adb reaches, or a board that ssh reaches, by "
    "benchmark_model; may be repeated.",
)
@adb_option
@click.option(
    "--benchmark-binary",
    type=PATH_OR_WORD,
    metavar="FILE|NAME",
    help="Use this benchmark_model on --device: a file, or a name of edge-mnv3 benchmark-binary.  "
    "[default: current]",
)
@json_option
@requests("verify.VerifyRequest")
def command(request: VerifyRequest, as_json: bool) -> None:
    """Check that a bundle, folder or zip, still does what was measured.

    It checks every hash, the metadata, loading under XNNPACK and under the built-in kernels, and the golden
    images: bit for bit under XNNPACK. It needs no TensorFlow. Exit code 3: something differs, and is named.
    Exit code 1: the bundle is not there, or a phone failed.

    \b
    Examples:
      edge-mnv3 verify mobilenet_v3_small_1.0_224_int8_bundle
      edge-mnv3 verify flowers.zip --data val.csv --json
      edge-mnv3 verify flowers.zip --arm
      edge-mnv3 verify flowers.zip --device SERIAL
    """
    if request.label_map and request.data is None:
        raise click.UsageError("--label-map is for --data.")
    if not request.devices and (request.adb or request.benchmark_binary):
        raise click.UsageError("--adb and --benchmark-binary are for --device.")
    from edge_mnv3.stages.verify import verify

    reporter = TerminalReporter()
    result = verify(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    if not result.passed:
        click.get_current_context().exit(GATE_FAILED)


def table(result: VerifyResult) -> str:
    """Writes a result for people."""
    lines = [
        f"{'ok' if check.passed else 'DIFFERS':<9}{check.name}: {line}"
        for check in result.checks
        for line in check.detail
    ]
    lines.append(
        f"{result.path} is what was packaged (sha256 {result.sha256})"
        if result.passed
        else f"{result.path} IS NOT WHAT WAS PACKAGED"
    )
    return "\n".join(lines)
