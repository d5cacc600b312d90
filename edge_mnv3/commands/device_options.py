"""Options of the commands that measure on phones."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edge_mnv3.commands.exit_codes import EXPECTED_ERROR, GATE_FAILED
from edge_mnv3.commands.options import all_options
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.choices import ACCELERATORS, HISTORY_FILE, MODELS_FOLDER, Accelerator
from edge_mnv3.core.cores import threads_on_cores
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3_android_bench.measuring.acceptance import DEFAULT_ACCEPTANCE, Acceptance

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench import DeviceBenchResult
    from edge_mnv3.core.results.bench_report import DeviceFailure
    from edge_mnv3.stages.bench_files import ResultFiles

adb_option = click.option(
    "--adb",
    type=PATH,
    metavar="PATH",
    help="Use this adb binary.  [default: $ADB, PATH, Android SDK, adbutils]",
)
accelerator_option = click.option(
    "--accelerator",
    "accelerators",
    multiple=True,
    metavar="cpu|gpu|npu",
    help="Measure on this processor, and report what really ran there; a comma list, or repeated. What was "
    "not delegated gets no figure.  [default: cpu]",
)
npu_libraries_option = click.option(
    "--npu-libraries",
    type=PATH,
    metavar="DIR",
    help="Give LiteRT's builds these libraries of the phone's maker (*.so) for --accelerator npu.",
)
models_dir_option = click.option(
    "--models-dir",
    type=PATH,
    default=MODELS_FOLDER,
    show_default=True,
    metavar="DIR",
    help="Look for the files of a variant here, and make those that are missing.",
)
history_option = click.option(
    "--history",
    type=PATH,
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
        type=PATH,
        metavar="DIR",
        help="Write the raw logs to this folder.  [default: a new folder in the cache]",
    ),
    click.option(
        "--fresh",
        is_flag=True,
        help="Begin anew: forget the launches of an interrupted run of the same command.",
    ),
)


# What requests and protocols call the values of options, where that is not the option's name.
_OPTION_OF = {
    "num_threads": "--threads",
    "num_runs": "--runs",
    "result_files": "--log-result",
    "variant": "--variants",
    "difference that is allowed": "--allow",
}
_FIELD = re.compile(r"(?:\w+Request: |protocol, )?(.+)")


@contextmanager
def usage_errors() -> Iterator[None]:
    """Makes refused values of options wrong usage, in the words of the command line.

    Raises:
        UsageError: A value was refused in the block; the text names the option.
    """
    try:
        yield
    except ArgumentError as error:
        match = _FIELD.fullmatch(error.what)
        field = match[1] if match else error.what
        option = f"--{field.replace('_', '-')}" if field.isidentifier() else field
        told = ArgumentError(_OPTION_OF.get(field, option), error.got, error.expected, error.next_step)
        raise click.UsageError(str(told)) from error


def accelerators(given: Sequence[str]) -> tuple[Accelerator, ...]:
    """Tells by --accelerator where to measure, in the order given.

    Raises:
        ArgumentError: One is unknown.
    """
    names = [name.strip() for text in given for name in text.split(",")] or ["cpu"]
    unknown = [name for name in names if name not in ACCELERATORS]
    if unknown:
        raise ArgumentError("--accelerator", repr(unknown[0]), ", ".join(ACCELERATORS))
    return tuple(cast("Accelerator", name) for name in names)


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


def leave(
    reporter: TerminalReporter, failures: tuple[DeviceFailure, ...], results: Sequence[DeviceBenchResult]
) -> None:
    """Says what failed, and ends the command.

    Exit code 1 where a device failed, or a program of which no launch gave a figure: it crashes, does not
    start or prints something else, and would do so again. 3 where launches gave figures, and a result is not
    quotable all the same: heat, slow clocks, noise.
    """
    reporter.close()
    for failure in failures:
        click.echo(f"error: {failure.error}", err=True)
    if any(not failure.serial.startswith("ddp:") for failure in failures):
        reporter.warn("what was measured is kept: the same command goes on where this one ended")
    failed = [text for result in results if (text := program_failure(result)) is not None]
    for text in failed:
        click.echo(f"error: {text}", err=True)
    if failures or failed or not results:
        click.get_current_context().exit(EXPECTED_ERROR)
    unstable = [result for result in results if not result.stable]
    for result in unstable:
        what = _named(result, placed=len({threads_on_cores(each.conditions) for each in results}) > 1)
        click.echo(f"not quotable: {what}: {result.problems[0]}; see {_log_of(result)}", err=True)
    if unstable:
        click.get_current_context().exit(GATE_FAILED)


def program_failure(result: DeviceBenchResult) -> str | None:
    """Says why no launch gave a figure, and where the raw log is; None where one did."""
    if not result.launches or any(launch.timings is not None for launch in result.launches):
        return None
    last = result.launches[-1]
    return (
        f"{_named(result)}: none of {len(result.launches)} launches gave a figure: {last.problems[0]}; see "
        f"{last.log_path}"
    )


def _named(result: DeviceBenchResult, placed: bool = False) -> str:
    """Names a measurement; of a sweep with its threads and cores."""
    conditions = result.conditions
    name, accelerator = Path(conditions.model_path).name, conditions.accelerator
    told = ([accelerator] if accelerator != "cpu" else []) + (
        [threads_on_cores(conditions)] if placed else []
    )
    where = f", {', '.join(told)}," if told else ""
    return f"{name} with '{conditions.binary.name}'{where} on device {conditions.device.serial}"


def _log_of(result: DeviceBenchResult) -> str:
    """The raw log of the first launch that does not count, or the folder of all, where each of them does."""
    failed = [launch.log_path for launch in result.launches if launch.problems]
    return failed[0] if failed else str(Path(result.launches[0].log_path).parent)


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end the block as Ctrl-C does: nothing is left running, settings come back."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
