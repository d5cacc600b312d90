"""Rules that make convolutions take up the `affine` and `clip` steps around them, exact in real numbers.

What nothing can take up becomes a depthwise 1x1 convolution of its own.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_mnv3_quantization.graph.network import HARD_SIGMOID_CEILING, Array, Clamp
from edge_mnv3_quantization.reading.steps import Step, Steps, affine, channels

_IDENTICAL = 1e-6  # a sixth in float32, times six, is nearer to 1
_ONE, _ZERO = np.ones(1), np.zeros(1)


def fold(steps: Steps) -> None:
    """Leaves no `affine` and `clip` steps but `affine` ones that take the image."""
    steps.until_settled((_drop_identity, _compose, _limit_again))
    for step in [step for step in steps.steps if step.kind == "clip"]:
        _as_relu(steps, step)
    steps.until_settled(
        (
            _drop_identity,
            _compose,
            _into_producer,
            _clamp_producer,
            _into_factor,
            _below,
            _into_consumers,
            _into_next_conv,
            _over_whole_map,
        )
    )
    for step in [step for step in steps.steps if step.kind == "affine" and step.inputs[0] != steps.input]:
        steps.replace(step, as_depthwise(steps, step))
    steps.until_settled((_clamp_producer,))
    for step in [step for step in steps.steps if step.kind == "clip"]:
        steps.replace(step, as_depthwise(steps, step))


def _drop_identity(steps: Steps, step: Step) -> bool:
    if step.kind == "clip" and step.low == -np.inf and step.high == np.inf:
        steps.drop(step)
        return True
    if (
        step.kind == "affine"
        and step.inputs[0] != steps.input
        and (np.abs(step.scale - 1) <= _IDENTICAL).all()
        and not step.shift.any()
    ):
        steps.drop(step)
        return True
    return False


def _compose(steps: Steps, step: Step) -> bool:
    """Makes one step of two `affine` ones."""
    before = steps.producer(step.inputs[0])
    if step.kind != "affine" or before is None or before.kind != "affine":
        return False
    scale, shift = before.scale * step.scale, before.shift * step.scale + step.shift
    steps.replace(step, affine(before.inputs[0], step.output, step.source, scale, shift))
    steps.without_unused()
    return True


def _limit_again(steps: Steps, step: Step) -> bool:
    """Makes one step of two `clip` ones."""
    before = steps.producer(step.inputs[0])
    if step.kind != "clip" or before is None or before.kind != "clip":
        return False
    low, high = (float(np.clip(limit, before.low, before.high)) for limit in (step.low, step.high))
    steps.replace(step, dataclasses.replace(step, inputs=before.inputs, low=low, high=high))
    steps.without_unused()
    return True


def _as_relu(steps: Steps, step: Step) -> None:
    """Writes any limits as a ReLU or ReLU6 between two `affine` steps."""
    if np.isfinite(step.low):
        finite = np.isfinite(step.high)
        scale = HARD_SIGMOID_CEILING / (step.high - step.low) if finite and step.high > step.low else 1.0
        shift, high = -step.low * scale, HARD_SIGMOID_CEILING if finite else np.inf
    else:  # a limit from above alone: the largest of 0 and high - x, turned over
        scale, shift, high = -1.0, step.high, np.inf
    if scale == 1.0 and shift == 0.0:
        steps.replace(step, dataclasses.replace(step, low=0.0, high=high))
        return
    shape, name = steps.values[step.output].shape, steps.values[step.output].name
    given = steps.new_value(f"{name}_shifted", shape)
    limited = steps.new_value(f"{name}_limited", shape)
    back = (np.full(1, 1 / scale), np.full(1, -shift / scale))
    steps.replace(
        step,
        affine(step.inputs[0], given, step.source, np.full(1, scale), np.full(1, shift)),
        dataclasses.replace(step, inputs=(given,), output=limited, low=0.0, high=high),
        affine(limited, step.output, step.source, *back),
    )


def _into_producer(steps: Steps, step: Step) -> bool:
    """Makes the convolution in front of an `affine` step give what the step gives."""
    before = steps.producer(step.inputs[0])
    if step.kind != "affine" or before is None or not before.is_weighted:
        return False
    commutes = before.clamp == "none" or (
        before.clamp == "relu" and (step.scale > 0).all() and not step.shift.any()
    )
    if not commutes or not steps.is_only_for(before.output, step):
        return False
    weights, bias = before.weights_and_bias()
    scale, shift = channels(step.scale, len(bias)), channels(step.shift, len(bias))
    shaped = scale if before.kind == "depthwise" else scale.reshape(-1, *[1] * (weights.ndim - 1))
    folded = dataclasses.replace(
        before, output=step.output, weights=weights * shaped, bias=bias * scale + shift
    )
    steps.replace(before)
    steps.replace(step, folded)
    return True


def _clamp_producer(steps: Steps, step: Step) -> bool:
    """Makes the convolution in front of a ReLU or ReLU6 apply it."""
    before = steps.producer(step.inputs[0])
    if step.kind != "clip" or before is None or not before.is_weighted:
        return False
    if not steps.is_only_for(before.output, step):
        return False
    clamp: Clamp = "relu" if step.high == np.inf and before.clamp != "relu6" else "relu6"
    steps.replace(before)
    steps.replace(step, dataclasses.replace(before, output=step.output, clamp=clamp))
    return True


def _into_factor(steps: Steps, step: Step) -> bool:
    """Makes the products that take an `affine` step's result take its constant factor."""
    takers = steps.consumers(step.output)
    if (
        step.kind != "affine"
        or step.output in steps.outputs
        or step.inputs[0] == steps.input
        or len(step.scale) != 1
        or step.shift.any()
        or not takers
        or any(taker.kind != "mul" for taker in takers)
    ):
        return False
    for taker in takers:
        factor = taker.factor * float(step.scale[0]) ** taker.inputs.count(step.output)
        inputs = tuple(step.inputs[0] if value == step.output else value for value in taker.inputs)
        steps.replace(taker, dataclasses.replace(taker, inputs=inputs, factor=factor))
    steps.replace(step)
    return True


