"""A stored calibration: a folder with preprocessed pixels and their manifest; no image is read again.

`calibration.json` describes it and names the file of the pixels, a NumPy array that is mapped into memory. It
is written last, so that a folder is either whole or, without it, none. Other files in the folder are not this
module's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.hashing import sha256_images
from edge_mnv3.core.images import ImageSample, ImageSource, Pixels, SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3_calibration_data.manifests import manifest_sha256
from edge_mnv3_calibration_data.source_kinds import SourceKind

DESCRIPTION = "calibration.json"
PIXELS_FILES = "pixels-*.npy"
SUFFIX = ".calibration"
MERGED = "merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What `calibration.json` holds.

    Attributes:
        manifest: Tells of each image, in the order of the pixels.
        merged: SHA-256 of the manifests that were joined; of the one manifest where none were.
        sources: What the images were taken from: absolute paths, or `synthetic`.
        pixels_file: Name of the array's file.
        pixels_sha256: Hash of the array's bytes.
    """

    FORMAT: ClassVar[Format] = Format("stored calibration")
    schema_version: int = FORMAT.version
    manifest: CalibrationManifest
    merged: tuple[str, ...]
    sources: tuple[str, ...]
    pixels_file: str
    pixels_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredCalibration(ImageSource):
    """A stored calibration in memory; its images are preprocessed already.

    Attributes:
        contents: What is stored beside the pixels.
        pixels: (N, rows, columns, channels) uint8, RGB or grey.
    """

    contents: Contents
    pixels: Pixels

    @property
    def available(self) -> int:
        """Number of images."""
        return len(self.pixels)

    def name(self, index: int) -> str:
        """Name of an image."""
        return self.contents.manifest.images[index].file

    def label(self, index: int) -> int | None:
        """Class of an image."""
        return self.contents.manifest.images[index].label

    def load(self, index: int, *, shape: ImageShape, preprocess: str) -> Pixels:
        """Takes an image's pixels as they are stored.

        Raises:
            CalibrationDataError: They are of another shape.
        """
        self.check_shape(shape)
        return np.asarray(self.pixels[index])

    def applied_preprocess(self, preprocess: str) -> str:
        """The preprocessing that the pixels were stored with."""
        return self.contents.manifest.preprocess

    @property
    def recorded(self) -> CalibrationManifest:
        """The manifest of the pixels."""
        return self.contents.manifest

    @property
    def description(self) -> str:
        """What messages call the source."""
        return f"stored calibration {self.location}"

    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        """Takes the stored pixels, mapped into memory."""
        self.check_shape(request.shape)
        manifest = self.contents.manifest
        count = self.available if request.samples is None else min(request.samples, self.available)
        if not request.shorten_recorded or count == self.available:
            return ImageSample(pixels=self.pixels, manifest=manifest)
        records = manifest.images[:count]
        shortened = dataclasses.replace(
            manifest,
            images=records,
            sha256=manifest_sha256(manifest.preprocess, manifest.input_shape, records),
        )
        return ImageSample(pixels=self.pixels[:count], manifest=shortened)


def is_stored(location: str | Path) -> bool:
    """Whether a location is meant to be a stored calibration, not a folder of images."""
    path = Path(location)
    return path.is_dir() and (path.suffix == SUFFIX or (path / DESCRIPTION).is_file())


def new_stored(sample: ImageSample, source: str) -> StoredCalibration:
    """Prepares images to be stored.

    Args:
        sample: The images.
        source: What they were taken from: an absolute path, or `synthetic`.
    """
    return _described(sample.pixels, sample.manifest, (sample.manifest.sha256,), (source,))


