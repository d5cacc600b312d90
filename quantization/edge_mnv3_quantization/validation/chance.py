"""Whether two lists of classes agree more often than two lists that have nothing to do with one another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_mnv3.core.intervals import Z95, wilson_percent
from edge_mnv3_quantization.validation.hits import NO_CLASS

_NO_OTHER = NO_CLASS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often two lists of classes agree.

    Attributes:
        n: Length of both, at least 1.
        hits: How often they agree.
        chance_percent: How often they would if each kept its classes and their order were left to chance; at
            least one in `classes`.
        at_chance: That they agree more often than chance has them is not shown, at 95 %.
        decidable: That two lists of these classes agree could be shown: had they been equal, it would have
            been.
    """

    n: int
    hits: int
    chance_percent: float
    at_chance: bool
    decidable: bool

    @property
    def percent(self) -> float:
        """Share of places at which they agree."""
        return 100 * self.hits / self.n

    @property
    def ci95_percent(self) -> tuple[float, float]:
        """The 95 % interval of `percent`."""
        return wilson_percent(self.hits, self.n)


def agreement(one: Sequence[int], other: Sequence[int], *, classes: int) -> Agreement:
    """Compares two lists of classes, such as labels and answers.

    Args:
        one: Classes; `NO_CLASS`, the answer that is none, agrees with nothing.
        other: Classes, as many.
        classes: How many there are.
    """
    n = len(one)
    other = [_NO_OTHER if each == NO_CLASS else each for each in other]
    hits = sum(a == b for a, b in zip(one, other, strict=True))
    return Agreement(
        n=n,
        hits=hits,
        chance_percent=100 * max(1 / classes, _expected(one, other)),
        at_chance=_at_chance(one, other, classes),
        decidable=not _at_chance(one, one, classes),
    )


def _at_chance(one: Sequence[int], other: Sequence[int], classes: int) -> bool:
    n = len(one)
    hits = sum(a == b for a, b in zip(one, other, strict=True))
    if wilson_percent(hits, n)[0] <= 100 / classes:
        return True
    # With one class only in the labels there is nothing to be told apart; that is said elsewhere.
    return len(set(one)) > 1 and kappa_z(one, other) < Z95


def _expected(one: Sequence[int], other: Sequence[int]) -> float:
    """Share of places at which the lists agree if their order is left to chance."""
    if len(set(one)) < 2:
        return 0.0
    n = len(one)
    ones, others = Counter(one), Counter(other)
    return sum(count * others[key] for key, count in ones.items()) / n**2


def kappa_z(one: Sequence[int], other: Sequence[int]) -> float:
    """Computes Cohen's kappa in its own standard deviations if there were no agreement but by chance.

    Source: Fleiss, Cohen and Everitt 1969, "Large sample standard errors of kappa and weighted kappa",
    Psychological Bulletin 72(5): equation 10. It is 0 where `other` has one class only.

    Args:
        one: Classes, at least two different ones.
        other: Classes, as many.
    """
    n = len(one)
    ones, others = Counter(one), Counter(other)
    observed = sum(a == b for a, b in zip(one, other, strict=True)) / n
    expected = _expected(one, other)
    spread = sum(
        ones[key] * others[key] / n**2 * (ones[key] + others[key]) / n for key in ones.keys() | others.keys()
    )
    variance = expected + expected**2 - spread
    if variance <= 0 or expected >= 1:
        return 0.0 if observed <= expected else math.inf
    return (observed - expected) * math.sqrt(n / variance)
