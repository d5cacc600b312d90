"""Wall time of `edge-mnv3 quantize --recipe stock` against a bare TFLiteConverter script, in pairs.

    python benchmarks/stock_overhead.py --variant small --weights W.h5 --calibration photos.csv

Both are new processes on the same images; which one goes first alternates. Ours also writes the float file
and checks the int8 file under XNNPACK and the built-in kernels. Read the ratio: the seconds are this machine's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

TIMEOUT_S = 1800


def seconds(argv: list[str], allowed: tuple[int, ...]) -> float:
    """Wall time of a process, in seconds."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    elapsed_s = time.perf_counter() - started
    if done.returncode not in allowed:
        raise click.ClickException(f"{argv[1:4]} ended with {done.returncode}: {done.stderr[-500:]}")
    return elapsed_s


@click.command()
@click.option("--variant", required=True)
@click.option("--weights", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--calibration", required=True, type=click.Path(exists=True))
@click.option("--samples", default=200, show_default=True)
@click.option("--pairs", default=5, show_default=True)
def main(variant: str, weights: str, calibration: str, samples: int, pairs: int) -> None:
    """Prints the ratio of wall times, ours over the bare script's."""
    ratios = []
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
        seconds(
            ours, (0, 3)
        )  # untimed: warms the file cache, and writes the list of images for the bare script
        for pair in range(pairs):
            times: dict[str, float] = {}
            for name in ("ours", "bare") if pair % 2 == 0 else ("bare", "ours"):
                # Exit code 3: the stock file fails its checks, which takes no less time.
                times[name] = seconds(ours, (0, 3)) if name == "ours" else seconds(bare, (0,))
            ratios.append(times["ours"] / times["bare"])
            click.echo(f"ours {times['ours']:.1f} s, bare {times['bare']:.1f} s, ratio {ratios[-1]:.3f}")
        images = len(json.loads(run.read_text())["calibration"]["images"])
    click.echo(
        f"{variant}, {images} images: median ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}, {pairs} pairs)"
    )


if __name__ == "__main__":
    main()
