"""What every engine of the recipes takes and gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3_quantization.calibration.counted import CountedStatistics
from edge_mnv3_quantization.calibration.statistics import Statistics
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import RecipeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationInputs:
    """Everything that a recipe's result depends on, and the reporter of its progress.

    Attributes:
        float_model: A float32 `.tflite` file with one input (1, H, W, C) or (1, C, H, W), that takes
            `options.input_range`.
        images: Calibration images, (N, H, W, C) uint8 with N >= 1.
        config: The recipe.
        options: The caller's choices.
        statistics: Statistics of the float model over some of the images, which are not run in float again;
            None if there are none.
        population: Statistics of the float model over any images, which are taken as they are, in place of
            those of `images`; None where those count.
        reporter: Its `progress` is told of (units of work done, units in all).
    """

    float_model: bytes
    images: npt.NDArray[np.uint8]
    config: RecipeConfig
    options: QuantizationOptions
    statistics: Statistics | None
    population: CountedStatistics | None = None
    reporter: Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """An int8 file and what the recipe did to make it.

    Attributes:
        model: The `.tflite` file's bytes.
    """

    model: bytes
    report: RecipeReport
