"""What Google's `ai-edge-quantizer` makes of the float file of a run of ours, as its documentation says.

It runs in an environment of its own, without this project, and takes its images from the run's
`quantize.json`. Used by `quantize_time.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_quantizer import quantizer, recipe
from PIL import Image


class Images:
    """The images of a run, as the float file takes them, read anew whenever they are gone through."""

    def __init__(self, result: dict[str, Any]) -> None:
        self._root = Path(result["calibration"]["root"])
        self._records, self._size = result["calibration"]["images"], result["variant"]["input_size_px"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for record in self._records:
            image = Image.open(self._root / record["file"]).convert("RGB")
            left, upper = int(image.width * 0.0625), int(image.height * 0.0625)
            box = (left, upper, image.width - left, image.height - upper)
            resized = image.resize((self._size, self._size), Image.Resampling.BILINEAR, box=box)
            yield {"image": np.asarray(resized, np.float32)[np.newaxis]}


def main(run: Path, output: Path) -> None:
    """Quantizes the float file of a run, weights and activations to int8.

    Args:
        run: `quantize.json`; the float file lies beside it.
        output: Where the int8 file goes.
    """
    result = json.loads(run.read_text())
    made = quantizer.Quantizer(str(run.with_name(Path(result["float_path"]).name)), recipe.static_wi8_ai8())
    statistics = made.calibrate({"serving_default": Images(result)})
    output.write_bytes(bytes(made.quantize(statistics).quantized_model))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
