"""Options of the commands that measure on phones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_mnv3.commands.exit_codes import EXPECTED_ERROR, GATE_FAILED
from edge_mnv3.commands.options import all_options
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.choices import HISTORY_FILE, MODELS_FOLDER
from edge_mnv3_android_bench.measuring.acceptance import DEFAULT_ACCEPTANCE, Acceptance

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench_report import DeviceFailure
    from edge_mnv3.stages.bench_files import ResultFiles

adb_option = click.option(
    "--adb",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Use this adb binary.  [default: $ADB, PATH, Android SDK, adbutils]",
)
models_dir_option = click.option(
    "--models-dir",
    type=click.Path(path_type=Path),
    default=MODELS_FOLDER,
    show_default=True,
    metavar="DIR",
    help="Look for the files of a variant here, and make those that are missing.",
)
history_option = click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Append the results to this file.  [default: {HISTORY_FILE} for phones]",
)
# --launches, --width, --accept-…, --no-stay-awake, --max-cool-down, --logs and --fresh.
run_options = all_options(
    click.option(
        "--launches",
        type=click.IntRange(min=1),
        help="Start benchmark_model until N launches count, at least 5 unless variation is accepted.  "
        "[default: 5]",
    ),
    click.option(
        "--width",
        type=click.FloatRange(min=0, max=100, min_open=True),
        default=DEFAULT_ACCEPTANCE.width_percent,
        show_default=True,
        metavar="PERCENT",
        help="Go on until the 95 % interval is at most ± this wide.",
    ),
    click.option(
        "--accept-variation",
        is_flag=True,
        help="Take the launches as they are, however few and however they vary; the result says so.",
    ),
    click.option(
        "--accept-clock",
        is_flag=True,
        help="Take launches on cores below their highest clock; the result says so.",
    ),
    click.option(
        "--no-stay-awake",
        is_flag=True,
        help="Leave the phone's settings alone: keep its screen on by hand.",
    ),
    click.option(
        "--max-cool-down",
        type=click.FloatRange(min=0),
        default=180.0,
        show_default=True,
        metavar="SECONDS",
        help="Wait at most this long after a launch that does not count.",
    ),
    click.option(
        "--logs",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write the raw logs to this folder.  [default: a new folder in the cache]",
    ),
    click.option(
        "--fresh",
        is_flag=True,
        help="Begin anew: forget the launches of an interrupted run of the same command.",
    ),
)


def acceptance(options: Mapping[str, Any]) -> Acceptance:
    """Tells by --width and --accept-… what a result must be like."""
    return Acceptance(
        width_percent=options["width"],
        variation=options["accept_variation"],
        clock=options["accept_clock"],
    )


def result_files(options: Mapping[str, Any], *, default_history: Path | None = None) -> ResultFiles:
    """Tells by --output, --history and --force where a result is written."""
    from edge_mnv3.stages.bench_files import ResultFiles

    history = options["history"] or default_history
    return ResultFiles(output=options["output"], history=history, force=options["force"])


def leave(reporter: TerminalReporter, failures: tuple[DeviceFailure, ...], *, stable: bool) -> None:
    """Says what failed, and ends the command: 1 where a device failed, 3 where a result is unstable."""
    reporter.close()
    for failure in failures:
        click.echo(f"error: {failure.error}", err=True)
    if failures:
        reporter.warn("what was measured is kept: the same command goes on where this one ended")
        click.get_current_context().exit(EXPECTED_ERROR)
    if not stable:
        click.get_current_context().exit(GATE_FAILED)
