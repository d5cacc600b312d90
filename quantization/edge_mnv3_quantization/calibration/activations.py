"""How the values of a network are distributed over the calibration images, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.calibration.counting import Counts, exact_sum, no_counts
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.writer import write_float

Image = npt.NDArray[np.uint8]
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Of one value.

    Attributes:
        centres: (C, BINS): numbers in the middle of the bins, ascending; none is outside `low` to `high`.
            (C, 0) where no bins were counted.
        shares: Likewise: shares of the counted numbers, each channel's sum 1.
        mean: (C,): of all numbers.
        square: (C,): mean of the squares of all numbers.
        factor: (C,): what the original numbers were divided by.
        low: (C,): the smallest of all numbers.
        high: (C,): the largest.
    """

    centres: Array
    shares: Array
    mean: Array
    square: Array
    factor: Array
    low: Array
    high: Array

    def divided(self, factor: Array) -> Histogram:
        """The histogram of the value divided by factors (C,) > 0."""
        return Histogram(
            centres=self.centres / factor[:, None],
            shares=self.shares,
            mean=self.mean / factor,
            square=self.square / np.square(factor),
            factor=self.factor * factor,
            low=self.low / factor,
            high=self.high / factor,
        )

    def quantiles(self, tail: float) -> tuple[Array, Array]:
        """Ends (C,) and (C,) beyond which at most a share `tail` of each channel's numbers lies.

        They are exact to a bin's width, which is at most 1/256 of the channel's whole range.
        """
        below = np.cumsum(self.shares, axis=1)
        channels = np.arange(len(below))
        last = below.shape[1] - 1
        low = np.minimum((below < tail).sum(axis=1), last)
        high = np.minimum((below < 1 - tail).sum(axis=1), last)
        return self.centres[channels, low], self.centres[channels, high]

    def spread(self) -> float:
        """Distance between the smallest and the largest number of the channel that varies most."""
        return float((self.high - self.low).max())

    def clipped_mean(self, low: float, high: float) -> Array:
        """Mean (C,) of the numbers clipped to a range."""
        beyond = (np.clip(self.centres, low, high) - self.centres) * self.shares
        mean: Array = self.mean + beyond.sum(axis=1)
        return mean


def observe(
    network: Network,
    images: Images,
    *,
    on_image: Callable[[int, int], None] | None = None,
) -> dict[int, Histogram]:
    """Runs a network in float over images, each once.

    Args:
        network: Without constant factors in its products.
        images: (N, H, W, 3) uint8.
        on_image: Called with (images done, images in all).

    Returns:
        A histogram for the output of every node.

    Raises:
        ConversionError: A number is not finite.
    """
    counts = no_counts(sum(network.values[value].channels for value in observed_values(network)))
    for done in count_images(network, images, counts):
        if on_image:
            on_image(done, len(images))
    return histograms(network, counts, len(images))


def count_images(network: Network, images: Iterable[Image], counts: Counts) -> Iterator[int]:
    """Runs a network in float over images and adds its numbers to counts.

    Args:
        network: Without constant factors in its products.
        images: (H, W, 3) uint8 each.
        counts: Of the channels of `observed_values`, side by side.

    Yields:
        The number of images that have been added, after each.

    Raises:
        ConversionError: A number is not finite.
    """
    for done, outputs in enumerate(run_float(network, observed_values(network), images), start=1):
        try:
            counts.add(outputs)
        except FloatingPointError as error:
            raise ConversionError(
                "running the float model", "numbers over 1e9, infinite or NaN", "finite weights"
            ) from error
        yield done


def observed_values(network: Network) -> list[int]:
    """The values that have histograms: all but the softmax's and those that repeat another's numbers."""
    return [node.output for node in network.nodes if node.kind not in ("reshape", "softmax")]


def histograms(network: Network, counts: Counts, images: int) -> dict[int, Histogram]:
    """The histogram of each of `observed_values`, from the counts of a number of images."""
    found = {}
    start = 0
    for value in observed_values(network):
        stop = start + network.values[value].channels
        found[value] = histogram(counts, start, stop, images)
        start = stop
    return found


def histogram(counts: Counts, start: int, stop: int, images: int) -> Histogram:
    """The histogram of the value that has the channels from `start` to before `stop`."""
    centres = shares = np.zeros((stop - start, 0))
    if counts.binned:
        centres, numbers = counts.bins(start, stop)
        shares = numbers / numbers.sum(axis=1, keepdims=True)
    return Histogram(
        centres=centres,
        shares=shares,
        mean=exact_sum(counts.sums[:, start:stop]) / images,
        square=exact_sum(counts.squares[:, start:stop]) / images,
        factor=np.ones(stop - start),
        low=counts.low[start:stop].astype(np.float64),
        high=counts.high[start:stop].astype(np.float64),
    )


def run_float(
    network: Network, values: Sequence[int], images: Iterable[Image]
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Runs a network in float, image by image.

    Yields:
        The values, (positions, C) float32 each.
    """
    model = open_bytes(write_float(network, values))
    for image in images:
        pixels = image[np.newaxis].astype(np.float32)
        outputs: list[npt.NDArray[Any]] = model.run_raw(
            pixels * np.float32(network.input_scale) + np.float32(network.input_offset)
        )
        yield [output.reshape(-1, output.shape[-1]) for output in outputs]
