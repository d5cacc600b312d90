"""`edge-mnv3 diagnose`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import (
    force_option,
    input_range_option,
    json_option,
    output_option,
    preprocess_option,
    requests,
    tflite_option,
)
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD
from edge_mnv3.core.choices import DIAGNOSIS_SAMPLES
from edge_mnv3.core.counts import listed, three_digits
from edge_mnv3.core.intervals import wilson_images, wilson_percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_mnv3.core.results.diagnose import DiagnoseResult, LayerNoise, RecipeFindings, TensorCost
    from edge_mnv3.core.results.recipe import RecipeReport
    from edge_mnv3.stages.diagnose import DiagnoseRequest

_GRAPH_TITLE = "signal to noise along the graph"
_MANY_ALIKE_PERCENT = 90.0  # what the recipe accurate keeps, and more, of every published network


@click.command("diagnose")
@tflite_option("float", "Compare with this float file, from which the int8 file was made.")
@tflite_option("int8", "Diagnose this int8 file.")
@click.option(
    "--images",
    "--calibration",
    "images",
    type=PATH_OR_WORD,
    metavar="PATH|synthetic",
    help="Run on these images: a folder, CSV, list, .npz or quantize.json.  "
    "[default: the quantize.json beside the int8 file]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    default=DIAGNOSIS_SAMPLES,
    show_default=True,
    help="Run both files on N images.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Choose images by this seed.")
@preprocess_option
@input_range_option
@click.option(
    "--head", metavar="NAME", help="Diagnose this output of a model of several, as its signature names it."
)
@click.option(
    "--layers", "all_layers", is_flag=True, help="List every activation tensor, not one line for each block."
)
@click.option("--plot", type=PATH, metavar="FILE.png|.svg", help="Draw the result into this file.")
@click.option(
    "--model-explorer",
    type=PATH,
    metavar="FILE.json",
    help="Write node data for Google's Model Explorer, which colours the float file's graph with them.",
)
@output_option
@force_option
@json_option
@requests("diagnose.DiagnoseRequest")
def command(request: DiagnoseRequest, all_layers: bool, as_json: bool) -> None:
    """Show where an int8 file loses accuracy, and why.

    It prints the signal to noise along the graph, the ten most expensive tensors, their causes, and what the
    recipe did about them. It takes int8 files of any recipe.

    \b
    Examples:
      edge-mnv3 diagnose --float out/m_float.tflite --int8 out/m_int8.tflite
      edge-mnv3 diagnose --float f.tflite --int8 q.tflite --plot q.png
      edge-mnv3 diagnose --float f.tflite --int8 q.tflite --images val/ -o q.json
      edge-mnv3 diagnose --float f.tflite --int8 q.tflite --model-explorer n.json
    """
    from edge_mnv3.stages.diagnose import diagnose

    reporter = TerminalReporter()
    result = diagnose(request, reporter)
    reporter.close()
    show(result, lambda shown: table(shown, all_layers=all_layers), as_json=as_json)


def table(result: DiagnoseResult, *, all_layers: bool = False) -> str:
    """Writes a result for people.

    Args:
        result: From `diagnose`.
        all_layers: One line a value instead of one a block.
    """
    return "\n".join(
        (
            *_head(result),
            "",
            *(_layers(result.layers) if all_layers else _blocks(result.layers)),
            "",
            f"{'the most expensive tensors':<44}{'alone':>9}{'so far':>9}{'share':>9}",
            *(line for cost in result.costs for line in _cost(cost)),
            *_refused(result),
            "",
            closing(result),
        )
    )


def _along_graph(rows: list[tuple[str, float | None, str]], title: str) -> Iterator[str]:
    """Names with their signal to noise, and more about each, under a title."""
    width = max(len(_GRAPH_TITLE), *(len(name) + 2 for name, _, _ in rows))
    yield f"{_GRAPH_TITLE:<{width}}{'dB':>6}  {title}"
    for name, snr_db, more in rows:
        yield f"  {name:<{width - 2}}{_db(snr_db):>6}  {more}".rstrip()


def _agreement(percent: float | None) -> str:
    return "" if percent is None else f"; {percent:.1f} % get the same answer"


def _head(result: DiagnoseResult) -> Iterator[str]:
    kernels = "XNNPACK" if result.kernels == "xnnpack" else "built-in kernels: DOES NOT LOAD under XNNPACK"
    rows = (
        ("float", result.float_path),
        ("int8", f"{result.int8_path}, on {kernels}"),
        ("images", f"{result.n} of {result.images}{_agreement(result.agreement_percent)}"),
        ("logits", f"{_db(result.snr_db)} dB signal to noise, {_db(result.predicted_snr_db)} dB predicted"),
        (
            "recipe",
            "; ".join(
                (
                    *_noted(result.recipe_report),
                    *_recipe(result.recipe, result.recipe_report),
                    *_divided(result),
                )
            ),
        ),
    )
    for key, value in rows:
        yield f"{key:<8}{value}"


def _noted(report: RecipeReport | None) -> Iterator[str]:
    """What the int8 file notes of its recipe."""
    if report is None:
        return
    yield report.recipe
    if report.equalization_exponent is not None:
        tried = listed([f"{trial.exponent:g}" for trial in report.exponent_trials])
        yield (
            f"equalization exponent {report.equalization_exponent:g}"
            f"{f', the best of {tried}' if tried else ', no trials'}"
        )


def _recipe(recipe: RecipeFindings, report: RecipeReport | None) -> Iterator[str]:
    if recipe.equalized_values:
        yield (
            f"{recipe.equalized_values} of {recipe.values} values equalized, scales 1 to "
            f"{three_digits(recipe.largest_factor_ratio)} at most"
        )
    else:
        yield "no channels equalized"
    lowered = recipe.hard_swishes_as_convolution + recipe.hard_swishes_as_table
    if lowered:
        in_groups = recipe.hard_swishes_in_groups
        groups = f" ({in_groups} of them in channel groups)" if in_groups else ""
        yield (
            f"{lowered} of {recipe.hard_swishes} hard-swishes lowered, {recipe.hard_swishes_as_convolution} "
            f"channel by channel, {recipe.hard_swishes_as_table} as a table{groups}"
        )
    elif recipe.hard_swishes:
        yield f"{recipe.hard_swishes} hard-swishes kept"
    if recipe.folded_squeeze_excites:
        yield f"{recipe.folded_squeeze_excites} squeeze-excite excitations folded away"
    operators = f"{recipe.corrected_operators} of {recipe.weighted_operators} operators"
    if report is None:
        yield f"biases moved in {operators}"
        return
    weights = sum(layer.refitted_channels > 0 for layer in report.refitted_layers)
    yield f"biases refitted in {operators}, weights in {weights}"


def _divided(result: DiagnoseResult) -> Iterator[str]:
    """What dividing linear and fitted channels lost, which no tensor's rounding tells."""
    count = sum(result.recipe_report.divided_channels.values()) if result.recipe_report else 0
    if count:
        lost = _db(result.divided_channels_snr_db)
        yield f"{count} linear and fitted channels divided, {lost} dB by that alone"


