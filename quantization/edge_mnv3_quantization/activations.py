"""How the values of a network are distributed over the calibration images, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.runtime import open_bytes
from edge_mnv3_quantization.network import Array, Network
from edge_mnv3_quantization.network_writer import write_float

BINS = 512
_MOST_POSITIONS = 28 * 28  # of an image that are counted; larger maps are thinned out evenly

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Of one value.

    Attributes:
        centres: (C, BINS): numbers in the middle of the bins.
        shares: (C, BINS): shares of the counted numbers, each channel's sum 1.
        mean: (C,): of all numbers.
        square: (C,): mean of the squares of all numbers.
        factor: (C,): what the original numbers were divided by.
    """

    centres: Array
    shares: Array
    mean: Array
    square: Array
    factor: Array

    def divided(self, factor: Array) -> Histogram:
        """The histogram of the value divided by factors (C,) > 0."""
        return Histogram(
            centres=self.centres / factor[:, None],
            shares=self.shares,
            mean=self.mean / factor,
            square=self.square / np.square(factor),
            factor=self.factor * factor,
        )

    def quantiles(self, tail: float) -> tuple[Array, Array]:
        """Ends (C,) and (C,) beyond which at most a share `tail` of each channel's numbers lies."""
        below = np.cumsum(self.shares, axis=1)
        channels = np.arange(len(below))
        last = below.shape[1] - 1
        low = np.minimum((below < tail).sum(axis=1), last)
        high = np.minimum((below < 1 - tail).sum(axis=1), last)
        return self.centres[channels, low], self.centres[channels, high]

    def spread(self) -> float:
        """Distance between the smallest and the largest number of the channel that varies most."""
        return float((self.centres[:, -1] - self.centres[:, 0]).max())

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
    """Runs a network in float over images twice: for each channel's ends, then for the histograms.

    Args:
        network: Without constant factors in its products.
        images: (N, H, W, 3) uint8.
        on_image: Called with (images done, images in all), counting both passes.

    Returns:
        A histogram for the output of every node.
    """
    observed = [node.output for node in network.nodes if node.kind not in ("reshape", "softmax")]
    channels = [network.values[value].channels for value in observed]
    lows = [np.full(count, np.inf, np.float32) for count in channels]
    highs = [np.full(count, -np.inf, np.float32) for count in channels]
    total = 2 * len(images)
    sums = [np.zeros(count) for count in channels]
    squares = [np.zeros(count) for count in channels]
    for done, outputs in enumerate(run_float(network, observed, images), start=1):
        for index, output in enumerate(outputs):
            np.minimum(lows[index], output.min(axis=0), out=lows[index])
            np.maximum(highs[index], output.max(axis=0), out=highs[index])
            sums[index] += output.mean(axis=0, dtype=np.float64)
            squares[index] += np.square(output).mean(axis=0, dtype=np.float64)
        if on_image:
            on_image(done, total)
    steps = [np.maximum(high - low, 1e-12) / BINS for low, high in zip(lows, highs, strict=True)]
    counts = [np.zeros(count * BINS, np.int64) for count in channels]
    for done, outputs in enumerate(run_float(network, observed, images), start=len(images) + 1):
        for index, output in enumerate(outputs):
            thinned = output[:: -(-len(output) // _MOST_POSITIONS)]
            bins = np.minimum((thinned - lows[index]) / steps[index], BINS - 1).astype(np.int32)
            bins += np.arange(channels[index], dtype=np.int32) * BINS
            counts[index] += np.bincount(bins.reshape(-1), minlength=len(counts[index]))
        if on_image:
            on_image(done, total)
    found = {}
    for index, value in enumerate(observed):
        shares = counts[index].reshape(-1, BINS).astype(np.float64)
        centres = lows[index][:, None] + (np.arange(BINS) + 0.5) * steps[index][:, None]
        found[value] = Histogram(
            centres=centres.astype(np.float64),
            shares=shares / shares.sum(axis=1, keepdims=True),
            mean=sums[index] / len(images),
            square=squares[index] / len(images),
            factor=np.ones(channels[index]),
        )
    return found


def run_float(
    network: Network, values: Sequence[int], images: Images
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
