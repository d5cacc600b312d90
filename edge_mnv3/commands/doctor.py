"""`edge-mnv3 doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.device_options import adb_option
from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.options import json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter

if TYPE_CHECKING:
    from edge_mnv3.core.results.doctor import DoctorResult
    from edge_mnv3.stages.doctor import DoctorRequest


@click.command("doctor")
@adb_option
@click.option(
    "--network/--no-network",
    default=True,
    show_default=True,
    help="Ask the server of the published weights whether it is there.",
)
@json_option
@requests("doctor.DoctorRequest")
def command(request: DoctorRequest, as_json: bool) -> None:
    """Check that this machine has what the commands need, and say what to do where it has not.

    It looks at Python and its packages, runs a tiny model, imports TensorFlow, and looks for disk space,
    phones, the emulated Arm processor and the published weights. Nothing is changed. A warning tells of
    something that only some commands need. Exit code 3: something is broken.

    \b
    Examples:
      edge-mnv3 doctor
      edge-mnv3 doctor --no-network --json
    """
    from edge_mnv3.stages.doctor import doctor

    reporter = TerminalReporter()
    result = doctor(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    if not result.passed:
        click.get_current_context().exit(GATE_FAILED)


def table(result: DoctorResult) -> str:
    """Writes a result for people."""
    width = max(len(check.name) for check in result.checks) + 2
    lines = []
    for check in result.checks:
        lines.append(f"{check.status:<6}{check.name:<{width}}{check.detail}")
        if check.cure:
            lines.append(f"{'':<6}{'':<{width}}-> {check.cure}")
    lines += ["", f"edge-mnv3 {result.version}: {_verdict([check.status for check in result.checks])}"]
    return "\n".join(lines)


def _verdict(statuses: list[str]) -> str:
    if "fail" in statuses:
        return (
            f"broken: {statuses.count('fail')} of {len(statuses)} checks failed; the cure stands under each."
        )
    if "warn" in statuses:
        return "nothing is broken; each warning tells what some commands need."
    return "everything is there."
