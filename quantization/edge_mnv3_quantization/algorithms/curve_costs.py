"""What curves in place of a hard-swish cost in one channel, for each range that its table may have.

See `fitted_channels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.number_effects import NumberEffects
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, HARD_SIGMOID_SHIFT, Array

_LINE_ENDS = np.geomspace(3.0, 16.0, 16)  # where straight lines may end
_AS_NOISE = 0.03  # of what a curve misses, if it were noise: few images may like it by chance
_SMALLEST = 1e-12

Numbers = npt.NDArray[Any]


def hard_swish(numbers: Numbers) -> Numbers:
    """Computes x · relu6(x + 3) / 6 of floats of either precision."""
    result = np.clip(numbers + HARD_SIGMOID_SHIFT, 0.0, HARD_SIGMOID_CEILING)
    result *= numbers
    result *= 1 / HARD_SIGMOID_CEILING
    return result


def _derivative(numbers: Numbers) -> Numbers:
    inside = np.clip(numbers, -HARD_SIGMOID_SHIFT, HARD_SIGMOID_SHIFT)
    inside *= 2 / HARD_SIGMOID_CEILING
    inside += HARD_SIGMOID_SHIFT / HARD_SIGMOID_CEILING
    inside[numbers >= HARD_SIGMOID_SHIFT] = 1.0
    inside[numbers <= -HARD_SIGMOID_SHIFT] = 0.0
    return inside


class Candidates(NamedTuple):
    """Curves of one channel, (K,) each, and what they cost in each of R ranges, (R, K)."""

    slopes: Array
    offsets: Array
    gains: Array
    constants: Array
    borders: Array
    costs: Array

    def best(self) -> list[tuple[Array, float]]:
        """Returns the best curve for each range, with its cost."""
        places = self.costs.argmin(axis=1)
        curves = np.stack(self[:-1], axis=1)
        return [(curves[k], float(costs[k])) for k, costs in zip(places, self.costs, strict=True)]


class Ranges(NamedTuple):
    """R ranges of a table that begin at -low, and what an error of a step in them is.

    Attributes:
        low: 0 or more.
        highs: Where they end, (R,).
        of_input: The mean square of the rounding of what the table takes, (R,).
        of_product: That of its product, which is six times the hard-swish, (R,).
    """

    low: float
    highs: Array
    of_input: Array
    of_product: Array

    @classmethod
    def between(cls, low: float, highs: Array) -> Ranges:
        """Makes the ranges from -low to each of some numbers."""
        lowest = -float(hard_swish(np.array([-min(low, HARD_SIGMOID_SHIFT / 2)]))[0])
        of_input, of_product = (
            np.square(width / STEPS) / 12
            for width in (highs + low, HARD_SIGMOID_CEILING * (hard_swish(highs) + lowest))
        )
        return cls(low, highs, of_input, of_product)


class Channel:
    """One channel of a hard-swish, with what changes of its results cost."""

    def __init__(
        self,
        effects: NumberEffects,
        channel: int,
        of_input: Sensitivity,
        of_product: Sensitivity,
        *,
        of_others: float,
        surrounded: bool,
    ) -> None:
        self._numbers = effects.numbers[channel].astype(np.float32)
        self._shares = effects.shares[channel].astype(np.float32)
        self._of_images = effects.weights[channel]
        as_noise = np.sqrt(_AS_NOISE * of_product.rounding[channel] * self._shares).astype(np.float32)
        self._as_noise = as_noise
        self._constants = None
        if effects.constants is not None and effects.constants[channel].any():
            everywhere = effects.constants[channel] / np.sqrt(len(effects.constants[channel]))
            self._constants = HARD_SIGMOID_CEILING * np.concatenate([everywhere, as_noise]).astype(np.float64)
        # Surrounded by what stands for 0, a map takes a constant at its own places alone.
        weights = self._weights()
        self._surrounded = weights.sum(axis=0) if surrounded else None
        self._of_input = float(of_input.rounding[channel])
        self._of_product = float(of_product.rounding[channel])
        self._of_others = of_others
        highest = float(effects.highest[channel])
        of_result = HARD_SIGMOID_CEILING * float(hard_swish(np.array([highest]))[0])
        self._tails = (
            _TailOfChannel(of_input.high, channel, highest),
            _TailOfChannel(of_product.high, channel, of_result),
        )
        self._wanted = hard_swish(self._numbers) @ weights
        self._slope = float(np.sqrt(self._shares @ np.square(_derivative(self._numbers))))
        self.middle = float(self._shares @ self._numbers)

    def _weights(self) -> Numbers:
        """What a result in each bin costs in each image, and as noise, (B, N + B): too much to keep."""
        of_images = self._of_images.T / np.sqrt(len(self._of_images))
        both = np.concatenate([of_images, np.diag(self._as_noise)], axis=1)
        return np.asarray(np.float32(HARD_SIGMOID_CEILING) * both)

    def lines(self) -> tuple[Array, Array]:
        """Fits a line to the hard-swish, and stretches it to end at some numbers: slopes and offsets, (K,).

        None, (0,), where it falls: curves have slopes above 0.
        """
        numbers, shares = self._numbers.astype(np.float64), self._shares.astype(np.float64)
        results, middle = hard_swish(numbers), float(shares @ numbers)
        spread = max(float(shares @ np.square(numbers - middle)), _SMALLEST)
        slope = float(shares @ ((numbers - middle) * results)) / spread
        offset = float(shares @ results) - slope * middle
        highest = slope * float(numbers[self._shares > 0].max()) + offset
        if slope <= 0 or highest <= 0:
            return np.zeros(0), np.zeros(0)
        return slope / highest * _LINE_ENDS, offset / highest * _LINE_ENDS

    def as_it_is(self, ranges: Ranges, clipped: Array) -> Array:
        """What the channel costs without a curve in each range, (R,); `clipped`: as `candidates` takes it."""
        missed = hard_swish(np.maximum(self._numbers, -ranges.low)) @ self._weights() - self._wanted
        rounding = ranges.of_input * self._of_input + ranges.of_product * self._of_product
        return np.asarray(np.square(missed).sum() + clipped + rounding + self._of_others)

    def _clipped(self, ends: Array) -> Array:
        """What it costs that the numbers x end somewhere, as `best_range` counts it: in both values."""
        of_input, of_product = self._tails
        return of_input.at(ends) + of_product.at(HARD_SIGMOID_CEILING * hard_swish(np.maximum(ends, 0.0)))

    def clipped(self, slopes: Array, offsets: Array, highs: Array) -> Array:
        """What it costs that curves (K,) end at some numbers (R,), (R, K)."""
        return self._clipped((highs[:, None] - offsets) / slopes)

    def candidates(self, slopes: Array, offsets: Array, ranges: Ranges, clipped: Array) -> Candidates:
        """Makes curves of some slopes and offsets (K,), for ranges (R) that begin at the same number.

        Args:
            slopes: The slopes.
            offsets: The offsets.
            ranges: The ranges.
            clipped: What it costs that these curves end where the ranges do, (R, K).
        """
        given = np.outer(slopes.astype(np.float32), self._numbers)
        given += offsets.astype(np.float32)[:, None]
        np.maximum(given, -ranges.low, out=given)
        steeper = np.square(_derivative(given)) @ self._shares / max(self._slope, 1e-12) ** 2
        results = hard_swish(given)
        effects = (results @ self._weights()).astype(np.float64)
        gains, constants, borders, missed = self._fitted(effects, results.max(axis=1))
        rounding = np.outer(ranges.of_input, self._of_input * steeper)
        rounding += (ranges.of_product * self._of_product)[:, None]
        costs = missed + clipped + (rounding + self._of_others) * np.square(gains)
        costs[:, gains <= 0] = np.inf
        # What surrounds the map is stored like it, within its range.
        costs[borders > hard_swish(ranges.highs)[:, None]] = np.inf
        return Candidates(slopes, offsets, gains, constants, borders, costs)

    def _fitted(self, effects: Array, highest: Array) -> tuple[Array, Array, Array, Array]:
        """Fits what the layers behind take to effects (K, N) of curves, whose highest results (K,) are given.

        Returns:
            Gains, constants, borders, and what the curves miss, (K,) each.
        """
        gains, constants, missed = self._least_squares(effects, self._constants)
        borders = np.zeros(len(gains))
        if self._surrounded is not None:
            exact = self._least_squares(effects, self._surrounded)
            needed = -exact[1] / np.where(exact[0] > 0, exact[0], 1.0)
            # What surrounds the map is stored like it.
            better = (exact[2] < missed) & (exact[0] > 0) & (needed >= 0) & (needed <= highest)
            gains, constants, missed = (
                np.where(better, one, other)
                for one, other in zip(exact, (gains, constants, missed), strict=True)
            )
            borders = np.where(better, needed, 0.0)
        return gains, constants, borders, missed

    def _least_squares(self, effects: Array, added: Array | None) -> tuple[Array, Array, Array]:
        """Fits gains, and constants of some effects (N,), to effects (K, N); what is missed, (K,)."""
        wanted = self._wanted
        of_gain = np.maximum(np.square(effects).sum(axis=1), 1e-30)
        with_wanted = effects @ wanted
        if added is None:
            gains, constants = with_wanted / of_gain, np.zeros(len(effects))
            missed = gains[:, None] * effects - wanted
        else:
            both, alone, of_constant = effects @ added, np.square(added).sum(), float(added @ wanted)
            determinant = np.maximum(of_gain * alone - both**2, 1e-9 * of_gain * alone)
            gains = (with_wanted * alone - of_constant * both) / determinant
            constants = (of_constant * of_gain - with_wanted * both) / determinant
            missed = gains[:, None] * effects + constants[:, None] * added - wanted
        return gains, constants, np.square(missed).sum(axis=1)

    def missed(self, curve: Sequence[float]) -> float:
        """What a curve costs by itself, without rounding and clipping."""
        slope, offset, gain, constant, border = curve
        missed = gain * hard_swish(slope * self._numbers + offset) @ self._weights() - self._wanted
        added = self._surrounded if border else self._constants
        if added is not None:
            missed = missed + constant * added
        return float(np.square(missed).sum())

    def given(self, slope: float, offset: float) -> Array:
        """Computes what the table takes, (B,)."""
        return np.asarray(slope * self._numbers + offset)

    def reach(self, slope: float, offset: float) -> tuple[float, float]:
        """Returns the lowest number of a curve, and the highest that it may meet."""
        given = self.given(slope, offset)
        highest = max(slope * self._tails[0].last + offset, float(given[self._shares > 0].max()))
        return float(given[self._shares > 0].min()), highest

    def steepness(self, given: Array) -> float:
        """Computes how steep the hard-swish is at what is given, as a share of that without a curve."""
        return float(np.sqrt(self._shares @ np.square(_derivative(given)))) / max(self._slope, 1e-12)

    def clipped_inputs(self, slope: float, offset: float, gain: float, ends: Array) -> Array:
        """What it costs that a curve's numbers end at (K,) ones, (K,): or as without a curve."""
        given = self.given(slope, offset)
        cut = hard_swish(np.minimum(given, ends[:, None]))
        before = self._tails[0].at((ends - offset) / slope)
        return np.asarray(np.maximum(self.changed(gain, hard_swish(given), cut), before))

    def clipped_products(self, slope: float, offset: float, gain: float, ends: Array) -> Array:
        """The same for the product, six times the hard-swish."""
        results = hard_swish(self.given(slope, offset))
        cut = np.minimum(results, ends[:, None] / HARD_SIGMOID_CEILING)
        reached = (_inverse(ends / HARD_SIGMOID_CEILING) - offset) / slope
        before = self._tails[1].at(HARD_SIGMOID_CEILING * hard_swish(np.maximum(reached, 0.0)))
        return np.asarray(np.maximum(self.changed(gain, results, cut), before))

    def changed(self, gain: float, results: Array, cut: Array) -> Array:
        """What it costs that results (B,) become others (K, B), (K,)."""
        return np.asarray(np.square(gain * (cut - results) @ self._weights()).sum(axis=1))


class _TailOfChannel:
    """What clipping one channel from above costs."""

    def __init__(self, tail: Tail, channel: int, highest: float) -> None:
        self._ends, self._costs = tail.unit[channel] * tail.ends, tail.costs[channel]
        self._highest = highest

    @property
    def last(self) -> float:
        """The end beyond which nothing is clipped."""
        return min(float(self._ends[-1]), self._highest)

    def at(self, ends: Array) -> Array:
        """Interpolates the costs at some ends."""
        # Costs are known at some ends only: between them, those of numbers that never come must not count.
        return np.where(ends < self._highest, np.interp(ends, self._ends, self._costs), 0.0)


def _inverse(results: Array) -> Array:
    """Computes what gives a result of hard-swish, from 0 on."""
    curved = (np.sqrt(HARD_SIGMOID_SHIFT**2 + 4 * HARD_SIGMOID_CEILING * results) - HARD_SIGMOID_SHIFT) / 2
    return np.where(results < HARD_SIGMOID_SHIFT, curved, results)