def read_stored(location: str | Path) -> StoredCalibration:
    """Opens a stored calibration; the pixels are compared with their SHA-256.

    Raises:
        InputFileError: It is missing, incomplete, damaged, or of a version that this program does not know.
    """
    folder = Path(location)
    what, again = f"stored calibration {folder}", "make it again with edge-mnv3 calibrate --force"
    try:
        contents = from_json(Contents, (folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputFileError(what, f"no {DESCRIPTION}", "a folder of edge-mnv3 calibrate") from error
    except ValueError as error:
        raise InputFileError(what, str(error), "a folder of edge-mnv3 calibrate", again) from error
    try:
        pixels: Pixels = np.load(folder / contents.pixels_file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputFileError(what, f"no readable {contents.pixels_file}", "its pixels", again) from error
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    if sha256 != contents.pixels_sha256:
        raise InputFileError(
            what, f"pixels of SHA-256 {sha256[:12]}…", f"{contents.pixels_sha256[:12]}…", again
        )
    return _stored(str(location), contents, pixels)


def write_stored(stored: StoredCalibration, pixels_path: Path, description_path: Path) -> None:
    """Writes both files; give them their places in the order of the arguments.

    Raises:
        OSError: They cannot be written.
    """
    with pixels_path.open("wb") as file:
        np.save(file, stored.pixels, allow_pickle=False)
    description_path.write_text(to_json(stored.contents), encoding="utf-8")


def join(one: StoredCalibration, other: StoredCalibration) -> StoredCalibration:
    """The images of both, `one`'s first.

    Args:
        one: A stored calibration.
        other: Another, of images of the same shape and preprocessing.

    Raises:
        CalibrationDataError: Shape or preprocessing differ, an image is in both, or one is synthetic: its
            manifest would not tell how to make the images again.
    """
    manifests = one.contents.manifest, other.contents.manifest
    if any(manifest.root is None for manifest in manifests):
        raise CalibrationDataError(
            "calibrations to merge",
            f"{next(manifest.kind for manifest in manifests if manifest.root is None)} images",
            "images of files",
            "use more --samples instead",
        )
    first, second = ((m.preprocess, m.input_shape) for m in manifests)
    if first != second:
        raise CalibrationDataError(
            "calibrations to merge",
            f"preprocessing {second[0]} to {second[1].text}",
            f"{first[0]} to {first[1].text} as in the first",
        )
    common = len(set(sha256_images(one.pixels)) & set(sha256_images(other.pixels)))
    if common:
        raise CalibrationDataError(
            "calibrations to merge",
            f"{count(common, 'image that is', 'images that are')} in both",
            "different images",
        )
    return _described(
        np.concatenate([one.pixels, other.pixels]),
        _joined_manifest(*manifests),
        one.contents.merged + other.contents.merged,
        one.contents.sources + other.contents.sources,
    )


def _joined_manifest(one: CalibrationManifest, other: CalibrationManifest) -> CalibrationManifest:
    roots = [str(one.root), str(other.root)]
    root = os.path.commonpath(roots)
    images, skipped = (
        tuple(
            dataclasses.replace(record, file=_relative(manifest_root, record.file, root))
            for manifest, manifest_root in zip((one, other), roots, strict=True)
            for record in getattr(manifest, field)
        )
        for field in ("images", "skipped")
    )
    return CalibrationManifest(
        kind=MERGED,
        root=root,
        preprocess=one.preprocess,
        input_shape=one.input_shape,
        seed=one.seed,
        requested=one.requested + other.requested,
        available=(one.available or 0) + (other.available or 0),
        images=images,
        skipped=skipped,
        unread=one.unread + other.unread,
        sha256=manifest_sha256(one.preprocess, one.input_shape, images),
    )


def _relative(manifest_root: str, file: str, root: str) -> str:
    return Path(os.path.relpath(Path(manifest_root) / file, root)).as_posix()


def _described(
    pixels: Pixels, manifest: CalibrationManifest, merged: tuple[str, ...], sources: tuple[str, ...]
) -> StoredCalibration:
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    contents = Contents(
        manifest=manifest,
        merged=merged,
        sources=sources,
        pixels_file=PIXELS_FILES.replace("*", sha256[:16]),
        pixels_sha256=sha256,
    )
    return _stored(" and ".join(sources), contents, pixels)


def _stored(location: str, contents: Contents, pixels: Pixels) -> StoredCalibration:
    root = contents.manifest.root
    return StoredCalibration(
        kind=contents.manifest.kind,
        location=location,
        root=None if root is None else Path(root),
        contents=contents,
        pixels=pixels,
    )


KIND = SourceKind(recognizes=is_stored, open=read_stored)
