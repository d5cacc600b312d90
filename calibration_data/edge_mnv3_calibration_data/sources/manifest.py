"""The images of an earlier run, by its manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.errors import (
    CalibrationDataError,
    EdgeMnv3Error,
    InputFileError,
    UnusableImageError,
)
from edge_mnv3.core.images import ImageContent, ImageSample, SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.result_files import read_calibration_manifest
from edge_mnv3.core.results.images import CalibrationManifest, ImageRecord, ImageShape
from edge_mnv3_calibration_data.listed_images import (
    FileImage,
    HeldImages,
    ListedImage,
    ListedSource,
    LoadedImage,
)
from edge_mnv3_calibration_data.manifests import manifest_sha256
from edge_mnv3_calibration_data.pixel_stack import PixelStack
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix, source_kinds
from edge_mnv3_calibration_data.sources.synthetic import SyntheticImages

SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManifestSource(ListedSource):
    """The images that a manifest names, in its order, each with the hash that it had.

    Attributes:
        manifest: With a record for each image.
    """

    manifest: CalibrationManifest

    def part(self, indices: Sequence[int]) -> ManifestSource:
        """Some of the images with their records."""
        records = tuple(self.manifest.images[index] for index in indices)
        manifest = dataclasses.replace(self.manifest, images=records, skipped=(), unread=())
        images = HeldImages(self.images[index] for index in indices)
        return dataclasses.replace(self, images=images, manifest=manifest)

    def content(self, index: int) -> ImageContent | None:
        """The image's content, and the hash that it must have."""
        content = self.images[index].content
        if content is None:
            return None
        return content._replace(tag=f"{content.tag} {self.manifest.images[index].sha256}")

    @property
    def recorded(self) -> CalibrationManifest:
        """The manifest."""
        return self.manifest

    @property
    def description(self) -> str:
        """What messages call the source."""
        return "calibration manifest"

    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        """Takes the manifest's images as they are, with its seed and preprocessing."""
        manifest, shape = self.manifest, request.shape
        if request.shorten_recorded and self.synthetic:
            return SyntheticImages().sample(dataclasses.replace(request, seed=manifest.seed), reporter)
        count = self.available
        if request.shorten_recorded and request.samples is not None:
            count = min(request.samples, self.available)
        if not request.shorten_recorded:
            self.check_shape(shape)
        pixels = PixelStack()
        records: list[ImageRecord] = []
        for index in range(count):
            try:
                loaded = self._loaded(index, shape, manifest.preprocess)
            except InputFileError as error:
                raise CalibrationDataError(
                    f"the manifest's {error.what}", error.got, error.expected
                ) from error
            pixels.add(loaded.pixels)
            records.append(ImageRecord(file=self.name(index), sha256=loaded.sha256, label=self.label(index)))
            reporter.progress(len(pixels), count)
        sha256 = manifest_sha256(manifest.preprocess, shape, records)
        if not request.shorten_recorded and sha256 != manifest.sha256:
            raise CalibrationDataError(
                self.description, f"images of SHA-256 {sha256[:12]}…", f"{manifest.sha256[:12]}…"
            )
        again = dataclasses.replace(
            manifest,
            root=None if self.root is None else str(self.root.resolve()),
            input_shape=shape,
            images=tuple(records),
            skipped=(),
            unread=(),
            sha256=sha256,
        )
        return ImageSample(pixels=pixels.stacked(), manifest=again)

    def _loaded(self, index: int, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Reads and preprocesses one image, and compares its hash with the manifest's."""
        record = self.manifest.images[index]
        loaded = self.images[index].load(shape=shape, preprocess=preprocess)
        if loaded.sha256 != record.sha256:
            raise UnusableImageError(
                f"image {record.file}",
                f"SHA-256 {loaded.sha256[:12]}…",
                f"{record.sha256[:12]}… as in the manifest",
            )
        return loaded


def open_manifest(location: str | Path) -> ManifestSource:
    """Reads a manifest: a file of its own, or the part `calibration` of a `quantize.json`.

    Raises:
        InputFileError: It is neither.
        CalibrationDataError: Images are not there any more.
    """
    path = Path(location)
    manifest = read_calibration_manifest(path)
    recalled = _recalled(manifest, path)
    root = None if manifest.root is None else Path(manifest.root)
    images: list[ListedImage] = []
    for record in manifest.images:
        image = recalled.get(record.file)
        if image is not None:
            images.append(dataclasses.replace(image, label=record.label))
        elif root is None or record.file in recalled:
            raise CalibrationDataError(f"manifest {path}: {record.file} is not there any more")
        else:
            images.append(FileImage(name=record.file, label=record.label, folder=root))
    return ManifestSource(
        kind=manifest.kind, location=str(location), root=root, images=HeldImages(images), manifest=manifest
    )


def _recalled(manifest: CalibrationManifest, path: Path) -> Mapping[str, ListedImage | None]:
    """The images that a kind of source gives again without a file of their name."""
    recalled: dict[str, ListedImage | None] = {}
    for kind in source_kinds():
        try:
            recalled |= kind.recall(manifest)
        except EdgeMnv3Error as error:
            raise CalibrationDataError(f"manifest {path}: {error}") from error
    return recalled


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, SUFFIX), open=open_manifest, suffix=SUFFIX, place=4
)
