"""Wall time of `edge-mnv3 quantize --recipe stock` against a bare TFLiteConverter script, in pairs.

    python benchmarks/stock_overhead.py --variant small --weights W.h5 --calibration photos.csv

Both are new processes on the same images; which one goes first alternates. On a shared machine the ratio of
processor times is the steadier one. Ours also writes the float file
and checks the int8 file under XNNPACK and the built-in kernels.

Read the ratio: the seconds are this machine's.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click

from edge_mnv3.core.result_files import read_calibration_manifest

TIMEOUT_S = 1800


class Cost(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float  # of all its threads and children


def cost(argv: list[str], allowed: tuple[int, ...]) -> Cost:
    """Runs a process to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in allowed:
        raise click.ClickException(f"{argv[1:4]} ended with {done.returncode}: {done.stderr[-500:]}")
    return Cost(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@click.command()
@click.option("--variant", required=True)
@click.option("--weights", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--calibration", required=True, type=click.Path(exists=True))
@click.option("--samples", default=200, show_default=True)
@click.option("--pairs", default=5, show_default=True)
def main(variant: str, weights: str, calibration: str, samples: int, pairs: int) -> None:
    """Prints the ratios of wall time and of processor time, ours over the bare script's."""
    wall_ratios, cpu_ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        ours = [
            *(
                sys.executable,
                "-m",
                "edge_mnv3.cli",
                "quantize",
                "--recipe",
                "stock",
                "--force",
                "-o",
                folder,
            ),
            *("--variant", variant, "--weights", weights),
            *("--calibration", calibration, "--samples", str(samples)),
        ]
        run = Path(folder) / "quantize.json"
        bare = [
            *(sys.executable, str(Path(__file__).with_name("bare_converter.py"))),
            *(str(run), str(Path(folder) / "bare.tflite")),
        ]
        # Exit code 3: the stock file fails its checks, which takes no less time.
        processes = {"ours": (ours, (0, 3)), "bare": (bare, (0,))}
        # Untimed: warms the file cache, and writes the list of images for the bare script.
        cost(*processes["ours"])
        for pair in range(pairs):
            names = ("ours", "bare") if pair % 2 == 0 else ("bare", "ours")
            costs = {name: cost(*processes[name]) for name in names}
            wall_ratios.append(costs["ours"].wall_s / costs["bare"].wall_s)
            cpu_ratios.append(costs["ours"].cpu_s / costs["bare"].cpu_s)
            click.echo(
                f"ours {costs['ours'].wall_s:.1f} s, bare {costs['bare'].wall_s:.1f} s: "
                f"ratio {wall_ratios[-1]:.3f}, of processor time {cpu_ratios[-1]:.3f}"
            )
        images = len(read_calibration_manifest(run).images)
    click.echo(
        f"{variant}, {images} images, {pairs} pairs: median ratio {statistics.median(wall_ratios):.3f} "
        f"({min(wall_ratios):.3f} to {max(wall_ratios):.3f}), of processor time "
        f"{statistics.median(cpu_ratios):.3f} ({min(cpu_ratios):.3f} to {max(cpu_ratios):.3f})"
    )


if __name__ == "__main__":
    main()
