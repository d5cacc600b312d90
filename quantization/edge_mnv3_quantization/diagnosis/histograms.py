"""How the numbers of a value lie in its int8 range: counted in the steps of that range, image by image.

A number is counted as what would be stored if int8 had no ends: divided by its channel's equalization scale
and rounded to a step. All channels have the same ends there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.diagnose import ValueHistogram
from edge_mnv3_quantization.diagnosis.causes import HIGH_STEP, LOW_STEP, STEP_COUNT
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, Array

BINS = 64
_WIDTHS = (4, 8, 16)  # steps of a bin; each divides the range
_WINDOW = BINS * _WIDTHS[-1] - STEP_COUNT  # steps beyond either end that a bin can reach

Matrix = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


class StepCounts:
    """Counts the numbers of one value."""

    def __init__(
        self,
        *,
        scale: float,
        zero_point: int,
        equalization_scales: Array,
        movement: Array | None,
        before_hard_swish: bool,
    ) -> None:
        """Takes how int8 holds the value.

        Args:
            scale: Real value of one step.
            zero_point: Stored value of real 0, -128 to 127.
            equalization_scales: The scales (C,) in float value = scale * int8 value.
            movement: (C,): what is added to the int8 file's real numbers before they are rounded; None for 0.
            before_hard_swish: Whether only a hard-swish takes the value.
        """
        self._scale, self._zero_point = scale, zero_point
        self._factors: Matrix = (1.0 / (equalization_scales * scale)).astype(np.float32)
        moved = 0.0 if movement is None else movement / scale
        self._offsets: Matrix = np.asarray(
            np.broadcast_to(zero_point + moved, self._factors.shape), np.float32
        )
        self._before_hard_swish = before_hard_swish
        self._counts: Counts = np.zeros(STEP_COUNT + 2 * (_WINDOW + 1), np.int64)
        self._harmless = 0

    def of(self, numbers: Matrix) -> tuple[Counts, int]:
        """Counts float numbers (positions, C), for `add`.

        Returns:
            How many fall on each step, the ends for all that lie further out; and how many below the range
            are below -3 in front of a hard-swish, which gives 0 of them whatever is stored.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.rint(numbers * self._factors + self._offsets)
        first = LOW_STEP - _WINDOW - 1
        # Unlike clip, these turn what is no number into a step too; `histogram` then gives none.
        places = np.fmax(np.fmin(steps, HIGH_STEP + _WINDOW + 1), first).astype(np.int32) - first
        harmless = 0
        if self._before_hard_swish:
            harmless = int(np.count_nonzero((steps < LOW_STEP) & (numbers <= -HARD_SIGMOID_SHIFT)))
        return np.bincount(places.ravel(), minlength=len(self._counts)), harmless

    def add(self, counted: tuple[Counts, int]) -> None:
        """Adds what `of` counted."""
        self._counts += counted[0]
        self._harmless += counted[1]

    def histogram(self, low: Array, high: Array) -> ValueHistogram | None:
        """Makes the histogram of all that was added; None where a number is not finite.

        Args:
            low: The smallest float number of each channel, (C,).
            high: The largest, (C,).
        """
        ends = (each * self._factors.astype(np.float64) + self._offsets for each in (low, high))
        least, most = (self._real(steps) for steps in ends)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            return None
        count = self._counts
        inside = slice(_WINDOW + 1, _WINDOW + 1 + STEP_COUNT)
        seen = np.flatnonzero(count)
        below, above = max(0, inside.start - seen[0]), max(0, seen[-1] + 1 - inside.stop)
        width, left, right = _bins(int(below), int(above))
        start, stop = inside.start - left * width, inside.stop + right * width
        total = int(count.sum())
        return ValueHistogram(
            smallest=float(least.min()),
            largest=float(most.max()),
            range_low=(LOW_STEP - self._zero_point) * self._scale,
            range_high=(HIGH_STEP - self._zero_point) * self._scale,
            bin_low=(LOW_STEP - left * width - 0.5 - self._zero_point) * self._scale,
            bin_width=width * self._scale,
            counts=tuple(int(each) for each in count[start:stop].reshape(-1, width).sum(axis=1)),
            below=int(count[:start].sum()),
            above=int(count[stop:].sum()),
            clipped_percent=100 * float(total - count[inside].sum()) / total,
            harmless_percent=100 * self._harmless / total,
        )

    def _real(self, steps: Array) -> Array:
        return (steps - self._zero_point) * self._scale


def _bins(below: int, above: int) -> tuple[int, int, int]:
    """Chooses the width of bins in steps, and how many lie below and above the range, 64 in all at most.

    Args:
        below: Steps below the range that hold numbers.
        above: Steps above it.
    """
    for width in _WIDTHS:
        left, right = -(-below // width), -(-above // width)
        if STEP_COUNT // width + left + right <= BINS:
            return width, left, right
    # Some lie further out still: both sides get as much as they need, or half.
    room = BINS - STEP_COUNT // width
    left = min(left, max(room // 2, room - right))
    return width, left, min(right, room - left)
