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
import numpy.typing as npt

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.hashing import sha256_images
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3_calibration_data.loading import manifest_sha256

DESCRIPTION = "calibration.json"
PIXELS_FILES = "pixels-*.npy"
SUFFIX = ".calibration"
MERGED = "merged"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `calibration.json` holds.

    Attributes:
        manifest: Of the images, in the order of the pixels.
        merged: SHA-256 of the manifests that were joined; of the one manifest where none were.
        sources: What the images were taken from: absolute paths, or `synthetic`.
        pixels_file: Name of the array's file.
        pixels_sha256: Of the array's bytes.
    """

    FORMAT: ClassVar[Format] = Format("stored calibration")
    schema_version: int = FORMAT.version
    manifest: CalibrationManifest
    merged: tuple[str, ...]
    sources: tuple[str, ...]
    pixels_file: str
    pixels_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """A stored calibration in memory.

    Attributes:
        pixels: (N, size, size, 3) uint8, RGB.
    """

    description: Description
    pixels: Pixels


def is_stored(path: Path) -> bool:
    """Whether a path is meant to be a stored calibration, not a folder of images."""
    return path.is_dir() and (path.suffix == SUFFIX or (path / DESCRIPTION).is_file())


def new_stored(pixels: Pixels, manifest: CalibrationManifest, source: str) -> StoredCalibration:
    """Prepares images to be stored.

    Args:
        pixels: From `load_calibration` or `synthetic_calibration`.
        manifest: Likewise.
        source: What they were taken from.
    """
    return _described(pixels, manifest, (manifest.sha256,), (source,))


def read_stored(folder: Path) -> StoredCalibration:
    """Opens a stored calibration; the pixels are compared with their SHA-256.

    Raises:
        InputFileError: It is missing, incomplete, damaged, or of another version.
    """
    what, again = f"stored calibration {folder}", "make it again with edge-mnv3 calibrate --force"
    try:
        description = from_json(Description, (folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputFileError(what, f"no {DESCRIPTION}", "a folder of edge-mnv3 calibrate") from error
    except ValueError as error:
        raise InputFileError(what, str(error), "a folder of edge-mnv3 calibrate", again) from error
    try:
        pixels: Pixels = np.load(folder / description.pixels_file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputFileError(what, f"no readable {description.pixels_file}", "its pixels", again) from error
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    if sha256 != description.pixels_sha256:
        raise InputFileError(
            what, f"pixels of SHA-256 {sha256[:12]}…", f"{description.pixels_sha256[:12]}…", again
        )
    return StoredCalibration(description=description, pixels=pixels)


def write_stored(stored: StoredCalibration, pixels_path: Path, description_path: Path) -> None:
    """Writes both files; give them their places in the order of the arguments.

    Raises:
        OSError: They cannot be written.
    """
    with pixels_path.open("wb") as file:
        np.save(file, stored.pixels, allow_pickle=False)
    description_path.write_text(to_json(stored.description), encoding="utf-8")


def join(one: StoredCalibration, other: StoredCalibration) -> StoredCalibration:
    """The images of both, `one`'s first.

    Args:
        one: A stored calibration.
        other: Another, of images of the same size and preprocessing.

    Raises:
        CalibrationDataError: Size or preprocessing differ, an image is in both, or one is synthetic: its
            manifest would not tell how to make the images again.
    """
    manifests = one.description.manifest, other.description.manifest
    if any(manifest.root is None for manifest in manifests):
        raise CalibrationDataError(
            "calibrations to merge", "synthetic images", "images of files", "use more --samples instead"
        )
    first, second = ((m.preprocess, m.input_size_px) for m in manifests)
    if first != second:
        raise CalibrationDataError(
            "calibrations to merge",
            f"preprocessing {second[0]} to {second[1]} px",
            f"{first[0]} to {first[1]} px as in the first",
        )
    common = len(set(sha256_images(one.pixels)) & set(sha256_images(other.pixels)))
    if common:
        raise CalibrationDataError(
            "calibrations to merge", f"{common} images that are in both", "different images"
        )
    return _described(
        np.concatenate([one.pixels, other.pixels]),
        _joined_manifest(*manifests),
        one.description.merged + other.description.merged,
        one.description.sources + other.description.sources,
    )


def _joined_manifest(one: CalibrationManifest, other: CalibrationManifest) -> CalibrationManifest:
    roots = [str(one.root), str(other.root)]
    root = os.path.commonpath(roots)
    images, skipped = (
        tuple(
            dataclasses.replace(record, file=_relative(own_root, record.file, root))
            for manifest, own_root in zip((one, other), roots, strict=True)
            for record in getattr(manifest, field)
        )
        for field in ("images", "skipped")
    )
    return CalibrationManifest(
        kind=MERGED,
        root=root,
        preprocess=one.preprocess,
        input_size_px=one.input_size_px,
        seed=one.seed,
        requested=one.requested + other.requested,
        available=(one.available or 0) + (other.available or 0),
        images=images,
        skipped=skipped,
        sha256=manifest_sha256(one.preprocess, one.input_size_px, images),
    )


def _relative(own_root: str, file: str, root: str) -> str:
    return Path(os.path.relpath(Path(own_root) / file, root)).as_posix()


def _described(
    pixels: Pixels, manifest: CalibrationManifest, merged: tuple[str, ...], sources: tuple[str, ...]
) -> StoredCalibration:
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return StoredCalibration(
        description=Description(
            manifest=manifest,
            merged=merged,
            sources=sources,
            pixels_file=PIXELS_FILES.replace("*", sha256[:16]),
            pixels_sha256=sha256,
        ),
        pixels=pixels,
    )
