"""Pictures for the page, as `data:` addresses, and what was found when they were read."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from edge_mnv3.core.images import Pixels

FLIP_SIDE_PX = 192
SHEET_SIDE_PX = 72
_QUALITY = 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures that could be read.

    Attributes:
        validated: Name of an image of the comparison to its picture.
        validated_note: How it was made sure that these are the images that were compared, or why not.
        validated_sure: It was made sure.
        calibration: Name of a calibration image and its picture, in order.
        calibration_note: The same of the calibration images.
    """

    validated: Mapping[str, str] = field(default_factory=dict)
    validated_note: str = ""
    validated_sure: bool = False
    calibration: tuple[tuple[str, str], ...] = ()
    calibration_note: str = ""


def as_address(pixels: Pixels, *, side_px: int) -> str:
    """Writes an image as the model takes it as a `data:` address.

    Args:
        pixels: (rows, columns, channels) uint8, RGB or grey.
        side_px: The longer side is made this long, where it is longer.
    """
    grey = pixels.shape[2] == 1
    image = Image.fromarray(pixels[:, :, 0] if grey else pixels)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
