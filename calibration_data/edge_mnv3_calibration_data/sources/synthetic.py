"""Images made by the generator of `synthetic_image`, as many as are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.images import ImageSample, ImageSource, Pixels, SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import CalibrationManifest, ImageRecord, ImageShape
from edge_mnv3_calibration_data.listed_images import ListedImage, LoadedImage
from edge_mnv3_calibration_data.manifests import manifest_sha256
from edge_mnv3_calibration_data.pixel_stack import PixelStack
from edge_mnv3_calibration_data.preprocess import luminance
from edge_mnv3_calibration_data.source_kinds import SourceKind
from edge_mnv3_calibration_data.synthetic import synthetic_image

PREPROCESS = "none"  # synthetic images are made at the input's size


def made_image(index: int, *, shape: ImageShape, seed: int) -> Pixels:
    """Makes one image of any shape: the central part of a square one, or its luminance.

    Args:
        index: Which of the seed's images, at least 0.
        shape: What the model takes.
        seed: Any integer.

    Returns:
        (rows, columns, channels) uint8; the same bytes for the same arguments, everywhere.
    """
    side = max(shape.height_px, shape.width_px)
    upper, left = (side - shape.height_px) // 2, (side - shape.width_px) // 2
    whole = synthetic_image(index, size=side, seed=seed)
    part = np.ascontiguousarray(whole[upper : upper + shape.height_px, left : left + shape.width_px])
    return luminance(part) if shape.is_grey else part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticImage(ListedImage):
    """One of the generator's images.

    Attributes:
        index: Which of the seed's images.
        seed: What the generator starts from.
    """

    index: int
    seed: int

    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Makes the image; it is not preprocessed."""
        pixels = made_image(self.index, shape=shape, seed=self.seed)
        return LoadedImage(pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticImages(ImageSource):
    """The generator as a source.

    Attributes:
        seed: What the generator starts from in `load`; a sample starts from the request's seed.
    """

    kind: str = SYNTHETIC
    location: str = SYNTHETIC
    root: Path | None = None
    seed: int = 0

    @property
    def available(self) -> None:
        """There is no end."""

    def name(self, index: int) -> str:
        """Name of an image."""
        return f"{SYNTHETIC}[{index}]"

    def label(self, index: int) -> None:
        """No image has a class."""

    def load(self, index: int, *, shape: ImageShape, preprocess: str) -> Pixels:
        """Makes an image; it is not preprocessed."""
        return made_image(index, shape=shape, seed=self.seed)

    def applied_preprocess(self, preprocess: str) -> str:
        """Images are made at the input's size."""
        return PREPROCESS

    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        """Makes the first images of the request's seed."""
        pixels = PixelStack()
        records: list[ImageRecord] = []
        count = self.sample_size(request.samples)
        for index in range(count):
            image = SyntheticImage(name=self.name(index), label=None, index=index, seed=request.seed)
            loaded = image.load(shape=request.shape, preprocess=PREPROCESS)
            pixels.add(loaded.pixels)
            records.append(ImageRecord(file=image.name, sha256=loaded.sha256, label=None))
            reporter.progress(len(pixels), count)
        manifest = CalibrationManifest(
            kind=SYNTHETIC,
            root=None,
            preprocess=PREPROCESS,
            input_shape=request.shape,
            seed=request.seed,
            requested=count,
            available=None,
            images=tuple(records),
            skipped=(),
            unread=(),
            sha256=manifest_sha256(PREPROCESS, request.shape, records),
        )
        return ImageSample(pixels=pixels.stacked(), manifest=manifest)


def recall_synthetic(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest of synthetic images."""
    if manifest.kind != SYNTHETIC:
        return {}
    return {
        record.file: SyntheticImage(name=record.file, label=None, index=index, seed=manifest.seed)
        for index, record in enumerate(manifest.images)
    }


KIND = SourceKind(
    recognizes=lambda location: location == SYNTHETIC,
    open=lambda _: SyntheticImages(),
    recall=recall_synthetic,
    word=SYNTHETIC,
)
