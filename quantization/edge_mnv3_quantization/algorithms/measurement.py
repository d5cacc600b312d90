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

Large maps show each channel at thousands of positions, so a part of the images is enough for them; and of all
but the first images, only the numbers of a map that lie far out are looked at one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.parallel import available_cores, results_in_order
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.algorithms.channel_costs import Batch, ChannelCosts, Columns, ImageCosts
from edge_mnv3_quantization.algorithms.directions import is_classified, of_classes, of_features, of_labels
from edge_mnv3_quantization.algorithms.draws import random_generator
from edge_mnv3_quantization.algorithms.gradients import Floats, gradients
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images, float_input
from edge_mnv3_quantization.graph.batches import batched, is_batchable
from edge_mnv3_quantization.graph.heads import Head, heads, logits_values
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs
from edge_mnv3_quantization.graph.writer import write_float

# All numbers of these images count, and of as many images as show so many numbers of each channel; of others
# only the numbers that lie far out.
_WHOLE_IMAGES, _WHOLE_NUMBERS = 32, 2_000
# Images beyond these are left out for maps that have shown this many numbers of each channel.
_LARGE_MAP_IMAGES, _LARGE_MAP_NUMBERS = 64, 50_000
_NUMBERS_AT_ONCE, _IMAGES_AT_ONCE = 8_000_000, 8  # numbers, and images, that a worker holds at the same time


Signs = Mapping[int, Array]
Costs = dict[int, ImageCosts | Batch]


