"""Whether files differ that this machine ran in turns: by their ratios in each round.

The interval is that of the median of the rounds' ratios by their order: a number of ratios k is left out at
each end, the largest for which a binomial distribution leaves at most 5 % outside (Conover, Practical
Nonparametric Statistics, section 3.2). It supposes nothing of how the ratios are distributed. Two files
differ where it excludes 1, and the ratio is further from 1 than `MIN_DIFFERENCE`.
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
    differ = not interval[0] <= 1 <= interval[1] and abs(ratio - 1) > MIN_DIFFERENCE
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
    count = len(values)
    left_out, outside = -1, 0.0
    for k in range(count // 2):
        outside += 2 * math.comb(count, k) / 2**count
        if outside > _OUTSIDE:
            break
        left_out = k
    if left_out < 0:
        raise ArgumentError("rounds", str(count), "six at least")
    ordered = sorted(values)
    return ordered[left_out], ordered[count - 1 - left_out]
