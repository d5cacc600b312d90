"""Comparing outputs, and the images that they are computed from."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.input_range import MINUS_ONE_TO_ONE
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3_android_bench.measuring.phone_outputs import compare_outputs, input_values, seeded_pixels


def tensor(dtype: str, *shape: int) -> TensorInfo:
    return TensorInfo(name="image", shape=shape, dtype=dtype, scale=None, zero_point=None)


def test_differences() -> None:
    expected = [[np.array([[1, 9, 3]], np.uint8)], [np.array([[7, 0, 0]], np.uint8)]]
    on_phone = [[np.array([[1, 7, 3]], np.uint8)], [np.array([[7, 0, 9]], np.uint8)]]
    same, equal_percent, largest, mean = compare_outputs(on_phone, expected)
    assert (same, largest) == (1, 9.0)  # no wrap-around of unsigned bytes
    assert equal_percent == pytest.approx(100 * 4 / 6)
    assert mean == pytest.approx(11 / 6)


def test_several_outputs_and_nan() -> None:
    expected = [[np.array([0.5, 0.1], np.float32), np.array([[1.0], [np.nan]], np.float32)]]
    assert compare_outputs(expected, expected) == (1, 75.0, 0.0, 0.0)  # a NaN equals nothing
    on_phone = [[np.array([0.5, np.nan], np.float32), np.array([[1.0], [np.nan]], np.float32)]]
    assert compare_outputs(on_phone, expected).max_difference == np.inf


@pytest.mark.parametrize(("dtype", "first"), [("uint8", 0), ("int8", -128), ("float32", 0.0)])
def test_values_are_those_of_an_app(dtype: str, first: float) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[-1, -1] = 255
    values = input_values(image, [tensor(dtype, 1, 4, 6, 3)])
    assert (values.shape, values.dtype.name) == ((1, 4, 6, 3), dtype)
    assert (values[0, 0, 0, 0], values[0, -1, -1, 0]) == (first, first + 255)


def test_a_float_input_gets_its_range() -> None:
    image = np.array([[[0, 255, 0]]], np.uint8)
    values = input_values(image, [tensor("float32", 1, 1, 1, 3)], MINUS_ONE_TO_ONE)
    assert values.tolist() == [[[[-1.0, 1.0, -1.0]]]]


def test_what_does_not_fit() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(ArgumentError, match=r"image: got uint8 \(4, 6, 3\), expected uint8 \(4, 4, 3\)"):
        input_values(image, [tensor("uint8", 1, 4, 4, 3)])
    with pytest.raises(ModelFileError, match=r"model's inputs: got int32 \(1, 7\), expected one image"):
        input_values(image, [tensor("int32", 1, 7)])
    with pytest.raises(ModelFileError, match="got none, expected one image"):
        input_values(image, [])


def test_images_are_seeded_and_differ() -> None:
    images = seeded_pixels(ImageShape.square(224), 10)
    again = seeded_pixels(ImageShape.square(224), 10)
    assert all(np.array_equal(one, other) for one, other in zip(images, again, strict=True))
    assert len({image.tobytes() for image in images}) == 10
    assert {(image.shape, image.dtype.name) for image in images} == {((224, 224, 3), "uint8")}
