"""How much too large the calibration error of few images is, and how often its intervals cover the truth.

    python benchmarks/calibration_error.py --draws 500

A simulated network is right less often than it says, and its int8 file says less than it does; the truth is
taken from a million images.
"""

from __future__ import annotations

from typing import NamedTuple

import click
import numpy as np

from edge_mnv3_quantization.validation.confidence import Confidences, compare_confidences

TRUTH_IMAGES = 1_000_000
SIZES = (100, 650, 3000)


class Drawn(NamedTuple):
    """What images give, in percentage points: two figures and their intervals."""

    float_error: float
    difference: float
    difference_ci95: tuple[float, float]
    shift: float
    shift_ci95: tuple[float, float]


def draw(generator: np.random.Generator, n: int) -> Drawn:
    """Draws images, of which 4 % are right in one file only."""
    float_ = generator.beta(4, 1, n)
    int8 = np.clip(float_ + generator.normal(-0.03, 0.03, n), 0.01, 1)
    right = generator.random(n) < float_**1.3
    changed = generator.random(n) < 0.04
    classes = np.where(np.stack([right, right ^ changed], axis=1), 0, 1)
    given = np.stack([float_, int8], axis=1)
    found = compare_confidences(Confidences("as given", [""] * n, np.zeros(n, np.int64), classes, given))
    if found is None or found.ci95_points is None or found.calibration is None:
        raise AssertionError("probabilities of 0 to 1, with labels")
    error = found.calibration
    if error.ci95_points is None:
        raise AssertionError("enough images")
    return Drawn(
        error.float_percent, error.difference_points, error.ci95_points, found.shift_points, found.ci95_points
    )


@click.command()
@click.option("--draws", default=500, show_default=True, type=click.IntRange(min=1))
def main(draws: int) -> None:
    """Prints means and coverages."""
    generator = np.random.default_rng(0)
    truth = draw(generator, TRUTH_IMAGES)
    click.echo(
        f"calibration error of float {truth.float_error:.1f} points, of int8 {truth.difference:+.1f}; shift "
        f"{truth.shift:+.1f}"
    )
    for n in SIZES:
        drawn = [draw(generator, n) for _ in range(draws)]
        error = np.mean([each.float_error for each in drawn])
        covered = np.mean(
            [each.difference_ci95[0] <= truth.difference <= each.difference_ci95[1] for each in drawn]
        )
        shifts = np.mean([each.shift_ci95[0] <= truth.shift <= each.shift_ci95[1] for each in drawn])
        click.echo(
            f"{n:5} images: float's error {error:.1f} points on average; intervals cover the difference of "
            f"errors in {100 * covered:.1f} %, the shift in {100 * shifts:.1f} %"
        )


if __name__ == "__main__":
    main()
