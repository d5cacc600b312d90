"""Whether files differ that this machine ran in turns: by their ratios in each round.

The interval is that of the median of the rounds' ratios by their order: a number of ratios k is left out at
each end, the largest for which a binomial distribution leaves at most 5 % outside (Conover, Practical
Nonparametric Statistics, section 3.2). It supposes nothing of how the ratios are distributed. Two files
differ where the ratio is further from 1 than `MIN_DIFFERENCE`, and 1 lies outside of the interval that leaves
at most 2 % outside, or of all ratios where they are few: with 5 %, chance alone would make more than one in
twenty of some hundred verdicts on equal files false.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.verdicts import Comparison
from edge_mnv3_android_bench.comparison.latencies import condition_differences, describe_result, verdict_words
from edge_mnv3_android_bench.comparison.launch_figures import MIN_DIFFERENCE, compare_launch_figures

_OUTSIDE = 0.05
_OUTSIDE_OF_VERDICT = 0.02


def compare_in_turns(a: HostBenchResult, b: HostBenchResult) -> Comparison:
    """Compares two results of one `bench_in_turns`.

    Raises:
        ArgumentError: They are not of equal rounds, or of fewer than six.
    """
    blocks_a, blocks_b = a.block_medians_us, b.block_medians_us
    rounds = (a.conditions.protocol.rounds, b.conditions.protocol.rounds)
    if rounds != (len(blocks_a), len(blocks_b)) or rounds[0] != rounds[1]:
        raise ArgumentError("results to compare", f"{rounds[0]} and {rounds[1]} rounds", "rounds in turns")
    ratios = [of_b / of_a for of_a, of_b in zip(blocks_a, blocks_b, strict=True)]
    ratio, interval = statistics.median(ratios), median_interval(ratios)
    low, high = _by_order(ratios, _OUTSIDE_OF_VERDICT)
    differ = not low <= 1 <= high and abs(ratio - 1) > MIN_DIFFERENCE
    return Comparison(
        model_a=a.conditions.model_path,
        model_b=b.conditions.model_path,
        measured=describe_result(a),
        median_a_us=a.median_us,
        median_b_us=b.median_us,
        ratio=ratio,
        ratio_ci95=interval,
        differ=differ,
        differences=condition_differences(a, b),
        launch_figures=compare_launch_figures(a, b),
        text=verdict_words(a, b, ratio, interval, differ),
    )


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Gives a 95 % interval of the median by order, for independent values of any distribution.

    Raises:
        ArgumentError: There are fewer than six values: their range holds the median less often than that.
    """
    if 2 / 2 ** len(values) > _OUTSIDE:
        raise ArgumentError("rounds", str(len(values)), "six at least")
    return _by_order(values, _OUTSIDE)


def _by_order(values: Sequence[float], most_outside: float) -> tuple[float, float]:
    """The interval that leaves at most this share outside; of few values all of them."""
    count = len(values)
    left_out, outside = 0, 2 / 2**count
    while outside + (more := 2 * math.comb(count, left_out + 1) / 2**count) <= most_outside:
        left_out, outside = left_out + 1, outside + more
    ordered = sorted(values)
    return ordered[left_out], ordered[count - 1 - left_out]