def _below(steps: Steps, step: Step) -> bool:
    """Moves an `affine` step behind the operators that let it through."""
    takers = steps.consumers(step.output)
    if step.kind != "affine" or step.output in steps.outputs or step.inputs[0] == steps.input or not takers:
        return False
    if not all(_lets_through(steps, step, taker) for taker in takers):
        return False
    for taker in takers:
        moved = steps.new_value(f"{steps.values[taker.output].name}_before", steps.values[taker.output].shape)
        inputs = tuple(step.inputs[0] if value == step.output else value for value in taker.inputs)
        scale, shift = _spread_over(steps, step, taker)
        behind = affine(moved, taker.output, step.source, scale, shift)
        steps.replace(taker, dataclasses.replace(taker, inputs=inputs, output=moved), behind)
    steps.replace(step)
    return True


def _spread_over(steps: Steps, step: Step, taker: Step) -> tuple[Array, Array]:
    """The factors and summands of an `affine` step, for the channels of what an operator behind it gives."""
    if taker.kind != "reshape":
        return step.scale, step.shift
    given, result = (steps.values[value].channels for value in (step.output, taker.output))
    scale, shift = (
        numbers if len(numbers) == 1 else np.tile(numbers, result // given)
        for numbers in (step.scale, step.shift)
    )
    return scale, shift


def _lets_through(steps: Steps, step: Step, taker: Step) -> bool:
    """Whether an operator gives the same if an `affine` step comes behind it instead of in front."""
    if taker.kind == "mean":
        return True
    if taker.kind == "max":
        return bool((step.scale > 0).all())
    if taker.kind == "clip":
        return bool((step.scale > 0).all()) and not step.shift.any() and taker.high == np.inf
    if taker.kind == "mul":
        return not step.shift.any() and taker.inputs.count(step.output) == 1
    if taker.kind == "reshape":
        return len(steps.values[taker.output].shape) == 4  # weights follow, not an output
    return taker.kind == "pad" and not step.shift.any()


def _into_consumers(steps: Steps, step: Step) -> bool:
    """Makes the convolutions behind an `affine` step take what the step takes."""
    takers = steps.consumers(step.output)
    if step.kind != "affine" or step.output in steps.outputs or step.inputs[0] == steps.input or not takers:
        return False
    if not all(_takes(steps, step, taker) for taker in takers):
        return False
    for taker in takers:
        steps.replace(taker, taking_affine(taker, step))
    steps.replace(step)
    return True


def _takes(steps: Steps, step: Step, taker: Step) -> bool:
    return taker.is_weighted and (not step.shift.any() or not is_padded(steps, taker))


def taking_affine(taker: Step, step: Step) -> Step:
    """Returns a convolution that takes the input of an `affine` step instead of its output."""
    weights, bias = taker.weights_and_bias()
    scale, shift = channels(step.scale, weights.shape[-1]), channels(step.shift, weights.shape[-1])
    if taker.kind == "depthwise":
        moved = shift * weights.reshape(-1, weights.shape[-1]).sum(axis=0)
    else:
        moved = (weights * shift).reshape(len(weights), -1).sum(axis=1)
    return dataclasses.replace(taker, inputs=step.inputs, weights=weights * scale, bias=bias + moved)


def is_padded(steps: Steps, step: Step) -> bool:
    """Whether a convolution adds zeros around its input."""
    weights, _ = step.weights_and_bias()
    given, result = (steps.values[value].shape for value in (step.inputs[0], step.output))
    return step.same_padding and any(
        (out - 1) * stride + taps > size
        for size, out, taps, stride in zip(
            given[1:3], result[1:3], weights.shape[1:3], step.stride, strict=True
        )
    )


def _into_next_conv(steps: Steps, step: Step) -> bool:
    """Makes the convolutions behind the spreading of a grey image's one channel take that channel."""
    takers = steps.consumers(step.output)
    if step.kind != "conv" or step.clamp != "none" or step.output in steps.outputs or not takers:
        return False
    weights, bias = step.weights_and_bias()
    if weights.shape[1:] != (1, 1, 1) or step.stride != (1, 1):
        return False
    if any(taker.kind != "conv" or (bias.any() and is_padded(steps, taker)) for taker in takers):
        return False
    for taker in takers:
        taken, added = taker.weights_and_bias()
        moved = (taken * bias).reshape(len(taken), -1).sum(axis=1)
        joined = (taken * weights.reshape(-1)).sum(axis=3, keepdims=True)
        steps.replace(
            taker, dataclasses.replace(taker, inputs=step.inputs, weights=joined, bias=added + moved)
        )
    steps.replace(step)
    return True


def _over_whole_map(steps: Steps, step: Step) -> bool:
    """Makes dense layers behind a map that was flattened convolutions with a window of the whole map."""
    takers = steps.consumers(step.output)
    if step.kind != "reshape" or step.output in steps.outputs or not takers:
        return False
    sides = steps.values[step.inputs[0]].shape[1:]
    if not all(taker.kind == "conv" and taker.weights_and_bias()[0].shape[1:3] == (1, 1) for taker in takers):
        return False
    for taker in takers:
        weights, _ = taker.weights_and_bias()
        window = dataclasses.replace(
            taker, inputs=step.inputs, weights=weights.reshape(-1, *sides), same_padding=False
        )
        steps.replace(taker, window)
    steps.replace(step)
    return True


def as_depthwise(steps: Steps, step: Step) -> Step:
    """Writes an `affine` or `clip` step as a depthwise 1x1 convolution."""
    count = steps.values[step.output].channels
    scale, shift = (step.scale, step.shift) if step.kind == "affine" else (_ONE, _ZERO)
    clamp: Clamp = "none" if step.kind == "affine" else "relu" if step.high == np.inf else "relu6"
    weights: Array = np.array(channels(scale, count)).reshape(1, 1, 1, -1)
    return Step(
        kind="depthwise",
        inputs=step.inputs,
        output=step.output,
        source=step.source,
        weights=weights,
        bias=np.array(channels(shift, count)),
        clamp=clamp,
        same_padding=True,
    )
