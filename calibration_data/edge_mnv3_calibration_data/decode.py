"""Image files to RGB pixels."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import struct
import threading
from collections.abc import Iterator

from PIL import Image, ImageOps, UnidentifiedImageError

from edge_mnv3.core.cache import sha256_sources
from edge_mnv3.core.errors import InputFileError, UnusableImageError
from edge_mnv3.core.images import NO_MEMORY
from edge_mnv3.core.parallel import large_image_lock
from edge_mnv3_calibration_data.image_files import HEIF_EXTRA, heif_is_readable

MAX_PIXELS = 300_000_000  # phones make 200 million; a file of a few kilobytes can claim many more
FULL_SIZE_PIXELS = 178_956_970  # larger JPEGs are decoded at half their sides
_ALONE_PIXELS = 64_000_000  # from here on images are decoded one at a time, whatever the number of threads
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_OFFSET = 24
# Beside the photograph these hold a preview, a gain map or further shots of a burst.
_MAIN_IMAGE_FIRST = ("MPO", "HEIF")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_header_lock = threading.Lock()


def decode(data: bytes, *, name: str) -> Image.Image:
    """Decodes an image file's bytes to RGB, upright.

    The EXIF orientation is applied. Grey, palette, CMYK and YCbCr images are converted; an alpha channel is
    dropped, as `tf.image.decode_png(channels=3)` does. AVIF and HEIC of more than 8 bits a channel are
    reduced to 8 by their decoders. Safe to call from several threads.

    Args:
        data: The whole file.
        name: For the error.

    Raises:
        UnusableImageError: It is no image, truncated, has more than 8 bits a channel or several frames, or is
            larger than `MAX_PIXELS`; `got` holds the reason.
        InputFileError: There is not enough memory now.
    """
    if not data:
        raise _unreadable(name, "an empty file")
    # Pillow reduces 16-bit colour PNGs to 8 bits without a word.
    if data.startswith(_PNG_SIGNATURE) and data[_PNG_DEPTH_OFFSET : _PNG_DEPTH_OFFSET + 1] == b"\x10":
        raise _unreadable(name, "16 bits a channel, expected 8")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        _register_heif(name)
    try:
        with _opened(data) as image:
            _check(image, name)
            with (
                large_image_lock() if image.width * image.height > _ALONE_PIXELS else contextlib.nullcontext()
            ):
                return _rgb(image)
    except UnidentifiedImageError as error:
        raise _unreadable(name, "not an image, or of a format that Pillow does not know") from error
    except MemoryError as error:
        raise InputFileError(f"image {name}", NO_MEMORY) from error
    # Pillow's readers meet damage with what they happen to trip over.
    except (
        *(OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError),
        *(KeyError, IndexError, TypeError, OverflowError, ZeroDivisionError, AttributeError, RuntimeError),
    ) as error:
        if "memory" in str(error).lower():  # what Pillow and libheif say of memory that they do not get
            raise InputFileError(f"image {name}", f"{NO_MEMORY}: {error}") from error
        raise _unreadable(name, f"corrupt: {error}") from error


@functools.cache
def decoder_versions() -> str:
    """Names what the pixels of a file depend on: Pillow with its codecs, and the code of this package."""
    import PIL
    from PIL import features

    codecs = ("jpg", "libjpeg_turbo", "zlib", "webp", "libtiff", "jpg_2000", "avif")
    known = [f"{each} {features.version(each)}" for each in codecs if each in _known_features()]
    heif = importlib.metadata.version("pillow-heif") if heif_is_readable() else "none"
    package = __name__.rpartition(".")[0]
    ours = sha256_sources([f"{package}.{name}" for name in ("decode", "preprocess", "listed_images")])
    return ", ".join((f"Pillow {PIL.__version__}", *known, f"pillow-heif {heif}", f"code {ours}"))


def _known_features() -> set[str]:
    from PIL import features

    return {*features.modules, *features.codecs, *features.features}


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Reads an image's header. Pillow's own limit, which is lower than ours, does not apply."""
    with _header_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        yield image


def _check(image: Image.Image, name: str) -> None:
    if image.mode in _DEEP_MODES:
        raise _unreadable(name, f"more than 8 bits a channel (mode {image.mode}), expected 8")
    frames = getattr(image, "n_frames", 1)
    if image.format not in _MAIN_IMAGE_FIRST and frames > 1:
        raise _unreadable(name, f"an animation of {frames} frames, expected one image")
    if image.width * image.height > MAX_PIXELS:
        raise _unreadable(
            name, f"too large: {_millions(image.width * image.height)} MP, at most {_millions(MAX_PIXELS)}"
        )


def _rgb(image: Image.Image) -> Image.Image:
    if image.width * image.height > FULL_SIZE_PIXELS:
        # JPEG alone can be decoded at a reduced size; for other formats this does nothing.
        image.draft("RGB", (image.width // 2, image.height // 2))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "P":
        # A palette with transparent entries warns unless it goes through RGBA.
        upright = upright.convert("RGBA")
    return upright.convert("RGB")


def _register_heif(name: str) -> None:
    if not heif_is_readable():
        raise _unreadable(name, f"HEIC: convert it, or install {HEIF_EXTRA}")
    _registered()


@functools.cache
def _registered() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def _millions(pixels: int) -> int:
    return round(pixels / 1e6)


def _unreadable(name: str, reason: str) -> UnusableImageError:
    return UnusableImageError(f"image {name}", reason)
