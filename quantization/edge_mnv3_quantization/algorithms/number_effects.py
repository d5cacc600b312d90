"""What it costs at the logits when the results of a hard-swish change, told by the numbers that it takes.

For each channel the numbers are sorted into bins, and for each image the gradients at the results are summed
up by bin. With them, whatever function of the numbers takes the place of the hard-swish, what it costs is a
product of small matrices: the errors of one image are summed before they are squared, as in `measurement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import available_cores, results_in_order
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.algorithms.draws import random_generator
from edge_mnv3_quantization.algorithms.gradients import Floats, gradients
from edge_mnv3_quantization.algorithms.measurement import Heads
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images, float_input
from edge_mnv3_quantization.graph.heads import logits_values
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, Array, Network
from edge_mnv3_quantization.graph.writer import write_float

_IMAGES, _BINS = 64, 64
_SHOWN_POSITIONS = 500  # maps of so many positions show the largest numbers of each channel


class NumberEffects(NamedTuple):
    """The numbers that one hard-swish takes, in C channels of B bins, and what its results cost in N images.

    Attributes:
        numbers: The mean of the numbers in each bin, (C, B).
        highest: Beyond which no numbers come, (C,): infinite for small maps, which do not show that.
        shares: How many of a channel's numbers are in each bin, as shares of all, (C, B).
        weights: The sum of the gradients of a direction of the logits at the product of the hard-swish, which
            is six times its result, (C, N, B).
        constants: The same sum for a constant that the layers behind add at every place, also where they take
            zeros around a map, (C, N); None where not only layers with weights take the results.
    """

    numbers: Array
    highest: Array
    shares: Array
    weights: Floats
    constants: Floats | None


def number_effects(
    network: Network,
    statistics: Mapping[int, ChannelStatistics],
    ranges: Mapping[int, tuple[Array, Array]],
    images: Images,
    *,
    seed: int,
) -> dict[int, NumberEffects]:
    """Measures the effects of the results of some hard-swishes.

    Args:
        network: A network lowered per channel, its products without constant factors.
        statistics: The statistics of its values, for the directions of features.
        ranges: The input of each hard-swish to the smallest and the largest number of its channels, (C,).
        images: Calibration images, (N, H, W, C) uint8; the first ones are used.
        seed: The seed of the directions.
    """
    found = Heads(network, statistics)
    network = network.up_to(*logits_values(network))
    images = images[:_IMAGES]
    signs = found.signs(random_generator(seed), len(images))
    values = tuple(node.output for node in network.nodes)
    content = write_float(network, values)
    sites = {x: _Site(network, x, *ends) for x, ends in ranges.items()}

    def effects(model: LoadedModel, place: int) -> dict[int, _OfImage]:
        outputs = model.run_raw(float_input(network, images[place]))
        numbers = dict(zip(values, outputs, strict=True))
        of_image = {value: rows[place : place + 1] for value, rows in signs.items()}
        by_value = gradients(network, numbers, found.directions(numbers, of_image))
        return {x: site.of_image(numbers, by_value) for x, site in sites.items()}

    models = [open_bytes(content) for _ in range(min(available_cores(), len(images)))]
    results = list(results_in_order(effects, models, range(len(images))))
    return {x: site.together([one[x] for one in results]) for x, site in sites.items()}


def true_errors(
    network: Network,
    others: Sequence[Network],
    statistics: Mapping[int, ChannelStatistics],
    images: Images,
    *,
    seed: int,
) -> list[float]:
    """Measures what other networks' logits differ by, with the directions that `number_effects` takes.

    Args:
        network: See `number_effects`.
        others: Networks with the same heads.
        statistics: See `number_effects`.
        images: See `number_effects`.
        seed: See `number_effects`.

    Returns:
        For each of the others, the squared error of the logits, as the mean over the images.
    """
    found, logits = Heads(network, statistics), logits_values(network)
    images = images[:_IMAGES]
    signs = found.signs(random_generator(seed), len(images))
    inputs = [float_input(network, image) for image in images]

    def outputs(one: Network) -> list[dict[int, Floats]]:
        """Runs one network at a time: many that are open take much memory."""
        content = write_float(one.up_to(*logits), logits)
        models = [open_bytes(content) for _ in range(min(available_cores(), len(inputs)))]
        runs = results_in_order(lambda model, image: model.run_raw(image), models, inputs)
        return [dict(zip(logits, run, strict=True)) for run in runs]

    wanted = outputs(network)
    directions = [
        found.directions(one, {value: rows[place : place + 1] for value, rows in signs.items()})
        for place, one in enumerate(wanted)
    ]

    def error(other: Network) -> float:
        squares = [
            float(sum(np.vdot(along[value], got[value] - want[value]) for value in logits)) ** 2
            for along, got, want in zip(directions, outputs(other), wanted, strict=True)
        ]
        return float(np.mean(squares))

    return [error(other) for other in others]


class _OfImage(NamedTuple):
    """What one image adds: (C, B) each, and (C,) constants."""

    counts: npt.NDArray[np.intp]
    sums: Array
    weights: Floats
    constants: Floats | None


class _Site:
    """One hard-swish."""

    def __init__(self, network: Network, x: int, low: Array, high: Array) -> None:
        self._network, self._x = network, x
        self._low, self._width = low.astype(np.float32), np.maximum((high - low) / _BINS, 1e-12)
        self._channels = len(low)
        shown = network.values[x].positions >= _SHOWN_POSITIONS
        self._highest = high if shown else np.full(len(high), np.inf)
        self.product = next(node.output for node in network.consumers(x) if node.kind == "mul")
        takers = network.consumers(self.product)
        self._takers = takers if all(node.weights is not None for node in takers) else ()

    def of_image(self, numbers: Mapping[int, Floats], by_value: Mapping[int, Floats]) -> _OfImage:
        x = numbers[self._x].reshape(-1, self._channels)
        gradient = by_value[self.product].reshape(x.shape)
        bins = ((x - self._low) / self._width.astype(np.float32)).astype(np.int32)
        np.clip(bins, 0, _BINS - 1, out=bins)
        bins += np.arange(self._channels, dtype=np.int32) * _BINS
        places, shape = bins.reshape(-1), (self._channels, _BINS)
        size = self._channels * _BINS
        return _OfImage(
            np.bincount(places, minlength=size).reshape(shape),
            np.bincount(places, x.reshape(-1), size).reshape(shape).astype(np.float64),
            np.bincount(places, gradient.reshape(-1), size).reshape(shape).astype(np.float32),
            self._of_constants(numbers, by_value) if self._takers else None,
        )

    def _of_constants(self, numbers: Mapping[int, Floats], by_value: Mapping[int, Floats]) -> Floats:
        total = np.zeros(self._channels)
        for node in self._takers:
            gradient = by_value[node.output]
            if node.clamp != "none":
                given = numbers[node.output]
                inside = given > 0
                if node.clamp == "relu6":
                    inside &= given < HARD_SIGMOID_CEILING
                gradient = gradient * inside
            of_outputs = gradient.reshape(-1, gradient.shape[-1]).sum(axis=0, dtype=np.float64)
            weights, _ = node.weights_and_bias()
            if node.kind == "depthwise":
                total += of_outputs * weights.reshape(-1, self._channels).sum(axis=0)
            else:
                total += of_outputs @ weights.reshape(len(weights), -1, self._channels).sum(axis=1)
        return total.astype(np.float32)

    def together(self, images: Sequence[_OfImage]) -> NumberEffects:
        counts = np.sum([one.counts for one in images], axis=0)
        middle = self._low[:, None] + (np.arange(_BINS) + 0.5) * self._width[:, None]
        sums = np.sum([one.sums for one in images], axis=0)
        constants = [one.constants for one in images if one.constants is not None]
        return NumberEffects(
            numbers=np.where(counts > 0, sums / np.maximum(counts, 1), middle),
            highest=self._highest,
            shares=counts / counts.sum(axis=1, keepdims=True),
            weights=np.stack([one.weights for one in images], axis=1),
            constants=np.stack(constants, axis=1) if constants else None,
        )
