"""What the first operators of a graph tell of the numbers that its float input takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.input_range import COMMON_RANGES, LARGEST_PIXEL, LOWEST_STORED, InputRange, range_of_ends
from edge_mnv3.core.tflite.types import Graph, Operator

Numbers = npt.NDArray[np.float64]

# What networks are fed inside, as the numbers for pixels 0 and 255.
_INNER_ENDS = ((-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-127.5, 127.5))
_SAME = 0.02  # a share of the range: far above rounding, far below the difference of two of them
# Where the images' own mean is taken off and divided by their deviation, pixel 0 and 255 fall within these.
_STANDARDIZED_LOW, _STANDARDIZED_HIGH = (-4.0, -0.2), (0.8, 8.0)
# ImageNet's mean alone is taken off by networks that came from Caffe.
_CENTRED_LOW, _CENTRED_HIGH = (-135.0, -95.0), (120.0, 160.0)
# The mean and deviation of ImageNet's pixels of 0..1, which many networks write down.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Where the mean of any images may lie, in shares of a range from its low end: within it, and a little beyond,
# as a batch normalization's offset moves it. And the least deviation, in shares: images are not all alike.
_MEAN_LOW, _MEAN_HIGH, _LEAST_DEVIATION = -0.15, 1.15, 0.01
_LEAST_CHANGE = 1e-3  # a layer that changes numbers by less is not meant to scale them
_BEFORE_NETWORKS_SCALING = (127.5, 127.5)  # the inverse of the network's Rescaling(1 / 127.5, -1)


class Scaling(NamedTuple):
    """x becomes factor * x + offset; (1,) or (channels,) each."""

    factor: Numbers
    offset: Numbers

    def then(self, factor: npt.ArrayLike, offset: npt.ArrayLike) -> Scaling:
        """This scaling with another one behind it."""
        factor, offset = (np.atleast_1d(np.asarray(each, np.float64)) for each in (factor, offset))
        return Scaling(self.factor * factor, self.offset * factor + offset)

    def rounding(self, largest: float) -> float:
        """How far an input is off, at most, that becomes the same but for one rounding of float32.

        Args:
            largest: The largest number that the input holds.
        """
        size = np.abs(self.factor) * largest + np.abs(self.offset)
        return float(np.max(size / np.abs(self.factor)) * np.finfo(np.float32).eps)

    def ends(self, pixels: InputRange) -> tuple[Numbers, Numbers]:
        """What it makes of the numbers for pixels 0 and 255."""
        low, high = pixels.ends()[0]
        return self.factor * low + self.offset, self.factor * high + self.offset


UNSCALED = Scaling(np.ones(1), np.zeros(1))


def range_of_graph(graph: Graph, tensor: int, layers: Sequence[Scaling] = ()) -> InputRange | None:
    """Reads from its first operators which numbers a float input takes.

    A first QUANTIZE has the range of the input as its own. A first multiplication and addition, as a layer
    for rescaling or normalization leaves them, make the numbers that a network works with of exactly one of
    the common ranges.

    Args:
        graph: The graph.
        tensor: Number of its float input, (1, height, width, channels).
        layers: The scalings of the first layers of the model that the graph was made of, as
            `range_of_scalings` takes them: a converter may have joined them. Empty where there is no model.

    Returns:
        None where they do not tell.
    """
    quantized = _quantized_range(graph, tensor)
    if quantized is not None:
        return next((each for each in COMMON_RANGES if quantized.is_near(each)), None)
    return range_of_scalings((*layers, *scalings_of_graph(graph, tensor)))


def range_of_scalings(scalings: Sequence[Scaling]) -> InputRange | None:
    """Tells which of the common ranges a network's first layers scale to what networks work with.

    Layers that leave the numbers of a range as they are, as the subtraction of a mean of 0.05 leaves those of
    0 to 255, tell nothing of that range. Nor is it a standardization where no mean is taken off, or nothing
    is divided by a deviation; and one whose mean and deviation images of two of the ranges can have, as 0.5
    and 0.3 are those of images of 0 to 1 and of bright ones of -1 to 1, tells of neither.

    What all layers tell together must not contradict the first ones: a normalization of images of 0 to 1 in
    front of a network that scales 0 to 255 is one of 0 to 255 by its numbers alone.

    Args:
        scalings: What the first layer makes of the input, the first two, and so on.

    Returns:
        None where none of them is fit, several are, or one contradicts another.
    """
    told = next((known for each in reversed(scalings) if (known := _told(each)) is not None), None)
    if told is None or any(told not in possible for each in scalings if (possible := _possible(each))):
        return None
    return told


def _told(scaling: Scaling) -> InputRange | None:
    standardized = (_is_standardized,) if _takes_mean_and_deviation(scaling) else ()
    for is_inner in (_is_inner, *standardized, _is_centred):
        fitting = [each for each in COMMON_RANGES if is_inner(*scaling.ends(each))]
        if is_inner is _is_standardized and not _is_imagenets(scaling):
            fitting = [] if len(_of_images(scaling)) > 1 else fitting
        if len(fitting) == 1 and not _leaves(scaling, fitting[0]):
            return fitting[0]
    return None


def _possible(scaling: Scaling) -> Collection[InputRange]:
    """The common ranges whose images a layer can be meant for; none where it says nothing of that."""
    told = _told(scaling)
    if told is not None:
        return (told,)
    return () if _is_identity(scaling) else _of_images(scaling)


def _quantized_range(graph: Graph, tensor: int) -> InputRange | None:
    takers = graph.consumers(tensor)
    if len(takers) != 1 or takers[0].name != "QUANTIZE":
        return None
    stored = graph.tensors[takers[0].output]
    return range_of_integers(stored.dtype.lower(), stored.scales, stored.zero_point)


def range_of_integers(dtype: str, scales: tuple[float, ...], zero_point: int) -> InputRange | None:
    """Returns the real numbers that a quantized input's 256 steps stand for, as those of pixels 0 to 255.

    Args:
        dtype: `uint8` or `int8`; others have other steps.
        scales: Real value of one step; none where the integers themselves are the real numbers.
        zero_point: Stored value of real 0.
    """
    lowest = LOWEST_STORED.get(dtype)
    scale = scales[0] if scales else 1.0
    if lowest is None or len(scales) > 1 or not scale > 0:
        return None
    low, high = (scale * (lowest + step - zero_point) for step in (0, LARGEST_PIXEL))
    return range_of_ends(low, high)


def scalings_of_graph(graph: Graph, tensor: int) -> Iterator[Scaling]:
    """Yields what the first operator makes of an input, then the first two, and so on.

    Args:
        graph: The graph.
        tensor: Number of its input, (1, height, width, channels).
    """
    channels = graph.tensors[tensor].shape[-1]
    scaling = UNSCALED
    while True:
        takers = graph.consumers(tensor)
        if len(takers) != 1:
            return
        operator = takers[0]
        if operator.name == "TRANSPOSE":
            tensor = operator.output
            continue
        constant = _constant(graph, operator, tensor, channels)
        if constant is None:
            return
        if operator.name in ("MUL", "DIV"):
            scaling = scaling.then(constant if operator.name == "MUL" else 1 / constant, 0)
        else:
            scaling = scaling.then(1, constant if operator.name == "ADD" else -constant)
        yield scaling
        tensor = operator.output


def _constant(graph: Graph, operator: Operator, tensor: int, channels: int) -> Numbers | None:
    """The numbers, one or one for each channel, that an operator of arithmetic joins with a tensor."""
    if operator.name not in ("MUL", "DIV", "ADD", "SUB") or operator.activation != "NONE":
        return None
    first, second = operator.inputs
    other = second if first == tensor else first
    if other == first and operator.name in ("DIV", "SUB"):
        return None
    numbers = graph.constant(other)
    if numbers is None or numbers.size not in (1, channels) or numbers.dtype != np.float32:
        return None
    if operator.name == "DIV" and not numbers.all():
        return None
    return numbers.reshape(-1).astype(np.float64)


def _is_inner(low: Numbers, high: Numbers) -> bool:
    return any(_are_ends(low, high, first, last) for first, last in _INNER_ENDS)


def _leaves(scaling: Scaling, pixels: InputRange) -> bool:
    """Whether a scaling makes of the numbers of a range the same ones again."""
    return _are_ends(*scaling.ends(pixels), *pixels.ends()[0])


def _are_ends(low: Numbers, high: Numbers, first: float, last: float) -> bool:
    return bool(np.all(np.maximum(abs(low - first), abs(high - last)) <= _SAME * (last - first)))


def _takes_mean_and_deviation(scaling: Scaling) -> bool:
    return bool(np.all(scaling.offset != 0) and np.any(abs(scaling.factor - 1) > _SAME))


def _is_imagenets(scaling: Scaling) -> bool:
    """Whether it takes ImageNet's mean off numbers of 0..1 and divides them by its deviation."""
    mean, std = (np.asarray(each) for each in (_IMAGENET_MEAN, _IMAGENET_STD))
    orders = ((mean, std), (mean[::-1], std[::-1]))
    return any(
        bool(np.allclose(scaling.factor * std, 1, atol=_SAME))
        and bool(np.allclose(scaling.offset * std, -mean, atol=_SAME))
        for mean, std in orders
    )


