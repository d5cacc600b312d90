"""The smallest and largest numbers and the sums of each channel, which can be merged in any order.

Sums are kept as integers in three units, and are therefore exact in any order: however the images were split,
and in whichever order they came, the totals are the same bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_NUMBER = 1e9  # the squares of such numbers, and their sums, fit into the integers by far

_FAST_ROW = 2048
# The units of three integer sums. Each sum takes what the one before leaves over, at most half of that one's
# unit, which is 2^39 units of the next: there is room for 2^24 images
# of usual numbers, and what has no room is refused.
_UNITS = (2.0**10, 2.0**-30, 2.0**-70)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTotals:
    """Totals of C channels, those of all values of a network side by side; the arrays are added to in place.

    Attributes:
        low: The smallest number, (C,); infinity before the first.
        high: The largest number, (C,); -infinity before the first.
        sums: The sum over the images of their means, (3, C), in `_UNITS`.
        squares: The sum over the images of their mean squares, (3, C), in `_UNITS`.
    """

    low: Floats
    high: Floats
    sums: Integers
    squares: Integers

    def add(self, outputs: Sequence[Floats]) -> None:
        """Adds the numbers of one image.

        Args:
            outputs: The numbers of each value, (positions, channels); their channels side by side are those
                of `self`.

        Raises:
            FloatingPointError: One of them is not finite, or over `LARGEST_NUMBER`; nothing was added.
        """
        low = np.concatenate([_reduced(np.minimum, output) for output in outputs])
        high = np.concatenate([_reduced(np.maximum, output) for output in outputs])
        if not max(-float(low.min()), float(high.max())) <= LARGEST_NUMBER:  # catches NaN, too
            raise FloatingPointError
        self._widen(low, high)
        _add_exactly(self.sums, np.concatenate([_mean(output) for output in outputs]))
        _add_exactly(self.squares, np.concatenate([_mean(np.square(output)) for output in outputs]))

    def merge(self, other: ChannelTotals) -> None:
        """Adds the totals of other images over the same channels.

        Raises:
            OverflowError: A sum has no room left; nothing was added.
        """
        sums, squares = _sum(self.sums, other.sums), _sum(self.squares, other.squares)
        self._widen(other.low, other.high)
        self.sums[...], self.squares[...] = sums, squares

    def copy(self) -> ChannelTotals:
        """Copies the arrays."""
        return ChannelTotals(
            low=self.low.copy(), high=self.high.copy(), sums=self.sums.copy(), squares=self.squares.copy()
        )

    def _widen(self, low: Floats, high: Floats) -> None:
        np.minimum(self.low, low, out=self.low)
        np.maximum(self.high, high, out=self.high)


def no_totals(channels: int) -> ChannelTotals:
    """Makes the totals of no images at all."""
    return ChannelTotals(
        low=np.full(channels, np.inf, np.float32),
        high=np.full(channels, -np.inf, np.float32),
        sums=np.zeros((len(_UNITS), channels), np.int64),
        squares=np.zeros((len(_UNITS), channels), np.int64),
    )


def exact_sum(integers: Integers) -> Doubles:
    """Computes the sum (C,) that integers (3, C) in `_UNITS` stand for."""
    total: Doubles = sum(
        (part.astype(np.float64) * unit for part, unit in zip(integers[::-1], _UNITS[::-1], strict=True)),
        start=np.zeros(integers.shape[1]),
    )
    return total


def _sum(one: Integers, other: Integers) -> Integers:
    """Adds integers, and refuses what wraps around: a sum of two of one sign has that sign."""
    total = one + other
    if (((one ^ total) & (other ^ total)) < 0).any():
        raise OverflowError
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
