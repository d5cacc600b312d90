"""Sums over images of what rounding and clipping cost, for the channels of one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.gradients import Floats
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, HARD_SIGMOID_SHIFT, Array

_ENDS = 48  # how many ends of the range clipping is measured for, per side
_SMALLEST_END = 0.05  # the smallest end but 0, as a multiple of the typical size of a channel's numbers
# The mean over all channels counts as much as this many images of the channel itself in maps of up to this
# many positions. In larger maps, which show every channel's tail, it counts less, by the square of the
# positions.
_POOLED_IMAGES, _POOLED_POSITIONS = 100, 49
_FAR_END = 1.0  # ends from here on are far, as a multiple of the typical size of a channel's numbers
_SMALLEST = 1e-12
_TOGETHER = 64  # so many images of values of one position are worked on together


Columns = npt.NDArray[np.int32]


class ImageCosts(NamedTuple):
    """What some images add to the sums of a value: to `rounding` and to the `squares` of both sides.

    Attributes:
        images: How many images they are.
        rounding: (C,).
        high: The squares of the high side, (ends, C): of all ends, or of the far ones only.
        low: The same of the low side; None where there is none.
    """

    images: int
    rounding: Array
    high: Array
    low: Array | None


class Batch(NamedTuple):
    """The numbers of one value over some images, and the gradients of a direction of the logits.

    Attributes:
        numbers: (images, positions, C).
        gradient: The gradients with respect to them, shaped alike.
        of_product: The gradients with respect to the hard-swish of the value, shaped alike; None where no
            hard-swish takes it.
        columns: For each of the numbers, image * C + channel.
    """

    numbers: Floats
    gradient: Floats
    of_product: Floats | None
    columns: Columns


class _Effects(NamedTuple):
    """What follows from the numbers of a batch, on one side.

    Attributes:
        numbers: The value's numbers, (images, positions, C).
        below: Whether the side is that of the numbers below 0.
        effect: What the next operator makes of the numbers, shaped alike; None where it is the distance of
            the numbers from 0.
        weight: The gradients with respect to the effects, shaped alike.
        columns: See `Batch`.
    """

    numbers: Floats
    below: bool
    effect: Floats | None
    weight: Floats
    columns: Columns


class _Side:
    """Sums for one side of one value.

    Attributes:
        first_far: The first of the far ends; 0 where all ends need all images.
    """

    def __init__(
        self, unit: Array, furthest: float, effect_of_end: Callable[[Array], Array], *, far: bool
    ) -> None:
        self.unit = np.maximum(unit, _SMALLEST)
        self.ends = np.concatenate(
            ([0.0], np.geomspace(_SMALLEST_END, max(furthest, 2 * _SMALLEST_END), _ENDS - 1))
        )
        self.first_far = min(int(np.searchsorted(self.ends, _FAR_END)), _ENDS - 2) if far else 0
        self._squares = np.zeros((_ENDS, len(unit)))
        self._images = np.zeros((_ENDS, 1))
        self._at_end = effect_of_end(self.unit[:, None] * self.ends).T
        self._unit = self.unit.astype(np.float32)
        self._log_step = float(np.log(self.ends[2] / self.ends[1]))
        first = np.log(self.unit * self.ends[1]) / self._log_step - 1
        self._first_place = first.astype(np.float32)

    def squares_of(self, effects: _Effects, *, only_far: bool) -> Array:
        """Computes what a batch adds to the squares, (ends, C); `only_far` leaves out the near ends."""
        images, positions, channels = effects.numbers.shape
        first = self.first_far if only_far else 0
        ends = _ENDS - first
        reached = self._unit * np.float32(self.ends[first])
        beyond = effects.numbers < -reached if effects.below else effects.numbers > reached
        chosen = np.flatnonzero(beyond)
        if not len(chosen):
            return np.zeros((ends, channels))
        columns = effects.columns.take(chosen)
        numbers = effects.numbers.reshape(-1).take(chosen)
        if effects.below:
            np.negative(numbers, out=numbers)
        weights = effects.weight.reshape(-1).take(chosen).astype(np.float64)
        effect: Floats = numbers
        if effects.effect is not None:
            effect = effects.effect.reshape(-1).take(chosen)
        at_end = self._at_end[first:]
        bins = self._bins(numbers, columns % channels, first)
        if positions == 1:
            # With one number an image, the square of a sum is a sum of squares: of all images at once.
            bins *= channels
            bins += columns % channels
            squares = np.square(weights)
            plain, total, square = (
                _sums_above(bins, summed, (ends, channels))
                for summed in (squares, squares * effect, np.square(weights * effect))
            )
            return np.asarray(np.maximum(square - at_end * (2 * total - at_end * plain), 0.0))
        bins *= images * channels
        bins += columns
        total, plain = (
            _sums_above(bins, summed, (ends, images, channels)) for summed in (weights * effect, weights)
        )
        plain *= at_end[:, np.newaxis]
        total -= plain
        return np.asarray(np.einsum("eic,eic->ec", total, total))

    def _bins(self, numbers: Floats, channels: Columns, first: int) -> npt.NDArray[np.intp]:
        """Counts the ends, from `first` on, that are below each of some numbers; the first end is 0."""
        places = np.log(numbers)
        places *= np.float32(1 / self._log_step)
        places -= (self._first_place + np.float32(first)).take(channels)
        np.maximum(places, 0.0, out=places)
        np.minimum(places, np.float32(_ENDS - first - 1), out=places)
        return places.astype(np.intp)

    def add(self, squares: Array, images: int) -> None:
        """Adds what `squares_of` gave for some images."""
        first = _ENDS - len(squares)
        self._squares[first:] += squares
        self._images[first:] += images

    def tail(self, positions: int, size: Array) -> Tail:
        costs = self._squares / self._images
        costs[-1] = 0.0
        # Nearer ends, of fewer images, cost no less than the far ones.
        costs[: self.first_far] = np.maximum(costs[: self.first_far], costs[self.first_far])
        images, costs = self._images.T, costs.T
        shape = costs.sum(axis=0) / max(float(size.sum()), 1e-30)
        pooled = _POOLED_IMAGES * min(1.0, _POOLED_POSITIONS / positions) ** 2
        mixed = (images * costs + pooled * size[:, None] * shape) / (images + pooled)
        return Tail(unit=self.unit, ends=self.ends, costs=np.ascontiguousarray(mixed))


class ChannelCosts:
    """Sums for one value."""

    def __init__(self, statistics: ChannelStatistics, positions: int, *, before_hard_swish: bool) -> None:
        self._images, self._positions = 0, positions
        self._kept: list[tuple[Batch, int]] = []
        self.before_hard_swish = before_hard_swish
        self._rounding = np.zeros(len(statistics.mean))
        lowest = np.minimum(statistics.low, 0.0)
        if before_hard_swish:
            lowest = np.maximum(lowest, -HARD_SIGMOID_SHIFT)
        self._step = np.maximum((np.maximum(statistics.high, 0.0) - lowest) / STEPS, _SMALLEST)
        self._typical = np.sqrt(np.maximum(statistics.mean_square, _SMALLEST**2))
        furthest = float((statistics.high / self._typical).max())
        self._high = _Side(
            self._typical, furthest, hard_swish_product if before_hard_swish else lambda end: end, far=True
        )
        self._low: _Side | None = None
        if before_hard_swish:
            lowest_end = -float(lowest.min()) / HARD_SIGMOID_SHIFT
            unit = np.full_like(self._typical, HARD_SIGMOID_SHIFT)
            self._low = _Side(unit, lowest_end, lambda end: hard_swish_product(-end), far=False)
        elif float(lowest.min()) < 0:
            self._low = _Side(
                self._typical, float((-lowest / self._typical).max()), lambda end: end, far=True
            )

    def costs_of(self, batch: Batch, *, only_far: bool) -> ImageCosts:
        """Computes the costs of some images; `only_far` leaves out the near ends of the range."""
        numbers, gradient = batch.numbers, batch.gradient
        step = self._step.astype(np.float32)
        error = numbers / step
        np.rint(error, out=error)
        error *= step
        error -= numbers
        sums = np.einsum("ipc,ipc->ic", error, gradient)
        rounding = np.square(sums, dtype=np.float64).sum(axis=0) * 12 / np.square(self._step)
        if batch.of_product is None:
            high = _Effects(numbers, False, None, gradient, batch.columns)
        else:
            numbers = np.maximum(numbers, np.float32(-HARD_SIGMOID_SHIFT))
            high = _Effects(numbers, False, hard_swish_product(numbers), batch.of_product, batch.columns)
        return ImageCosts(
            len(numbers),
            rounding,
            self._high.squares_of(high, only_far=only_far),
            self._low.squares_of(high._replace(below=True), only_far=only_far) if self._low else None,
        )

    @property
    def is_added_later(self) -> bool:
        """Whether a batch holds so few numbers that several batches are better worked on together."""
        return self._positions == 1

    def add_later(self, batch: Batch, images: int) -> None:
        """Keeps a batch that has so many images that count, until there are enough of them."""
        self._kept.append((batch, images))
        if sum(len(kept.numbers) for kept, _ in self._kept) >= _TOGETHER:
            self._add_kept()

    def _add_kept(self) -> None:
        if not self._kept:
            return
        batches = [batch for batch, _ in self._kept]
        images = sum(count for _, count in self._kept)
        self._kept = []
        numbers = np.concatenate([batch.numbers for batch in batches])
        of_product = [batch.of_product for batch in batches if batch.of_product is not None]
        together = Batch(
            numbers=numbers,
            gradient=np.concatenate([batch.gradient for batch in batches]),
            of_product=np.concatenate(of_product) if of_product else None,
            columns=np.arange(numbers.size, dtype=np.int32),
        )
        self.add(self.costs_of(together, only_far=False), images)

    def add(self, costs: ImageCosts, images: int) -> None:
        """Adds the costs of a batch that has so many images that count."""
        self._images += images
        self._rounding += costs.rounding
        self._high.add(costs.high, images)
        if self._low and costs.low is not None:
            self._low.add(costs.low, images)

    def finish(self) -> Sensitivity:
        """Computes the means over the images."""
        self._add_kept()
        rounding = self._rounding / self._images
        size = rounding * np.square(self._typical)
        return Sensitivity(
            rounding=rounding,
            high=self._high.tail(self._positions, size),
            low=self._low.tail(self._positions, size) if self._low else None,
        )


def _sums_above(
    bins: npt.NDArray[np.intp], summed: npt.NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> Array:
    """Sums up numbers by bins, each with all that follow along the first axis, in the given shape."""
    sums = np.bincount(bins, summed, int(np.prod(shape))).reshape(shape)
    for end in range(len(sums) - 2, -1, -1):
        sums[end] += sums[end + 1]
    return np.asarray(sums)


def hard_swish_product(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Computes x · relu6(x + 3), which is six times hard-swish, as the lowered network does."""
    return np.asarray(x * np.clip(x + HARD_SIGMOID_SHIFT, 0, HARD_SIGMOID_CEILING))