def _is_identity(scaling: Scaling) -> bool:
    return bool(np.any((abs(scaling.factor - 1) < _LEAST_CHANGE) & (abs(scaling.offset) < _LEAST_CHANGE)))


def _of_images(scaling: Scaling) -> set[InputRange]:
    """The common ranges in which images may have the mean that is taken off and the deviation.

    Also those that have it in front of a network's own scaling of 0..255 to -1..1, which a converter may have
    joined with it.
    """
    return {
        pixels
        for each in (scaling, scaling.then(*_BEFORE_NETWORKS_SCALING))
        for pixels in COMMON_RANGES
        if _have_images(pixels, each)
    }


def _have_images(pixels: InputRange, scaling: Scaling) -> bool:
    """Whether images of a range may have the mean that is taken off and the deviation."""
    low, high = pixels.ends()[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, deviation = -scaling.offset / scaling.factor, 1 / np.abs(scaling.factor)
    place, spread = (mean - low) / (high - low), deviation / (high - low)
    return bool(np.all((place >= _MEAN_LOW) & (place <= _MEAN_HIGH) & (spread >= _LEAST_DEVIATION)))


def _is_standardized(low: Numbers, high: Numbers) -> bool:
    return _are_within(low, high, _STANDARDIZED_LOW, _STANDARDIZED_HIGH)


def _is_centred(low: Numbers, high: Numbers) -> bool:
    return _are_within(low, high, _CENTRED_LOW, _CENTRED_HIGH)


def _are_within(low: Numbers, high: Numbers, lows: tuple[float, float], highs: tuple[float, float]) -> bool:
    return bool(np.all((lows[0] <= low) & (low <= lows[1]) & (highs[0] <= high) & (high <= highs[1])))
