"""The quantization recipes by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.accurate import quantize_accurate
from edge_mnv3_quantization.stock import IoType, quantize_stock


class Quantizer(Protocol):
    """Turns a float file and calibration images into an int8 file; see `quantize_stock`."""

    def __call__(
        self,
        float_model: bytes,
        images: npt.NDArray[np.uint8],
        *,
        io: IoType,
        on_image: Callable[[int, int], None] | None,
    ) -> bytes:
        """Returns the int8 file's bytes."""
        ...


class Recipe(NamedTuple):
    """A way to quantize."""

    description: str
    quantize: Quantizer


RECIPES: dict[str, Recipe] = {
    "accurate": Recipe(
        "equalized, ranges and biases from the images, one XNNPACK partition", quantize_accurate
    ),
    "stock": Recipe("TensorFlow's converter as it is: min/max ranges, the baseline", quantize_stock),
}
DEFAULT_RECIPE = "accurate"
IO_TYPES: tuple[IoType, ...] = ("uint8", "int8", "float32")
