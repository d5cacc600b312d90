"""The command line: a lazy command group; errors become messages and exit codes here and nowhere else."""

from __future__ import annotations

import codecs
import contextlib
import functools
import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from edge_mnv3.commands.help_text import HelpContext
from edge_mnv3.commands.showing import say
from edge_mnv3.commands.types import alike
from edge_mnv3.commands.verbosity import VERBOSE, add_verbosity, verbosity
from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.versions import __version__


class _Entry(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "quantize": _Entry("quantize", "Make a full-integer .tflite of a MobileNetV3."),
    "calibrate": _Entry("calibrate", "Collect images and statistics once, for many quantizations."),
    "statistics": _Entry("statistics", "Collect calibration statistics over any number of images."),
    "validate": _Entry("validate", "Compare the accuracy of a float and an int8 file."),
    "sweep": _Entry("sweep", "Quantize in many ways, and say which is worth its cost."),
    "results": _Entry("results", "Show, compare, export and remove what validate kept."),
    "diagnose": _Entry("diagnose", "Show where an int8 file loses accuracy, and why."),
    "inspect": _Entry("inspect", "Show what a .tflite file holds, and if phones can run it."),
    "bench": _Entry("bench", "Measure the latency of .tflite files, on phones or here."),
    "reproduce": _Entry("reproduce", "Measure the published latencies again on a phone."),
    "compare": _Entry("compare", "Say whether two measurements differ."),
    "history": _Entry("history", "Show latencies over time, and what made them slower."),
    "cost": _Entry("cost", "Count what .tflite files cost on phones, without a phone."),
    "export": _Entry("export", "Write measurements in the forms that other programs read."),
    "benchmark-binary": _Entry("benchmark_binary", "Keep builds of benchmark_model under names."),
    "package": _Entry("package", "Make a bundle for Android and iOS apps."),
    "verify": _Entry("verify", "Check that a bundle still does what was measured."),
    "report": _Entry("report", "Write all results of a run as one HTML page."),
    "build": _Entry("build", "Build a Keras MobileNetV3 and save it."),
    "published": _Entry("published", "Show the published accuracies and latencies."),
    "run": _Entry("run", "Run the whole pipeline as a file says, with gates."),
    "init": _Entry("init", "Write a commented config for run."),
    "demo": _Entry("demo", "Run the whole pipeline on bundled weights, without network."),
    "doctor": _Entry("doctor", "Check that this machine has what the commands need."),
    "schema": _Entry("schema", "Show the JSON Schema of a command's result."),
    "help": _Entry("help", "Show how a command is used."),
}
_INTERRUPTED = 130  # as shells say it: 128 and the signal's number


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, not for the list of commands."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a user's work."""
        return list(COMMANDS)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line and ends the process with its exit code."""
        run: Callable[[], Any] = functools.partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        _write_any_path()
        try:
            code: Any = run()
        except click.ClickException as error:
            _show(error)
            code = error.exit_code
        except click.Abort:
            click.echo("Interrupted.", err=True)
            code = _INTERRUPTED
        except OSError as error:
            code = _told(error)
        sys.exit(code if isinstance(code, int) else 0)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edge_mnv3.commands.{COMMANDS[cmd_name].module}")
        command: click.Command = module.command
        for each in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            add_verbosity(each)
            each.context_class = HelpContext
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; of a name that is none it tells the one that was probably meant."""
        meant = None if args[0] in COMMANDS or args[0].startswith("-") else alike(args[0], COMMANDS)
        if meant is not None:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{meant}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the summaries without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an expected error is one line on stderr and its exit code."""
        if sys.stdout is None:  # closed by whoever started this process
            click.echo("error: standard output is closed, and the result goes there; open it", err=True)
            ctx.exit(EdgeMnv3Error.exit_code)
        try:
            return super().invoke(ctx)
        except EdgeMnv3Error as error:
            if verbosity() == VERBOSE:
                traceback.print_exc()
            say(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


def _show(error: click.ClickException) -> None:
    """Says what is wrong with a command line, in lines that fit the terminal."""
    text = io.StringIO()
    error.show(file=text)
    say(text.getvalue().rstrip("\n"), err=True)


def _write_any_path() -> None:
    """Lets paths through that are no text in the locale: names of files are bytes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _told(error: OSError) -> int:
    """Says in one line what the system refused. A reader who has gone is not told: that is in click."""
    if error.filename is None:
        # What could not be written would be tried again, and complained about, when Python ends.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    where = "output" if error.filename is None else os.fsdecode(error.filename)
    click.echo(f"error: {where}: {(error.strerror or str(error)).lower()}", err=True)
    return EdgeMnv3Error.exit_code


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 an error with a message, 2 wrong usage, 3 a check or gate failed, "
    "130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", prog_name="edge-mnv3")
def main() -> None:
    """Take a MobileNetV3 from Keras to a phone.

    \b
    Examples:
      edge-mnv3 demo
      edge-mnv3 quantize --variant small_minimalistic --calibration photos/
      edge-mnv3 COMMAND --help
    """


if __name__ == "__main__":
    main()