class Stretch(NamedTuple):
    """Consecutive images of which the same is measured.

    Attributes:
        first: The first image.
        last: The last image + 1.
        values: What is measured, in the order of execution.
    """

    first: int
    last: int
    values: tuple[int, ...]

    def only_far(self, positions: int) -> bool:
        """Whether only numbers that lie far out count, of a value with so many positions."""
        return self.first >= max(_WHOLE_IMAGES, _WHOLE_NUMBERS // positions)


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
        network: A lowered network whose products have no constant factors. The cost is the error of the
            logits of all its heads together.
        statistics: The statistics of this network's values, over images like these.
        images: Images, (N, H, W, 3) uint8.
        seed: The seed of the directions.
        reporter: Its `progress` is told of (images done, images in all).
        workers: Threads; None for as many as there are cores. The result is the same for any number.
    """
    found = Heads(network, statistics)
    network = network.up_to(*logits_values(network))
    before_hard_swish = hard_swish_inputs(network)
    sums = {
        node.output: ChannelCosts(
            statistics[node.output],
            network.values[node.output].positions,
            before_hard_swish=node.output in before_hard_swish,
        )
        for node in network.nodes
        if node.output in statistics
    }
    rng = random_generator(seed)
    signs = found.signs(rng, len(images))
    done = 0
    for stretch in stretches(network, len(images)):
        work = _StretchOfImages(network, stretch, sums, found)
        for count, of_values in work.run(images, signs, workers or available_cores()):
            for value, of_images in of_values.items():
                if isinstance(of_images, Batch):
                    sums[value].add_later(of_images, count)
                else:
                    sums[value].add(of_images, count)
            for _ in range(count):
                done += 1
                reporter.progress(done, len(images))
    return {value: value_sums.finish() for value, value_sums in sums.items()}


def stretches(network: Network, images: int) -> list[Stretch]:
    """Divides the images by what is measured of them."""
    most: dict[int, int] = {}
    for node in reversed(network.nodes):
        enough = max(_LARGE_MAP_IMAGES, _LARGE_MAP_NUMBERS // network.values[node.output].positions)
        # A gradient follows from those of the values that are made of a value.
        takers = (most[taker.output] for taker in network.consumers(node.output))
        most[node.output] = min([images, enough, *takers])
    ends = sorted({0, min(_WHOLE_IMAGES, images), *most.values(), images})
    return [
        Stretch(first, last, tuple(n.output for n in network.nodes if most[n.output] >= last))
        for first, last in itertools.pairwise(ends)
    ]


class Heads:
    """Makes the directions of the logits of all heads."""

    def __init__(self, network: Network, statistics: Mapping[int, ChannelStatistics]) -> None:
        # Of heads that share their logits, one whose activation says what they mean decides.
        ordered = sorted(heads(network), key=lambda head: head.activation != "none")
        by_logits = {head.logits: head for head in ordered}
        self._heads = [by_logits[value] for value in logits_values(network)]
        self._shapes = [network.values[head.logits].shape for head in self._heads]
        self._classified = {head.logits for head in self._heads if is_classified(network, head)}
        self._spread = {
            head.logits: _spread(statistics[head.logits]) for head in self._heads if head.logits in statistics
        }

    def signs(self, rng: np.random.Generator, images: int) -> dict[int, Array]:
        """Draws a sign for each of the logits of each image, (N, ...) for each head."""
        drawn = [[rng.choice((-1.0, 1.0), shape) for shape in self._shapes] for _ in range(images)]
        of_heads = zip(self._heads, zip(*drawn, strict=True), strict=True)
        return {head.logits: np.concatenate(of_images) for head, of_images in of_heads}

    def directions(self, values: Mapping[int, Floats], signs: Signs) -> dict[int, Floats]:
        """Makes the directions of a batch, shaped like the values; images without signs have none."""
        made = {}
        for head in self._heads:
            logits = values[head.logits]
            made[head.logits] = np.zeros(logits.shape, np.float32)
            rows = made[head.logits].reshape(len(logits), -1)
            for row, one, of_image in zip(rows, logits.reshape(rows.shape), signs[head.logits], strict=False):
                row[:] = self._direction(head, one, of_image.reshape(-1))
        return made

    def _direction(self, head: Head, logits: Floats, signs: Array) -> Floats:
        if head.logits in self._classified:
            return of_classes(logits, signs)
        if head.activation == "sigmoid":
            return of_labels(logits, signs)
        return of_features(signs, self._spread[head.logits])


def _spread(statistics: ChannelStatistics) -> float:
    """Computes the root mean square of a value's numbers about the mean of their channel."""
    return float(np.sqrt(np.maximum(statistics.mean_square - np.square(statistics.mean), 0.0).mean()))


class _StretchOfImages:
    """Measures what errors in some values cost, over consecutive images."""

    def __init__(
        self, network: Network, stretch: Stretch, sums: Mapping[int, ChannelCosts], found: Heads
    ) -> None:
        self._stretch, self._sums, self._heads = stretch, sums, found
        self._batch = 1
        if is_batchable(network):
            numbers = sum(int(np.prod(network.values[value].shape)) for value in stretch.values)
            most = min(_IMAGES_AT_ONCE, stretch.last - stretch.first)
            self._batch = max(min(most, _NUMBERS_AT_ONCE // numbers), 1)
        self._network = batched(network, self._batch) if self._batch > 1 else network
        shapes = {
            (self._network.values[value].positions, self._network.values[value].channels)
            for value in stretch.values
        }
        self._columns = {shape: _columns(self._batch, *shape) for shape in shapes}
        self._product = {
            value: next(node.output for node in network.consumers(value) if node.kind == "mul")
            for value in hard_swish_inputs(network)
        }

    def run(self, images: Images, signs: Signs, workers: int) -> Iterator[tuple[int, Costs]]:
        """Yields, batch by batch, the number of images and what they cost by value."""
        content = write_float(self._network, self._stretch.values)
        starts = range(self._stretch.first, self._stretch.last, self._batch)
        models = [open_bytes(content) for _ in range(min(workers, len(starts)))]
        batches = [range(start, min(start + self._batch, self._stretch.last)) for start in starts]

        def costs(model: LoadedModel, batch: range) -> Costs:
            of_batch = {value: rows[batch.start : batch.stop] for value, rows in signs.items()}
            return self._costs(model, images[batch.start : batch.stop], of_batch)

        results = results_in_order(costs, models, batches)
        for batch, of_values in zip(batches, results, strict=True):
            yield len(batch), of_values

    def _costs(self, model: LoadedModel, images: Images, signs: Signs) -> Costs:
        missing = self._batch - len(images)  # images without a direction fill up the last batch
        filled = np.concatenate([images, images[:1].repeat(missing, axis=0)]) if missing else images
        outputs = model.run_raw(np.concatenate([float_input(self._network, image) for image in filled]))
        values = dict(zip(self._stretch.values, outputs, strict=True))
        by_value = gradients(self._network, values, self._heads.directions(values, signs))
        costs: Costs = {}
        for value in self._stretch.values:
            if value in self._sums:
                product = self._product.get(value)
                positions, channels = self._network.values[value].positions, values[value].shape[-1]
                shape = (self._batch, positions, channels)
                batch = Batch(
                    numbers=values[value].reshape(shape),
                    gradient=by_value[value].reshape(shape),
                    of_product=None if product is None else by_value[product].reshape(shape),
                    columns=self._columns[positions, channels],
                )
                sums, only_far = self._sums[value], self._stretch.only_far(positions)
                costs[value] = batch if sums.is_added_later else sums.costs_of(batch, only_far=only_far)
        return costs


def _columns(images: int, positions: int, channels: int) -> Columns:
    """Numbers the channels of some images, for each of the numbers of a value."""
    columns = np.arange(images * channels, dtype=np.int32).reshape(images, 1, channels)
    return np.broadcast_to(columns, (images, positions, channels)).reshape(-1)
