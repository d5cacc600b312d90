"""The one definition of how an image becomes the pixels of a model.

Calibration, validation and packaging all go through `preprocess`. Its result is uint8: exactly the bytes
that an app hands to a uint8 model. Pillow's bilinear resampling places pixel centres at half positions and,
when it shrinks, averages over the area that a pixel covers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from edge_mnv3.core.choices import PreprocessName
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.images import Pixels

CENTRAL_FRACTION = 0.875  # TF-Slim's evaluation crop (preprocessing/inception_preprocessing.py)
Box = tuple[float, float, float, float]


class Preprocess(NamedTuple):
    """A way to choose the part of an image that is resized to the model's square input.

    Attributes:
        description: One line for the user.
        box: Takes width, height, side of the input; returns left, upper, right, lower in source pixels.
    """

    description: str
    box: Callable[[int, int, int], Box]


def _central_box(width: int, height: int, _: int) -> Box:
    # tf.image.central_crop: the margin is rounded down on both sides.
    left = int((width - width * CENTRAL_FRACTION) / 2)
    upper = int((height - height * CENTRAL_FRACTION) / 2)
    return left, upper, width - left, height - upper


def _whole_box(width: int, height: int, _: int) -> Box:
    return 0, 0, width, height


def _short_side_box(width: int, height: int, side: int) -> Box:
    # Resizing the short side to 256 of 224 and cropping the centre is one resize of this square.
    square = min(width, height) * side / round(side * 256 / 224)
    left, upper = (width - square) / 2, (height - square) / 2
    return left, upper, left + square, upper + square


PREPROCESSES: dict[PreprocessName, Preprocess] = {
    "slim": Preprocess("central 87.5 % of each side, resized to the input, aspect not kept", _central_box),
    "resize": Preprocess("the whole image, resized to the input, aspect not kept", _whole_box),
    "resize256": Preprocess("short side to 256/224 of the input, then the central square", _short_side_box),
}


def preprocess(image: Image.Image, *, name: str, size: int) -> Pixels:
    """Crops and resizes an image.

    Args:
        image: RGB, from `decode`.
        name: Key of `PREPROCESSES`.
        size: Side of the model's input in pixels.

    Returns:
        (size, size, 3) uint8, RGB, 0..255.

    Raises:
        ArgumentError: The name is unknown.
    """
    if name not in PREPROCESSES:
        raise ArgumentError("preprocessing", repr(name), f"one of {', '.join(PREPROCESSES)}")
    box = PREPROCESSES[name].box(image.width, image.height, size)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
