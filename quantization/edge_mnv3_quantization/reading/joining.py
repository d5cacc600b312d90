"""Concatenations, whose int8 inputs all have the range of the result: only some values can be given it."""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_mnv3_quantization.graph.network import WEIGHTED
from edge_mnv3_quantization.reading.folding import as_depthwise
from edge_mnv3_quantization.reading.steps import Step, Steps, affine


def free_joined_values(steps: Steps) -> None:
    """Puts a depthwise 1x1 convolution of weights 1 in front of a concatenation where a value needs one.

    A maximum keeps the range of what it takes, a softmax and the like have one of their own, and what
    something else takes as well, or the network gives, has the range that suits that.
    """
    for joining in [step for step in steps.steps if step.kind == "concat"]:
        given = list(joining.inputs)
        for place, value in enumerate(given):
            if _may_have_the_range(steps, value, joining):
                continue
            known, made = steps.values[value], steps.producer(value)
            given[place] = steps.new_value(f"{known.name}_joined_{place}", known.shape)
            source = joining.source if made is None else made.source
            copy = as_depthwise(steps, affine(value, given[place], source, np.ones(1), np.zeros(1)))
            steps.steps.insert(_place(steps, joining), copy)
        steps.replace(steps.steps[_place(steps, joining)], dataclasses.replace(joining, inputs=tuple(given)))


def _may_have_the_range(steps: Steps, value: int, joining: Step) -> bool:
    made = steps.producer(value)
    if made is None or made.kind not in (*WEIGHTED, "add", "mul"):
        return False
    return joining.inputs.count(value) == 1 and steps.is_only_for(value, joining)


def _place(steps: Steps, step: Step) -> int:
    return next(place for place, one in enumerate(steps.steps) if one.output == step.output)
