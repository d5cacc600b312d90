"""Images decoded and preprocessed, with the manifest that reproduces them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.images import CalibrationManifest, ImageRecord, SkippedImage
from edge_mnv3_calibration_data.decode import decode
from edge_mnv3_calibration_data.preprocess import preprocess as apply_preprocess
from edge_mnv3_calibration_data.sampling import order
from edge_mnv3_calibration_data.sources import Item, Source
from edge_mnv3_calibration_data.synthetic import synthetic_image

MAX_SKIPPED_SHARE = 0.01
SYNTHETIC_PREPROCESS = "none"  # synthetic images are made at the input's size
_NAMED = 3

Pixels = npt.NDArray[np.uint8]


def load_image(item: Item, *, preprocess: str, size: int) -> Pixels:
    """Decodes and preprocesses one image; safe to call from several threads.

    Args:
        item: From `open_source`.
        preprocess: Key of `PREPROCESSES`.
        size: Side of the model's input in pixels.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        InputFileError: It is missing or unreadable, with the reason in `got`, or differs from its manifest.
    """
    pixels, _ = _load(item, preprocess, size)
    return pixels


def load_calibration(
    source: Source,
    *,
    count: int,
    seed: int,
    preprocess: str,
    size: int,
    on_image: Callable[[int, int], None] | None = None,
) -> tuple[Pixels, CalibrationManifest]:
    """Takes a sample of a source; unreadable images are replaced by the next ones and named.

    A manifest is taken as it is: its images in its order, each with the hash that it had.

    Args:
        source: From `open_source`.
        count: Images wanted; all are taken if there are fewer. Ignored for a manifest, as is `seed`.
        seed: Of the sample, see `order`.
        preprocess: Key of `PREPROCESSES`.
        size: Side of the model's input in pixels.
        on_image: Called with (images done, images in all).

    Returns:
        The images, (n, size, size, 3) uint8 RGB, and their manifest.

    Raises:
        CalibrationDataError: No image can be read, more than 1 % cannot, or the manifest's images are not
            what they were.
    """
    from_manifest = source.manifest is not None
    candidates = list(source.items) if from_manifest else order(source.items, seed=seed)
    wanted = len(candidates) if from_manifest else min(count, len(candidates))
    images: list[Pixels] = []
    records: list[ImageRecord] = []
    skipped: list[SkippedImage] = []
    for item in candidates:
        if len(images) == wanted:
            break
        try:
            pixels, sha256 = _load(item, preprocess, size)
        except InputFileError as error:
            if from_manifest:
                raise CalibrationDataError(
                    f"the manifest's {error.what}", error.got, error.expected
                ) from error
            skipped.append(SkippedImage(file=item.file, reason=error.got))
            continue
        images.append(pixels)
        records.append(ImageRecord(file=item.file, sha256=sha256, label=item.label))
        if on_image:
            on_image(len(images), wanted)
    check_skipped(skipped, len(images) + len(skipped))
    manifest = CalibrationManifest(
        kind=source.manifest.kind if source.manifest else source.kind,
        root=str(source.root.resolve()),
        preprocess=preprocess,
        input_size_px=size,
        seed=source.manifest.seed if source.manifest else seed,
        requested=source.manifest.requested if source.manifest else count,
        available=source.manifest.available if source.manifest else len(source.items),
        images=tuple(records),
        skipped=tuple(skipped),
        sha256=manifest_sha256(preprocess, size, records),
    )
    return np.stack(images), manifest


def synthetic_calibration(
    *, count: int, seed: int, size: int, on_image: Callable[[int, int], None] | None = None
) -> tuple[Pixels, CalibrationManifest]:
    """Makes synthetic images, (count, size, size, 3) uint8 RGB, and their manifest."""
    images: list[Pixels] = []
    records: list[ImageRecord] = []
    for index in range(count):
        images.append(synthetic_image(index, size=size, seed=seed))
        sha256 = hashlib.sha256(images[-1].tobytes()).hexdigest()
        records.append(ImageRecord(file=f"synthetic[{index}]", sha256=sha256, label=None))
        if on_image:
            on_image(index + 1, count)
    manifest = CalibrationManifest(
        kind="synthetic",
        root=None,
        preprocess=SYNTHETIC_PREPROCESS,
        input_size_px=size,
        seed=seed,
        requested=count,
        available=None,
        images=tuple(records),
        skipped=(),
        sha256=manifest_sha256(SYNTHETIC_PREPROCESS, size, records),
    )
    return np.stack(images), manifest


def check_skipped(skipped: Sequence[SkippedImage], total: int) -> None:
    """Refuses a set of images of which more than 1 % cannot be read.

    Raises:
        CalibrationDataError: With the count and the first files and reasons.
    """
    if len(skipped) > MAX_SKIPPED_SHARE * total:
        named = "; ".join(f"{image.file}: {image.reason}" for image in skipped[:_NAMED])
        more = f" and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        raise CalibrationDataError(
            f"{len(skipped)} of {total} images cannot be read, more than 1 %", f"{named}{more}"
        )


def _load(item: Item, preprocess: str, size: int) -> tuple[Pixels, str]:
    if item.pixels is not None:
        sha256 = hashlib.sha256(item.pixels.tobytes()).hexdigest()
        image = Image.fromarray(item.pixels).convert("RGB")
    elif item.path is not None:
        try:
            data = item.path.read_bytes()
        except OSError as error:
            raise InputFileError(f"image {item.file}", (error.strerror or str(error)).lower()) from error
        sha256 = hashlib.sha256(data).hexdigest()
        image = decode(data, name=item.file)
    else:
        raise InputFileError(f"image {item.file}", "a synthetic image", "an image file")
    if item.sha256 not in (None, sha256):
        raise InputFileError(
            f"image {item.file}", f"SHA-256 {sha256[:12]}…", f"{str(item.sha256)[:12]}… as in the manifest"
        )
    return apply_preprocess(image, name=preprocess, size=size), sha256


def manifest_sha256(preprocess: str, size: int, records: Iterable[ImageRecord]) -> str:
    """What identifies a manifest: equal ones give equal pixels."""
    lines = [preprocess, str(size), *(record.sha256 for record in records)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
