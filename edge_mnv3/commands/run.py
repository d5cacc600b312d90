"""`edge-mnv3 run`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.exit_codes import EXPECTED_ERROR, GATE_FAILED
from edge_mnv3.commands.options import json_option
from edge_mnv3.commands.run_tables import stage_command
from edge_mnv3.commands.showing import say, show, suggest
from edge_mnv3.commands.terminal import REPORTER, WARNINGS, TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error, OutputError

if TYPE_CHECKING:
    from edge_mnv3.core.reporting import Reporter
    from edge_mnv3.core.results.run import RunGate, RunResult, StageName
    from edge_mnv3.stages.run_plan import Execute, Executed


@click.command("run")
@click.argument("config", required=False, type=PATH, metavar="[RUN.toml]")
@click.option(
    "-o",
    "--output-dir",
    "folder",
    type=PATH,
    metavar="DIR",
    help="Keep everything in this folder; what is there and has not changed is not made again.  "
    "[default: output_dir of the file, or its name and _run, beside it]",
)
@click.option(
    "--junit",
    type=PATH,
    metavar="FILE.xml",
    help="Also write a test case for each stage and each gate, as JUnit has them.",
)
@json_option
def command(config: Path | None, folder: Path | None, junit: Path | None, as_json: bool) -> None:
    """Run the whole pipeline as a file says, with gates, and go on where it was interrupted.

    RUN.toml has a table for each stage that is to run: quantize, validate, diagnose, cost, bench, package,
    report. Their keys are the options of these commands, with underscores; [gates] has limits. Without
    RUN.toml: edge-mnv3.toml in this folder, or [tool.edge-mnv3] in pyproject.toml. Paths are relative to the
    file. A stage takes what earlier stages wrote.

    Exit code 1: a stage failed. Exit code 3: a gate failed; no bench and no bundle are made after it.

    \b
    Examples:
      edge-mnv3 init && edge-mnv3 run
      edge-mnv3 run flowers.toml -o out --junit gates.xml
      edge-mnv3 run out/run.toml
    """
    reporter = TerminalReporter()
    result = run_config(config, folder, junit, execute, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    failed = next((stage for stage in result.stages if stage.status == "failed"), None)
    if failed is not None:
        say(f"error: {failed.name}: {failed.reason.removeprefix(f'{failed.name}: ')}", err=True)
        suggest(("run", Path(result.config), *(() if folder is None else ("-o", folder))))
        click.get_current_context().exit(EXPECTED_ERROR)
    if not result.passed:
        click.get_current_context().exit(GATE_FAILED)


def run_config(
    config: Path | None, folder: Path | None, junit: Path | None, execute: Execute, reporter: Reporter
) -> RunResult:
    """Runs what a config says.

    Args:
        config: The file, or the folder of an earlier run; None for the one of the current folder.
        folder: Where to write; None for what the file says.
        junit: For a report in the form of JUnit, which is written where the run is refused, too.
        execute: Runs the command of a stage.
        reporter: As `edge_mnv3.stages.run.run` has it.

    Raises:
        EdgeMnv3Error: As `edge_mnv3.stages.run.run` raises; or the config or this machine do not fit, and
            nothing was run. An earlier `run.json` of the folder is gone then.
    """
    from edge_mnv3.commands.run_config import find_config, read_config
    from edge_mnv3.commands.run_folder import folder_of_refused
    from edge_mnv3.stages.run import forget_verdict, run
    from edge_mnv3.stages.run_junit import write_junit_error
    from edge_mnv3.stages.run_tools import check_tools

    try:
        path = find_config(config)
        try:
            plan = read_config(path, folder=folder, junit=junit)
            check_tools(plan)
        except EdgeMnv3Error:
            forget_verdict(folder or folder_of_refused(path))
            raise
        return run(plan, execute, reporter)
    except EdgeMnv3Error as error:
        if junit is not None:
            with contextlib.suppress(OutputError):  # the first error is told
                write_junit_error(junit, str(error))
        raise


def execute(stage: StageName, words: Sequence[str], reporter: Reporter | None = None) -> Executed:
    """Runs a stage's command in this process.

    Args:
        stage: Whose command.
        words: Its command line.
        reporter: Told of progress, and of what the command writes on stderr; None for the terminal.

    Raises:
        EdgeMnv3Error: As the command does; an `ArgumentError` where it refuses its command line.
    """
    from edge_mnv3.stages.run_plan import Executed

    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)
    code = 0
    warnings: list[str] = []
    said = io.StringIO()
    elsewhere = contextlib.nullcontext() if reporter is None else contextlib.redirect_stderr(said)
    with contextlib.redirect_stdout(printed), elsewhere:
        try:
            parent = click.get_current_context(silent=True)
            called = stage_command(stage)
            with called.make_context(stage, list(words), parent=parent) as context:
                context.meta[WARNINGS] = warnings
                if reporter is not None:
                    context.meta[REPORTER] = reporter
                called.invoke(context)
        except click.exceptions.Exit as ended:
            code = ended.exit_code
        except click.UsageError as error:
            raise ArgumentError(" ".join(error.format_message().split())) from error
    if reporter is not None:
        for line in said.getvalue().splitlines():
            reporter.note(line)
    printed.seek(0)
    return Executed(code, printed.read(), tuple(warnings))


def table(result: RunResult) -> str:
    """Writes a result for people."""
    from edge_mnv3.stages.run_junit import gate_words

    lines = [f"{'stage':<12}{'status':<9}{'seconds':>8}"]
    for stage in result.stages:
        seconds = f"{stage.seconds:.1f}" if stage.status in ("ran", "failed") else ""
        lines.append(f"{stage.name:<12}{stage.status:<9}{seconds:>8}  {stage.reason}".rstrip())
    if result.gates:
        width = max(len(gate.name) for gate in result.gates) + 2
        lines += ["", "gate"]
        lines += [f"{gate.name:<{width}}{_outcome(gate):<9}{gate_words(gate)}" for gate in result.gates]
    return "\n".join([*lines, "", _where(result)])


def _where(result: RunResult) -> str:
    """What lies in the folder: after a failure not all, or nothing but the verdict."""
    if all(stage.status != "failed" for stage in result.stages):
        return f"all of it is in {result.folder}"
    if any(stage.outputs for stage in result.stages):
        return f"what the other stages made is in {result.folder}"
    return f"no stage has made anything; run.json in {result.folder} says why"


def _outcome(gate: RunGate) -> str:
    if not gate.passed:
        return "FAILED"
    return "warned" if gate.detail else "passed"
