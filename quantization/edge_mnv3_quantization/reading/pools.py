"""Reads global pooling: means, sums and maxima over all rows and columns."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.tflite.types import Operator
from edge_mnv3_quantization.reading.refusals import source_of, unsupported
from edge_mnv3_quantization.reading.steps import affine
from edge_mnv3_quantization.reading.tensors import Reading, activated, first_output
from edge_mnv3_quantization.reading.views import View

_KINDS = {"MEAN": "mean", "SUM": "mean", "REDUCE_MAX": "max", "AVERAGE_POOL_2D": "mean", "MAX_POOL_2D": "max"}
_ADVICE = "pool over all rows and columns at once"
_OF_CHANNELS = "leave LayerNormalization and GroupNormalization out, or use BatchNormalization"


def read_reduction(reading: Reading, operator: Operator) -> View:
    """Reads MEAN, SUM and REDUCE_MAX."""
    source = source_of(operator, reading.graph)
    view = reading.views[operator.inputs[0]]
    if view.flat is not None:
        raise unsupported(source, "a vector that rows and columns were joined to", _ADVICE)
    places = {int(axis) % len(view.axes) for axis in reading.numbers(operator, 1).reshape(-1)}
    shape = reading.steps.values[view.value].shape
    over = {view.axes[place] for place in places}
    long = {axis for axis, size in enumerate(shape) if size > 1}
    if over & {0, 3} & long or {1, 2} & long - over:
        got = f"{operator.name} over axes {sorted(places)} of {reading.shape(operator.inputs[0])}"
        raise unsupported(source, got, _OF_CHANNELS if 3 in over else _ADVICE)
    pooled = (1, 1, 1, shape[-1])
    source = source_of(operator, reading.graph)
    if operator.name == "SUM":
        mean, output = reading.between(operator, pooled), reading.output(operator, pooled)
        reading.add(operator, kind="mean", inputs=(view.value,), output=mean)
        count = np.full(1, float(shape[1] * shape[2]))
        reading.steps.steps.append(affine(mean, output, source, count, np.zeros(1)))
    else:
        output = reading.output(operator, pooled)
        reading.add(operator, kind=_KINDS[operator.name], inputs=(view.value,), output=output)
    if operator.options.get("keep_dims"):
        return View(output, view.axes)
    return View(output, tuple(axis for place, axis in enumerate(view.axes) if place not in places))


def read_pool(reading: Reading, operator: Operator) -> View:
    """Reads AVERAGE_POOL_2D and MAX_POOL_2D with a window of the whole map."""
    value = reading.as_map(operator, operator.inputs[0])
    _, rows, columns, channels = reading.steps.values[value].shape
    options = operator.options
    window = (options["filter_height"], options["filter_width"])
    once = options["padding"] == "VALID" or (options["stride_h"] >= rows and options["stride_w"] >= columns)
    if window != (rows, columns) or not once:
        got = f"a window of {window[0]} x {window[1]} of {rows} x {columns}"
        raise unsupported(source_of(operator, reading.graph), got, _ADVICE)
    output = first_output(reading, operator, (1, 1, 1, channels))
    reading.add(operator, kind=_KINDS[operator.name], inputs=(value,), output=output)
    return activated(reading, operator, View(output, (0, 1, 2, 3)))
