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
from edge_mnv3.core.results.images import ImageShape

CENTRAL_FRACTION = 0.875  # TF-Slim's evaluation crop (preprocessing/inception_preprocessing.py)
Box = tuple[float, float, float, float]


class Preprocess(NamedTuple):
    """A way to choose the part of an image that is resized to the model's input.

    Attributes:
        description: One line for the user.
        box: Takes the image's width and height and the input's shape; returns left, upper, right, lower in
            the image's pixels.
    """

    description: str
    box: Callable[[int, int, ImageShape], Box]


def _central_box(width: int, height: int, _: ImageShape) -> Box:
    # tf.image.central_crop: the margin is rounded down on both sides.
    left = int((width - width * CENTRAL_FRACTION) / 2)
    upper = int((height - height * CENTRAL_FRACTION) / 2)
    return left, upper, width - left, height - upper


def _whole_box(width: int, height: int, _: ImageShape) -> Box:
    return 0, 0, width, height


def _covering_box(width: int, height: int, shape: ImageShape) -> Box:
    # Resizing the image until it covers the input enlarged by 256/224, and cropping the centre, is one resize
    # of this box. For a square input the short side decides.
    covered_width, covered_height = (round(side * 256 / 224) for side in (shape.width_px, shape.height_px))
    by_width = covered_width * height >= covered_height * width
    source, covered = (width, covered_width) if by_width else (height, covered_height)
    box_width, box_height = (source * side / covered for side in (shape.width_px, shape.height_px))
    left, upper = (width - box_width) / 2, (height - box_height) / 2
    return left, upper, left + box_width, upper + box_height


PREPROCESSES: dict[PreprocessName, Preprocess] = {
    "slim": Preprocess("central 87.5 % of each side, resized to the input, aspect not kept", _central_box),
    "resize": Preprocess("the whole image, resized to the input, aspect not kept", _whole_box),
    "resize256": Preprocess(
        "resized, aspect kept, until it covers 256/224 of the input (of a square: the short side), then the "
        "central part of the input's shape",
        _covering_box,
    ),
}


def preprocess(image: Image.Image, *, name: str, shape: ImageShape) -> Pixels:
    """Crops and resizes an image.

    Args:
        image: RGB, from `decode`.
        name: Key of `PREPROCESSES`.
        shape: Shape of the model's input.

    Returns:
        (rows, columns, channels) uint8, 0..255: RGB, or for one channel the luminance, which is taken before
        the image is resized.

    Raises:
        ArgumentError: The name is unknown.
    """
    if name not in PREPROCESSES:
        raise ArgumentError("preprocessing", repr(name), f"one of {', '.join(PREPROCESSES)}")
    box = PREPROCESSES[name].box(image.width, image.height, shape)
    resized = _channels(image, shape).resize(
        (shape.width_px, shape.height_px), Image.Resampling.BILINEAR, box=box
    )
    return np.asarray(resized).reshape(shape.dimensions)


def luminance(pixels: Pixels) -> Pixels:
    """Makes grey of RGB as Pillow's mode L does.

    Args:
        pixels: (rows, columns, 3) uint8, RGB.

    Returns:
        (rows, columns, 1) uint8: 0.299 red + 0.587 green + 0.114 blue (ITU-R 601), rounded.
    """
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., np.newaxis]


def _channels(image: Image.Image, shape: ImageShape) -> Image.Image:
    return image.convert("L") if shape.is_grey else image
