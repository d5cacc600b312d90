"""Where a series changes its level: binary segmentation by permutation tests of the largest CUSUM.

At each place the means before and after it are compared, weighted so that all places have equal chances:
the largest standardized CUSUM. It is held against those of the same values in random orders (Antoch and
Huskova, Permutation tests in change point analysis, Statistics and Probability Letters 53, 2001). If few
enough of them reach it, the series is cut there, and both parts are looked at in the same way (Vostrikova
1981). A level that came and went is cut out in the same way, by the largest CUSUM of a part in the middle
against the rest (circular binary segmentation, Olshen et al. 2004). Four fifths of the chance of a false
change go to the first test, one fifth to the second.

The tests are exact for values that are exchangeable, whatever their distribution. Values that depend on their
neighbours are not exchangeable.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05
MIN_SEGMENT = 2  # a single value is an outlier as well as a change
MAX_VALUES = 200  # the latest; the places in the middle grow with the square
RESAMPLES = 9_999
_SHARE_OF_STEPS = 0.8
_ORDERS_AT_A_TIME, _CUSUMS_AT_A_TIME = 500, 2_000_000
_SEED = 0


class ChangePoint(NamedTuple):
    """A change of level.

    Attributes:
        place: Place of the first value of the new level.
        p_value: Share of random orders, the given one among them, whose largest CUSUM is as large.
    """

    place: int
    p_value: float


class _Parts(NamedTuple):
    """Parts of a series: from `starts` on, up to before `ends`; each has a rest of two values at least."""

    starts: np.ndarray
    ends: np.ndarray


def change_points(values: Sequence[float], *, level: float = LEVEL) -> tuple[ChangePoint, ...]:
    """Finds changes of level among the latest `MAX_VALUES`, in the order of the values.

    Args:
        values: In order of time; logarithms where ratios matter.
        level: Chance of a change that is none, at most.
    """
    latest = np.asarray(values[-MAX_VALUES:], dtype=np.float64)
    return tuple(_segment(latest, len(values) - len(latest), level))


def _segment(values: np.ndarray, offset: int, level: float) -> list[ChangePoint]:
    """Cuts values whose first one has the place `offset`."""
    count = len(values)
    if count < 2 * MIN_SEGMENT or float(np.ptp(values)) == 0.0:
        return []
    found: list[ChangePoint] = []
    shares = ((_steps(count), _SHARE_OF_STEPS), (_middles(count), 1 - _SHARE_OF_STEPS))
    for parts, share in shares:
        found = _test(values, parts, share * level)
        if found:
            break
    cuts = [0, *(change.place for change in found), count] if found else []
    inner = [
        change
        for start, end in itertools.pairwise(cuts)
        for change in _segment(values[start:end], offset + start, level)
    ]
    return sorted([*(ChangePoint(offset + place, p_value) for place, p_value in found), *inner])


def _steps(count: int) -> _Parts:
    """All parts at the end."""
    starts = np.arange(MIN_SEGMENT, count - MIN_SEGMENT + 1)
    return _Parts(starts, np.full_like(starts, count))


def _middles(count: int) -> _Parts:
    """All parts between two others."""
    places = np.arange(MIN_SEGMENT, count - MIN_SEGMENT + 1)
    starts, ends = (grid.ravel() for grid in np.meshgrid(places, places, indexing="ij"))
    long_enough = ends - starts >= MIN_SEGMENT
    return _Parts(starts[long_enough], ends[long_enough])


def _test(values: np.ndarray, parts: _Parts, level: float) -> list[ChangePoint]:
    """The ends of the part that differs most from the rest, where that is no chance."""
    if not len(parts.starts):
        return []
    observed = _cusums(values[np.newaxis], parts)[0]
    best = int(np.argmax(observed))
    p_value = _p_value(values, parts, float(observed[best]), level)
    places = [int(parts.starts[best]), int(parts.ends[best])]
    inside = [place for place in places if place < len(values)]
    return [] if p_value is None else [ChangePoint(place, p_value) for place in inside]


def _cusums(orders: np.ndarray, parts: _Parts) -> np.ndarray:
    """Standardized CUSUMs [orders, parts] of orders [orders, values]."""
    count, lengths = orders.shape[1], parts.ends - parts.starts
    sums = np.cumsum(orders - orders.mean(axis=1, keepdims=True), axis=1)
    of_parts = sums[:, parts.ends - 1] - sums[:, parts.starts - 1]
    return np.asarray(np.abs(of_parts) / np.sqrt(lengths * (count - lengths) / count))


def _p_value(values: np.ndarray, parts: _Parts, observed: float, level: float) -> float | None:
    """The share of orders that reach what was observed; None as soon as it is above the level for certain."""
    generator = np.random.default_rng(_SEED)
    at_a_time = min(_ORDERS_AT_A_TIME, max(1, _CUSUMS_AT_A_TIME // len(parts.starts)))
    as_large, left = 1, RESAMPLES
    while left:
        orders = generator.permuted(np.tile(values, (min(left, at_a_time), 1)), axis=1)
        left -= len(orders)
        # Sums of the same values in another order differ by rounding.
        reached = _cusums(orders, parts).max(axis=1) >= observed * (1 - 1e-9)
        as_large += int(np.count_nonzero(reached))
        if as_large > level * (1 + RESAMPLES):
            return None
    return as_large / (1 + RESAMPLES)
