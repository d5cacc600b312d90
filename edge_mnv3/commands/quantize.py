"""`edge-mnv3 quantize`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.inspect import builtin_kernels, xnnpack
from edge_mnv3.commands.options import (
    cache_option,
    force_option,
    images_options,
    json_option,
    model_options,
    requests,
)
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_TARGET,
    HARD_SWISH_POLICIES,
    IO_TYPES,
    MOST_BUDGET_PERCENT,
    QUANTIZED_FOLDER,
    SYNTHETIC,
    TARGETS,
)
from edge_mnv3.core.counts import count
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.model_facts import RANGE_SOURCES, activation_words
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES

if TYPE_CHECKING:
    from edge_mnv3.core.results.model_facts import ModelFacts, OutputFacts
    from edge_mnv3.core.results.quantize import QuantizeResult
    from edge_mnv3.stages.quantize import QuantizeRequest


@click.command("quantize")
@model_options
@click.option(
    "--calibration",
    default=SYNTHETIC,
    show_default=True,
    type=PATH_OR_WORD,
    metavar="PATH|synthetic",
    help="Calibrate on a folder, CSV with a column 'file', text list, .npz, tars, TFRecords, Parquet files, "
    "an earlier run's quantize.json, or a folder of edge-mnv3 calibrate.",
)
@images_options
@click.option(
    "--statistics",
    multiple=True,
    type=PATH,
    metavar="FILE.npz|DIR",
    help="Take how large numbers get from these files of edge-mnv3 statistics, which cover any number of "
    "images; errors are measured, and weights fitted, on --calibration.  [default: from --calibration]",
)
@click.option(
    "--recipe",
    type=Choice(sorted(RECIPES)),
    default=DEFAULT_RECIPE,
    show_default=True,
    help="Quantize by this recipe. "
    + "; ".join(f"{name}: {RECIPES[name].summary}" for name in sorted(RECIPES))
    + ".",
)
@click.option(
    "--hard-swish",
    type=Choice(HARD_SWISH_POLICIES),
    default=DEFAULT_HARD_SWISH,
    show_default=True,
    help="Write hard-swish in this way. auto: a table where that loses little; lowered: all with scales per "
    "channel, slower; fused: the operator HARD_SWISH, which XNNPACK does not take.",
)
@click.option(
    "--target",
    type=Choice(TARGETS),
    default=DEFAULT_TARGET,
    show_default=True,
    help="Spend --budget for this processor. phone, which needs one: counted from the cheapest file, on "
    "forms of hard-swish and on channel copies; x86: on copies alone, with forms as without a budget.",
)
@click.option(
    "--budget",
    "budget_percent",
    type=click.FloatRange(0, MOST_BUDGET_PERCENT),
    metavar="PERCENT",
    help="Allow this much more modelled cost on an Arm processor than the cheapest file has, and spend it "
    "on accuracy: on forms of hard-swish, and on computing channels whose rounding costs most several "
    "times.  [default: forms that are accurate enough, no copies]",
)
@click.option(
    "--io",
    type=Choice(IO_TYPES),
    default=DEFAULT_IO,
    show_default=True,
    help="Give the input and output this type; mobile APIs take uint8.",
)
@click.option(
    "--softmax/--no-softmax",
    "include_softmax",
    default=True,
    show_default=True,
    help="Give probabilities as output, or logits.",
)
@click.option(
    "-o",
    "--output-dir",
    type=PATH,
    default=QUANTIZED_FOLDER,
    help="Write the files to this folder.",
    show_default=True,
    metavar="DIR",
)
@cache_option
@force_option
@json_option
@requests("quantize.QuantizeRequest")
def command(request: QuantizeRequest, as_json: bool) -> None:
    """Make a full-integer .tflite of a MobileNetV3, and the float .tflite to compare it with.

    MODEL is a .keras, a whole-model .h5, a SavedModel folder, or a float .tflite: size, outputs and
    preprocessing are its own. Without it, --variant is built and takes --weights.

    Writes DIR/NAME_float.tflite, DIR/NAME_int8.tflite and DIR/quantize.json. Exit code 3: the files were
    written, but the int8 file fails a check and must not be shipped.

    \b
    Examples:
      edge-mnv3 quantize flowers.keras --calibration photos/ -o out
      edge-mnv3 quantize --variant small_minimalistic
      edge-mnv3 quantize --variant small --calibration photos/ -o out
      edge-mnv3 quantize --variant large --weights my.keras --calibration my.csv
    """
    from edge_mnv3.stages.quantize import quantize

    reporter = TerminalReporter()
    result = quantize(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)
    if not result.checks.passed:
        click.get_current_context().exit(GATE_FAILED)
    pair = ("--float", Path(result.float_path), "--int8", Path(result.int8_path))
    suggest(("validate", *pair, "--data", "IMAGES.csv"))


def input_text(facts: ModelFacts) -> str:
    """Says what a model takes: `64x64 RGB, -1..1 (as its first layers tell)`."""
    image = facts.input
    kind = "RGB" if image.channels == 3 else "grey"
    numbers = InputRange(image.mean, image.std)
    return f"{image.height_px}x{image.width_px} {kind}, {numbers} ({RANGE_SOURCES[image.range_source]})"


def output_text(output: OutputFacts) -> str:
    """Says what an output gives: `5 classes, softmax`."""
    count = output.shape[-1]
    words = {
        "classes": f"{count} classes",
        "binary": "one score of two classes",
        "labels": f"{count} labels",
        "embedding": f"embedding of {count} numbers",
        "map": f"map of {'x'.join(map(str, output.shape))}",
    }
    return f"{words[output.task]}, {activation_words(output.activation)}"


def _output_rows(outputs: Sequence[OutputFacts]) -> list[tuple[str, str]]:
    """A row for each output, which says its name where there are several."""
    if len(outputs) == 1:
        return [("output", output_text(outputs[0]))]
    return [("output", f"{output.name}: {output_text(output)}") for output in outputs]


def _copies_row(result: QuantizeResult) -> list[tuple[str, str]]:
    """A row for what a budget has bought."""
    report = result.recipe_report
    if not result.budget_percent or report is None:
        return []
    added, layers = sum(layer.added_channels for layer in report.copied_layers), len(report.copied_layers)
    bought = f"{added} channel copies in {layers} layer(s)" if added else "no channel copies"
    spent = f"{report.copies_cost_percent:.1f} of {result.budget_percent:g} % more modelled Arm cost"
    forms = ""
    if result.target == "phone" and report.forms_cost_percent is not None:
        forms = f"forms of hard-swish for {report.forms_cost_percent:.1f}, "
    return [("budget", f"{forms}{bought}, for {spent}")]


def _statistics_row(result: QuantizeResult) -> list[tuple[str, str]]:
    """A row for statistics that were given."""
    used = result.statistics
    if used is None:
        return []
    files = f"{len(used.paths)} files" if len(used.paths) > 1 else used.paths[0]
    return [("statistics", f"{used.images:,} images, {files}")]


def table(result: QuantizeResult) -> str:
    """Writes a result for people."""
    checks = result.checks
    rows = [
        ("input", input_text(result.model)),
        *_output_rows(result.model.outputs),
        (
            "float",
            f"{result.float_path} ({result.float_size_bytes / 1e6:.2f} MB"
            f"{', from the cache' if result.float_from_cache else ''})",
        ),
        ("int8", f"{result.int8_path} ({result.int8_size_bytes / 1e6:.2f} MB, {result.io} in and out)"),
        *_copies_row(result),
        ("calibration", f"{count(len(result.calibration.images), 'image')}, {result.calibration.kind}"),
        *_statistics_row(result),
        ("full integer", "yes" if checks.full_integer else "NO"),
        ("XNNPACK", xnnpack(checks.xnnpack)),
        ("built-in kernels", builtin_kernels(checks.builtin)),
        ("checks", "passed" if checks.passed else "FAILED: do not ship the int8 file"),
    ]
    return "\n".join(f"{key:<17}{value}" for key, value in rows)
