"""How the values of a float network are distributed over the calibration images, channel by channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.parallel import results_in_order
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals, exact_sum, no_totals
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.writer import write_float

Image = npt.NDArray[np.uint8]
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatistics:
    """The statistics of one value's C channels.

    Attributes:
        mean: The mean of all numbers, (C,).
        mean_square: The mean of the squares of all numbers, (C,).
        low: The smallest number, (C,).
        high: The largest number, (C,).
    """

    mean: Array
    mean_square: Array
    low: Array
    high: Array

    def spread(self) -> float:
        """Returns the distance between the ends of the channel that varies most."""
        return float((self.high - self.low).max())


def add_images(
    network: Network, images: Sequence[Image], totals: ChannelTotals, workers: int
) -> Iterator[int]:
    """Runs a network in float over images and adds its numbers to totals.

    Args:
        network: A network whose products have no constant factors.
        images: Images, (H, W, 3) uint8 each.
        totals: The totals to add to, those of the channels of `observed_values` side by side.
        workers: Threads; the result is the same for any number.

    Yields:
        The number of images that have been added, after each.

    Raises:
        ConversionError: A number is not finite.
    """

    def totals_of(model: LoadedModel, image: Image) -> ChannelTotals:
        outputs = model.run_raw(float_input(network, image))
        of_image = no_totals(len(totals.low))
        of_image.add([output.reshape(-1, output.shape[-1]) for output in outputs])
        return of_image

    content = write_float(network, observed_values(network))
    models = [open_bytes(content) for _ in range(min(workers, len(images)))]
    try:
        for done, of_image in enumerate(results_in_order(totals_of, models, images), start=1):
            totals.merge(of_image)
            yield done
    except FloatingPointError as error:
        raise ConversionError(
            "running the float model", "numbers over 1e9, infinite or NaN", "finite weights"
        ) from error


def observed_values(network: Network) -> list[int]:
    """Lists the values with statistics: all but probabilities and those that repeat another's numbers."""
    return [node.output for node in network.nodes if node.kind not in ("reshape", "softmax", "logistic")]


def channel_statistics(network: Network, totals: ChannelTotals, images: int) -> dict[int, ChannelStatistics]:
    """Computes the statistics of each of `observed_values` from the totals of a number of images."""
    mean, mean_square = (exact_sum(sums) / images for sums in (totals.sums, totals.squares))
    low, high = (ends.astype(np.float64) for ends in (totals.low, totals.high))
    statistics = {}
    start = 0
    for value in observed_values(network):
        channels = slice(start, start + network.values[value].channels)
        statistics[value] = ChannelStatistics(
            mean=mean[channels], mean_square=mean_square[channels], low=low[channels], high=high[channels]
        )
        start = channels.stop
    return statistics


def run_float(
    network: Network, values: Sequence[int], images: Iterable[Image]
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Runs a network in float, image by image.

    Yields:
        The values, (positions, C) float32 each.
    """
    model = open_bytes(write_float(network, values))
    for image in images:
        outputs: list[npt.NDArray[Any]] = model.run_raw(float_input(network, image))
        yield [output.reshape(-1, output.shape[-1]) for output in outputs]


def float_input(network: Network, image: Image) -> npt.NDArray[np.float32]:
    """Scales an image (H, W, 3) to what the float network takes, (1, H, W, 3)."""
    return scaled_pixels(image, network.input_scale, network.input_offset)


def scaled_pixels(image: Image, scale: float, offset: float) -> npt.NDArray[np.float32]:
    """Scales the pixels of an image (H, W, C) to scale * pixel + offset, (1, H, W, C)."""
    pixels = image[np.newaxis].astype(np.float32)
    scaled: npt.NDArray[np.float32] = pixels * np.float32(scale)
    scaled += np.float32(offset)
    return scaled
