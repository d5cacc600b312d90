"""Which images were used, and which could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format

RGB_CHANNELS = 3
GREY_CHANNELS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageShape:
    """Shape of the images that a model takes.

    Attributes:
        height_px: Rows.
        width_px: Columns.
        channels: 3 for RGB, 1 for grey.
    """

    height_px: int
    width_px: int
    channels: int = RGB_CHANNELS

    @staticmethod
    def square(side_px: int) -> ImageShape:
        """The shape of square RGB images."""
        return ImageShape(height_px=side_px, width_px=side_px)

    @staticmethod
    def of_input(shape: Sequence[int]) -> ImageShape | None:
        """The shape of the images that a model's input takes; None where it takes no RGB or grey image.

        Args:
            shape: Dimensions of the input, with the batch: (1, rows, columns, channels).
        """
        if len(shape) != 4 or shape[0] not in (1, -1) or min(shape[1:]) < 1:
            return None
        if shape[3] not in (RGB_CHANNELS, GREY_CHANNELS):
            return None
        return ImageShape(height_px=int(shape[1]), width_px=int(shape[2]), channels=int(shape[3]))

    @property
    def dimensions(self) -> tuple[int, int, int]:
        """Rows, columns, channels: the shape of an image's array."""
        return self.height_px, self.width_px, self.channels

    @property
    def side_px(self) -> int | None:
        """The side of a square, of any number of channels; None for other shapes."""
        return self.height_px if self.height_px == self.width_px else None

    @property
    def is_grey(self) -> bool:
        """Whether there is one channel only."""
        return self.channels == GREY_CHANNELS

    @property
    def text(self) -> str:
        """For people: `224 px`, `96x128 px` (rows, columns), `28 px, grey`."""
        size = f"{self.height_px}" if self.side_px else f"{self.height_px}x{self.width_px}"
        return f"{size} px, grey" if self.is_grey else f"{size} px"


def _with_shape(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1, whose images are square and RGB."""
    side_px = data.pop("input_size_px")
    shape = {"height_px": side_px, "width_px": side_px, "channels": RGB_CHANNELS}
    return {**data, "input_shape": shape}


def _with_unread(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 2, which does not tell what was not read."""
    return {**data, "unread": []}


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
class UnreadFiles:
    """Files of one kind that lie among the images and were not taken for images.

    Attributes:
        kind: What each is, such as `.HEIC file` or `broken link`.
        count: How many there are.
        reason: Why they are not read, or what to do about it.
        files: The first three names, relative to the manifest's root.
    """

    kind: str
    count: int
    reason: str
    files: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for people."""
        kind = f"{self.count} {self.kind}s are" if self.count > 1 else f"1 {self.kind} is"
        reason = self.reason if self.count > 1 else self.reason.replace(" them", " it")
        more = ", …" if self.count > len(self.files) else ""
        # Names of files may have line breaks.
        return " ".join(f"{kind} not read: {reason} ({', '.join(self.files)}{more})".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationManifest:
    """The exact images of a calibration: enough to run it again.

    Attributes:
        kind: `folder`, `csv`, `list`, `npz` or `synthetic`; `merged` for calibrations that were joined.
        root: Folder that `images[].file` is relative to; None for synthetic images.
        preprocess: Name of the preprocessing.
        input_shape: Shape of the preprocessed images.
        seed: Seed of the sample, or of the generator.
        requested: Number of images asked for.
        available: Number of images the source has; None for synthetic images.
        images: The images that were used, in this order.
        skipped: Images that could not be read, with the reasons.
        unread: Files among the images that were not taken for images.
        sha256: Hash over preprocessing, size and the images' hashes in order; equal hashes mean equal pixels.
    """

    FORMAT: ClassVar[Format] = Format(
        "calibration manifest", (_with_shape, _with_unread), first_is_silent=True
    )
    schema_version: int = FORMAT.version
    kind: str
    root: str | None
    preprocess: str
    input_shape: ImageShape
    seed: int
    requested: int
    available: int | None
    images: tuple[ImageRecord, ...]
    skipped: tuple[SkippedImage, ...]
    unread: tuple[UnreadFiles, ...]
    sha256: str
