"""A node at an end of the network, where what is in front of it cannot give the output's own numbers.

An int8 hard-swish gives six times what it should, and the next weights take the factor. Where no weights
follow, as in a network without a head, a depthwise 1x1 convolution of weights 1 does.
"""

from __future__ import annotations

import numpy as np

from edge_mnv3_quantization.graph.network import UNSCALED
from edge_mnv3_quantization.reading.folding import as_depthwise
from edge_mnv3_quantization.reading.steps import Step, Steps, affine

_AFTER_LOGITS = (*UNSCALED, "reshape")
_WITH_FACTOR = ("hard_swish", "mul")


def put_weights_last(steps: Steps) -> None:
    """Puts the node in front of each output that depends on a product before any weights.

    And in front of each function that takes numbers as they are.
    """
    functions = [step.output for step in steps.steps if step.kind in UNSCALED]
    for output in dict.fromkeys((*functions, *steps.outputs)):
        takes = None  # what takes the logits
        value, made = output, steps.producer(output)
        while made is not None and made.kind in _AFTER_LOGITS:
            takes, value = made, made.inputs[0]
            made = steps.producer(value)
        if made is not None and _has_factor(steps, made):
            _put(steps, made, takes)


def _has_factor(steps: Steps, step: Step) -> bool:
    """Whether a step depends on a product, with no weights in between."""
    if step.is_weighted:
        return False
    if step.kind in _WITH_FACTOR:
        return True
    before = (steps.producer(value) for value in step.inputs)
    return any(_has_factor(steps, one) for one in before if one is not None)


def _put(steps: Steps, made: Step, takes: Step | None) -> None:
    """Puts a node behind a step, for what takes the logits, or for the outputs if nothing does."""
    known = steps.values[made.output]
    given = steps.new_value(f"{known.name}_given", known.shape)
    node = as_depthwise(steps, affine(made.output, given, made.source, np.ones(1), np.zeros(1)))
    steps.steps.insert(steps.steps.index(made) + 1, node)
    if takes is None:
        steps.outputs = [given if value == made.output else value for value in steps.outputs]
        return
    steps.replace_inputs(takes, {made.output: given})
