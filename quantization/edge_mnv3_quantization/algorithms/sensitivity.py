"""What an error in each value costs at the logits, by channel: a table that equalization and ranges read.

`measurement` makes it; `shrunk` prepares the statistics that it starts from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Array, Network

# Shrinkage adds a share of the mean square over all channels to the mean square of each channel of small
# maps: this number divided by the number of images, and nothing from this many images on. What stays small in
# a few images may be large in others.
_SHRINKAGE, _SHRINKAGE_IMAGES = 4.0, 100
SMALL_STRIDE = 32  # the stride of small maps, 7 x 7 at 224 px
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
        position = ends / self.unit[:, None]
        np.minimum(position, self.ends[-1], out=position)
        before = np.searchsorted(self.ends[1:-1], position, side="right")
        share = position
        share -= self.ends.take(before)
        share /= np.diff(self.ends).take(before)
        places = before
        places += np.arange(len(self.costs))[:, None] * len(self.ends)
        costs = self.costs.reshape(-1)
        low = costs.take(places)
        places += 1
        rise = costs.take(places)
        rise -= low
        rise *= share
        low += rise
        return np.asarray(low)

    def last(self) -> Array:
        """Returns the end (C,) beyond which nothing is clipped."""
        return np.asarray(self.unit * self.ends[-1])

    def of_channels(self, channels: npt.NDArray[np.intp]) -> Tail:
        """Returns the tail of some channels only."""
        return Tail(unit=self.unit[channels], ends=self.ends, costs=self.costs[channels])

    def times(self, share: float) -> Tail:
        """Returns the tail with all costs multiplied."""
        return dataclasses.replace(self, costs=share * self.costs)

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

    def with_clipping(self, share: float) -> Sensitivity:
        """Returns the sensitivity with the costs of clipping multiplied, but not those of rounding."""
        low = self.low.times(share) if self.low else None
        return dataclasses.replace(self, high=self.high.times(share), low=low)

    def divided(self, scale: Array) -> Sensitivity:
        """Returns the sensitivity of the value divided by equalization scales (C,) > 0."""
        return Sensitivity(
            rounding=self.rounding * np.square(scale),
            high=self.high.divided(scale),
            low=self.low.divided(scale) if self.low else None,
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
