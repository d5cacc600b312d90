"""Which numbers of a value a file's tensor holds, whatever the order of its dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CHANNELS = 3  # the last dimension of a map


@dataclass(frozen=True, slots=True)
class View:
    """A tensor of the file as a value (1, H, W, C) of the network.

    Attributes:
        value: The value.
        axes: For each dimension of the tensor the value's dimension that it is; None for one of size 1 that
            the value has not. The value's dimensions that do not occur have size 1.
        flat: Where several dimensions of a map were joined to one vector: the place of each of its numbers in
            the map read row by row; `axes` then means nothing.
    """

    value: int
    axes: tuple[int | None, ...]
    flat: npt.NDArray[np.int64] | None = None

    def shape(self, of_value: Sequence[int]) -> tuple[int, ...]:
        """Returns the tensor's shape for the value's shape."""
        if self.flat is not None:
            return (1, len(self.flat))
        return tuple(1 if axis is None else of_value[axis] for axis in self.axes)

    def is_in_order(self, of_value: Sequence[int]) -> bool:
        """Whether the tensor's numbers lie in memory like the value's."""
        if self.flat is not None:
            return bool(np.array_equal(self.flat, np.arange(len(self.flat))))
        long = [axis for axis in self.axes if axis is not None and of_value[axis] > 1]
        return long == sorted(long)

    def is_map(self, of_value: Sequence[int]) -> bool:
        """Whether the tensor is the value itself, but for dimensions of size 1."""
        return (
            self.flat is None
            and len(self.axes) == len(of_value)
            and all(
                axis == place or size == 1
                for place, (axis, size) in enumerate(zip(self.axes, self.shape(of_value), strict=True))
            )
        )


def whole(value: int) -> View:
    """Returns the view of a tensor that is a map (1, H, W, C)."""
    return View(value, (0, 1, 2, 3))


def reshaped(view: View, of_value: Sequence[int], shape: Sequence[int]) -> View | None:
    """Finds what a tensor becomes that is reshaped; None where no view can say it.

    Args:
        view: The tensor before.
        of_value: Shape of the view's value.
        shape: The tensor's new shape; one dimension may be -1.
    """
    old = view.shape(of_value)
    new = resolved(shape, math.prod(old))
    if view.flat is not None:
        return view if new == old else None
    long = [axis for axis, size in zip(view.axes, old, strict=True) if size > 1]
    if [size for size in old if size > 1] == [size for size in new if size > 1]:
        left = iter(long)
        return View(view.value, tuple(next(left) if size > 1 else None for size in new))
    if new == (1, math.prod(old)):
        axes = [axis for axis in view.axes if axis is not None]
        axes = [axis for axis in range(len(of_value)) if axis not in axes] + axes
        places = np.arange(math.prod(of_value), dtype=np.int64).reshape(of_value)
        return View(view.value, (), places.transpose(axes).reshape(-1))
    return None


def resolved(shape: Sequence[int], count: int) -> tuple[int, ...]:
    """Puts the size that fits in the place of -1."""
    known = math.prod(size for size in shape if size >= 0)
    return tuple(int(size) if size >= 0 else count // max(known, 1) for size in shape)
