"""What happens to pixels before the first convolution: a scale and an offset of the input, or a node."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_mnv3.core.input_range import LARGEST_PIXEL, InputRange
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.reading.folding import as_depthwise, is_padded, taking_affine
from edge_mnv3_quantization.reading.steps import Step, Steps, affine

_SOURCE = "the input's range"


class Pixels(NamedTuple):
    """The network's input: scale * pixel + offset, with pixels 0..255."""

    scale: float = 1.0
    offset: float = 0.0


def put_range(steps: Steps, takes: InputRange) -> None:
    """Puts a step in front that makes what the file takes, (pixel - mean) / std, of pixels."""
    count = steps.values[steps.input].channels
    mean, std = (np.asarray(numbers, np.float64) for numbers in (takes.mean, takes.std))
    if not mean.any() and (std == 1).all():
        return
    if not {len(mean), len(std)} <= {1, count}:
        raise ValueError(f"a range of {max(len(mean), len(std))} channels for an image of {count}")
    image = steps.input
    moved = steps.new_value(f"{steps.values[image].name}_in_range", steps.values[image].shape)
    steps.take_instead(image, moved)
    steps.steps.insert(0, affine(image, moved, _SOURCE, 1 / std, -mean / std))


def take_pixels(steps: Steps) -> Pixels:
    """Moves one scale and offset of all pixels to the input, or a step with one for each channel into a node.

    The int8 input holds pixels, and stands for any range of them in which real 0 is a pixel; where it is not,
    or where the scale is negative, a node makes the real numbers.
    """
    takers = steps.consumers(steps.input)
    scaled = takers[0] if len(takers) == 1 and takers[0].kind == "affine" else None
    pixels = Pixels()
    if scaled is not None and len(scaled.scale) == len(scaled.shift) == 1 and _has_zero(scaled):
        steps.replace(scaled)
        steps.input = scaled.output
        pixels = Pixels(float(scaled.scale[0]), float(scaled.shift[0]))
    for step in steps.consumers(steps.input):
        if step.kind == "affine":
            _take_up(steps, step)
    if any(not _leads_to_weights(steps, step) for step in steps.consumers(steps.input)):
        _put_identity(steps)
    return pixels


def _has_zero(step: Step) -> bool:
    scale, shift = float(step.scale[0]), float(step.shift[0])
    return scale > 0 and 0 <= np.rint(-shift / scale) <= LARGEST_PIXEL


def _take_up(steps: Steps, step: Step) -> None:
    """Makes unpadded convolutions take up an `affine` step on the image, or writes it as a node."""
    takers = steps.consumers(step.output)
    if (
        step.output not in steps.outputs
        and takers
        and all(
            taker.is_weighted and (not step.shift.any() or not is_padded(steps, taker)) for taker in takers
        )
    ):
        for taker in takers:
            steps.replace(taker, taking_affine(taker, step))
        steps.replace(step)
        return
    steps.replace(step, as_depthwise(steps, step))


def _leads_to_weights(steps: Steps, step: Step) -> bool:
    """Whether only weighted steps take what a step makes of the image."""
    if step.kind == "pad":
        takers = steps.consumers(step.output)
        return step.output not in steps.outputs and all(_leads_to_weights(steps, taker) for taker in takers)
    return step.is_weighted


def _put_identity(steps: Steps) -> None:
    """Puts a depthwise convolution of weights 1 behind the image: weights can move the image's zero."""
    shape, name = steps.values[steps.input].shape, steps.values[steps.input].name
    same = steps.new_value(f"{name}_copied", shape)
    one: Array = np.ones(1)
    steps.take_instead(steps.input, same)
    copied = affine(steps.input, same, _SOURCE, one, np.zeros(1))
    steps.steps.insert(0, as_depthwise(steps, copied))
