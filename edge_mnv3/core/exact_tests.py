"""Exact tests of counts, and the sample sizes that they need.

They are sums of a few thousand terms, computed here so that neither the program nor its workers need SciPy;
the tests hold them against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.intervals import Z95

FISHER = "Fisher's exact test, two-sided"
MCNEMAR = "McNemar's exact test, two-sided"
HOLM = "Holm's step-down correction"
SAMPLE_SIZE = "Connor's sample size for paired proportions with Edwards's correction: level 5 %, power 80 %"
LEVEL = 0.05  # false alarms that a test may give
POWER = 0.8  # how often what is said to be found is found
_Z80 = 0.8416212335729143  # the normal distribution's quantile at 0.8
# Probabilities that are equal but for rounding count as equal, as in R and SciPy.
_EQUAL = 1 + 1e-7

Numbers = npt.NDArray[np.float64]


def fisher_p(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Computes how often two samples of one share differ as much as these, given how many hits both have.

    Source: Fisher 1935, "The logic of inductive inference", Journal of the Royal Statistical Society 98(1).
    Both sides: all tables that are no likelier than the observed one, as R and SciPy have it. With equal
    shares a value of `LEVEL` or less comes up in at most that share of cases, whatever the share and the
    sizes.

    Args:
        hits: Hits of the first sample, 0 to `n`.
        n: Its size, at least 1.
        other_hits: Hits of the second sample, 0 to `other_n`.
        other_n: Its size, at least 1.
    """
    if n > other_n:
        hits, n, other_hits, other_n = other_hits, other_n, hits, n
    all_hits = hits + other_hits
    least = max(0, all_hits - other_n)
    possible = np.arange(least, min(n, all_hits) + 1, dtype=np.float64)
    before = possible[:-1]
    ups = (all_hits - before) * (n - before)
    downs = (before + 1) * (other_n - all_hits + before + 1)
    shares = _shares(np.log(ups) - np.log(downs))
    return min(1.0, float(shares[shares <= shares[hits - least] * _EQUAL].sum()))


def mcnemar_p(lost: int, won: int) -> float:
    """Computes how often chance alone divides the images that only one of two models has right so unevenly.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12(2), with the binomial distribution in place of its approximation.

    Args:
        lost: Images that only the first model has right.
        won: Images that only the second model has right.
    """
    return min(1.0, 2 * float(binomial_shares(lost + won, 0.5)[: min(lost, won) + 1].sum()))


def binomial_shares(n: int, share: float) -> Numbers:
    """Computes how likely 0, 1, … `n` hits are, (n + 1,).

    Args:
        n: Size of the sample.
        share: Share of hits, above 0 and below 1.
    """
    hits = np.arange(n, dtype=np.float64)
    return _shares(np.log(n - hits) - np.log(hits + 1) + math.log(share) - math.log1p(-share))


def _shares(log_ratios: Numbers) -> Numbers:
    """The probabilities whose neighbours have these ratios."""
    logs = np.concatenate([[0.0], np.cumsum(log_ratios)])
    weights: Numbers = np.exp(logs - logs.max())
    shares: Numbers = weights / weights.sum()
    return shares


def told_below(hits: int, n: int, new_n: int, level: float) -> float | None:
    """Computes below which share a new sample would be told from one that is known, in `POWER` of cases.

    Args:
        hits: Hits of the known sample.
        n: Its size.
        new_n: Size of the new one.
        level: Value of `fisher_p` up to which they are told apart.

    Returns:
        0 to 1, below `hits / n`; None where so few images cannot tell even a share of 0.
    """
    if fisher_p(0, new_n, hits, n) > level or hits == 0:
        return None
    low, high = 0, math.ceil(new_n * hits / n)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fisher_p(middle, new_n, hits, n) <= level else (low, middle)
    below, above = 0.0, 1.0
    for _ in range(40):  # halves the doubt to less than any printed digit
        share = (below + above) / 2
        found = float(binomial_shares(new_n, share)[: low + 1].sum())
        below, above = (share, above) if found >= POWER else (below, share)
    return min(below, hits / n)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Corrects for several tests: rejecting what is at most `LEVEL` names a wrong one in at most that share.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2). It holds however the tests depend on one another.

    Args:
        p_values: Of each test.

    Returns:
        The corrected value of each, in their order.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return tuple(corrected)


def paired_sample_size(discordant: float, difference: float) -> int:
    """Computes how many images show a difference of two models in `POWER` of cases, at `LEVEL`.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43(1), for McNemar's test without correction. The exact test needs what the test with Edwards's
    correction of 1 needs (1948, Psychometrika 13(3)): `n` that solves `n difference - 1 = difference sqrt(n
    n_uncorrected)`.

    Args:
        discordant: Share of images that only one of the two has right, 0 to 1; taken to be at least
            `difference`, without which there could be none.
        difference: The difference of their accuracies, above 0, at most 1.
    """
    share = max(discordant, difference)
    root = Z95 * math.sqrt(share) + _Z80 * math.sqrt(share - difference**2)
    uncorrected = (root / difference) ** 2
    return math.ceil(uncorrected / 4 * (1 + math.sqrt(1 + 4 / (uncorrected * difference))) ** 2)


def paired_difference_shown(discordant: float, n: int) -> float | None:
    """Computes the least difference for which `n` images suffice, as `paired_sample_size` has it.

    Args:
        discordant: Share of images that only one of the two models has right, 0 to 1.
        n: Number of images, at least 1.

    Returns:
        Above 0, at most 1; None where so few images show none.
    """
    if paired_sample_size(discordant, 1.0) > n:
        return None
    below, above = 0.0, 1.0
    for _ in range(40):
        middle = (below + above) / 2
        below, above = (below, middle) if paired_sample_size(discordant, middle) <= n else (middle, above)
    return above
