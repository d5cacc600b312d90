"""`edge-mnv3 bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_mnv3.commands.device_options import (
    accelerator_option,
    accelerators,
    acceptance,
    adb_option,
    ends_in_order,
    history_option,
    leave,
    models_dir_option,
    npu_libraries_option,
    result_files,
    run_options,
    usage_errors,
)
from edge_mnv3.commands.exit_codes import EXPECTED_ERROR
from edge_mnv3.commands.list_type import list_of
from edge_mnv3.commands.options import (
    force_option,
    input_range_option,
    json_option,
    only_checked,
    output_option,
    runtime_option,
)
from edge_mnv3.commands.showing import say, show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import (
    CORES,
    CURRENT_BINARY,
    DEFAULT_KERNELS,
    HISTORY_FILE,
    IMAGENET_WEIGHTS,
    KERNELS,
    Cores,
)
from edge_mnv3.model.arch import VARIANTS, parse_variant
from edge_mnv3_android_bench.measuring.plan import (
    BenchLogRequest,
    CoolDown,
    HostBenchRequest,
    HostTurnsRequest,
)
from edge_mnv3_android_bench.measuring.protocols import CUSTOM, PROTOCOLS, PUBLISHED, Sweep, custom_protocol

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench import HostBenchResult
    from edge_mnv3.core.results.bench_turns import HostTurnsResult
    from edge_mnv3.stages.bench_requests import DeviceBenchRequest

# Options that hold for this machine as well: name to field of `HostBenchRequest`.
_HOST_FIELDS = {
    "threads": "num_threads",
    "runs": "num_runs",
    "warmup_runs": "warmup_runs",
    "kernels": "kernels",
}
# Options that change something on this machine, or of logs; others are refused there.
_LOG_OPTIONS = frozenset({"log_files", "result_files", "output", "force", "as_json"})
_HOST_OPTIONS = frozenset(
    {"files", "host", "history", "output", "runtime", "force", "as_json", *_HOST_FIELDS}
)


@click.command("bench")
@click.argument("files", nargs=-1, type=PATH, metavar="[FILE.tflite]...")
@click.option(
    "--host",
    is_flag=True,
    help="Measure on this machine, not on a phone: one file, or several in turns, which are compared.",
)
@click.option(
    "--log",
    "log_files",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Measure nothing: read what a benchmark_model has printed, one launch a file; may be repeated.",
)
@click.option(
    "--log-result",
    "result_files",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Compare a log with what the same launch wrote with --result_file_path; one for each --log.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="SERIAL|HOST:PORT|ssh:HOST|ddp:MODEL|all",
    help="Measure on a phone that adb reaches, a board that ssh reaches, or a phone of Google's Developer "
    "Device Platform; may be repeated: the devices run side by side, those of the cloud after them.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    type=Choice(tuple(VARIANTS)),
    help="Measure the float and int8 files of this network; may be repeated.",
)
@models_dir_option
@click.option(
    "--weights",
    default=IMAGENET_WEIGHTS,
    show_default=True,
    type=PATH_OR_WORD,
    metavar="imagenet|none|DIR",
    help="Give these weights to the files of a variant that must be made. Latency depends on weights only "
    "where the recipe accurate chooses the form of a hard-swish by them.",
)
@click.option(
    "--protocol",
    type=Choice((*PROTOCOLS, CUSTOM)),
    default=PUBLISHED.name,
    show_default=True,
    help="Measure by this protocol. published: one thread, big core, built-in kernels, 50 runs; app: 4 "
    "threads, all cores, XNNPACK; custom: published, but for the options that follow.",
)
@click.option(
    "--threads",
    callback=list_of(click.IntRange(min=1)),
    metavar="N[,N...]",
    help="Run each inference on N threads; on phones several numbers are measured in turns.  [host: 1]",
)
@click.option(
    "--cores",
    callback=list_of(Choice(CORES)),
    metavar="NAME[,NAME...]",
    help="Pin the program to these cores: big, the fastest; little, the slowest; mid, each cluster between "
    "them; prime, the fastest of a phone with three clusters or more; all, not pinned. Several are measured "
    "in turns.",
)
@click.option(
    "--kernels",
    type=Choice(KERNELS),
    help=f"Use XNNPACK or the built-in kernels.  [host: {DEFAULT_KERNELS}]",
)
@accelerator_option
@npu_libraries_option
@click.option(
    "--sustained",
    "sustained_minutes",
    type=click.FloatRange(min=0),
    metavar="MINUTES",
    help="Put one file under load for this long: latency, clocks and temperature over time, and the first "
    "minute against the last.",
)
@click.option("--runs", type=click.IntRange(min=1), help="Time N inferences in each launch.  [host: 200]")
@click.option(
    "--warmup-runs",
    type=click.IntRange(min=0),
    help="Run N untimed inferences first.  [host: 20; files in turns: 3 in each of 20 rounds]",
)
@click.option(
    "--min-secs", type=click.FloatRange(min=0), help="Go on timing for at least this long in each launch."
)
@click.option("--max-secs", type=click.FloatRange(min=0), help="Refuse a launch that takes longer.")
@run_options
@click.option(
    "--benchmark-binary",
    "binaries",
    multiple=True,
    default=(CURRENT_BINARY,),
    show_default=True,
    type=PATH_OR_WORD,
    metavar="FILE|NAME",
    help="Use this benchmark_model: a file, or a name of edge-mnv3 benchmark-binary; may be repeated. "
    "'current' (TensorFlow's) and 'litert-VERSION' are downloaded at first use.",
)
@adb_option
@click.option(
    "--fixed-performance", is_flag=True, help="Hold lower clocks, which do not throttle, to compare files."
)
@click.option(
    "--profile", is_flag=True, help="Launch each file once more, and show the time of each operator."
)
@click.option("--check-outputs", is_flag=True, help="Compare outputs on the phone with this machine's.")
@input_range_option
@history_option
@output_option
@runtime_option
@force_option
@json_option
def command(
    files: tuple[Path, ...],
    host: bool,
    devices: tuple[str, ...],
    log_files: tuple[Path, ...],
    **options: Any,
) -> None:
    """Measure the latency of .tflite files, on phones or on this machine, and say under which conditions.

    With --log: read the figures of launches that are done. A log does not tell the phone, its
    clocks or its heat.

    Exit code 1: a phone failed, or a program never gave a figure; the other results are there. Exit code 3: a
    result is not quotable for heat, slow clocks or noise, and so without a figure. After a failure or Ctrl-C
    the same command goes on with the launches that are done.

    \b
    Examples:
      edge-mnv3 bench model.tflite --host
      edge-mnv3 bench before.tflite after.tflite --host
      edge-mnv3 bench float.tflite int8.tflite --device all -o result.json
      edge-mnv3 bench --variant small --device SERIAL --benchmark-binary era-2019
      edge-mnv3 bench model.tflite --device SERIAL --profile --check-outputs
      edge-mnv3 bench model.tflite --device SERIAL --threads 1,2,4 --cores mid,big
      edge-mnv3 bench model.tflite --device SERIAL --accelerator cpu,gpu,npu
      edge-mnv3 bench model.tflite --device SERIAL --sustained 10 -o heat.json
      edge-mnv3 bench --log launch1.txt --log launch2.txt
    """
    if host + bool(devices) + bool(log_files) != 1:
        raise click.UsageError(
            "Give --host for this machine, --device for phones, or --log for what a launch printed."
        )
    if log_files and (files or options["variants"]):
        raise click.UsageError("--log takes no FILE.tflite and no --variant: the log says which it was.")
    if host and (not files or options["variants"]):
        raise click.UsageError("--host takes FILE.tflite, and no --variant.")
    if not log_files and not files and not options["variants"]:
        raise click.UsageError("Give FILE.tflite or --variant.")
    if options["result_files"] and not log_files:
        raise click.UsageError("--log-result takes --log.")
    if host:
        _refuse_others("--host", _HOST_OPTIONS)
    if log_files:
        _refuse_others("--log", _LOG_OPTIONS)
        _read_logs(log_files, options)
    elif host:
        _bench_on_host(files, options)
    else:
        _bench_on_devices(files, devices, options)


def _refuse_others(mode: str, taken: frozenset[str]) -> None:
    """Refuses options that were given and would change nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
        if given and name not in taken:
            raise click.UsageError(f"{mode} takes no {parameter.opts[0]}.")


