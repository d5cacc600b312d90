"""Counts of numbers, channel by channel, that can be added up in any order and grouping.

Every channel has bins of equal width 2^e, bin k for the numbers in ((k - 1) · 2^e, k · 2^e]. The exponent e
is the smallest at which the channel's numbers, from the smallest to the largest, fall into at most `BINS`
bins: it follows from these two alone. When they move apart, e grows, and two neighbouring bins become
exactly one. So the counts are the same whichever way the images were split and in whichever order they came.
Bins of a fixed logarithmic grid could be added up as well, but they would be 6 % wide where the range of a
value ends, and a network of unusually small numbers would fall between them; these are 1/512 to 1/256 of what
the channel spans.

Bin k is kept in slot k mod `BINS`, so that a channel that begins lower moves nothing. With ReLU the first bin
holds exactly the zeros.

Sums are kept as integers in three units, and are therefore exact in any order too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 512
LARGEST_NUMBER = 1e9  # squares and their sums stay far within their integers

_MOST_POSITIONS = 28 * 28  # of an image that are counted; larger maps are thinned out evenly
_SMALLEST_EXPONENT = -100
_PRECISION_BITS = 23  # of float32: bins finer than that would tell nothing
_LARGEST_SHIFT = 62
_FAST_ROW = 2048
# Each is the unit of an integer sum that takes what the one before leaves over, at most half its unit, which
# is 2^39 of the next: room for 2^24 images.
_UNITS = (2.0**10, 2.0**-30, 2.0**-70)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of C channels, those of all values of a network side by side; the arrays are added to in place.

    Attributes:
        low: (C,): smallest number; infinity before the first.
        high: (C,): largest number; -infinity before the first.
        exponents: (C,): the bins' width is 2^exponent.
        counts: (C, BINS): of the numbers in each bin; bin k is in slot k mod BINS. (C, 0) where only ends and
            sums are wanted, which takes a third of the time.
        sums: (3, C): sum over the images of their means, in `_UNITS`.
        squares: (3, C): likewise of their mean squares.
    """

    low: Floats
    high: Floats
    exponents: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    sums: Integers
    squares: Integers

    def add(self, outputs: Sequence[Floats]) -> None:
        """Counts the numbers of one image.

        Args:
            outputs: (positions, channels) of each value; their channels side by side are those of `self`.

        Raises:
            FloatingPointError: One of them is not finite, or over `LARGEST_NUMBER`; nothing was counted.
        """
        low = np.concatenate([_reduced(np.minimum, output) for output in outputs])
        high = np.concatenate([_reduced(np.maximum, output) for output in outputs])
        if not max(-float(low.min()), float(high.max())) <= LARGEST_NUMBER:  # catches NaN, too
            raise FloatingPointError
        if self.binned:
            self._widen(low, high)
            self._count(outputs)
        else:
            self.low[...], self.high[...] = np.minimum(self.low, low), np.maximum(self.high, high)
        means = np.concatenate([_mean(output) for output in outputs])
        squares = np.concatenate([_mean(np.square(output)) for output in outputs])
        _add_exactly(self.sums, means)
        _add_exactly(self.squares, squares)

    @property
    def binned(self) -> bool:
        """There are bins."""
        return self.counts.size > 0

    def merge(self, other: Counts) -> None:
        """Adds the counts of other images over the same channels."""
        addend = other.copy()
        addend._widen(self.low, self.high)
        self._widen(other.low, other.high)
        self.counts[...] += addend.counts
        self.sums[...] += other.sums
        self.squares[...] += other.squares

    def copy(self) -> Counts:
        """Counts of their own, with the same numbers."""
        return Counts(
            low=self.low.copy(),
            high=self.high.copy(),
            exponents=self.exponents.copy(),
            counts=self.counts.copy(),
            sums=self.sums.copy(),
            squares=self.squares.copy(),
        )

    def bins(self, start: int, stop: int) -> tuple[Doubles, Integers]:
        """The bins of some channels in ascending order.

        Returns:
            Their middles, none of them outside the channel's own ends, and their counts: (stop - start, BINS)
            each.
        """
        low, high = (end[start:stop, np.newaxis].astype(np.float64) for end in (self.low, self.high))
        exponents = self.exponents[start:stop, np.newaxis]
        numbers = _bin(low, exponents) + np.arange(BINS)
        centres = np.clip(np.ldexp(numbers - 0.5, exponents), low, high)
        counts = np.take_along_axis(self.counts[start:stop], numbers & (BINS - 1), axis=1)
        return centres, counts.astype(np.int64)

    def _count(self, outputs: Sequence[Floats]) -> None:
        scales = np.ldexp(np.float32(1), -self.exponents)
        start = 0
        for output in outputs:
            stop = start + output.shape[1]
            _count(self.counts[start:stop], output, scales[start:stop])
            start = stop

    def _widen(self, low: Floats, high: Floats) -> None:
        """Makes room for numbers from `low` to `high`, (C,) each."""
        low, high = np.minimum(self.low, low), np.maximum(self.high, high)
        exponents = _exponents(low, high)
        coarser = np.flatnonzero((exponents > self.exponents) & (self.low <= self.high))
        if len(coarser):
            self.counts[coarser] = self._coarsened(coarser, exponents[coarser])
        self.low[...], self.high[...], self.exponents[...] = low, high, exponents

    def _coarsened(self, channels: Integers, exponents: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Counts of some channels, in bins of larger exponents."""
        old = self.exponents[channels]
        first = _bin(self.low[channels].astype(np.float64), old)[:, np.newaxis]
        numbers = first + ((np.arange(BINS) - first) & (BINS - 1))
        shifts = np.minimum(exponents - old, _LARGEST_SHIFT)[:, np.newaxis]
        slots = -(-numbers >> shifts) & (BINS - 1)
        slots += np.arange(len(channels))[:, np.newaxis] * BINS
        moved = np.bincount(
            slots.reshape(-1), self.counts[channels].reshape(-1), minlength=len(channels) * BINS
        )
        return moved.reshape(-1, BINS).astype(np.int32)


def no_counts(channels: int, *, binned: bool = True) -> Counts:
    """Those of no images at all, with bins or without."""
    return Counts(
        low=np.full(channels, np.inf, np.float32),
        high=np.full(channels, -np.inf, np.float32),
        exponents=np.full(channels, _SMALLEST_EXPONENT, np.int32),
        counts=np.zeros((channels, BINS if binned else 0), np.int32),
        sums=np.zeros((len(_UNITS), channels), np.int64),
        squares=np.zeros((len(_UNITS), channels), np.int64),
    )


def exact_sum(integers: Integers) -> Doubles:
    """The sum (C,) that integers (3, C) in `_UNITS` stand for."""
    total: Doubles = sum(
        (part.astype(np.float64) * unit for part, unit in zip(integers[::-1], _UNITS[::-1], strict=True)),
        start=np.zeros(integers.shape[1]),
    )
    return total


def _mean(numbers: Floats) -> Doubles:
    mean: Doubles = _reduced(np.add, numbers, np.float64) / len(numbers)
    return mean


def _reduced(operation: np.ufunc, numbers: Floats, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
    """Reduces (positions, C) to (C,), several positions side by side: NumPy is slow where rows are short."""
    positions, channels = numbers.shape
    beside = 1
    while positions % (2 * beside) == 0 and 2 * beside * channels <= _FAST_ROW:
        beside *= 2
    rows = operation.reduce(numbers.reshape(-1, beside * channels), axis=0, dtype=dtype)
    reduced: npt.NDArray[Any] = operation.reduce(rows.reshape(beside, channels), axis=0)
    return reduced


def _add_exactly(integers: Integers, numbers: Doubles) -> None:
    left = numbers
    for total, unit in zip(integers, _UNITS, strict=True):
        units = np.rint(left / unit)
        total += units.astype(np.int64)
        left = left - units * unit


def _bin(numbers: Doubles, exponents: npt.NDArray[np.int32]) -> Integers:
    return np.ceil(np.ldexp(numbers, -exponents)).astype(np.int64)


def _exponents(low: Floats, high: Floats) -> npt.NDArray[np.int32]:
    """The bins' exponents, (C,), for numbers from `low` to `high`; they grow with the range, never shrink."""
    least, most = (np.where(low <= high, end, 0).astype(np.float64) for end in (low, high))
    span = most - least
    # A span of m · 2^E with 1/2 <= m < 1 is 256 to 512 bins of 2^(E - 9): sometimes one too many.
    finest = np.where(span > 0, np.frexp(span)[1] - 9, _SMALLEST_EXPONENT)
    largest = np.maximum(np.abs(least), np.abs(most))
    precise = np.where(largest > 0, np.frexp(largest)[1] - _PRECISION_BITS, _SMALLEST_EXPONENT)
    exponents = np.maximum(np.maximum(finest, precise), _SMALLEST_EXPONENT).astype(np.int32)
    return exponents + (_bin(most, exponents) - _bin(least, exponents) >= BINS)


def _count(counts: npt.NDArray[np.int32], output: Floats, scales: Floats) -> None:
    # An odd step meets all columns of a map whose width is a power of two times a small number.
    step = -(-len(output) // _MOST_POSITIONS) | 1 if len(output) > _MOST_POSITIONS else 1
    slots = np.ceil(output[::step] * scales).astype(np.intp)
    slots &= BINS - 1
    slots += np.arange(len(counts)) * BINS
    # With these very types it is twice as fast as bincount, which would go through all bins of all channels.
    np.add.at(counts.reshape(-1), slots.reshape(-1), np.int32(1))
