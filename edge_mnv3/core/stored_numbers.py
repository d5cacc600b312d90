"""What inputs store of pixels, and which real numbers outputs store."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import LARGEST_PIXEL, LOWEST_STORED, InputRange
from edge_mnv3.core.results.models import TensorInfo


def fed_numbers(pixels: Pixels, tensor: TensorInfo, input_range: InputRange | None) -> npt.NDArray[Any]:
    """Turns pixels into what an input takes, as `LoadedModel.run` says.

    Args:
        pixels: (..., channels) uint8.
        tensor: The input.
        input_range: What the network is fed; None for the numbers 0 to 255, and for the bytes of integers.

    Returns:
        (..., channels), in the input's dtype.

    Raises:
        ModelFileError: The input is of another type than `uint8`, `int8` and `float32`.
    """
    if tensor.dtype == "float32":
        return pixels.astype(np.float32) if input_range is None else input_range.apply(pixels)
    lowest = LOWEST_STORED.get(tensor.dtype)
    if lowest is None:
        raise ModelFileError("model's input", f"dtype {tensor.dtype}", "uint8, int8 or float32")
    exact = None
    if input_range is not None and tensor.scale is not None and tensor.zero_point is not None:
        exact = _stored_levels(tensor.dtype, tensor.scale, tensor.zero_point, input_range, pixels.shape[-1])
    if exact is not None:
        numbers: npt.NDArray[Any] = exact[pixels, np.arange(pixels.shape[-1])]
        return numbers
    # Less 128 is another highest bit.
    return pixels if lowest == 0 else (pixels ^ np.uint8(-lowest)).view(np.int8)


@functools.lru_cache(maxsize=16)
def _stored_levels(
    dtype: str, scale: float, zero_point: int, input_range: InputRange, channels: int
) -> npt.NDArray[Any] | None:
    """What an integer input stores for each pixel, (256, channels); None where that is its byte."""
    lowest = LOWEST_STORED[dtype]
    levels = np.repeat(np.arange(LARGEST_PIXEL + 1, dtype=np.uint8)[:, np.newaxis], channels, axis=1)
    rounded = np.rint(input_range.apply(levels) / np.float32(scale)) + zero_point
    stored = rounded.clip(lowest, lowest + LARGEST_PIXEL)
    if np.abs(stored - (levels.astype(np.float32) + lowest)).max() <= 1:
        return None
    numbers: npt.NDArray[Any] = stored.astype(dtype)
    return numbers


def real_numbers(stored: npt.NDArray[Any], tensor: TensorInfo) -> npt.NDArray[np.float32]:
    """Turns what an output stores, in its dtype, into the real numbers that it stands for.

    Args:
        stored: Any shape.
        tensor: The output; one without a scale stores the real numbers themselves.

    Returns:
        float32, of the same shape.
    """
    if tensor.scale is None or stored.dtype.kind == "f":
        return stored.astype(np.float32)
    moved = stored.astype(np.float32) - np.float32(tensor.zero_point or 0)
    real: npt.NDArray[np.float32] = moved * np.float32(tensor.scale)
    return real
