"""Decoding and preprocessing of images."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.choices import DEFAULT_PREPROCESS
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data import decode as decoding
from edge_mnv3_calibration_data.decode import decode
from edge_mnv3_calibration_data.preprocess import PREPROCESSES, preprocess

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(decode(data, name="x"))


def test_rgb_is_kept() -> None:
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(RGB))), RGB)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_formats(kind: str) -> None:
    assert decoded(encoded(Image.new("RGB", (8, 6), (255, 0, 0)), kind)).shape == (6, 8, 3)


def test_grey_has_three_equal_channels() -> None:
    grey = RGB[..., 0]
    np.testing.assert_array_equal(
        decoded(encoded(Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=2)
    )


def test_bilevel_is_black_and_white() -> None:
    assert set(np.unique(decoded(encoded(Image.new("1", (4, 4), 1))))) == {255}


def test_alpha_is_dropped() -> None:
    alpha = np.full((6, 8, 1), 7, np.uint8)
    np.testing.assert_array_equal(
        decoded(encoded(Image.fromarray(np.concatenate([RGB, alpha], axis=2)))), RGB
    )
    grey = Image.merge("LA", [Image.fromarray(RGB[..., 0]), Image.fromarray(alpha[..., 0])])
    np.testing.assert_array_equal(decoded(encoded(grey))[..., 2], RGB[..., 0])


@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128])])
def test_palette(transparency: int | bytes | None) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(decoded(encoded(image, **options)), [[[10, 20, 30], [200, 100, 50]]])


def test_cmyk() -> None:
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    red, green, blue = decoded(data)[4, 4]
    assert red > 240
    assert max(green, blue) < 15


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    data = encoded(Image.fromarray(RGB), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(data), np.rot90(RGB, k=-1))


def png_16_bit_rgb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\x00" + bytes(12))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (0, 120, 250)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


JPEG = encoded(Image.fromarray(np.tile(RGB, (20, 20, 1))), "JPEG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"no image at all", "not an image, or of a format that Pillow does not know"),
        (JPEG[: len(JPEG) // 2], "corrupt: image file is truncated"),
        (JPEG[:30], "corrupt: "),
        (encoded(Image.fromarray(RGB))[:-30], "corrupt: "),
        (encoded(Image.new("I;16", (4, 4))), "16 bits a channel, expected 8"),
        (png_16_bit_rgb(), "16 bits a channel, expected 8"),
        (encoded(Image.new("I;16", (4, 4)), "TIFF"), "more than 8 bits a channel (mode I;16), expected 8"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "more than 8 bits a channel (mode F), expected 8"),
        (animated("GIF"), "an animation of 3 frames, expected one image"),
        (animated("WEBP"), "an animation of 3 frames, expected one image"),
    ],
    ids=range(11),
)
def test_unreadable(data: bytes, reason: str) -> None:
    with pytest.raises(InputFileError) as caught:
        decode(data, name="a.png")
    assert caught.value.what == "image a.png"
    assert caught.value.got.startswith(reason)
    assert "\n" not in str(caught.value)


def test_huge_image_is_refused_before_it_is_decoded() -> None:
    header = encoded(Image.new("1", (1, 1)))
    huge = bytearray(header)
    huge[16:24] = struct.pack(">II", 100_000, 100_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    with pytest.raises(InputFileError, match="got too large: 10000 MP, at most 300"):
        decode(bytes(huge), name="x")


def test_the_photograph_of_a_file_with_a_preview_is_read() -> None:
    # Phones write JPEGs with a preview or a gain map behind the photograph.
    photo, preview = Image.new("RGB", (8, 6), (250, 0, 0)), Image.new("RGB", (4, 3), (0, 250, 0))
    data = encoded(photo, "MPO", save_all=True, append_images=[preview])
    assert decoded(data).shape == (6, 8, 3)
    assert decoded(data)[0, 0, 0] > 240


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 10,000 pixels were 200 million, and Pillow refused half as many itself."""
    for name, value in (("MAX_PIXELS", 15_000), ("FULL_SIZE_PIXELS", 8_000), ("_ALONE_PIXELS", 3_000)):
        monkeypatch.setattr(decoding, name, value)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_500)


@pytest.mark.usefixtures("small_limits")
def test_large_images() -> None:
    halves = Image.new("RGB", (120, 80), (200, 0, 0))
    halves.paste((0, 0, 200), (60, 0, 120, 80))
    small = decoded(encoded(halves, "JPEG", quality=95))
    assert small.shape == (40, 60, 3)
    assert abs(small[20, 5].astype(int) - (200, 0, 0)).max() < 8
    assert abs(small[20, 55].astype(int) - (0, 0, 200)).max() < 8
    np.testing.assert_array_equal(decoded(encoded(halves)), np.asarray(halves))
    assert decoded(encoded(Image.new("1", (120, 80), 1))).min() == 255
    assert Image.MAX_IMAGE_PIXELS == 2_500
    assert decoded(encoded(halves.resize((100, 80)), "JPEG")).shape == (80, 100, 3)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_too_large_images(kind: str) -> None:
    with pytest.raises(InputFileError, match=r"image x: got too large: 0 MP, at most 0$"):
        decoded(encoded(Image.new("RGB", (200, 100)), kind))


