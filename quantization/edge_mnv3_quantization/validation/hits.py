"""Hits: images whose label is a model's first answer, or among its first five."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.imagenet import BACKGROUND_OUTPUTS

TOP = 5
# What a file answers that gives no finite numbers: no output has it, whatever number label 0 has.
NO_CLASS = -(2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """How often a model was right.

    Attributes:
        n: Number of images, at least 1 for a percentage.
        top1: How many images have the label as the highest output.
        top5: How many images have the label among the five highest outputs.
    """

    n: int
    top1: int
    top5: int

    @property
    def top1_percent(self) -> float:
        """Share of images whose highest output is the label."""
        return 100 * self.top1 / self.n

    @property
    def top5_percent(self) -> float:
        """Share of images whose label is among the five highest outputs."""
        return 100 * self.top5 / self.n


def default_class_offset(outputs: int) -> int:
    """Finds the output index of label 0: 1 where a file has TF-Slim's "background" class, else 0."""
    return int(outputs == BACKGROUND_OUTPUTS)


def top_outputs(outputs: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Ranks a model's answers to some images.

    Args:
        outputs: (images, outputs), of any dtype.

    Returns:
        (images, 5): the places of the highest outputs, highest first and equal ones in their order, filled up
        with -1, which is all that there is where an output is not finite.
    """
    left = outputs.astype(np.float32)
    images = np.arange(len(left))
    places = np.full((len(left), TOP), -1, np.int32)
    for place in range(min(TOP, left.shape[1])):
        places[:, place] = left.argmax(axis=1)  # of equal numbers the first
        left[images, places[:, place]] = -np.inf
    places[~np.isfinite(outputs).all(axis=1)] = -1
    return places


def count_hits(labels: npt.NDArray[Any], top: npt.NDArray[Any]) -> Hits:
    """Counts how many answers have the label first, or among the first five.

    Args:
        labels: (images,) classes from 0 on.
        top: (images, at most 5), the highest classes, highest first; numbers below 0 are no class.
    """
    return Hits(
        n=len(labels),
        top1=int((top[:, 0] == labels).sum()),
        top5=int((top == labels[:, None]).any(axis=1).sum()),
    )
