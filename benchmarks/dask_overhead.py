"""What `edge-mnv3 validate --engine dask` takes against this machine's own engine, with as many workers.

    python -m benchmarks.dask_overhead --float F.tflite --int8 Q.tflite --data val.csv --workers 2

A scheduler and its workers are started on this machine, a thread each. Both engines run over the same
images in turns, without a store, and must give the same result. What is compared is the whole command: its
start-up, the probes of both files, and the images. More workers than cores share them, in both engines.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from distributed import LocalCluster

from benchmarks.validate_rate import repeated
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.validate import ValidateRequest, validate


def timed(request: ValidateRequest) -> tuple[float, ValidateResult]:
    """Seconds that `validate` takes, and its result."""
    begun = time.perf_counter()
    result = validate(request)
    return time.perf_counter() - begun, result


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--int8", "int8_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--images", default=3000, show_default=True, help="Repeat the images up to this number.")
@click.option("--workers", default=2, show_default=True, help="Workers of each engine.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each engine, in turns.")
def main(data: Path, images: int, workers: int, rounds: int, **files: Any) -> None:
    """Prints the seconds of each run, and the median of the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        table = repeated(data, images, Path(folder))
        local = ValidateRequest(**files, data=table, workers=workers, use_store=False)
        ratios = []
        with LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster:
            dask = dataclasses.replace(
                local, workers=None, engine="dask", scheduler=cluster.scheduler_address
            )
            for number in range(rounds):
                local_s, expected = timed(local)
                dask_s, result = timed(dask)
                if result != expected:
                    raise SystemExit("the engines give other results")
                ratios.append(dask_s / local_s)
                click.echo(f"round {number + 1}: local {local_s:.1f} s, Dask {dask_s:.1f} s")
    overhead = 100 * (statistics.median(ratios) - 1)
    click.echo(f"{images} images, {workers} workers: the same results; Dask takes {overhead:+.1f} %")


if __name__ == "__main__":
    main()
