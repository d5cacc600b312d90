"""When the launches of a measurement are enough: by the width of their interval, with a floor of launches.

Commands read their defaults here, so NumPy is imported where an interval is computed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.requests import Request

if TYPE_CHECKING:
    import numpy as np

MIN_LAUNCHES_OF_INTERVAL = 3
# The range of five launches holds the median with 94 % (1 - 2 / 2^5): fewer have no 95 % interval.
MIN_LAUNCHES_TO_QUOTE = 5
RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance(Request):
    """What a result must be like to be quoted, and what is taken although it is not.

    Attributes:
        width_percent: Half of the width that the 95 % interval of the median has at most, in percent of the
            median: launches go on until it has.
        variation: Take a result whose launches are few, or whose interval is wider.
        clock: Take launches on cores that did not run at their highest clock.
    """

    width_percent: float = 2.0
    variation: bool = False
    clock: bool = False

    def check(self) -> None:
        """Refuses a width that no interval can have.

        Raises:
            ArgumentError: It is not above 0, or above 100.
        """
        if not 0 < self.width_percent <= 100:
            raise ArgumentError("--width", f"{self.width_percent:g} %", "more than 0, at most 100 %")

    def launches_needed(self, min_launches: int) -> int:
        """Launches that must count, where a protocol asks for `min_launches`."""
        return min_launches if self.variation else max(min_launches, MIN_LAUNCHES_TO_QUOTE)

    def why_wide(self, figures_us: Sequence[float]) -> str | None:
        """Says why figures of launches are no result to quote; None where they are."""
        if len(figures_us) < MIN_LAUNCHES_TO_QUOTE:
            counted = count(len(figures_us), "launch counts", "launches count")
            return f"{counted}, {MIN_LAUNCHES_TO_QUOTE} are needed to quote a figure"
        width = half_width_percent(figures_us)
        if width is None or width <= self.width_percent:
            return None
        return f"the 95 % interval is ± {width:.2f} % wide, ± {self.width_percent:g} % is asked for"


DEFAULT_ACCEPTANCE = Acceptance()


def bootstrap_interval(
    samples: Sequence[Sequence[float]], statistic: Callable[..., np.ndarray], *, widened: bool = False
) -> tuple[float, float]:
    """95 % percentile bootstrap interval, seeded.

    Args:
        samples: Each is resampled by itself, with replacement.
        statistic: Takes one array of shape [resamples, size] for each sample, gives [resamples].
        widened: Make up for what resampling n values loses: its variance is (n - 1)/n of the right one, which
            matters for verdicts of few launches.
    """
    import numpy as np

    generator = np.random.default_rng(SEED)
    drawn = []
    for sample in samples:
        values = np.asarray(sample, dtype=np.float64)
        drawn.append(values[generator.integers(0, len(values), (RESAMPLES, len(values)))])
    count, tail = min(len(sample) for sample in samples), 2.5
    if widened and count > 1:
        tail = 100 * NormalDist().cdf(NormalDist().inv_cdf(tail / 100) * math.sqrt(count / (count - 1)))
    low, high = np.percentile(statistic(*drawn), (tail, 100 - tail))
    return float(low), float(high)


def median_interval_us(figures_us: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the median over launches; None with fewer than `MIN_LAUNCHES_OF_INTERVAL`."""
    return _median_interval_us(tuple(figures_us)) if len(figures_us) >= MIN_LAUNCHES_OF_INTERVAL else None


@functools.lru_cache(maxsize=64)  # asked for after each launch, for the verdict, and for the result
def _median_interval_us(figures_us: tuple[float, ...]) -> tuple[float, float]:
    import numpy as np

    return bootstrap_interval([figures_us], lambda drawn: np.median(drawn, axis=1))


def half_width_percent(figures_us: Sequence[float]) -> float | None:
    """Half of the interval's width in percent of the median; None where there is no interval."""
    interval = median_interval_us(figures_us)
    if interval is None:
        return None
    import numpy as np

    median = float(np.median(np.asarray(figures_us, dtype=np.float64)))
    return 100.0 * (interval[1] - interval[0]) / 2 / median
