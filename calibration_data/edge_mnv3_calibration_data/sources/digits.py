"""The handwritten digits that come with scikit-learn, as a source and as image files with labels.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (CC BY 4.0): 1797 grey images of 8×8 pixels, values 0..16, in the order of their writers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_mnv3.core.choices import DIGITS
from edge_mnv3.core.errors import MissingExtraError
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3_calibration_data.listed_images import ArrayImage, HeldImages, ListedImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind

CLASSES = 10
TRAINING_IMAGES = 1437  # the first 80 %; the rest, by other writers, is held out


def load_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns all images, (1797, 8, 8) uint8 in 0..255, and their labels, (1797,) in 0..9.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError(
            "the handwritten digits come with scikit-learn, which is not installed",
            next_step="pip install 'edge-mnv3[digits]'",
        ) from error
    digits = datasets.load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return pixels, digits.target.astype(np.int64)


def open_digits() -> ListedSource:
    """Lists all images, those of training first; each is 8×8 pixels before its preprocessing.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    images = HeldImages(
        ArrayImage(name=f"{DIGITS}[{index}]", label=int(label), unprocessed=pixels)
        for index, (pixels, label) in enumerate(zip(*load_digits(), strict=True))
    )
    return ListedSource(kind=DIGITS, location=DIGITS, root=None, images=images)


def training_digits() -> ListedSource:
    """Lists the images to train and calibrate on; the rest is held out."""
    digits = open_digits()
    return dataclasses.replace(digits, images=HeldImages(digits.images[:TRAINING_IMAGES]))


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Writes the images as PNG files with two CSVs of `file,label`.

    Returns:
        The CSV of the training images and that of the held-out ones.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (pixels, label) in enumerate(zip(*load_digits(), strict=True)):
        name = f"images/{index:04}_{label}.png"
        Image.fromarray(pixels).save(folder / name)
        rows.append(f"{name},{label}")
    parts = {"training.csv": rows[:TRAINING_IMAGES], "held_out.csv": rows[TRAINING_IMAGES:]}
    for name, part in parts.items():
        (folder / name).write_text("\n".join(("file,label", *part)) + "\n", encoding="utf-8")
    return folder / "training.csv", folder / "held_out.csv"


def recall_digits(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest of digits.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    if manifest.kind != DIGITS:
        return {}
    return {image.name: image for image in open_digits().images}


KIND = SourceKind(
    # A folder or file of the user's goes first.
    recognizes=lambda location: location == DIGITS and not Path(DIGITS).exists(),
    open=lambda _: training_digits(),
    recall=recall_digits,
    word=DIGITS,
)
