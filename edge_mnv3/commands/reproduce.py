"""`edge-mnv3 reproduce`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_mnv3.commands.device_options import (
    acceptance,
    adb_option,
    ends_in_order,
    history_option,
    leave,
    models_dir_option,
    result_files,
    run_options,
    usage_errors,
)
from edge_mnv3.commands.options import SAMPLES_HELP, force_option, json_option, output_option
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH_OR_WORD
from edge_mnv3.core.choices import (
    CURRENT_BINARY,
    HISTORY_FILE,
    IMAGENET_WEIGHTS,
    SYNTHETIC,
)
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, VARIANTS, parse_variant
from edge_mnv3_android_bench.measuring.plan import CoolDown

if TYPE_CHECKING:
    from edge_mnv3.stages.reproduce import ReproduceRequest

ALL_VARIANTS = "all"


@click.command("reproduce")
@click.option(
    "--variants",
    default=ALL_VARIANTS,
    show_default=True,
    metavar="all|NAME,NAME",
    help="Measure these networks, named as in --variant of edge-mnv3 quantize.",
)
@click.option(
    "--device",
    metavar="SERIAL|HOST:PORT|ssh:HOST|ddp:MODEL",
    help="Measure on this phone or board.  [default: the only phone]",
)
@models_dir_option
@click.option(
    "--weights",
    default=IMAGENET_WEIGHTS,
    show_default=True,
    type=PATH_OR_WORD,
    metavar="imagenet|none|DIR",
    help="Give files that must be made published weights, random ones, or those of a folder with the "
    "published files.",
)
@click.option(
    "--calibration",
    default=SYNTHETIC,
    show_default=True,
    type=PATH_OR_WORD,
    metavar="PATH|synthetic",
    help="Calibrate files that must be made on these images, as in edge-mnv3 quantize.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help=SAMPLES_HELP,
)
@click.option(
    "--input-size",
    type=click.IntRange(min=MIN_INPUT_SIZE),
    default=DEFAULT_INPUT_SIZE,
    show_default=True,
    metavar="PX",
    help="Give the square input this side. Another one than the published gives no verdict: it is for "
    "trials.",
)
@click.option(
    "--era-binary",
    type=PATH_OR_WORD,
    metavar="FILE|NAME",
    help="Use this benchmark_model of the published figures' time (TensorFlow 2.4 or before).  "
    "[default: the first registered name that begins with era]",
)
@click.option(
    "--benchmark-binary",
    "binary",
    default=CURRENT_BINARY,
    show_default=True,
    type=PATH_OR_WORD,
    metavar="FILE|NAME",
    help="Use this benchmark_model of today.",
)
@click.option(
    "--litert-binary",
    type=PATH_OR_WORD,
    metavar="FILE|NAME",
    help="Use this benchmark_model of LiteRT 2, under XNNPACK, which it always runs: a third column.  "
    "[default: the newest registered litert-VERSION]",
)
@click.option("--runs", type=click.IntRange(min=1), help="Time N inferences in each launch.  [default: 50]")
@run_options
@adb_option
@history_option
@click.option(
    "--modelled",
    is_flag=True,
    help="Compare the published latencies with modelled cycles instead; no phone is needed, and nothing is "
    "measured. Goes with --json alone.",
)
@output_option
@force_option
@json_option
def command(modelled: bool, **options: Any) -> None:
    """Measure the published latencies again on a phone, and say of each whether it is reproduced.

    Measured are the float file of each network, the int8 file of TensorFlow's converter and that of the
    recipe accurate. They are looked for in the models folder, by their quantize.json, and made if they are
    not there. Latency does not depend on the values of weights, except where the recipe accurate chooses the
    form of a hard-swish by them: --weights none will do where there is no network. The exit codes are those
    of edge-mnv3 bench.

    \b
    Examples:
      edge-mnv3 reproduce --device SERIAL
      edge-mnv3 reproduce --variants small,large --era-binary era-2019 -o p2.json
      edge-mnv3 reproduce --variants small_minimalistic --weights none --json
      edge-mnv3 reproduce --modelled
    """
    if modelled:
        _show_modelled(options["as_json"])
        return
    from edge_mnv3.commands.bench_tables import reproduce_table
    from edge_mnv3.stages.reproduce import reproduce

    reporter = TerminalReporter()
    with usage_errors():
        request = _request(options)
    with ends_in_order():
        report = reproduce(request, reporter, result_files(options, default_history=HISTORY_FILE))
    reporter.close()
    result, as_json = report.result, options["as_json"]
    if result:
        show(result, reproduce_table, as_json=as_json)
    leave(reporter, report.failures, result.results if result else ())


def _show_modelled(as_json: bool) -> None:
    """Shows what is modelled; refuses options of measurements, which would have no effect."""
    from edge_mnv3.commands.modelled_table import modelled_table
    from edge_mnv3.stages.modelled import ModelledRequest, modelled

    context = click.get_current_context()
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT
        if is_given and parameter.name not in ("modelled", "as_json"):
            raise click.UsageError(f"--modelled measures nothing: {parameter.opts[0]} has no effect with it")
    result = modelled(ModelledRequest())
    show(result, modelled_table, as_json=as_json)


def _request(options: dict[str, Any]) -> ReproduceRequest:
    from edge_mnv3.stages.reproduce import ReproduceRequest
    from edge_mnv3.stages.variant_files import VariantFilesRequest

    variants = options["variants"]
    names = VARIANTS if variants == ALL_VARIANTS else [name.strip() for name in variants.split(",")]
    return ReproduceRequest(
        files=VariantFilesRequest(
            variants=tuple(parse_variant(name) for name in names),
            models_dir=options["models_dir"],
            weights=options["weights"],
            input_size_px=options["input_size"],
            calibration=options["calibration"],
            samples=options["samples"],
        ),
        serial=options["device"],
        era_binary=options["era_binary"],
        current_binary=options["binary"],
        litert_binary=options["litert_binary"],
        launches=options["launches"],
        runs=options["runs"],
        adb=options["adb"],
        log_folder=options["logs"],
        fresh=options["fresh"],
        acceptance=acceptance(options),
        stay_awake=not options["no_stay_awake"],
        cool_down=CoolDown().at_most(options["max_cool_down"]),
    )