def _blocks(layers: tuple[LayerNoise, ...]) -> Iterator[str]:
    """One line a block: signal to noise at its end, and the lowest inside."""
    rows = []
    for name, group in itertools.groupby(layers, key=lambda layer: layer.block):
        members = list(group)
        noisy = [layer for layer in members if layer.snr_db is not None]
        lowest = min(noisy, key=lambda layer: layer.snr_db or 0.0, default=None)
        inside = f"{_db(lowest.snr_db):>4} {lowest.layer}" if lowest and len(members) > 1 else ""
        rows.append((name, members[-1].snr_db, inside))
    return _along_graph(rows, "lowest inside")


def _layers(layers: tuple[LayerNoise, ...]) -> Iterator[str]:
    rows = []
    for layer in layers:
        worst = ", ".join(
            f"{channel.channel} ({channel.noise_share_percent:.0f} %)" for channel in layer.worst_channels
        )
        dead = f"; {layer.dead_channels} of {layer.shape[-1]} constant" if layer.dead_channels else ""
        rows.append((layer.layer, layer.snr_db, f"{worst}{dead}"))
    return _along_graph(rows, "most noise in channels")


def _cost(cost: TensorCost) -> Iterator[str]:
    name = f"{cost.rank:>2} {cost.layer}{' weights' if cost.kind == 'weights' else ''}"
    yield (
        f"{name:<44}{_db(cost.snr_db):>6} dB{_db(cost.cumulative_snr_db):>6} dB{cost.share_percent:>7.1f} %"
    )
    for cause in cost.causes:
        yield f"     {cause.text}"
    if cost.recipe_did:
        yield f"     done:  {'; '.join(cost.recipe_did)}"
    if cost.suggestion:
        yield f"     try:   {cost.suggestion}"


def _refused(result: DiagnoseResult) -> Iterator[str]:
    if not result.xnnpack_problem:
        return
    yield ""
    yield "does not load under XNNPACK, the default on phones"
    if not result.refused:
        yield f"     {result.xnnpack_problem}"
    for operator in result.refused:
        yield f"   {operator.layer} {operator.op}"
        for cause in operator.causes:
            yield f"     {cause.text}"


def _state(result: DiagnoseResult) -> tuple[str, bool]:
    """How much of the answers is left, and whether that is surely little: few images show neither."""
    alike = result.agreement_percent
    if alike is None:
        return f"{_db(result.snr_db)} dB signal to noise", False
    low, high = wilson_percent(round(alike * result.n / 100), result.n)
    share = f"{alike:.1f} % of the answers to {result.n} images are the same"
    if low >= _MANY_ALIKE_PERCENT:
        return f"Good: {share}", False
    if high < _MANY_ALIKE_PERCENT:
        return f"Not good: {100 - alike:.1f} % of the answers changed", True
    told = f"{share}. These images are too few to tell whether that is good"
    needed = wilson_images(alike, _MANY_ALIKE_PERCENT)
    return f"{told}: {needed:,} with the same share would be enough" if needed else told, False


def closing(result: DiagnoseResult) -> str:
    """Says in a sentence whether it is good, or what to do."""
    if result.xnnpack_problem:
        return (
            "Not for phones: it does not load under XNNPACK, their default; make it with --recipe accurate "
            "or fast."
        )
    state, much_lost = _state(result)
    remedy = next((cost for cost in result.costs if cost.suggestion), None)
    if remedy is not None:
        return (
            f"{state}. What to do first: {remedy.suggestion} ({remedy.layer}, "
            f"{remedy.share_percent:.1f} % of the loss)."
        )
    largest = max((cost.share_percent for cost in result.costs), default=0.0)
    rest = f"No tensor makes more than {largest:.1f} % of the loss, and no remedy is known for any of them"
    more = (
        "calibrate on more images like those of the app, or train on with them"
        if much_lost
        else "quantize --budget buys more accuracy for time"
    )
    return f"{state}. {rest}: {more}."


def _db(decibels: float | None) -> str:
    return "-" if decibels is None else f"{decibels:.1f}"
