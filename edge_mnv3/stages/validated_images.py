"""The images that a comparison names, known again by their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.images import ImageSource, Pixels
from edge_mnv3.core.results.validate import ValidateResult


class NamedImage(NamedTuple):
    """An image that a comparison names, as it is now.

    Attributes:
        name: Its name.
        pixels: (rows, columns, channels) uint8, as the model takes them; None where it cannot be read.
        sha256: Hash of the file's bytes, or of the pixels where there is no file; None where nothing tells.
    """

    name: str
    pixels: Pixels | None
    sha256: str | None


def named_hashes(result: ValidateResult, images: ImageSource) -> dict[str, str]:
    """Hashes the images that a comparison names, right after it was made.

    Args:
        result: The comparison.
        images: The images that it ran on.
    """
    read = read_images(result, images, result.named_images)
    return {image.name: image.sha256 for image in read if image.sha256 is not None}


def read_images(result: ValidateResult, images: ImageSource, names: Sequence[str]) -> Iterator[NamedImage]:
    """Reads some of the images of a comparison, as its files took them.

    Args:
        result: The comparison.
        images: Images in which they should be.
        names: Which images, by name.
    """
    shape = result.image_shape
    wanted = set(names)
    places = {name: place for place in range(images.available or 0) if (name := images.name(place)) in wanted}
    for name in names:
        if shape is None or name not in places:
            yield NamedImage(name, None, None)
            continue
        try:
            pixels, sha256 = images.load_hashed(places[name], shape=shape, preprocess=result.preprocess)
        except EdgeMnv3Error:
            yield NamedImage(name, None, None)
        else:
            yield NamedImage(name, pixels, sha256)
