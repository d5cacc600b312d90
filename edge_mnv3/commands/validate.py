"""`edge-mnv3 validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.options import json_option, preprocess_option, requests, runtime_option
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.choices import DEFAULT_KERNEL_CHOICE, KERNEL_CHOICES

if TYPE_CHECKING:
    from edge_mnv3.core.results.validate import ValidateResult
    from edge_mnv3.stages.validate import ValidateRequest


@click.command("validate")
@click.option(
    "--float",
    "float_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.tflite",
    help="Compare this float file.",
)
@click.option(
    "--int8",
    "int8_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.tflite",
    help="Compare this int8 file with it.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="CSV|DIR",
    help="Compare on these images: a CSV with columns file,label, a folder with one subfolder a class, "
    "or an .npz.",
)
@preprocess_option
@click.option(
    "--max-drop-points",
    type=click.FloatRange(min=-100, max=100),
    metavar="X",
    help="Exit with 3 if top-1 drops by more points, or the int8 file does not load under XNNPACK.",
)
@click.option(
    "--kernels",
    type=click.Choice(KERNEL_CHOICES),
    default=DEFAULT_KERNEL_CHOICE,
    show_default=True,
    help="Run on these kernels. auto: XNNPACK, and for an int8 file that does not load under it "
    "the built-in kernels, with a warning.",
)
@click.option(
    "--class-offset",
    type=click.IntRange(min=0),
    metavar="N",
    help="Take this output for label 0.  [default: 1 for files with 1001 outputs, else 0]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Use N threads.  [default: one for each core]"
)
@runtime_option
@json_option
@requests("validate.ValidateRequest")
def command(request: ValidateRequest, as_json: bool) -> None:
    """Compare the accuracy of a float and an int8 file, image by image.

    \b
    Examples:
      edge-mnv3 validate --float m_float.tflite --int8 m_int8.tflite --data val.csv
      edge-mnv3 validate --float f.tflite --int8 q.tflite --data val/ --max-drop-points 1
    """
    from edge_mnv3.core.results.json_format import to_json
    from edge_mnv3.stages.validate import validate

    reporter = TerminalReporter()
    result = validate(request, reporter)
    reporter.close()
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)
    if result.gate and not result.gate.passed:
        click.get_current_context().exit(GATE_FAILED)


def table(result: ValidateResult) -> str:
    """Writes a result for people."""
    delta, float_, int8 = result.delta, result.float_, result.int8
    low, high = delta.ci95_points
    lines = [
        f"{'':<12}{'top-1 %':>9}{'top-5 %':>9}  kernels",
        f"{'float':<12}{float_.top1_percent:>9.2f}{float_.top5_percent:>9.2f}  {float_.kernels}",
        f"{'int8':<12}{int8.top1_percent:>9.2f}{int8.top5_percent:>9.2f}  {int8.kernels}",
        f"{'difference':<12}{delta.top1_points:>+9.2f}{delta.top5_points:>+9.2f}  points; "
        f"95 % interval of top-1 {low:+.2f} to {high:+.2f}",
        f"agreement {result.agreement_percent:.2f} % over {result.n} images ({result.preprocess}); "
        f"{delta.lost} lost, {delta.won} won; {result.images_per_s:.0f} images/s on {result.workers} workers",
    ]
    if result.per_class_losses:
        worst = ", ".join(
            f"{loss.label} ({loss.float_correct} to {loss.int8_correct} of {loss.n})"
            for loss in result.per_class_losses[:5]
        )
        lines.append(f"classes that lost most: {worst}")
    lines += [
        f"  {miss.file}: label {miss.label}, float {miss.float_class}, int8 {miss.int8_class}"
        for miss in result.worst[:5]
    ]
    if result.gate:
        lines.append(
            "gate passed" if result.gate.passed else f"GATE FAILED: {'; '.join(result.gate.problems)}"
        )
    return "\n".join(lines)
