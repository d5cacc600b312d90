"""What the phases of a recipe take, for the estimate of the time that is left: nothing else depends on it.

Seconds of MobileNetV3-Small at 224 pixels on two x86-64 cores. Other networks and machines take other times,
in about the same ratios.
"""

from __future__ import annotations

from typing import Literal

from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES, RecipeConfig

PhaseName = Literal["observe", "measure", "equalize", "choose_exponent", "quantize_weights"]

SMALL_MULTIPLY_ADDS = 56_500_000  # those of MobileNetV3-Small at 224 pixels
# Of an image.
READ_IMAGE_S, OBSERVE_S = 0.005, 0.009
_CONVERTER_OBSERVE_S, _RUN_S, _REFIT_S = 0.02, 0.007, 0.033
# Of one of the first images that are measured, which show large maps, and of one of the others.
_WHOLE_IMAGES, _MEASURE_WHOLE_S, _MEASURE_S = 64, 0.055, 0.015
# Of all images together.
_CONVERTER_ROUND_S, _EQUALIZE_S, _FIT_CHANNELS_S, _ROUND_S = 0.5, 1.6, 12.0, 0.2


def expected_s(
    config: RecipeConfig,
    images: int,
    *,
    observed: int = 0,
    synthetic: bool = False,
    fits_channels: bool = False,
) -> dict[PhaseName, float]:
    """Returns the phases of a recipe in order, each with its seconds.

    Args:
        config: The recipe.
        images: Number of calibration images.
        observed: Number of those whose statistics are there already.
        synthetic: The images are synthetic, so that no exponents are compared.
        fits_channels: Tables of hard-swish may have fitted channels.
    """
    if config.engine == "converter":
        return {"observe": images * _CONVERTER_OBSERVE_S, "quantize_weights": _CONVERTER_ROUND_S}
    measured = min(images, config.measured_images)
    whole = min(measured, _WHOLE_IMAGES)
    trial_s = 2 * TRIAL_IMAGES * _REFIT_S if config.refits_weights else measured * _RUN_S
    return {
        "observe": (images - observed) * OBSERVE_S,
        "measure": whole * _MEASURE_WHOLE_S + (measured - whole) * _MEASURE_S,
        "equalize": _EQUALIZE_S + (_FIT_CHANNELS_S if fits_channels else 0.0),
        "choose_exponent": len(config.exponents_to_try(images, synthetic=synthetic)) * trial_s,
        "quantize_weights": images * _REFIT_S if config.refits_weights else _ROUND_S,
    }
