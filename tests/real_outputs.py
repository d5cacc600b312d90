"""What files of any dtype answer on images, as real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.runtime import open_bytes


def outputs(content: bytes, pixels: Any, takes: InputRange | None) -> list[np.ndarray[Any, Any]]:
    """Runs a file on images, as real numbers: floats of a range, or pixels in the file's own type."""
    model = open_bytes(content, kernels="builtin" if takes else "xnnpack")
    rows = []
    for image in pixels:
        if takes is None:
            given = model.run_all(image)
        else:
            numbers = takes.apply(image[np.newaxis]).astype(np.float32)
            if model.inputs[0].shape[1:] != image.shape:
                numbers = numbers.transpose(0, 3, 1, 2)
            given = model.run_raw(numbers)
        rows.append(
            [
                (numbers.astype(np.float64) - (info.zero_point or 0)) * (info.scale or 1.0)
                for numbers, info in zip(given, model.outputs, strict=True)
            ]
        )
    return [np.stack(column) for column in zip(*rows, strict=True)]
