"""Image files to RGB pixels."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from edge_mnv3.core.errors import InputFileError

MAX_PIXELS = 178_956_970  # where Pillow starts to refuse: a file of a few kilobytes can claim gigabytes
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_OFFSET = 24


def decode(data: bytes, *, name: str) -> Image.Image:
    """Decodes an image file's bytes to RGB, upright.

    The EXIF orientation is applied. Grey, palette, CMYK and YCbCr images are converted; an alpha channel is
    dropped, as `tf.image.decode_png(channels=3)` does. Safe to call from several threads.

    Args:
        data: The whole file.
        name: For the error.

    Raises:
        InputFileError: It is no image, truncated, has more than 8 bits a channel or several frames, or is
            larger than `MAX_PIXELS`; `got` holds the reason.
    """
    if not data:
        raise _unreadable(name, "an empty file")
    # Pillow reduces 16-bit colour PNGs to 8 bits without a word.
    if data.startswith(_PNG_SIGNATURE) and data[_PNG_DEPTH_OFFSET : _PNG_DEPTH_OFFSET + 1] == b"\x10":
        raise _unreadable(name, "16 bits a channel, expected 8")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode in _DEEP_MODES:
                raise _unreadable(name, f"more than 8 bits a channel (mode {image.mode}), expected 8")
            if getattr(image, "n_frames", 1) > 1:
                raise _unreadable(name, f"an animation of {image.n_frames} frames, expected one image")
            if image.width * image.height > MAX_PIXELS:
                raise _unreadable(name, f"{image.width}x{image.height} pixels, too large")
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode == "P":
                # A palette with transparent entries warns unless it goes through RGBA.
                upright = upright.convert("RGBA")
            return upright.convert("RGB")
    except UnidentifiedImageError as error:
        raise _unreadable(name, "not an image, or of a format that Pillow does not know") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, EOFError) as error:
        raise _unreadable(name, f"corrupt: {error}") from error


def _unreadable(name: str, reason: str) -> InputFileError:
    return InputFileError(f"image {name}", reason)
