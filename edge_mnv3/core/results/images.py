"""Which images were used, and which could not be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image that was used.

    Attributes:
        file: Path relative to the manifest's root, or `NAME.npz[3]`, or `synthetic[3]`.
        sha256: Hash of the file's bytes, or of the pixels where there is no file.
        label: Class, 0-based, or None.
    """

    file: str
    sha256: str
    label: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedImage:
    """An image that could not be used, and why.

    Attributes:
        file: Name of the image.
        reason: Why it could not be read.
    """

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationManifest:
    """The exact images of a calibration: enough to run it again.

    Attributes:
        kind: `folder`, `csv`, `list`, `npz` or `synthetic`; `merged` for calibrations that were joined.
        root: Folder that `images[].file` is relative to; None for synthetic images.
        preprocess: Name of the preprocessing.
        input_size_px: Side of the preprocessed square images.
        seed: Seed of the sample, or of the generator.
        requested: Number of images asked for.
        available: Number of images the source has; None for synthetic images.
        images: The images that were used, in this order.
        skipped: Images that could not be read, with the reasons.
        sha256: Hash over preprocessing, size and the images' hashes in order; equal hashes mean equal pixels.
    """

    kind: str
    root: str | None
    preprocess: str
    input_size_px: int
    seed: int
    requested: int
    available: int | None
    images: tuple[ImageRecord, ...]
    skipped: tuple[SkippedImage, ...]
    sha256: str
