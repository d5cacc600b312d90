"""`edge-mnv3 sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.exit_codes import GATE_FAILED, POINTS_FAILED
from edge_mnv3.commands.list_type import list_of
from edge_mnv3.commands.options import (
    all_options,
    cache_option,
    engine_options,
    json_option,
    label_map_option,
    preprocess_option,
    requests,
)
from edge_mnv3.commands.showing import show, suggest
from edge_mnv3.commands.sweep_table import plan_table, sweep_table
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_TARGET,
    HARD_SWISH_POLICIES,
    IMAGENET_WEIGHTS,
    IO_TYPES,
    MOST_BUDGET_PERCENT,
    SWEEP_FOLDER,
    SYNTHETIC,
    TARGETS,
)
from edge_mnv3.core.input_range import INPUT_RANGE_WORDS
from edge_mnv3.core.results.sweep import COST_CHOICES
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES

if TYPE_CHECKING:
    from edge_mnv3.stages.sweep_request import SweepRequest

_grid_options = all_options(
    click.argument("models", nargs=-1, type=PATH, metavar="[MODEL]..."),
    click.option(
        "--variants",
        metavar="NAME,...",
        callback=list_of(Choice(tuple(VARIANTS))),
        help="Take these networks as well as MODEL.",
    ),
    click.option(
        "--alphas",
        metavar="X,...",
        callback=list_of(click.FloatRange(min=0, min_open=True)),
        help="Multiply the variants' widths by each of these.  [default: those of the variants]",
    ),
    click.option(
        "--recipes",
        metavar="NAME,...",
        default=DEFAULT_RECIPE,
        show_default=True,
        callback=list_of(Choice(sorted(RECIPES))),
        help=f"Quantize by each of these recipes: {', '.join(sorted(RECIPES))}.",
    ),
    click.option(
        "--targets",
        metavar="NAME,...",
        default=DEFAULT_TARGET,
        show_default=True,
        callback=list_of(Choice(TARGETS)),
        help=f"Spend budgets for each of these, as quantize --target has it: {', '.join(TARGETS)}.",
    ),
    click.option(
        "--budgets",
        metavar="PERCENT,...",
        default="0,5,15,30",
        show_default=True,
        callback=list_of(click.FloatRange(0, MOST_BUDGET_PERCENT)),
        help="Quantize with each of these budgets, as quantize --budget has it.",
    ),
    click.option(
        "--seeds",
        metavar="N,...",
        default="0",
        show_default=True,
        callback=list_of(click.INT),
        help="Quantize with each of these seeds; the table has their mean and spread in one row.",
    ),
)
_network_options = all_options(
    click.option(
        "--weights",
        default=IMAGENET_WEIGHTS,
        show_default=True,
        type=PATH_OR_WORD,
        metavar="imagenet|PATH",
        help="Give the variants published weights, a weights file, or a folder of files under their "
        "published names.",
    ),
    click.option(
        "--classes",
        type=click.IntRange(min=1),
        help="Give the variants' classifier N outputs.  [default: as many as the weights have]",
    ),
    click.option("--input-size", metavar="PX|HxW", help="Take images of this size, as quantize."),
    click.option("--input-range", metavar="RANGE", help=f"Feed MODEL this range: {INPUT_RANGE_WORDS}."),
    click.option(
        "--hard-swish",
        type=Choice(HARD_SWISH_POLICIES),
        default=DEFAULT_HARD_SWISH,
        show_default=True,
        help="Write hard-swish in this way, as quantize.",
    ),
    click.option(
        "--io",
        type=Choice(IO_TYPES),
        default=DEFAULT_IO,
        show_default=True,
        help="Give input and output this type.",
    ),
)
_image_options = all_options(
    click.option(
        "--calibration",
        default=SYNTHETIC,
        show_default=True,
        type=PATH_OR_WORD,
        metavar="PATH|synthetic",
        help="Calibrate on these images, as quantize.",
    ),
    click.option(
        "--samples",
        type=click.IntRange(min=1),
        help="Calibrate each point on N images.  [default: of one model so many that as many are held out, "
        "else as quantize]",
    ),
    preprocess_option,
    click.option(
        "--held-out",
        type=PATH_OR_WORD,
        metavar="PATH",
        help="Compare points on these images.  [default: those of --calibration that no point is "
        "calibrated on]",
    ),
    click.option(
        "--data",
        type=PATH_OR_WORD,
        metavar="CSV|DIR|digits",
        help="Also report accuracy on these labelled images, as validate; several models are compared by it.",
    ),
    click.option(
        "--labels", type=PATH_OR_WORD, metavar="PATH", help="Find classes by these names, as validate."
    ),
    label_map_option,
)


@click.command("sweep")
@_grid_options
@_network_options
@_image_options
@click.option(
    "--cost",
    type=Choice(COST_CHOICES),
    default="auto",
    show_default=True,
    help="Take for cost what edge-mnv3 cost counts, or what --budget models. auto: counts, where there is an "
    "emulated Arm processor.",
)
@click.option(
    "-o",
    "--output-dir",
    type=PATH,
    default=SWEEP_FOLDER,
    show_default=True,
    metavar="DIR",
    help="Keep all points in this folder; points that it already has are not made again.",
)
@click.option("--plot", type=PATH, metavar="FILE.png|.svg", help="Draw accuracy against cost into this file.")
@click.option("--force", is_flag=True, help="Overwrite the picture.")
@click.option("--dry-run", is_flag=True, help="List the points, and make none.")
@cache_option
@click.option(
    "--no-store",
    "use_store",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Run labelled images again, and keep nothing of them.",
)
@engine_options("Run the labelled images of --data")
@json_option
@requests("sweep_request.SweepRequest")
def command(request: SweepRequest, dry_run: bool, as_json: bool) -> None:
    """Quantize in many ways, and say which is worth its cost.

    Every MODEL and variant is quantized with every recipe, target, budget and seed, and measured: one
    table, the Pareto front of accuracy against cost, and its knee. An interrupted sweep goes on where it
    was. Exit code 1: a point failed, and the others are in the table. Exit code 3: none can be recommended.

    With --engine dask the workers run what grows with --data. Quantizing, held-out images and cost stay on
    this machine: workers need no TensorFlow.

    Points of one model are compared by the signal to noise of their logits on calibration images that no
    point was calibrated on, so that --data stays unseen. Several models need --data.

    \b
    Examples:
      edge-mnv3 sweep flowers.keras --calibration photos/ --plot front.png
      edge-mnv3 sweep --variants small --calibration photos/ --budgets 0,10,20
      edge-mnv3 sweep --variants small --recipes stock,fast,accurate --budgets 0 \\
        --calibration train.csv --seeds 0,1,2 --data val.csv --dry-run
      edge-mnv3 sweep --variants small,large_minimalistic --calibration photos/ \\
        --data val.csv
      edge-mnv3 sweep flowers.keras --calibration photos/ --data /shared/val \\
        --engine dask --scheduler tcp://10.0.0.1:8786
    """
    from edge_mnv3.stages.sweep import plan_sweep, sweep

    reporter = TerminalReporter()
    if dry_run:
        plan = plan_sweep(request, reporter)
        reporter.close()
        show(plan, plan_table, as_json=as_json)
        return
    result = sweep(request, reporter)
    reporter.close()
    show(result, sweep_table, as_json=as_json)
    if any(point.state == "failed" for point in result.points):
        click.get_current_context().exit(POINTS_FAILED)
    if result.recommendation.point is None:
        click.get_current_context().exit(GATE_FAILED)
    chosen = next((point for point in result.points if point.name == result.recommendation.point), None)
    if chosen is not None and chosen.int8_path is not None:
        suggest(("bench", Path(chosen.int8_path), "--device", "SERIAL"), ("package", Path(chosen.int8_path)))
