"""The range of a model's numbers: which number stands for which pixel."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_mnv3.core.counts import rounded
from edge_mnv3.core.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LARGEST_PIXEL = 255
LOWEST_STORED = {"uint8": 0, "int8": -128}  # dtypes whose 256 numbers can stand for pixels
INPUT_RANGE_WORDS = "0..255, -1..1, 0..1, or MEAN/STD of pixels 0 to 255, one number or three each"
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_DIGITS = 9  # what float arithmetic adds is dropped, so that 127.5/127.5 reads -1..1
_NEAR_STEPS = 0.5001  # a zero point is a whole number, so it is off by up to half a step
_ENDS = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True, slots=True)
class InputRange:
    """What a float input takes: (pixel - mean) / std for a pixel of 0 to 255.

    Attributes:
        mean: One number, or one for each channel.
        std: One number, or one for each channel; none is 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        if len(self.mean) == len(self.std) == 1:
            low, high = self.ends()[0]
            return f"{low:g}..{high:g}"
        return f"{_listed(self.mean)}/{_listed(self.std)}"

    def ends(self) -> tuple[tuple[float, float], ...]:
        """Returns the numbers that stand for pixels 0 and 255, for each channel or once for all."""
        channels = max(len(self.mean), len(self.std))
        means, stds = (each if len(each) > 1 else each * channels for each in (self.mean, self.std))
        return tuple(
            (rounded(-mean / std, _DIGITS), rounded((LARGEST_PIXEL - mean) / std, _DIGITS))
            for mean, std in zip(means, stds, strict=True)
        )

    def is_near(self, other: InputRange) -> bool:
        """Whether no pixel's number differs from `other`'s by more than half a pixel's step."""
        mine, theirs = self.ends(), other.ends()
        channels = max(len(mine), len(theirs))
        mine, theirs = (each if len(each) > 1 else each * channels for each in (mine, theirs))
        if len(mine) != len(theirs):
            return False
        return all(
            abs(a - b) <= abs(high - low) / LARGEST_PIXEL * _NEAR_STEPS
            for (low, high), others in zip(mine, theirs, strict=True)
            for a, b in zip((low, high), others, strict=True)
        )

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Turns pixels (..., channels) of 0 to 255 into the numbers that a float input takes, float32."""
        import numpy as np

        mean, std = (np.asarray(numbers, np.float32) for numbers in (self.mean, self.std))
        numbers: npt.NDArray[np.float32] = pixels.astype(np.float32)
        if mean.any():
            numbers -= mean
        if (std != 1).any():
            numbers /= std
        return numbers


PIXELS = InputRange((0.0,), (1.0,))
MINUS_ONE_TO_ONE = InputRange((127.5,), (127.5,))
ZERO_TO_ONE = InputRange((0.0,), (255.0,))
COMMON_RANGES = (PIXELS, MINUS_ONE_TO_ONE, ZERO_TO_ONE)


def range_of_ends(low: float, high: float) -> InputRange:
    """Returns the range in which pixel 0 is `low` and pixel 255 is `high`, which differ."""
    std = LARGEST_PIXEL / (high - low)
    return InputRange((rounded(-low * std, _DIGITS),), (std,))


def parse_input_range(text: str) -> InputRange:
    """Reads a range as users write it.

    Args:
        text: `LOW..HIGH`, the numbers for pixels 0 and 255; or `MEAN/STD`, of pixels 0 to 255, each one
            number or three with commas.

    Raises:
        ArgumentError: It is neither, a deviation is 0, or the numbers are those of pixels of 0 to 1.
    """
    written = "".join(text.split())
    ends = _ENDS.fullmatch(written)
    if ends is not None:
        low, high = map(float, ends.groups())
        if low < high < math.inf:
            return range_of_ends(low, high)
    elif written.count("/") == 1:
        mean, std = (_numbers(part) for part in written.split("/"))
        if mean and std and {len(mean), len(std)} <= {1, 3} and 0 not in std:
            return _checked(InputRange(mean, std), text)
    raise ArgumentError("input range", repr(text), INPUT_RANGE_WORDS)


def stated_range(text: str | None) -> InputRange | None:
    """Reads a range that a user may have stated, as `parse_input_range` does; None stays None."""
    return None if text is None else parse_input_range(text)


def _checked(stated: InputRange, text: str) -> InputRange:
    """Refuses mean and deviation of pixels that were divided by 255 first, as torchvision writes them."""
    if max(stated.std) < 1:
        pixels = [
            tuple(rounded(LARGEST_PIXEL * number, _DIGITS) for number in each)
            for each in (stated.mean, stated.std)
        ]
        raise ArgumentError(
            "input range",
            f"{text!r}, which is of pixels 0 to 1",
            "mean and standard deviation of pixels 0 to 255",
            f"write {_listed(pixels[0])}/{_listed(pixels[1])}",
        )
    return stated


def _numbers(text: str) -> tuple[float, ...]:
    parts = text.split(",")
    if not all(re.fullmatch(_NUMBER, part) for part in parts):
        return ()
    numbers = tuple(map(float, parts))
    return numbers if all(map(math.isfinite, numbers)) else ()


def _listed(numbers: tuple[float, ...]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
