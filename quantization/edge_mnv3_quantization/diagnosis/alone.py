"""The error of a float network's output with one of its tensors quantized, for each tensor.

Only what is behind a tensor runs again; it is loaded once for the tensor's rounding and for the weights of
the operator that gives it.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.parallel import results_of_stream
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.types import Tensor
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.cuts import Cut, Flow, Kept, Numbers, Parts, most_bytes, taken
from edge_mnv3_quantization.diagnosis.equalization_scales import EqualizationScales, moved_biases
from edge_mnv3_quantization.diagnosis.items import Item, fake_quantize
from edge_mnv3_quantization.diagnosis.pair import Pair
from edge_mnv3_quantization.graph.network import Array

_MEAN_IMAGES = 16  # how many images give the mean error of an operator's channels
_KEPT_BYTES = 200e6  # of values at one cut: of more and larger images some have their turn after the others


class _Cost(NamedTuple):
    """Place of an item, the item with its final bias, and the squared error of each image's output."""

    place: int
    item: Item
    errors: Array


class AloneRuns:
    """Runs the float network with one item quantized, over images in turns."""

    def __init__(
        self, pair: Pair, equalization: EqualizationScales, images: Images, items: Sequence[Item]
    ) -> None:
        """Plans the runs.

        Args:
            pair: The files.
            equalization: The equalization scales of the int8 file.
            images: (N, H, W, channels) uint8.
            items: What is quantized.
        """
        self._pair, self._equalization = pair, equalization
        self._images, self._items = images, list(items)
        self._places = defaultdict[int, list[int]](list)
        for place, item in enumerate(items):
            self._places[item.value.float_tensor].append(place)
        flow = Flow(pair.float_file, pair.logits.float_tensor)
        self._parts = Parts(pair.float_content, flow)
        most = int(_KEPT_BYTES // max(1, most_bytes(flow, self._places)))
        step = max(_MEAN_IMAGES, most)
        self._turns = [range(at, min(at + step, len(images))) for at in range(0, len(images), step)]

    @property
    def steps(self) -> int:
        """How often `run` reports that it is one step further."""
        return len(self._turns) * len(self._places)

    def run(
        self, wanted: Sequence[Array], workers: int, done: Callable[[], None]
    ) -> tuple[list[Item], Array]:
        """Runs everything.

        Args:
            wanted: The output of the network as it is, (positions, C) for each image.
            workers: Threads; the result is the same for any number.
            done: Called after each step.

        Returns:
            The items, and the squared error of the output with each of them quantized, (items, N). The bias
            of weights is without their mean error where the int8 file's biases were moved.
        """
        errors = np.zeros((len(self._items), len(self._images)))

        def costs_at(cut: Cut) -> tuple[range, list[_Cost]]:
            return cut.images, list(self._costs(cut, wanted[cut.images.start : cut.images.stop]))

        for turn in self._turns:
            cuts = self._parts.cuts(self._places, self._images[turn.start : turn.stop], turn.start)
            for images, costs in results_of_stream(costs_at, cuts, workers):
                for place, item, of_images in costs:
                    self._items[place] = item
                    errors[place, images.start : images.stop] = of_images
                done()
        return self._items, errors

    def _costs(self, cut: Cut, wanted: Sequence[Array]) -> Iterator[_Cost]:
        behind = None
        if cut.behind.operators:
            behind = self._parts.load(cut.behind, cut.known, [self._parts.flow.output])
        for place in self._places[cut.tensor]:
            item = self._items[place]
            if cut.images.start == 0:
                item = self._without_mean_error(item, cut)
            outputs = self._changed(item, cut, len(cut.images))
            if behind is not None:
                given = taken(cut.behind, {**cut.known, cut.tensor: outputs})
                outputs = [behind.run_raw(*inputs)[0] for inputs in given]
            pairs = zip(outputs, wanted, strict=True)
            errors = [np.square(_rows(output).astype(np.float64) - right).sum() for output, right in pairs]
            yield _Cost(place, item, np.array(errors))

    def _changed(self, item: Item, cut: Cut, images: int) -> list[Numbers]:
        """Computes the numbers of a cut's tensor for the first images, with an item quantized."""
        if item.weights is None:
            model = open_bytes(_rounding(item, cut.values[0].shape, self._equalization))
            return [model.run_raw(numbers)[0] for numbers in cut.values[:images]]
        part = self._parts.flow.part([cut.operator])
        model = self._parts.load(part, cut.known, [cut.tensor], item.constants())
        first = {tensor: kept[:images] for tensor, kept in cut.known.items()}
        return [model.run_raw(*inputs)[0] for inputs in taken(part, first)]

    def _without_mean_error(self, item: Item, cut: Cut) -> Item:
        """Takes the mean error of weights out of their bias where the int8 file's biases were moved.

        A recipe that corrects biases takes back the mean error of everything before them, and does not say
        how much of a correction is for these weights. With everything else exact, the correction would be
        their mean error.
        """
        if item.weights is None or item.real is None:
            return item
        steps = moved_biases(item.weights, self._equalization)
        if steps is None or not steps.any():
            return item
        changed = self._changed(item, cut, _MEAN_IMAGES)
        real, bias = item.real
        error = _mean(changed) - _mean(cut.values[:_MEAN_IMAGES])
        return dataclasses.replace(item, real=(real, bias - error))


def _rounding(item: Item, shape: tuple[int, ...], equalization: EqualizationScales) -> bytes:
    """Writes a file that rounds a value of this shape."""
    builder = GraphBuilder()
    tensor = builder.add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
    edit = Edit(builder.to_bytes([tensor], [tensor]), "being diagnosed")
    fake_quantize(edit, tensor, item, equalization)
    return edit.to_bytes()


def _rows(numbers: Numbers) -> Numbers:
    return numbers.reshape(-1, numbers.shape[-1])


def _mean(kept: Kept) -> Array:
    """The mean of each channel over all images and positions, (C,)."""
    mean: Array = np.mean([_rows(numbers).mean(axis=0, dtype=np.float64) for numbers in kept], axis=0)
    return mean
