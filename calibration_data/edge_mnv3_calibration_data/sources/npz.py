"""Images in a NumPy archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.stored_zip import DAMAGED_ZIP
from edge_mnv3_calibration_data.listed_images import ArrayImage, HeldImages, ListedImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix

SUFFIX = ".npz"


def open_npz(location: str | Path) -> ListedSource:
    """Reads the arrays `images`, (N, H, W, 3) or (N, H, W) uint8, and `labels`, (N,) integers from 0 on.

    An archive may lack labels.

    Raises:
        InputFileError: It cannot be read, or its images are of another shape or dtype.
        CalibrationDataError: Its labels are.
    """
    path = Path(location)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("images", "labels")}
    except DAMAGED_ZIP as error:
        raise InputFileError(f"archive {path}", str(error), "an .npz file with an array 'images'") from error
    if "images" not in arrays:
        raise InputFileError(f"archive {path}", "no array 'images'", "images of shape (N, H, W, 3), uint8")
    pixels = _checked_pixels(arrays["images"], path)
    labels = _checked_labels(arrays.get("labels"), len(pixels), path)
    images = HeldImages(
        ArrayImage(name=f"{path.name}[{index}]", label=label, unprocessed=image)
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True))
    )
    return ListedSource(kind="npz", location=str(location), root=path.parent, images=images)


def _checked_pixels(pixels: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] == 3)):
        raise InputFileError(
            f"archive {path}",
            f"images of shape {pixels.shape}, {pixels.dtype}",
            "(N, H, W, 3) or (N, H, W), uint8",
        )
    return pixels


def _checked_labels(labels: npt.NDArray[Any] | None, count: int, path: Path) -> list[int | None]:
    if labels is None:
        return [None] * count
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise CalibrationDataError(
            f"labels in {path}", f"shape {labels.shape}, {labels.dtype}", f"{count} integers from 0 on"
        )
    return [int(label) for label in labels]


def recall_npz(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest that lie in archives, each of which is opened once.

    Raises:
        EdgeMnv3Error: An archive cannot be read.
    """
    if manifest.root is None:
        return {}
    archive_of = {record.file: record.file.rpartition("[")[0] for record in manifest.images}
    wanted = {name: archive for name, archive in archive_of.items() if archive.endswith(SUFFIX)}
    there: dict[str, ListedImage] = {}
    for archive in dict.fromkeys(wanted.values()):
        for index, image in enumerate(open_npz(Path(manifest.root) / archive).images):
            there[f"{archive}[{index}]"] = image
    return {name: there.get(name) for name in wanted}


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX),
    open=open_npz,
    recall=recall_npz,
    suffix=SUFFIX,
    place=3,
)
