"""The one call that quantizes a float file, whatever the recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.calibration.counted import CountedStatistics
from edge_mnv3_quantization.calibration.statistics import Statistics
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import Engine, RecipeConfig
from edge_mnv3_quantization.recipes.converter import quantize_with_converter
from edge_mnv3_quantization.recipes.equalized import quantize_equalized
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs, Quantized

_ENGINES: Mapping[Engine, Callable[[QuantizationInputs], Quantized]] = {
    "equalized": quantize_equalized,
    "converter": quantize_with_converter,
}


def quantize(
    float_model: bytes,
    images: npt.NDArray[np.uint8],
    config: RecipeConfig,
    *,
    options: QuantizationOptions | None = None,
    statistics: Statistics | CountedStatistics | None = None,
    reporter: Reporter = SILENT,
) -> Quantized:
    """Quantizes a float file to int8.

    Args:
        float_model: A float32 `.tflite` file with one input (1, H, W, C) or (1, C, H, W), that takes
            `options.input_range`, and any number of outputs. Recipes of the engine `equalized` take networks
            of the operators of MobileNetV3 and its heads only.
        images: Calibration images, (N, H, W, C) uint8 with N >= 1.
        config: The recipe, such as `RECIPES["accurate"]`.
        options: The caller's choices; None for the defaults.
        statistics: Statistics of this network over all or some of the images, which are then not run in float
            again; or those of any images (`CountedStatistics`), which take the place of those of `images`.
            The engine `converter` does not use them.
        reporter: Its `progress` is told of (units of work done, units in all).

    Returns:
        The int8 file (weights int8 per channel, activations int8 per tensor, biases int32), whose uint8 or
        int8 input takes pixels, and what was done.

    Raises:
        ConversionError: The recipe cannot take the graph.
        CalibrationDataError: The statistics are of another network or count other images.
    """
    inputs = QuantizationInputs(
        float_model=float_model,
        images=images,
        config=config,
        options=options or QuantizationOptions(),
        statistics=statistics if isinstance(statistics, Statistics) else None,
        population=statistics if isinstance(statistics, CountedStatistics) else None,
        reporter=reporter,
    )
    try:
        return _ENGINES[config.engine](inputs)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # A runtime's, of a part that it does not load, or a rewrite's, of a network that nobody thought of.
        cause = " ".join(str(error).split())
        raise ConversionError(
            f"int8 network of the recipe {config.name}",
            f"{type(error).__name__} ({cause}) while it was made",
            "a network that can be rewritten",
            "please report this model; --recipe stock may take it",
        ) from error
