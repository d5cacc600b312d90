"""The command line: a lazy command group; errors become messages and exit codes here and nowhere else."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import click

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.versions import __version__


class _Entry(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "quantize": _Entry("quantize", "Make a full-integer .tflite of a MobileNetV3."),
    "calibrate": _Entry("calibrate", "Collect images and statistics once, for many quantizations."),
    "validate": _Entry("validate", "Compare the accuracy of a float and an int8 file."),
    "diagnose": _Entry("diagnose", "Show where an int8 file loses accuracy, and why."),
    "inspect": _Entry("inspect", "Show what a .tflite file holds and whether phones can run it."),
    "bench": _Entry("bench", "Measure the latency of .tflite files, on phones or on this machine."),
    "reproduce": _Entry("reproduce", "Measure the published latencies again on a phone."),
    "compare": _Entry("compare", "Say whether two measurements differ."),
    "history": _Entry("history", "Show how latencies went over time, and what made them slower."),
    "cost": _Entry("cost", "Count what .tflite files cost on Arm processors, without a phone."),
    "export": _Entry("export", "Write measurements in the forms that other programs read."),
    "benchmark-binary": _Entry("benchmark_binary", "Keep builds of benchmark_model under names."),
    "package": _Entry("package", "Make a bundle for Android and iOS apps."),
    "verify": _Entry("verify", "Check that a bundle still does what was measured."),
    "build": _Entry("build", "Build a Keras MobileNetV3 and save it."),
    "published": _Entry("published", "Show the published accuracies and latencies."),
    "demo": _Entry("demo", "Run the whole pipeline on bundled weights, without network."),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, not for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edge_mnv3.commands.{COMMANDS[cmd_name].module}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the summaries without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an expected error is one line on stderr and its exit code."""
        try:
            return super().invoke(ctx)
        except EdgeMnv3Error as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 an error with a message, 2 wrong usage, 3 a check or gate failed.",
)
@click.version_option(__version__, prog_name="edge-mnv3")
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