def _read_logs(logs: tuple[Path, ...], options: dict[str, Any]) -> None:
    from edge_mnv3.commands.bench_tables import log_table
    from edge_mnv3.stages.bench import bench

    reporter = TerminalReporter()
    with usage_errors():
        request = BenchLogRequest(logs=logs, result_files=options["result_files"])
    if only_checked():
        return
    result = bench(request, reporter, result_files(options))
    reporter.close()
    if options["as_json"] or result.launches:
        show(result, log_table, as_json=options["as_json"])
    for failure in result.failures:
        say(f"error: {failure.error}", err=True)
    if result.failures:
        click.get_current_context().exit(EXPECTED_ERROR)


def _bench_on_host(models: tuple[Path, ...], options: dict[str, Any]) -> None:
    from edge_mnv3.stages.bench import bench

    if len(options["threads"]) > 1:
        raise click.UsageError("--host takes one number of --threads.")
    options = {**options, "threads": next(iter(options["threads"]), None)}
    given = {field: options[name] for name, field in _HOST_FIELDS.items() if options[name] is not None}
    reporter, files = TerminalReporter(), result_files(options)
    with usage_errors():
        request = _host_request(models, runtime=options["runtime"], **given)
    if only_checked():
        return
    if isinstance(request, HostBenchRequest):
        one = bench(request, reporter, files)
        reporter.close()
        show(one, table, as_json=options["as_json"])
    else:
        several = bench(request, reporter, files)
        reporter.close()
        show(several, _turns_table, as_json=options["as_json"])


