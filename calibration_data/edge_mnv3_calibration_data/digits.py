"""The handwritten digits that come with scikit-learn, as image files with labels.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (CC BY 4.0): 1797 grey images of 8×8 pixels, values 0..16, in the order of their writers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CLASSES = 10
TRAINING_IMAGES = 1437  # the first 80 %; the rest, by other writers, is held out


def load_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns all images, (1797, 8, 8) uint8 in 0..255, and their labels, (1797,) in 0..9.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    import numpy as np

    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError(
            "the handwritten digits come with scikit-learn, which is not installed",
            next_step="pip install 'edge-mnv3[demo]'",
        ) from error
    digits = datasets.load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return pixels, digits.target.astype(np.int64)


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Writes the images as PNG files with two CSVs of `file,label`.

    Returns:
        The CSV of the training images and that of the held-out ones.
    """
    from PIL import Image

    pixels, labels = load_digits()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        name = f"images/{index:04}_{label}.png"
        Image.fromarray(image).save(folder / name)
        rows.append(f"{name},{label}")
    parts = {"training.csv": rows[:TRAINING_IMAGES], "held_out.csv": rows[TRAINING_IMAGES:]}
    for name, part in parts.items():
        (folder / name).write_text("\n".join(("file,label", *part)) + "\n", encoding="utf-8")
    return folder / "training.csv", folder / "held_out.csv"
