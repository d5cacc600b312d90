"""Reads sums, products and limits: with constants as `affine` and `clip` steps, of two values as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_mnv3.core.tflite.types import Operator
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.reading.constants import Constant
from edge_mnv3_quantization.reading.refusals import source_of, unsupported
from edge_mnv3_quantization.reading.steps import affine
from edge_mnv3_quantization.reading.tensors import Reading, activated, clipped, first_output
from edge_mnv3_quantization.reading.views import CHANNELS, View

_ONE, _ZERO = np.ones(1), np.zeros(1)
# Operator, and whether the constant comes first, to the factors and summands that the constant makes.
_WITH_CONSTANT: dict[tuple[str, bool], Callable[[Array], tuple[Array, Array]]] = {
    ("MUL", False): lambda c: (c, _ZERO),
    ("MUL", True): lambda c: (c, _ZERO),
    ("ADD", False): lambda c: (_ONE, c),
    ("ADD", True): lambda c: (_ONE, c),
    ("SUB", False): lambda c: (_ONE, -c),
    ("SUB", True): lambda c: (-_ONE, c),
    ("DIV", False): lambda c: (1.0 / c, _ZERO),
}


def read(reading: Reading, operator: Operator) -> View:
    """Reads ADD, SUB, MUL and DIV."""
    first, second = operator.inputs
    one, other = reading.constant(first), reading.constant(second)
    if one is None and other is None:
        return _of_two(reading, operator)
    constant, value, turned = (other, first, False) if one is None else (one, second, True)
    make = _WITH_CONSTANT.get((operator.name, turned))
    if make is None or constant is None:
        raise unsupported(source_of(operator, reading.graph), "a division by numbers that are computed")
    return _with_constant(reading, operator, value, make, constant)


def _with_constant(
    reading: Reading,
    operator: Operator,
    tensor: int,
    make: Callable[[Array], tuple[Array, Array]],
    constant: Constant,
) -> View:
    view = reading.views[tensor]
    if constant.size > 1:
        view = reading.as_vector(operator, view)
    view = _widened(view, constant.ndim)
    numbers = _by_channel(reading, operator, view, constant)
    with np.errstate(divide="ignore"):
        scale, shift = make(numbers)
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise unsupported(source_of(operator, reading.graph), "a constant that is not finite or divides by 0")
    given = reading.steps.values[view.value].shape
    count = max(given[-1], len(numbers))
    shape = (*given[:-1], count)
    if count > given[-1]:  # one channel becomes several
        view = _spread(reading, operator, view, count)
    output = first_output(reading, operator, shape)
    source = source_of(operator, reading.graph)
    reading.steps.steps.append(affine(view.value, output, source, scale, shift))
    return activated(reading, operator, View(output, view.axes, view.flat))


def _widened(view: View, rank: int) -> View:
    """Puts dimensions of size 1 in front, as broadcasting does."""
    missing = rank - len(view.axes) if view.flat is None else 0
    return View(view.value, (*[None] * max(missing, 0), *view.axes), view.flat)


def _by_channel(reading: Reading, operator: Operator, view: View, constant: Constant) -> Array:
    """Returns a constant's numbers, (1,) or one for each channel.

    Raises:
        ConversionError: It has other numbers for other positions.
    """
    if constant.size == 1:
        return constant.reshape(1).astype(np.float64)
    if view.flat is None:
        sizes = [1] * (len(view.axes) - constant.ndim) + list(constant.shape)
        long = [place for place, size in enumerate(sizes) if size > 1]
        axes = [view.axes[place] for place in long]
        if axes == [CHANNELS] or (axes == [None] and CHANNELS not in view.axes):
            return constant.reshape(-1).astype(np.float64)
    elif constant.size == len(view.flat) == constant.shape[-1]:
        placed = np.empty(constant.size)
        placed[view.flat] = constant.reshape(-1)
        return placed
    raise unsupported(
        source_of(operator, reading.graph),
        f"a constant of shape {constant.shape}",
        "use one number, or one for each channel",
    )


def _spread(reading: Reading, operator: Operator, view: View, count: int) -> View:
    """Adds a convolution that repeats a map's one channel."""
    shape = reading.steps.values[view.value].shape
    if shape[-1] != 1:
        raise unsupported(source_of(operator, reading.graph), f"{count} numbers for {shape[-1]} channels")
    output = reading.between(operator, (*shape[:-1], count))
    reading.add(
        operator,
        kind="conv",
        inputs=(view.value,),
        output=output,
        weights=np.ones((count, 1, 1, 1)),
        bias=np.zeros(count),
    )
    return View(output, _with_channels(view))


def _with_channels(view: View) -> tuple[int | None, ...]:
    """Returns the axes of a view whose last dimension is that of the channels if none was."""
    return view.axes if CHANNELS in view.axes else (*view.axes[:-1], CHANNELS)


