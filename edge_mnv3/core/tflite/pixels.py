"""Float files behind the operators that make what they take of pixels 0..255."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.tflite.edit import Edit


def taking_pixels(content: bytes, takes: InputRange, name: str) -> bytes:
    """Puts the operators in front of a file that make its float input of pixels 0..255.

    Args:
        content: A `.tflite` file of one float image.
        takes: What its input takes.
        name: What errors call the file.

    Returns:
        The file itself where it takes pixels.

    Raises:
        ModelFileError: It is no valid `.tflite`.
    """
    if takes == PIXELS:
        return content
    mean, std = (np.asarray(numbers, np.float64) for numbers in (takes.mean, takes.std))
    return Edit(content, name).scale_input(1 / std, -mean / std).to_bytes()
