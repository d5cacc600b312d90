"""Images of any shape: rows, columns, RGB or grey, from every source and through every preprocessing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.errors import CalibrationDataError, ModelFileError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.preprocess import PREPROCESSES, luminance, preprocess
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.sources.stored import DESCRIPTION, join, new_stored, read_stored, write_stored
from edge_mnv3_calibration_data.synthetic import synthetic_image

WIDE = ImageShape(height_px=12, width_px=20)
GREY = ImageShape(height_px=8, width_px=8, channels=1)
PHOTO = synthetic_image(0, size=64, seed=4)


@pytest.mark.parametrize(
    ("dimensions", "shape", "text"),
    [
        ((1, 224, 224, 3), ImageShape.square(224), "224 px"),
        ((-1, 96, 128, 3), ImageShape(height_px=96, width_px=128), "96x128 px"),
        ((1, 28, 28, 1), ImageShape(height_px=28, width_px=28, channels=1), "28 px, grey"),
        ((1, 28, 30, 1), ImageShape(height_px=28, width_px=30, channels=1), "28x30 px, grey"),
    ],
)
def test_shape_of_an_input(dimensions: tuple[int, ...], shape: ImageShape, text: str) -> None:
    assert ImageShape.of_input(dimensions) == shape
    assert shape.text == text
    assert shape.dimensions == dimensions[1:]


@pytest.mark.parametrize(
    "dimensions", [(), (1, 10), (1, 3, 224, 224), (2, 8, 8, 3), (1, 8, 8, 4), (1, 0, 8, 3), (1, -1, -1, 3)]
)
def test_what_is_no_image(dimensions: tuple[int, ...]) -> None:
    assert ImageShape.of_input(dimensions) is None


@given(
    width=st.integers(1, 600),
    height=st.integers(1, 600),
    rows=st.integers(8, 300),
    columns=st.integers(8, 300),
)
def test_covering_box_keeps_the_aspect_and_stays_inside(
    width: int, height: int, rows: int, columns: int
) -> None:
    shape = ImageShape(height_px=rows, width_px=columns)
    left, upper, right, lower = PREPROCESSES["resize256"].box(width, height, shape)
    assert (left + right, upper + lower) == pytest.approx((width, height))
    assert (right - left) * rows == pytest.approx((lower - upper) * columns)
    assert min(left, upper) >= -1e-9
    # So many of the image's pixels become one where it just covers the input, enlarged to whole pixels.
    covering = min(width / round(columns * 256 / 224), height / round(rows * 256 / 224))
    assert (right - left, lower - upper) == pytest.approx((columns * covering, rows * covering))


def test_covering_box_by_hand() -> None:
    # 96x128 enlarged by 256/224 is 110x146. An image of 292 columns and 300 rows covers it at half its size:
    # the box is 256 columns and 192 rows.
    box = PREPROCESSES["resize256"].box(292, 300, ImageShape(height_px=96, width_px=128))
    assert box == (18.0, 54.0, 274.0, 246.0)


@pytest.mark.parametrize("name", PREPROCESSES)
@pytest.mark.parametrize("shape", [WIDE, GREY, ImageShape(height_px=33, width_px=7, channels=1)])
def test_preprocessing_gives_the_shape(name: str, shape: ImageShape) -> None:
    pixels = preprocess(Image.fromarray(PHOTO), name=name, shape=shape)
    assert (pixels.shape, pixels.dtype.name) == (shape.dimensions, "uint8")


def test_rows_and_columns_are_not_confused() -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 6, (24, 40, 3)).copy()
    pixels = preprocess(Image.fromarray(ramp), name="resize", shape=WIDE)
    assert (np.diff(pixels[0, :, 0].astype(int)) > 0).all()
    assert (pixels == pixels[:1]).all()


def test_grey_is_the_luminance() -> None:
    red, green, blue = PHOTO.astype(np.int64).transpose(2, 0, 1)
    wanted = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16  # Pillow's mode L, 16 bits
    np.testing.assert_array_equal(luminance(PHOTO)[..., 0], wanted)
    same = ImageShape(height_px=64, width_px=64, channels=1)
    pixels = preprocess(Image.fromarray(PHOTO), name="resize", shape=same)
    np.testing.assert_array_equal(pixels[..., 0], wanted)


def test_grey_pictures_keep_their_levels(tmp_path: Path) -> None:
    grey = PHOTO[:8, :8, 0]
    np.savez(tmp_path / "a.npz", images=grey[np.newaxis])
    Image.fromarray(grey).save(tmp_path / "a.png")
    for name in ("a.npz", "."):
        loaded = open_images(tmp_path / name).load(0, shape=GREY, preprocess="resize")
        np.testing.assert_array_equal(loaded[..., 0], grey)


@pytest.mark.parametrize("shape", [WIDE, GREY])
def test_synthetic_images_of_any_shape(shape: ImageShape) -> None:
    sample = open_images(SYNTHETIC).sample(SampleRequest(samples=2, seed=3, shape=shape))
    assert sample.pixels.shape == (2, *shape.dimensions)
    whole = synthetic_image(1, size=max(shape.height_px, shape.width_px), seed=3)
    part = whole[4:16] if shape is WIDE else luminance(whole)
    np.testing.assert_array_equal(sample.pixels[1], part)
    assert sample.manifest.input_shape == shape


@pytest.mark.parametrize("shape", [WIDE, GREY])
def test_recorded_samples_keep_their_shape(tmp_path: Path, shape: ImageShape) -> None:
    (tmp_path / "photos").mkdir()
    for index in range(3):
        Image.fromarray(synthetic_image(index, size=30, seed=0)).save(tmp_path / "photos" / f"{index}.png")
    request = SampleRequest(samples=3, preprocess="resize256", shape=shape)
    sample = open_images(tmp_path / "photos").sample(request)
    (tmp_path / "q.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
    again = open_images(tmp_path / "q.json")
    np.testing.assert_array_equal(again.sample(request).pixels, sample.pixels)
    with pytest.raises(
        CalibrationDataError,
        match=rf"got images of {shape.text}, expected 20 px; give the images themselves, as a folder or",
    ):
        again.check_shape(ImageShape.square(20))
    folder = tmp_path / "a.calibration"
    folder.mkdir()
    stored = new_stored(sample, "photos")
    write_stored(stored, folder / stored.contents.pixels_file, folder / DESCRIPTION)
    np.testing.assert_array_equal(read_stored(folder).sample(request).pixels, sample.pixels)
    with pytest.raises(CalibrationDataError, match="stored calibration .* give the images themselves"):
        read_stored(folder).sample(dataclasses.replace(request, shape=ImageShape.square(20)))


def test_calibrations_of_other_shapes_are_not_joined(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    one, other = (
        new_stored(open_images(tmp_path).sample(SampleRequest(shape=shape)), "a") for shape in (WIDE, GREY)
    )
    assert one.contents.manifest.sha256 != other.contents.manifest.sha256
    with pytest.raises(CalibrationDataError, match=r"slim to 8 px, grey, expected slim to 12x20 px as in"):
        join(one, other)


def test_models_of_several_shapes(tmp_path: Path) -> None:
    from edge_mnv3.core.runtime import open_model
    from edge_mnv3_quantization.validation.running import image_shape
    from tiny_models import write_classifier

    model = open_model(write_classifier(tmp_path / "m.tflite", "uint8"), kernels="builtin")
    assert image_shape(Path("m"), model) == ImageShape.square(4)
    model.inputs = (dataclasses.replace(model.inputs[0], shape=(1, 4, 4, 2)),)
    with pytest.raises(
        ModelFileError, match=r"model m: got an input of shape \(1, 4, 4, 2\), expected one RGB"
    ):
        image_shape(Path("m"), model)
