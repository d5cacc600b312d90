"""How often `verify --data` alarms over an intact bundle, and how often it finds a broken one: by simulation.

    python benchmarks/verify_alarms.py --draws 10000

Each draw is the number of images that are right when the bundle is made, and another when it is verified.
Beside it stands the rule of earlier releases: the new accuracy had to lie in the stated interval.
"""

from __future__ import annotations

import functools

import click
import numpy as np

from edge_mnv3.core.exact_tests import LEVEL, fisher_p
from edge_mnv3.core.intervals import wilson_percent

ACCURACIES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.995)
SIZES = (20, 50, 100, 200, 650, 2000, 5000)
DROPS = (0.02, 0.05, 0.1, 0.2, 0.4)


@functools.cache
def differs(hits: int, n: int, stated_hits: int, stated_n: int) -> bool:
    """Whether `verify` tells the accuracies of one model apart."""
    return fisher_p(hits, n, stated_hits, stated_n) <= LEVEL


@functools.cache
def lies_outside(hits: int, n: int, stated_hits: int, stated_n: int) -> bool:
    """Whether the new accuracy lies outside the stated interval."""
    low, high = wilson_percent(stated_hits, stated_n)
    return not low <= 100 * hits / n <= high


class Draws:
    """Bundles that state an accuracy, and are verified.

    Attributes:
        count: How many there are.
        stated_n: Images of the stated accuracy.
    """

    def __init__(self, count: int, stated_n: int) -> None:
        self.count, self.stated_n = count, stated_n
        self._generator = np.random.default_rng(0)

    def alarms(self, accuracy: float, n: int, *, drop: float = 0.0) -> tuple[float, float]:
        """Returns the shares of alarms of the test and of the rule of earlier releases, in percent."""
        stated = self._generator.binomial(self.stated_n, accuracy, self.count)
        new = self._generator.binomial(n, accuracy - drop, self.count)
        pairs = [(int(hits), n, int(known), self.stated_n) for hits, known in zip(new, stated, strict=True)]
        test, rule = (
            100 * sum(which(*pair) for pair in pairs) / len(pairs) for which in (differs, lies_outside)
        )
        return test, rule


@click.command()
@click.option("--draws", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--stated", default=650, show_default=True, type=click.IntRange(min=1))
@click.option("--images", "sizes", multiple=True, type=click.IntRange(min=1), help="Of the new sample.")
def main(draws: int, stated: int, sizes: tuple[int, ...]) -> None:
    """Prints the shares."""
    of_bundles = Draws(draws, stated)
    sizes = sizes or SIZES
    click.echo(f"{draws} bundles each, accuracy stated of {stated} images, level {100 * LEVEL:g} %")
    click.echo("\nFalse alarms over intact bundles, in %; in brackets those of the stated interval")
    click.echo(f"{'accuracy':>9}" + "".join(f"{f'{n} images':>17}" for n in sizes))
    for accuracy in ACCURACIES:
        cells = [of_bundles.alarms(accuracy, n) for n in sizes]
        click.echo(f"{accuracy:>9}" + "".join(f"{f'{test:.1f} ({rule:.1f})':>17}" for test, rule in cells))
    click.echo("\nBroken bundles of accuracy 0.8 that are found, in %")
    click.echo(f"{'drop':>9}" + "".join(f"{f'{n} images':>17}" for n in sizes))
    for drop in DROPS:
        cells = [of_bundles.alarms(0.8, n, drop=drop) for n in sizes]
        click.echo(f"{drop:>9}" + "".join(f"{test:>17.1f}" for test, _ in cells))


if __name__ == "__main__":
    main()