@pytest.mark.usefixtures("small_limits")
def test_large_photographs_are_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoded(encoded(Image.new("RGB", (120, 80)), "JPEG", exif=exif)).shape == (60, 40, 3)


def test_heic_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "heif_is_readable", lambda: False)
    with pytest.raises(InputFileError, match=r"got HEIC: convert it, or install edge-mnv3\[heif\]"):
        decode(b"\0\0\0\x18ftypheic" + bytes(50), name="a.jpg")


def test_heic_with_its_extra() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.new("RGB", (64, 48), (200, 30, 30))
    photo.paste((0, 0, 250), (0, 0, 16, 16))
    data = encoded(photo, "HEIF", exif=exif.tobytes(), quality=95)
    assert decoded(data).shape == (64, 48, 3)  # turned by 90 degrees clockwise, once
    assert abs(decoded(data)[30, 20].astype(int) - (200, 30, 30)).max() < 12
    assert abs(decoded(data)[8, 40].astype(int) - (0, 0, 250)).max() < 25
    with pytest.raises(InputFileError, match="got corrupt: |got not an image"):
        decoded(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "MPO"])
def test_damage_is_a_reason_not_a_crash(kind: str) -> None:
    generator = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind in ("GIF", "BMP") else {"exif": exif}
    whole = np.frombuffer(encoded(Image.fromarray(RGB), kind, **options), np.uint8)
    for _ in range(60):
        data = whole.copy()
        places = generator.integers(0, len(data), 4)
        data[places] = generator.integers(0, 256, 4)
        with contextlib.suppress(InputFileError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged metadata
            assert decoded(data.tobytes()).ndim == 3


def test_slim_by_hand() -> None:
    # 32 wide: margin int((32 - 28) / 2) = 2; 16 high: int((16 - 14) / 2) = 1. The crop of 28x14 is resized to
    # 14x14: along x each pixel is the mean of what falls into a triangle of two pixels' half width.
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None] * 8, (16, 32, 3)).copy()
    out = preprocess(Image.fromarray(ramp), name="slim", shape=ImageShape.square(14))
    assert out.shape == (14, 14, 3)
    assert out.dtype == np.uint8
    # Away from the edges a ramp stays a ramp: pixel i covers source 2 + 2i and 3 + 2i, mean (2.5 + 2i) * 8.
    np.testing.assert_array_equal(out[7, 2:12, 0], (2.5 + 2 * np.arange(2, 12)) * 8)


def test_slim_rounds_the_margin_down_as_tf_does() -> None:
    # 227 px: (227 - 198.625) / 2 = 14.19, so 14 on each side and 199 px are left.
    assert PREPROCESSES["slim"].box(227, 227, ImageShape.square(224)) == (14, 14, 213, 213)


def test_resize_takes_the_whole_image() -> None:
    halves = np.zeros((10, 20, 3), np.uint8)
    halves[:, 10:] = 200
    out = preprocess(Image.fromarray(halves), name="resize", shape=ImageShape.square(32))
    assert out[0, 0, 0] == 0
    assert out[0, -1, 0] == 200


def test_resize256_equals_resize_then_crop() -> None:
    # Short side 224 -> 256, then the central 224: of the source it is the central 196.
    assert PREPROCESSES["resize256"].box(224, 224, ImageShape.square(224)) == (14.0, 14.0, 210.0, 210.0)
    left, upper, right, lower = PREPROCESSES["resize256"].box(300, 200, ImageShape.square(96))
    assert (right - left, lower - upper) == pytest.approx((200 * 96 / 110,) * 2)
    assert (left + right, upper + lower) == pytest.approx((300, 200))


@pytest.mark.parametrize("name", PREPROCESSES)
def test_any_shape_becomes_square(name: str) -> None:
    for width, height in ((1, 1), (500, 3), (3, 500)):
        assert preprocess(
            Image.new("RGB", (width, height), (9, 8, 7)), name=name, shape=ImageShape.square(33)
        ).shape == (
            33,
            33,
            3,
        )
        assert (
            preprocess(Image.new("RGB", (width, height), (9, 8, 7)), name=name, shape=ImageShape.square(33))[
                0, 0
            ]
            == (9, 8, 7)
        ).all()


def test_unknown_preprocessing() -> None:
    assert DEFAULT_PREPROCESS == "slim"
    with pytest.raises(
        ArgumentError, match="preprocessing: got 'crop', expected one of slim, resize, resize256"
    ):
        preprocess(Image.new("RGB", (4, 4)), name="crop", shape=ImageShape.square(4))
