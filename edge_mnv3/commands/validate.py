"""`edge-mnv3 validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands import validate_statistics
from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.options import (
    engine_options,
    input_range_option,
    json_option,
    label_map_option,
    preprocess_option,
    requests,
    runtime_option,
    tflite_option,
)
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import DEFAULT_KERNEL_CHOICE, KERNEL_CHOICES, TASKS
from edge_mnv3.core.counts import count, rounded

if TYPE_CHECKING:
    from edge_mnv3.core.results.model_facts import InputFacts
    from edge_mnv3.core.results.validate import ClassFigures, OutputComparison, ValidateResult
    from edge_mnv3.core.results.validate_statistics import OutputStatistics
    from edge_mnv3.stages.validate import ValidateRequest


@click.command("validate")
@tflite_option("float", "Compare this float file.")
@tflite_option("int8", "Compare this int8 file with it.")
@click.option(
    "--data",
    required=True,
    type=PATH_OR_WORD,
    metavar="CSV|DIR|URL|digits",
    help="Compare on these images: a CSV with columns file,label, or file and a column of 0 and 1 "
    "for each label, a folder with one subfolder a class, an .npz, tars, TFRecords or Parquet files, their "
    "URL, or 'digits'; embeddings and maps need no labels.",
)
@click.option(
    "--labels",
    multiple=True,
    type=PATH_OR_WORD,
    metavar="PATH|NAME=PATH",
    help="Match class folders and the names in a CSV to outputs by these names, one a line; with NAME=, for "
    "this one of several outputs; may be repeated.",
)
@label_map_option
@input_range_option
@click.option(
    "--task",
    type=Choice(TASKS),
    help="Take the outputs for one class, one score, several labels, or features.  [default: as "
    "quantize.json or the last layer tells]",
)
@click.option(
    "--threshold",
    type=float,
    metavar="X",
    help="Count a label, or the class of a single score, as present above this score.  "
    "[default: a probability of one half]",
)
@preprocess_option
@click.option(
    "--max-drop-points",
    type=click.FloatRange(min=-100, max=100),
    metavar="X",
    help="Exit with 3 if accuracy drops by more points, the int8 file does not load under XNNPACK, or the "
    "answers make no sense.",
)
@click.option(
    "--kernels",
    type=Choice(KERNEL_CHOICES),
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
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Use N threads, or N processes for 1000 images and more.  [default: one for each core]",
)
@runtime_option
@click.option(
    "--store",
    type=PATH,
    metavar="DIR",
    help="Keep the files' answers to images in this folder, and reuse them.  [default: results in the "
    "cache folder]",
)
@click.option(
    "--no-store",
    "use_store",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Run files over all images, and keep nothing.",
)
@engine_options("Run files")
@click.option(
    "--details",
    is_flag=True,
    help="Also list classes, wrong answers and images that changed; --json has them, too.",
)
@json_option
@requests("validate.ValidateRequest")
def command(request: ValidateRequest, details: bool, as_json: bool) -> None:
    """Compare the accuracy of a float and an int8 file, image by image.

    \b
    Examples:
      edge-mnv3 validate --float f.tflite --int8 q.tflite --data val.csv
      edge-mnv3 validate --float f.tflite --int8 q.tflite --data val/ \\
        --max-drop-points 1
    """
    from edge_mnv3.stages.validate import validate

    reporter = TerminalReporter()
    result = validate(request, reporter)
    reporter.close()
    show(result, lambda shown: table(shown, details=details), as_json=as_json)
    _suggest(result)
    if result.gate and not result.gate.passed:
        click.get_current_context().exit(GATE_FAILED)


def _suggest(result: ValidateResult) -> None:
    """Says what can be run now: where the loss comes from, or what the file is for."""
    float_path, int8_path = Path(result.float_.path), Path(result.int8.path)
    if any(finding.fails_gate for finding in result.findings):
        return  # what is wrong is in how it was run, and said
    lost = result.figures is not None and result.figures.delta.ci95_points[1] < 0
    if lost or (result.gate is not None and not result.gate.passed):
        suggest(("diagnose", "--float", float_path, "--int8", int8_path))
    else:
        suggest(("bench", float_path, int8_path, "--device", "SERIAL"), ("package", int8_path))


def table(result: ValidateResult, *, details: bool = False) -> str:
    """Writes a result for people, with or without the lists of what changed."""
    lines = [*_doubts(result), *_files(result)]
    for output in result.outputs:
        lines += _output(result, output)
        if details:
            lines += validate_statistics.details(_statistics(result, output))
    lines.append(f"{count(result.n, 'image')} ({result.preprocess})")
    if result.gate:
        lines.append(
            "gate passed" if result.gate.passed else f"GATE FAILED: {'; '.join(result.gate.problems)}"
        )
    return "\n".join(lines)


def _doubts(result: ValidateResult) -> list[str]:
    """Without a gate, what makes the figures worthless stands in front of them."""
    grave = [finding.text for finding in result.findings if finding.fails_gate]
    if not grave or result.gate is not None:
        return []
    return [f"THESE FIGURES SAY LITTLE: {'; '.join(grave)}", ""]


def _files(result: ValidateResult) -> list[str]:
    from edge_mnv3.core.results.model_facts import TASK_SOURCES

    lines = []
    for name, file in (("float", result.float_), ("int8", result.int8)):
        taken = ""
        if file.input is not None:
            taken = f", input {_taken(file.input)}"
        lines.append(f"{name:<12}{file.kernels}{taken}")
    if result.outputs and result.task_source is not None:
        tasks = ", ".join(each.output.task for each in result.outputs)
        lines.append(f"{'task':<12}{tasks} ({TASK_SOURCES[result.task_source]})")
    return lines


def _taken(image: InputFacts) -> str:
    """Says what an input is fed: the pixel itself where its integer steps are those of pixels."""
    from edge_mnv3.core.input_range import PIXELS, InputRange
    from edge_mnv3.core.results.model_facts import RANGE_SOURCES

    if image.range_source == "quantization":
        return f"pixels {PIXELS}"
    return f"{InputRange(image.mean, image.std)} ({RANGE_SOURCES[image.range_source]})"


def _output(result: ValidateResult, output: OutputComparison) -> list[str]:
    """One output: its figures, how alike both files answer, and for classes what was lost most."""
    lines = [] if len(result.outputs) == 1 else ["", f"output {output.output.name} ({output.output.task})"]
    first = next((each for each in result.outputs if each.labelled), None)
    statistics = _statistics(result, output)
    if output.output.task == "classes" and output is first and result.figures is not None:
        return [*lines, *_classes(result, result.figures, statistics)]
    if output.scores:
        lines.append(f"{'':<24}{'float %':>9}{'int8 %':>9}{'points':>9}")
    lines += [
        f"{score.name:<24}{score.float_percent:>9.2f}{score.int8_percent:>9.2f}"
        f"{score.difference_points:>+9.2f}  95 % interval {score.ci95_points[0]:+.2f} to "
        f"{score.ci95_points[1]:+.2f}"
        for score in output.scores
    ]
    if output.agreement_percent is not None:
        what = "answers" if output.output.task == "classes" else "labels decided"
        agreement = validate_statistics.intervals(statistics).agreement
        lines.append(f"{what} alike: {output.agreement_percent:.2f} %{agreement}")
    lines += validate_statistics.sentences(statistics)
    if output.similarity is not None:
        near = output.similarity
        lines.append(
            f"cosine similarity: mean {near.cosine_mean:.4f}, least {near.cosine_least:.4f} "
            f"({near.least_file})"
        )
        if near.snr_db is not None:
            lines.append(f"signal to noise: {near.snr_db:.2f} dB")
        if near.neighbour_agreement_percent is not None:
            lines.append(f"nearest neighbour the same: {near.neighbour_agreement_percent:.2f} %")
    return lines


def _statistics(result: ValidateResult, output: OutputComparison) -> OutputStatistics | None:
    """Those of an output; None where there are none."""
    return next((each for each in result.statistics if each.output == output.output.name), None)


def _classes(result: ValidateResult, figures: ClassFigures, statistics: OutputStatistics | None) -> list[str]:
    delta = figures.delta
    low, high = (rounded(end, 2) for end in delta.ci95_points)
    top1, top5 = rounded(delta.top1_points, 2), rounded(delta.top5_points, 2)
    told = validate_statistics.intervals(statistics)
    lines = [
        f"{'':<12}{'top-1 %':>9}{'top-5 %':>9}",
        f"{'float':<12}{figures.float_top1_percent:>9.2f}{figures.float_top5_percent:>9.2f}{told.float_}",
        f"{'int8':<12}{figures.int8_top1_percent:>9.2f}{figures.int8_top5_percent:>9.2f}{told.int8}",
        f"{'difference':<12}{top1:>+9.2f}{top5:>+9.2f}  points; "
        f"95 % interval of top-1 {low:+.2f} to {high:+.2f}",
        f"agreement {figures.agreement_percent:.2f} %{told.agreement}; {delta.lost} lost, {delta.won} won",
        *validate_statistics.sentences(statistics),
    ]
    if result.per_class_losses:
        worst = ", ".join(
            f"{loss.label} ({loss.float_correct} to {loss.int8_correct} of {loss.n})"
            for loss in result.per_class_losses[:5]
        )
        lines.append(f"classes that lost most, with their right answers: {worst}")
    if result.worst:
        lines.append("images on which the answers differ most:")
    return lines + [
        f"  {miss.file}: label {miss.label}, float {miss.float_class}, int8 {miss.int8_class}"
        for miss in result.worst[:5]
    ]
