"""`edge-mnv3 bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import json_option, runtime_option
from edge_mnv3.commands.terminal import TerminalReporter

if TYPE_CHECKING:
    from edge_mnv3.bench_results import HostBenchResult
    from edge_mnv3.runtime import Kernels, RuntimeName


@click.command("bench")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.tflite")
@click.option("--host", is_flag=True, required=True, help="Measure on this machine.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of one inference.")
@click.option("--runs", type=click.IntRange(min=1), default=200, show_default=True, help="Timed inferences.")
@click.option("--warmup-runs", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("--kernels", type=click.Choice(("xnnpack", "builtin")), default="xnnpack", show_default=True)
@runtime_option
@json_option
def command(
    file: Path,
    host: bool,
    threads: int,
    runs: int,
    warmup_runs: int,
    kernels: Kernels,
    runtime: RuntimeName,
    as_json: bool,
) -> None:
    """Measure the latency of a .tflite file, and say under which conditions.

    \b
    Examples:
      edge-mnv3 bench model.tflite --host
      edge-mnv3 bench model.tflite --host --threads 2 --kernels builtin --json
    """
    from edge_mnv3.result_json import to_json
    from edge_mnv3_android_bench.host import bench_host

    reporter = TerminalReporter()
    reporter.step("running")
    result = bench_host(
        file,
        kernels=kernels,
        runtime=runtime,
        num_threads=threads,
        num_runs=runs,
        warmup_runs=warmup_runs,
        on_run=reporter.progress,
    )
    reporter.close()
    for warning in result.warnings:
        reporter.warn(warning)
    click.echo(to_json(result) if as_json else table(result), nl=not as_json)


def table(result: HostBenchResult) -> str:
    """Writes a result for people."""
    conditions = result.conditions
    return "\n".join(
        (
            f"median {result.median_us / 1e3:.3f} ms, p5 {result.p5_us / 1e3:.3f} ms, "
            f"p95 {result.p95_us / 1e3:.3f} ms, standard deviation {result.std_us / 1e3:.3f} ms",
            f"{conditions.model_path} on {conditions.device} (not a phone), {conditions.runtime}, "
            f"{conditions.kernels}, {conditions.num_threads} threads, {conditions.num_runs} runs after "
            f"{conditions.warmup_runs}, cpu mask {conditions.cpu_mask}",
        )
    )