def _of_two(reading: Reading, operator: Operator) -> View:
    """Reads a sum, difference or product of two values."""
    source = source_of(operator, reading.graph)
    if operator.name == "DIV":
        raise unsupported(source)
    views = [reading.views[tensor] for tensor in operator.inputs]
    if not _flattened_alike(reading, views):
        views = [reading.as_vector(operator, view) for view in views]
    views = [_widened(view, max(len(one.axes) for one in views)) for view in views]
    shapes = [reading.steps.values[view.value].shape for view in views]
    orders = [None if view.flat is None else tuple(view.flat) for view in views]
    if orders[0] != orders[1] or not _aligned(views, shapes):
        given = " and ".join(str(reading.shape(tensor)) for tensor in operator.inputs)
        raise unsupported(source, f"inputs {given} in different orders")
    shape = tuple(np.broadcast_shapes(*shapes))
    vectors = [one for one in shapes if one[:-1] == (1, 1, 1) and one[-1] == shape[-1]]
    fits = shapes[0] == shapes[1] or (operator.name == "MUL" and vectors and shape in shapes)
    if not fits:
        raise unsupported(source, f"inputs of different shapes {shapes[0]} and {shapes[1]}")
    axes = tuple(
        one if one is not None and shapes[0][one] > 1 else other
        for one, other in zip(views[0].axes, views[1].axes, strict=True)
    )
    values = [view.value for view in views]
    if operator.name == "SUB":
        negative = reading.between(operator, shapes[1])
        reading.steps.steps.append(affine(values[1], negative, source, -_ONE, _ZERO))
        values[1] = negative
    output = first_output(reading, operator, shape)
    reading.add(
        operator, kind="mul" if operator.name == "MUL" else "add", inputs=tuple(values), output=output
    )
    return activated(reading, operator, View(output, axes, views[0].flat))


def _flattened_alike(reading: Reading, views: list[View]) -> bool:
    """Whether two tensors are maps of one shape that were flattened in one order."""
    one, other = views
    return (
        one.flat is not None
        and other.flat is not None
        and np.array_equal(one.flat, other.flat)
        and reading.steps.values[one.value].shape == reading.steps.values[other.value].shape
    )


def _aligned(views: list[View], shapes: list[tuple[int, ...]]) -> bool:
    """Whether the dimensions of two tensors that meet are the same dimensions of their values."""
    places = [
        {axis: place for place, axis in enumerate(view.axes) if axis is not None and shape[axis] > 1}
        for view, shape in zip(views, shapes, strict=True)
    ]
    joint: dict[int, int] = {}
    for of_view in places:
        for axis, place in of_view.items():
            if joint.setdefault(axis, place) != place:
                return False
    return len(set(joint.values())) == len(joint)


def read_limit(reading: Reading, operator: Operator) -> View:
    """Reads MINIMUM and MAXIMUM with a constant."""
    constants = [reading.constant(tensor) for tensor in operator.inputs]
    limit = next((one for one in constants if one is not None), None)
    if limit is None or limit.size != 1:
        raise unsupported(source_of(operator, reading.graph), "a limit that is not one constant")
    number = float(limit.reshape(-1)[0])
    value = operator.inputs[0] if constants[0] is None else operator.inputs[1]
    limits = (number, np.inf) if operator.name == "MAXIMUM" else (-np.inf, number)
    return clipped(reading, operator, _widened(reading.views[value], limit.ndim), limits)


def read_negative(reading: Reading, operator: Operator) -> View:
    """Reads NEG."""
    return _with_constant(reading, operator, operator.inputs[0], lambda c: (c, _ZERO), -_ONE)


def read_broadcast(reading: Reading, operator: Operator) -> View:
    """Reads TILE and BROADCAST_TO, which may repeat the one channel of a grey image."""
    sizes = reading.numbers(operator, 1).reshape(-1)
    view = _widened(reading.views[operator.inputs[0]], len(sizes))
    before = view.shape(reading.steps.values[view.value].shape)
    after = tuple(int(size) for size in (sizes * before if operator.name == "TILE" else sizes))
    if after == before:
        return view
    long = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    axes = [view.axes[place] for place in long]
    if axes != [CHANNELS] and not (axes == [None] and CHANNELS not in view.axes):
        raise unsupported(source_of(operator, reading.graph), f"numbers repeated from {before} to {after}")
    return _spread(reading, operator, view, after[long[0]])


def read_concatenation(reading: Reading, operator: Operator) -> View:
    """Reads a concatenation of channels, which may repeat the one channel of a grey image."""
    source = source_of(operator, reading.graph)
    known = [reading.views.get(tensor) for tensor in operator.inputs]
    views = [None if view is None else reading.as_vector(operator, view) for view in known]
    first = views[0]
    if first is None or any(
        view is None or view.axes != first.axes or view.flat is not None for view in views
    ):
        raise unsupported(source, "inputs whose dimensions are in different orders")
    axis = first.axes[operator.options["axis"] % len(first.axes)]
    values = [view.value for view in views if view is not None]
    shapes = [reading.steps.values[value].shape for value in values]
    if axis not in (CHANNELS, None) or (axis is None and CHANNELS in first.axes):
        raise unsupported(source, "a concatenation of something else than channels")
    if len(set(values)) == 1 and shapes[0][-1] == 1:
        view = _spread(reading, operator, first, len(values))
    else:
        output = reading.between(operator, (*shapes[0][:-1], sum(shape[-1] for shape in shapes)))
        reading.add(operator, kind="concat", inputs=tuple(values), output=output)
        view = View(output, _with_channels(first))
    return activated(reading, operator, view)