def _turns_table(result: HostTurnsResult) -> str:
    lines = [*map(table, result.results), *(comparison.text for comparison in result.comparisons)]
    return "\n".join(lines)


def _host_request(models: tuple[Path, ...], **given: Any) -> HostBenchRequest | HostTurnsRequest:
    if len(models) == 1:
        return HostBenchRequest(model=models[0], **given)
    return HostTurnsRequest(models=models, **given)


def _bench_on_devices(models: tuple[Path, ...], devices: tuple[str, ...], options: dict[str, Any]) -> None:
    from edge_mnv3.commands.bench_tables import bench_table
    from edge_mnv3.commands.sustained_tables import leave_sustained, sustained_table
    from edge_mnv3.stages.bench import bench

    reporter = TerminalReporter()
    with usage_errors():
        request = _device_request(models, devices, options)
    if only_checked():
        return
    with ends_in_order():
        report = bench(request, reporter, result_files(options, default_history=HISTORY_FILE))
    reporter.close()
    if options["as_json"] or report.results or report.sustained:
        show(report, bench_table if report.results else sustained_table, as_json=options["as_json"])
    if request.sustained_minutes is not None:
        leave_sustained(reporter, report)
    else:
        leave(reporter, report.failures, report.results)


def _device_request(
    models: tuple[Path, ...], devices: tuple[str, ...], options: dict[str, Any]
) -> DeviceBenchRequest:
    from edge_mnv3.stages.bench_requests import DeviceBenchRequest
    from edge_mnv3.stages.variant_files import VariantFilesRequest

    threads: tuple[int, ...] = options["threads"]
    cores: tuple[Cores, ...] = options["cores"]
    protocol = custom_protocol(
        PROTOCOLS.get(options["protocol"], PUBLISHED),
        num_threads=threads[0] if len(threads) == 1 else None,
        cores=cores[0] if len(cores) == 1 else None,
        kernels=options["kernels"],
        num_runs=options["runs"],
        warmup_runs=options["warmup_runs"],
        min_secs=options["min_secs"],
        max_secs=options["max_secs"],
        launches=options["launches"],
    )
    return DeviceBenchRequest(
        models=models,
        variants=VariantFilesRequest(
            variants=tuple(parse_variant(name) for name in options["variants"]),
            models_dir=options["models_dir"],
            weights=options["weights"],
        ),
        serials=devices,
        binaries=options["binaries"],
        protocol=protocol,
        sweep=Sweep(threads=threads if len(threads) > 1 else (), cores=cores if len(cores) > 1 else ()),
        adb=options["adb"],
        fixed_performance=options["fixed_performance"],
        profile=options["profile"],
        check_outputs=options["check_outputs"],
        input_range=options["input_range"],
        log_folder=options["logs"],
        fresh=options["fresh"],
        acceptance=acceptance(options),
        stay_awake=not options["no_stay_awake"],
        accelerators=accelerators(options["accelerators"]),
        npu_libraries=options["npu_libraries"],
        sustained_minutes=options["sustained_minutes"],
        cool_down=CoolDown().at_most(options["max_cool_down"]),
    )


def table(result: HostBenchResult) -> str:
    """Writes a result of this machine for people."""
    from edge_mnv3.core.results.bench_turns import runs_words

    conditions, protocol = result.conditions, result.conditions.protocol
    threads = "1 thread" if protocol.num_threads == 1 else f"{protocol.num_threads} threads"
    return "\n".join(
        (
            f"{conditions.model_path} on {conditions.device} (not a phone), {conditions.runtime}, "
            f"{protocol.kernels}, {threads}, {runs_words(protocol)}, cpu mask {conditions.cpu_mask}:",
            f"  median {result.median_us / 1e3:.3f} ms, p5 {result.p5_us / 1e3:.3f} ms, "
            f"p95 {result.p95_us / 1e3:.3f} ms, standard deviation {result.std_us / 1e3:.3f} ms, "
            f"start-up {result.init_us / 1e3:.3f} ms",
        )
    )
