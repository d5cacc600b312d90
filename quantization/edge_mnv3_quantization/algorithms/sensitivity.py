"""What an error in each value costs at the logits, measured over the calibration images.

For every image a random direction u of the logits is followed back through the network: the gradient g of
u · logits with respect to a value. With independent signs in u, the mean of (Σ g · error)² over draws is the
squared error of all logits together, each weighed by the chance that it is the answer, to first order. Two
kinds of errors are measured so:

* rounding, with the step that each channel would have alone: (Σ g · (rounded number - number))²;
* clipping at a given end: (Σ g · (clipped number - number))².

Both keep that errors of one image may point the same way. Taken as independent from element to element,
clipping is underestimated ten- to hundredfold, and rounding in front of the first layers threefold: where an
image is smooth, neighbours are rounded alike.

Sources: Hutchinson 1989, "A stochastic estimator of the trace of the influence matrix", for the estimate; the
weights diag(p) - p pᵀ are the Fisher information of a softmax.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import available_cores, results_in_order
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.algorithms.draws import random_generator
from edge_mnv3_quantization.algorithms.gradients import Floats, gradients
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images, float_input
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, HARD_SIGMOID_SHIFT, Array, Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs
from edge_mnv3_quantization.graph.writer import write_float

_ENDS = 48  # how many ends of the range clipping is measured for, per side
_SMALLEST_END = 0.05  # the smallest end but 0, as a multiple of the typical size of a channel's numbers
# The mean over all channels counts as much as this many images of the channel itself in maps of up to this
# many positions. In larger maps, which show every channel's tail, it counts less, by the square of the
# positions.
_POOLED_IMAGES, _POOLED_POSITIONS = 100, 49
# Shrinkage adds a share of the mean square over all channels to the mean square of each channel of small
# maps: this number divided by the number of images, and nothing from this many images on. What stays small in
# a few images may be large in others.
_SHRINKAGE, _SHRINKAGE_IMAGES = 4.0, 100
SMALL_STRIDE = 32  # the stride of small maps, 7 x 7 at 224 px
_TEMPERATURE = 1.5  # the temperature of the softmax that weighs the classes
_SMALLEST = 1e-12
STEPS = 255  # between the smallest and the largest int8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The cost of clipping one side.

    Attributes:
        unit: The unit of each channel's ends, (C,), positive on both sides.
        ends: The ends as multiples of the unit, (J,), ascending from 0.
        costs: The squared error of the logits when a channel is clipped at an end, (C, J); 0 at the last end.
    """

    unit: Array
    ends: Array
    costs: Array

    def at(self, ends: Array) -> Array:
        """Interpolates the costs (C, K) at ends (C, K) >= 0 linearly."""
        position = np.clip(ends / self.unit[:, None], 0.0, self.ends[-1])
        before = np.clip(np.searchsorted(self.ends, position, side="right") - 1, 0, len(self.ends) - 2)
        low, high = (np.take_along_axis(self.costs, before + i, axis=1) for i in (0, 1))
        share = (position - self.ends[before]) / (self.ends[before + 1] - self.ends[before])
        return np.asarray(low + (high - low) * share)

    def last(self) -> Array:
        """Returns the end (C,) beyond which nothing is clipped."""
        return np.asarray(self.unit * self.ends[-1])

    def of_channels(self, channels: npt.NDArray[np.intp]) -> Tail:
        """Returns the tail of some channels only."""
        return Tail(unit=self.unit[channels], ends=self.ends, costs=self.costs[channels])

    def divided(self, scale: Array) -> Tail:
        """Returns the tail of the value divided by equalization scales (C,)."""
        return Tail(unit=self.unit / scale, ends=self.ends, costs=self.costs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What errors in a value cost: the squared error of all logits together, as the mean over images.

    Attributes:
        rounding: The cost of rounding to steps of √12, which has an error of variance 1, (C,).
        high: The cost of clipping from above.
        low: The cost of clipping from below; None where no number is negative.
    """

    rounding: Array
    high: Tail
    low: Tail | None

    def of_channels(self, channels: npt.NDArray[np.intp]) -> Sensitivity:
        """Returns the sensitivity of some channels only."""
        return Sensitivity(
            rounding=self.rounding[channels],
            high=self.high.of_channels(channels),
            low=self.low.of_channels(channels) if self.low else None,
        )

    def divided(self, scale: Array) -> Sensitivity:
        """Returns the sensitivity of the value divided by equalization scales (C,) > 0."""
        return Sensitivity(
            rounding=self.rounding * np.square(scale),
            high=self.high.divided(scale),
            low=self.low.divided(scale) if self.low else None,
        )


class _Side:
    """Sums for one side of one value."""

    def __init__(self, unit: Array, furthest: float, effect_of_end: Callable[[Array], Array]) -> None:
        self.unit = np.maximum(unit, _SMALLEST)
        self.ends = np.concatenate(
            ([0.0], np.geomspace(_SMALLEST_END, max(furthest, 2 * _SMALLEST_END), _ENDS - 1))
        )
        self.squares = np.zeros((len(unit), _ENDS))
        self._at_end = effect_of_end(self.unit[:, None] * self.ends)

    def squares_of(self, numbers: Floats, effect: Floats | Array, weight: Floats) -> Array:
        """Computes what one image adds to `squares`.

        Args:
            numbers: The value's numbers, (positions, C), with the sign that makes this side positive.
            effect: What the next operator makes of the numbers, (positions, C).
            weight: The gradients with respect to the effects, (positions, C).
        """
        channels = numbers.shape[1]
        scaled = (numbers / self.unit.astype(np.float32)).reshape(-1)
        chosen = np.flatnonzero(scaled > 0)
        # A number's bin is the number of ends below it; the first end is 0.
        step = np.log(self.ends[2] / self.ends[1])
        places = scaled[chosen]
        places /= np.float32(self.ends[1])
        np.log(places, out=places)
        places /= np.float32(step)
        bins = np.floor(places, out=places).astype(np.int32)
        bins += 1
        np.minimum(np.maximum(bins, 0, out=bins), _ENDS - 1, out=bins)
        first_bins = np.arange(0, channels * _ENDS, _ENDS, dtype=np.int32)
        bins += np.broadcast_to(first_bins, numbers.shape).reshape(-1)[chosen]
        weights = weight.reshape(-1)[chosen]
        total = np.bincount(bins, weights * effect.reshape(-1)[chosen], channels * _ENDS)
        plain = np.bincount(bins, weights, channels * _ENDS)
        above = [np.cumsum(s.reshape(channels, _ENDS)[:, ::-1], axis=1)[:, ::-1] for s in (total, plain)]
        return np.square(above[0] - self._at_end * above[1])

    def tail(self, images: int, positions: int, size: Array) -> Tail:
        costs = self.squares / images
        costs[:, -1] = 0.0
        shape = costs.sum(axis=0) / max(float(size.sum()), 1e-30)
        pooled = _POOLED_IMAGES * min(1.0, _POOLED_POSITIONS / positions) ** 2
        mixed = (images * costs + pooled * size[:, None] * shape) / (images + pooled)
        return Tail(unit=self.unit, ends=self.ends, costs=mixed)


class _ImageCosts(NamedTuple):
    """What one image adds to the sums of a value: to `rounding` and to the `squares` of both sides."""

    positions: int
    rounding: Array
    high: Array
    low: Array | None


class _Value:
    """Sums for one value."""

    def __init__(self, statistics: ChannelStatistics, before_hard_swish: bool) -> None:
        self.images, self.positions = 0, 1
        self.before_hard_swish = before_hard_swish
        self.rounding = np.zeros(len(statistics.mean))
        lowest = np.minimum(statistics.low, 0.0)
        if before_hard_swish:
            lowest = np.maximum(lowest, -HARD_SIGMOID_SHIFT)
        self.step = np.maximum((np.maximum(statistics.high, 0.0) - lowest) / STEPS, _SMALLEST)
        self.typical = np.sqrt(np.maximum(statistics.mean_square, _SMALLEST**2))
        furthest = float((statistics.high / self.typical).max())
        self.high = _Side(self.typical, furthest, hard_swish if before_hard_swish else lambda end: end)
        self.low: _Side | None = None
        if before_hard_swish:
            lowest_end = -float(lowest.min()) / HARD_SIGMOID_SHIFT
            unit = np.full_like(self.typical, HARD_SIGMOID_SHIFT)
            self.low = _Side(unit, lowest_end, lambda end: hard_swish(-end))
        elif float(lowest.min()) < 0:
            self.low = _Side(self.typical, float((-lowest / self.typical).max()), lambda end: end)

    def costs_of(self, numbers: Floats, gradient: Floats, of_product: Floats | None) -> _ImageCosts:
        """Computes one image's costs.

        Args:
            numbers: The value's numbers, (positions, C).
            gradient: The gradients with respect to them, (positions, C).
            of_product: The gradients with respect to the hard-swish of the value, (positions, C); None where
                no hard-swish takes it.
        """
        step = self.step.astype(np.float32)
        error = np.rint(numbers / step) * step - numbers
        rounding = np.square((gradient * error).sum(axis=0, dtype=np.float64)) * 12 / np.square(self.step)
        low = None
        if of_product is None:
            high = self.high.squares_of(numbers, numbers, gradient)
            if self.low:
                low = self.low.squares_of(-numbers, -numbers, gradient)
        else:
            kept = np.maximum(numbers, np.float32(-HARD_SIGMOID_SHIFT))
            effect = hard_swish(kept)
            high = self.high.squares_of(kept, effect, of_product)
            if self.low:
                low = self.low.squares_of(-kept, effect, of_product)
        return _ImageCosts(len(numbers), rounding, high, low)

    def add(self, costs: _ImageCosts) -> None:
        """Adds an image's costs."""
        self.images += 1
        self.positions = costs.positions
        self.rounding += costs.rounding
        self.high.squares += costs.high
        if self.low and costs.low is not None:
            self.low.squares += costs.low

    def finish(self) -> Sensitivity:
        rounding = self.rounding / self.images
        size = rounding * np.square(self.typical)
        return Sensitivity(
            rounding=rounding,
            high=self.high.tail(self.images, self.positions, size),
            low=self.low.tail(self.images, self.positions, size) if self.low else None,
        )


def shrunk(
    network: Network, statistics: Mapping[int, ChannelStatistics], images: int, *, least: float = 0.0
) -> dict[int, ChannelStatistics]:
    """Applies shrinkage: moves the channels of a value nearer to one another in size.

    The fewer images there are, the stronger the shrinkage. In maps larger than those of stride 32 it is
    weaker, by the square of their positions: they show every channel's size in a few images.

    Args:
        network: The network of the values.
        statistics: The statistics by value.
        images: How many images they were taken over.
        least: The least share of the mean square over all channels that is added to each channel's.
    """
    small = network.positions_at(SMALL_STRIDE)
    most = max(least, _SHRINKAGE * (1 / images - 1 / _SHRINKAGE_IMAGES))
    nearer = {}
    for value, known in statistics.items():
        share = most * min(1.0, small / network.values[value].positions) ** 2
        squares = known.mean_square
        nearer[value] = dataclasses.replace(known, mean_square=squares + share * squares.mean())
    return nearer


def hard_swish(x: Array | Floats) -> Array:
    """Computes x · relu6(x + 3), which is six times hard-swish, as the lowered network does."""
    return np.asarray(x * np.clip(x + HARD_SIGMOID_SHIFT, 0, HARD_SIGMOID_CEILING))


def measure(
    network: Network,
    statistics: Mapping[int, ChannelStatistics],
    images: Images,
    *,
    seed: int,
    reporter: Reporter = SILENT,
    workers: int | None = None,
) -> dict[int, Sensitivity]:
    """Measures the sensitivity of every value.

    Args:
        network: A lowered network whose products have no constant factors; its output is the logits, whose
            error is the cost.
        statistics: The statistics of this network's values, over images like these.
        images: Images, (N, H, W, 3) uint8.
        seed: The seed of the directions.
        reporter: Its `progress` is told of (images done, images in all).
        workers: Threads; None for as many as there are cores. The result is the same for any number.
    """
    order = [node.output for node in network.nodes]
    before_hard_swish = hard_swish_inputs(network)
    product = {v: next(n.output for n in network.consumers(v) if n.kind == "mul") for v in before_hard_swish}
    sums = {
        value: _Value(statistics[value], value in before_hard_swish) for value in order if value in statistics
    }
    rng = random_generator(seed)
    shape = network.values[network.output].shape
    signs = [rng.choice((-1.0, 1.0), shape) for _ in images]

    def costs(model: LoadedModel, image: int) -> dict[int, _ImageCosts]:
        values = dict(zip(order, model.run_raw(float_input(network, images[image])), strict=True))
        by_value = gradients(network, values, _direction(values[network.output], signs[image]))
        image_costs = {}
        for value, value_sums in sums.items():
            channels = values[value].shape[-1]
            behind = by_value[product[value]].reshape(-1, channels) if value in before_hard_swish else None
            image_costs[value] = value_sums.costs_of(
                values[value].reshape(-1, channels), by_value[value].reshape(-1, channels), behind
            )
        return image_costs

    content = write_float(network, order)
    models = [open_bytes(content) for _ in range(min(workers or available_cores(), len(images)))]
    for done, of_values in enumerate(results_in_order(costs, models, range(len(images))), start=1):
        for value, of_image in of_values.items():
            sums[value].add(of_image)
        reporter.progress(done, len(images))
    return {value: value_sums.finish() for value, value_sums in sums.items()}


def _direction(logits: Floats, signs: Array) -> Floats:
    """Makes a direction of the logits from random signs -1 and 1.

    Its covariance is n (diag(p) - p pᵀ), where p are the softened probabilities. So an error counts where it
    can change the answer, and an error that all logits have in common does not count.
    """
    powers = np.exp((logits - logits.max()).astype(np.float64) / _TEMPERATURE)
    chances = powers / powers.sum()
    signs = np.sqrt(chances) * signs
    return np.asarray((signs - chances * signs.sum()) * np.sqrt(logits.size), np.float32)
