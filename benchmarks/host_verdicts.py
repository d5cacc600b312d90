"""How often `bench --host A B` calls a file slower or faster than itself, and how often it finds 5 %.

    python benchmarks/host_verdicts.py model.tflite --pairs 200

Each pair is one file twice, measured in turns. For the true difference the second one's times are made 5 %
longer after they were measured, so that the noise is this machine's. The verdicts over the same rounds taken
as two results of their own, as `compare` takes two files that were measured apart, stand beside them.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from edge_mnv3.core.errors import ConditionsDifferError
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3_android_bench.comparison.latencies import compare
from edge_mnv3_android_bench.comparison.turns import compare_in_turns
from edge_mnv3_android_bench.measuring.host import bench_in_turns
from edge_mnv3_android_bench.measuring.plan import HostTurnsRequest

TRUE_DIFFERENCE = 0.05


def slowed(result: HostBenchResult) -> HostBenchResult:
    """The result of a file that takes 5 % longer in each run."""
    factor = 1 + TRUE_DIFFERENCE
    names = ("median_us", "p5_us", "p95_us", "min_us", "max_us", "mean_us", "std_us")
    return dataclasses.replace(
        result,
        block_medians_us=tuple(factor * block for block in result.block_medians_us),
        **{name: factor * getattr(result, name) for name in names},
    )


def apart(a: HostBenchResult, b: HostBenchResult) -> bool | None:
    """Whether `compare` says that they differ; None where it gives no verdict."""
    try:
        return compare(a, b).differ
    except ConditionsDifferError:
        return None


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--pairs", default=200, show_default=True, type=click.IntRange(min=1))
@click.option("--runs", default=200, show_default=True, type=click.IntRange(min=20), help="Of each file.")
def main(model: Path, pairs: int, runs: int) -> None:
    """Prints the counts."""
    false, found, widths, no_verdict, false_apart = 0, 0, [], 0, 0
    for number in range(pairs):
        a, b = bench_in_turns(HostTurnsRequest(models=(model, model), num_runs=runs))
        same = compare_in_turns(a, b)
        false += same.differ
        found += compare_in_turns(a, slowed(b)).differ
        widths.append(100 * (same.ratio_ci95[1] - same.ratio_ci95[0]) / 2)
        verdict = apart(a, b)
        no_verdict += verdict is None
        false_apart += verdict is True
        click.echo(f"\r{number + 1}/{pairs}", nl=False, err=True)
    click.echo(err=True)
    click.echo(f"{pairs} pairs of one file, {runs} runs each, in 20 rounds")
    click.echo(f"false verdicts: {false} ({100 * false / pairs:.1f} %)")
    click.echo(f"true difference of 5 % found: {found} ({100 * found / pairs:.1f} %)")
    click.echo(f"half width of the interval: median {sorted(widths)[pairs // 2]:.2f} %")
    click.echo(f"as two results apart: {false_apart} false verdicts, {no_verdict} without verdict")


if __name__ == "__main__":
    main()
