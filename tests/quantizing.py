"""What the tests quantize with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize


def quantized(recipe: str, float_model: bytes, images: npt.NDArray[np.uint8], **options: Any) -> bytes:
    """The int8 file that a recipe makes, with some of `QuantizationOptions`."""
    return quantize(float_model, images, RECIPES[recipe], options=QuantizationOptions(**options)).model
