"""The values of an int8 network whose weights become known node by node, over all images at once.

Each call runs only the nodes between what is known and what is asked for, written as a small file, on
XNNPACK's kernels. Integers are the same bit by bit whether the network runs in parts or whole, on one image
at a time or on several.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import map_in_threads
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.batches import batched, is_batchable
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.parts import Part, next_part
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_int8_part

Stored = npt.NDArray[np.int8]

_BATCH = 8  # images that run at once: enough to make calls cheap, few enough to stay in the cache


class Int8Activations:
    """Keeps the values that nodes still have to take, and forgets a value once all its nodes have run."""

    def __init__(
        self,
        network: Network,
        quantizations: Mapping[int, Quantization],
        images: Images,
        workers: int,
    ) -> None:
        """Starts with the images, (N, H, W, 3) uint8."""
        self._batch = min(_BATCH, len(images)) if is_batchable(network) else 1
        self._network = network
        self._batched = batched(network, self._batch) if self._batch > 1 else network
        self._quantizations = quantizations
        self._count = len(images)
        self._workers = workers
        # Pixels are shifted where they are taken: a copy of all images would double their memory.
        self._images = images
        self._known: dict[int, Stored] = {network.input: images.view(np.int8)}
        self._done: set[int] = set()

    def stored(self, value: int, weights: Mapping[int, QuantizedWeights]) -> Stored:
        """Computes the stored numbers of a value for every image, (N, ...) int8.

        Args:
            value: A value that no node takes, or that a node takes that has not run yet.
            weights: The weights of all weighted nodes that the value depends on, by the node's output.
        """
        if value not in self._known:
            part = next_part(self._network, value, self._known, self._done)
            self._known |= self._run(part, weights)
            self._done |= {node.output for node in part.nodes}
            needed = {i for node in self._network.nodes if node.output not in self._done for i in node.inputs}
            self._known = {known: self._known[known] for known in self._known if known in needed | {value}}
        return stored_pixels(self._images) if value == self._network.input else self._known[value]

    def _given(self, value: int, images: slice) -> Stored:
        shape = self._batched.values[value].shape
        if value == self._network.input:
            return stored_pixels(self._images[images]).reshape(shape)
        return self._known[value][images].reshape(shape)

    def _run(self, part: Part, weights: Mapping[int, QuantizedWeights]) -> dict[int, Stored]:
        content = write_int8_part(self._batched, part, self._quantizations, weights)
        results = {
            output: np.empty((self._count, *self._network.values[output].image_shape), np.int8)
            for output in part.outputs
        }
        # The last batch overlaps with the one before; it gives the same numbers again.
        starts = [min(start, self._count - self._batch) for start in range(0, self._count, self._batch)]
        workers = min(self._workers, len(starts))

        def run(work: tuple[LoadedModel, list[int]]) -> None:
            model, starts_of_worker = work
            for start in starts_of_worker:
                images = slice(start, start + self._batch)
                given = (self._given(taken, images) for taken in part.inputs)
                for output, numbers in zip(part.outputs, model.run_raw(*given), strict=True):
                    results[output][images] = numbers.reshape(self._batch, *results[output].shape[1:])

        shares = [(open_bytes(content), starts[worker::workers]) for worker in range(workers)]
        map_in_threads(run, shares, workers)
        return results


def stored_pixels(images: Images) -> Stored:
    """Shifts pixels 0..255 to the int8 numbers that int8 networks take."""
    return np.bitwise_xor(images, 128).view(np.int8)


def run_int8(
    network: Network,
    quantizations: Mapping[int, Quantization],
    weights: Mapping[int, QuantizedWeights],
    images: Images,
    *,
    workers: int = 1,
) -> Stored:
    """Computes the network's output, as stored, for each image, (N, ...)."""
    return Int8Activations(network, quantizations, images, workers).stored(network.output, weights)
