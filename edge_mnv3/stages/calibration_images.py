"""Calibration images from wherever the user has them: opened early, read late."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.images import CalibrationManifest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge_mnv3_calibration_data.sources import Source
    from edge_mnv3_calibration_data.stored import StoredCalibration

SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """Which images to calibrate on.

    Attributes:
        calibration: `synthetic`, or the path of a folder, CSV, list, `.npz`, manifest or stored calibration.
        samples: Number of images.
        seed: Of their choice.
        preprocess: Key of `PREPROCESSES`.
        input_size_px: Side of the model's input.
    """

    calibration: str
    samples: int
    seed: int
    preprocess: str
    input_size_px: int


def open_calibration(request: CalibrationRequest) -> Source | StoredCalibration | None:
    """Opens the source early, so that a wrong path is told before TensorFlow is loaded.

    Returns:
        None for synthetic images.

    Raises:
        InputFileError: It is missing or unreadable.
        CalibrationDataError: It holds no images, or a stored one's are of another size.
    """
    from edge_mnv3_calibration_data.sources import open_source
    from edge_mnv3_calibration_data.stored import is_stored, read_stored

    if request.calibration == SYNTHETIC:
        return None
    path = Path(request.calibration)
    if is_stored(path):
        stored = read_stored(path)
        check_size(f"stored calibration {path}", stored.description.manifest, request.input_size_px)
        return stored
    return open_source(path)


def check_labels(source: Source | StoredCalibration | None, classes: int) -> None:
    """Refuses labels beyond the network's classes.

    Raises:
        CalibrationDataError: With the image and its label.
    """
    from edge_mnv3_calibration_data.sources import Source

    if source is None:
        return
    images = source.items if isinstance(source, Source) else source.description.manifest.images
    for image in images:
        if image.label is not None and image.label >= classes:
            root = source.root if isinstance(source, Source) else source.description.manifest.root
            raise CalibrationDataError(
                f"label of {image.file} in {root}", str(image.label), f"0 to {classes - 1}"
            )


def load_images(
    request: CalibrationRequest, source: Source | StoredCalibration | None, reporter: Reporter
) -> tuple[npt.NDArray[np.uint8], CalibrationManifest]:
    """Reads and preprocesses the images, or takes the stored pixels.

    Args:
        request: For a manifest or a stored calibration, its own samples, seed and preprocessing hold.
        source: From `open_calibration`.
        reporter: Is told of progress.

    Returns:
        The images, (N, H, W, 3) uint8, and their manifest.

    Raises:
        CalibrationDataError: No image can be read, more than 1 % cannot, or a manifest's images are not what
            they were.
    """
    from edge_mnv3_calibration_data.loading import load_calibration, synthetic_calibration
    from edge_mnv3_calibration_data.sources import Source

    if source is None:
        return synthetic_calibration(
            count=request.samples,
            seed=request.seed,
            size=request.input_size_px,
            on_image=reporter.progress,
        )
    if not isinstance(source, Source):
        return source.pixels, source.description.manifest
    if source.manifest:
        return _load_manifest(source.manifest, source, request.input_size_px, reporter)
    return load_calibration(
        source,
        count=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
        size=request.input_size_px,
        on_image=reporter.progress,
    )


def image_warnings(manifest: CalibrationManifest) -> list[str]:
    """What the user must know of the images that were found."""
    found = []
    if len(manifest.images) < manifest.requested:
        found.append(
            f"{manifest.requested} calibration images were asked for, {len(manifest.images)} are there"
        )
    return found + [f"{image.file} was left out: {image.reason}" for image in manifest.skipped]


def check_size(what: str, manifest: CalibrationManifest, size: int) -> None:
    """Refuses images of another size.

    Raises:
        CalibrationDataError: With both sizes.
    """
    if manifest.input_size_px != size:
        raise CalibrationDataError(
            what,
            f"images of {manifest.input_size_px} px",
            f"{size} px",
            f"use --input-size {manifest.input_size_px}",
        )


def _load_manifest(
    manifest: CalibrationManifest, source: Source, size: int, reporter: Reporter
) -> tuple[npt.NDArray[np.uint8], CalibrationManifest]:
    """The images of an earlier run; its own seed, preprocessing and number of images hold."""
    from edge_mnv3_calibration_data.loading import load_calibration, synthetic_calibration

    check_size("calibration manifest", manifest, size)
    if manifest.kind == SYNTHETIC:
        images, again = synthetic_calibration(
            count=manifest.requested, seed=manifest.seed, size=size, on_image=reporter.progress
        )
    else:
        images, again = load_calibration(
            source,
            count=len(manifest.images),
            seed=manifest.seed,
            preprocess=manifest.preprocess,
            size=size,
            on_image=reporter.progress,
        )
    if again.sha256 != manifest.sha256:
        raise CalibrationDataError(
            "calibration manifest", f"images of SHA-256 {again.sha256[:12]}…", f"{manifest.sha256[:12]}…"
        )
    return images, again
