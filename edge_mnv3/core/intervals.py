"""Intervals of measured shares."""

from __future__ import annotations

import math

WILSON = "Wilson score interval of a proportion"
Z95 = 1.959963984540054  # the normal distribution's quantile at 0.975


def wilson_percent(hits: int, n: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share of `n`, in percent.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", J. Amer.
        Stat. Assoc. 22, 209-212.

    It stays within 0 and 100 and keeps its coverage near them, where Wald's does not.
    """
    share, z2 = hits / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding would leave the ends a little within 0 and 100, which are what was counted.
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return 0.0 if hits == 0 else 100 * low, 100.0 if hits == n else 100 * high


def wilson_images(percent: float, limit_percent: float) -> int | None:
    """Returns how many images put the 95 % interval of a share on one side of a limit.

    Args:
        percent: The share, 0 to 100.
        limit_percent: The limit, above 0 and below 100.

    Returns:
        The least number, of a share that stays as it is; None at the limit itself.
    """
    distance, limit = (percent - limit_percent) / 100, limit_percent / 100
    return math.ceil(Z95**2 * limit * (1 - limit) / distance**2) if distance else None
