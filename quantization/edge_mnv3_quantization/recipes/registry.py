"""The quantization recipes by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.lowering import HardSwish
from edge_mnv3_quantization.calibration.statistics import Statistics
from edge_mnv3_quantization.recipes.accurate import quantize_accurate, quantize_fast
from edge_mnv3_quantization.recipes.stock import IoType, quantize_stock


class Quantizer(Protocol):
    """Turns a float file and calibration images into an int8 file; see `quantize_stock`."""

    def __call__(
        self,
        float_model: bytes,
        images: npt.NDArray[np.uint8],
        *,
        io: IoType,
        hard_swish: HardSwish,
        seed: int,
        on_image: Callable[[int, int], None] | None,
        statistics: Statistics | None = None,
        synthetic: bool = False,
    ) -> bytes:
        """Returns the int8 file's bytes."""
        ...


class Recipe(NamedTuple):
    """A way to quantize.

    Attributes:
        quantize: The stage.
        observes: Whether statistics of the float model save it work.
        lowers: Whether it has a choice of what to make of hard-swish.
        on_synthetic: What the user must know when it is given synthetic images.
    """

    quantize: Quantizer
    observes: bool
    lowers: bool
    on_synthetic: str


def _stock(
    float_model: bytes,
    images: npt.NDArray[np.uint8],
    *,
    io: IoType,
    hard_swish: HardSwish,
    seed: int,
    on_image: Callable[[int, int], None] | None,
    statistics: Statistics | None = None,
    synthetic: bool = False,
) -> bytes:
    """Neither chance, nor a choice of hard-swish, nor the kind of images has a part in it."""
    return quantize_stock(float_model, images, io=io, on_image=on_image)


_ON_SYNTHETIC = (
    "calibrating on synthetic images, which costs up to two or three points of accuracy: "
    "use --calibration with your app's own images"
)
RECIPES: dict[str, Recipe] = {
    "stock": Recipe(
        _stock,
        False,
        False,
        "calibrating on synthetic images: --calibration with your app's own images may be more accurate",
    ),
    "accurate": Recipe(quantize_accurate, True, True, _ON_SYNTHETIC),
    "fast": Recipe(quantize_fast, True, True, _ON_SYNTHETIC),
}
DEFAULT_RECIPE = "accurate"
