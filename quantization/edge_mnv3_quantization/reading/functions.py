"""Recognizes hard-swish, however its sums, limits and products are written.

A product of two functions of one value is a function of that value, and hard-swish is recognized by what it
gives: at the ends of its pieces, between them and far outside. Nothing depends on the order of the operators.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, HARD_SIGMOID_SHIFT, Array
from edge_mnv3_quantization.reading.steps import Step, Steps, affine

# Dense, and off the round numbers, where limits are; and far outside.
_POINTS = np.concatenate([np.linspace(-12.0, 12.0, 1801) + 0.0017, [-1e3, -64.0, -3.0, 0.0, 3.0, 64.0, 1e3]])
_TOLERANCE = 1e-5  # of the largest number: a sixth in float32 is off by less
_MOST_STEPS = 8  # between a value and a function of it
_HARD_SWISH = (
    _POINTS * np.clip(_POINTS + HARD_SIGMOID_SHIFT, 0.0, HARD_SIGMOID_CEILING) / HARD_SIGMOID_CEILING
)


def recognize_hard_swish(steps: Steps) -> None:
    """Puts `hard_swish` steps, and `affine` ones for factors, in the place of products that are that."""
    functions: dict[int, dict[int, Array]] = {}
    for step in tuple(steps.steps):
        of_inputs = [functions.get(value, {}) | {value: _POINTS} for value in step.inputs]
        found = _functions(step, of_inputs)
        if step.kind == "mul":
            swished = next(
                ((x, f) for x, numbers in found.items() if (f := _factor(numbers)) is not None), None
            )
            if swished is not None:
                _put(steps, step, *swished)
                found = {swished[0]: found[swished[0]]}
        functions[step.output] = dict(list(found.items())[:_MOST_STEPS])


def _functions(step: Step, of_inputs: Iterable[dict[int, Array]]) -> dict[int, Array]:
    """Computes a step's output at the points, for each value that it is a function of."""
    first, *others = of_inputs
    if step.kind == "affine" and len(step.scale) == len(step.shift) == 1:
        return {x: step.scale[0] * numbers + step.shift[0] for x, numbers in first.items()}
    if step.kind == "clip":
        return {x: np.clip(numbers, step.low, step.high) for x, numbers in first.items()}
    if step.kind in ("mul", "add") and others:
        (second,) = others
        joint = {x: (numbers, second[x]) for x, numbers in first.items() if x in second}
        return {x: a * b if step.kind == "mul" else a + b for x, (a, b) in joint.items()}
    return {}


def _factor(numbers: Array) -> float | None:
    """Finds f where the numbers are f · hard-swish of the points; None where they are something else."""
    factor = float(numbers[-1] / _HARD_SWISH[-1])
    scale = np.maximum(np.abs(_HARD_SWISH), 1.0) * abs(factor)
    if factor and bool((np.abs(numbers - factor * _HARD_SWISH) <= _TOLERANCE * scale).all()):
        return factor
    return None


def _put(steps: Steps, step: Step, x: int, factor: float) -> None:
    """Puts factor · hard-swish of x in the place of a product."""
    if abs(factor - 1) <= _TOLERANCE:
        steps.replace(step, Step(kind="hard_swish", inputs=(x,), output=step.output, source=step.source))
        return
    shape = steps.values[step.output].shape
    swish = steps.new_value(f"{steps.values[step.output].name}_hard_swish", shape)
    steps.replace(
        step,
        Step(kind="hard_swish", inputs=(x,), output=swish, source=step.source),
        affine(swish, step.output, step.source, np.full(1, factor), np.zeros(1)),
    )
