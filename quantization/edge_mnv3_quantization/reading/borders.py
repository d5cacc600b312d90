"""Rules for borders of zeros and for reshapes: the fewer operators, the faster the int8 file."""

from __future__ import annotations

import dataclasses

from edge_mnv3_quantization.reading.steps import Step, Steps


def tidy(steps: Steps) -> None:
    """Makes convolutions add borders that `SAME` means, and drops reshapes to the same shape."""
    steps.until_settled((_into_same_padding, _drop_reshape))
    steps.without_unused()


def _into_same_padding(steps: Steps, step: Step) -> bool:
    """Makes a convolution of stride 1 add the zeros that a `pad` step adds in front of it."""
    before = steps.producer(step.inputs[0])
    if (
        not step.is_weighted
        or step.same_padding
        or step.stride != (1, 1)
        or before is None
        or before.kind != "pad"
    ):
        return False
    weights, _ = step.weights_and_bias()
    rows, columns = (taps - 1 for taps in weights.shape[1:3])
    if before.paddings != (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2):
        return False
    steps.replace(step, dataclasses.replace(step, inputs=before.inputs, same_padding=True))
    if not steps.consumers(before.output) and before.output not in steps.outputs:
        steps.replace(before)
    return True


def _drop_reshape(steps: Steps, step: Step) -> bool:
    if step.kind != "reshape":
        return False
    before = steps.producer(step.inputs[0])
    if before is not None and before.kind == "reshape":
        steps.replace(step, dataclasses.replace(step, inputs=before.inputs))
        return True
    if (
        steps.values[step.output].shape == steps.values[step.inputs[0]].shape
        and step.output not in steps.outputs
    ):
        steps.drop(step)
        return True
    return False
