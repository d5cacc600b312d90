"""The size of a model's input, as users write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_mnv3.core.errors import ArgumentError

_SIZE = re.compile(r"(\d+)(?:x(\d+))?")


@dataclass(frozen=True, slots=True)
class InputSize:
    """Rows and columns of an image input, at least 1 each."""

    height_px: int
    width_px: int

    def __str__(self) -> str:
        sides = (self.height_px, self.width_px)
        return f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"


def parse_input_size(text: str) -> InputSize:
    """Reads `224`, the side of a square, or `96x128`, rows and columns.

    Raises:
        ArgumentError: It is neither.
    """
    match = _SIZE.fullmatch("".join(text.lower().split()))
    sides = [int(side) for side in match.groups() if side is not None] if match else []
    if not sides or min(sides) < 1:
        raise ArgumentError("input size", repr(text), "a side in pixels such as 224, or HEIGHTxWIDTH")
    return InputSize(sides[0], sides[-1])
