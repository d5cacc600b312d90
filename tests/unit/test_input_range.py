"""Ranges of float inputs as users write them."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.input_range import (
    MINUS_ONE_TO_ONE,
    PIXELS,
    ZERO_TO_ONE,
    InputRange,
    parse_input_range,
)

TORCHVISION = "123.675,116.28,103.53/58.395,57.12,57.375"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0..255", PIXELS),
        ("-1..1", MINUS_ONE_TO_ONE),
        ("0..1", ZERO_TO_ONE),
        (" -1 .. 1.0 ", MINUS_ONE_TO_ONE),
        ("127.5/127.5", MINUS_ONE_TO_ONE),
        ("0,0,0/255", InputRange((0, 0, 0), (255,))),
        ("-0.5..0.5", InputRange((127.5,), (255,))),
        (TORCHVISION, InputRange((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))),
    ],
)
def test_reads(text: str, expected: InputRange) -> None:
    assert parse_input_range(text) == expected


@pytest.mark.parametrize(
    ("text", "written"), [("-1..1", "-1..1"), ("127.5/127.5", "-1..1"), ("0/1", "0..255")]
)
def test_is_written_as_it_is_read(text: str, written: str) -> None:
    assert str(parse_input_range(text)) == written
    assert parse_input_range(written) == parse_input_range(text)


def test_of_channels_is_written_as_it_is_read() -> None:
    assert str(parse_input_range(TORCHVISION)) == TORCHVISION


@pytest.mark.parametrize(
    "text", ["", "1", "1..0", "1..1", "0..nan", "0/0", "1,2/3", "1/2/3", "a/b", "0..inf", "0...255"]
)
def test_refuses(text: str) -> None:
    with pytest.raises(
        ArgumentError, match=r"input range: got '.*', expected 0\.\.255, -1\.\.1, 0\.\.1, or MEAN/STD"
    ):
        parse_input_range(text)


def test_refuses_numbers_of_pixels_up_to_1_with_those_of_255() -> None:
    with pytest.raises(ArgumentError) as raised:
        parse_input_range("0.485,0.456,0.406/0.229,0.224,0.225")
    assert str(raised.value).endswith(f"write {TORCHVISION}")


def test_numbers_of_pixels() -> None:
    pixels = np.array([[0, 51, 255]], np.uint8).reshape(3, 1)
    np.testing.assert_allclose(MINUS_ONE_TO_ONE.apply(pixels)[:, 0], [-1, -0.6, 1], atol=1e-6)
    np.testing.assert_array_equal(PIXELS.apply(pixels)[:, 0], [0, 51, 255])
    of_channels = parse_input_range("10,20,30/2,4,5").apply(np.array([[[30, 20, 25]]], np.uint8))
    assert of_channels.dtype == np.float32
    np.testing.assert_array_equal(of_channels, [[[10, 0, -1]]])


def test_nearness() -> None:
    assert InputRange((127.0,), (127.5,)).is_near(MINUS_ONE_TO_ONE)
    assert not InputRange((126.0,), (127.5,)).is_near(MINUS_ONE_TO_ONE)
    assert not MINUS_ONE_TO_ONE.is_near(ZERO_TO_ONE)
    assert InputRange((127.5,) * 3, (127.5,) * 3).is_near(MINUS_ONE_TO_ONE)
    assert not parse_input_range(TORCHVISION).is_near(MINUS_ONE_TO_ONE)
