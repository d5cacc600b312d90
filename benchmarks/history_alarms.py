"""How often `history` sees a change that is none, and how often it finds one of 5 %: by simulation.

    python benchmarks/history_alarms.py --histories 1000

Each history has so many measurements, as independent of one another as those of different days; `drifting`
ones depend on the one before them, which the test does not suppose.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import click
import numpy as np

from edge_mnv3_android_bench.comparison.change_points import LEVEL, change_points

CHANGE = math.log(1.05)
DRIFT = 0.3  # correlation of neighbours


def _drifting(generator: np.random.Generator, count: int) -> np.ndarray:
    noise = generator.normal(size=count)
    for place in range(1, count):
        noise[place] = DRIFT * noise[place - 1] + math.sqrt(1 - DRIFT**2) * noise[place]
    return noise


NOISES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda generator, count: generator.normal(size=count),
    "outliers": lambda generator, count: generator.standard_t(2, size=count) / 2,
    "one-sided": lambda generator, count: generator.exponential(size=count),
    "drifting": _drifting,
}


@click.command()
@click.option("--histories", default=1000, show_default=True, type=click.IntRange(min=1))
@click.option("--variation", default=2.0, show_default=True, help="Of measurements, in percent.")
def main(histories: int, variation: float) -> None:
    """Prints the counts."""
    generator = np.random.default_rng(0)
    click.echo(f"{histories} histories, variation {variation:g} %, level {100 * LEVEL:g} %")
    for name, noise in NOISES.items():
        for count in (6, 12, 24, 48):
            false = found = placed = 0
            for _ in range(histories):
                values = variation / 100 * noise(generator, count)
                false += bool(change_points(list(values)))
                values[count // 2 :] += CHANGE
                places = [change.place for change in change_points(list(values))]
                found += bool(places)
                placed += any(abs(place - count // 2) <= 1 for place in places)
            shares = [f"{100 * number / histories:5.1f} %" for number in (false, found, placed)]
            click.echo(
                f"{name:10} {count:3} measurements: false {shares[0]}, 5 % found {shares[1]}, at its "
                f"place or beside it {shares[2]}"
            )


if __name__ == "__main__":
    main()
