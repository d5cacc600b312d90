"""Synthetic images: the same everywhere, with the statistics of photographs."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.sources import synthetic
from edge_mnv3_calibration_data.synthetic import synthetic_image

SIZE = 96
N = 40


@pytest.fixture(scope="module")
def images() -> np.ndarray[Any, Any]:
    return np.stack([synthetic_image(index, size=SIZE, seed=0) for index in range(N)])


def test_bytes_are_pinned() -> None:
    # Must never change: a seed stands for the same images on every machine and in every version.
    digest = hashlib.sha256()
    for index in range(3):
        digest.update(synthetic_image(index, size=64, seed=11).tobytes())
    assert digest.hexdigest() == "0e521cb11ed2087e35157eaa0b211d1c9feb86497d1acd13088080dbba0b0235"


def test_shape_and_range(images: np.ndarray[Any, Any]) -> None:
    assert images.shape == (N, SIZE, SIZE, 3)
    assert images.dtype == np.uint8


def test_images_differ() -> None:
    first = synthetic_image(0, size=32, seed=0)
    assert not np.array_equal(first, synthetic_image(1, size=32, seed=0))
    assert not np.array_equal(first, synthetic_image(0, size=32, seed=1))
    assert not np.array_equal(first, synthetic_image(0, size=32, seed=-1))


def test_exposure_is_that_of_photographs(images: np.ndarray[Any, Any]) -> None:
    # Photographs of ImageNet: mean per image 111 (50 %), 70 to 160 (5 to 95 %); deviation 60, 37 to 81;
    # share of clipped values 0.5 % in the median.
    means = images.mean(axis=(1, 2, 3))
    deviations = images.std(axis=(1, 2, 3))
    clipped = ((images <= 2) | (images >= 253)).mean(axis=(1, 2, 3))
    assert 95 < np.median(means) < 130
    assert means.std() > 15
    assert 48 < np.median(deviations) < 68
    assert np.median(clipped) < 0.03


def test_spectrum_is_that_of_photographs(images: np.ndarray[Any, Any]) -> None:
    # Power falls with the frequency as f^-2 to f^-3 (photographs measured alike: -2.5).
    light = images.mean(axis=3)
    window = np.hanning(SIZE)[:, None] * np.hanning(SIZE)
    light = (light - light.mean(axis=(1, 2), keepdims=True)) / light.std(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fftshift(np.fft.fft2(light * window), axes=(1, 2))) ** 2).mean(axis=0)
    rows, columns = np.indices(power.shape) - SIZE // 2
    radius = np.hypot(rows, columns).astype(int).ravel()
    radial = np.bincount(radius, power.ravel()) / np.bincount(radius)
    frequencies = np.arange(3, SIZE // 2 - 6)
    slope = np.polyfit(np.log(frequencies), np.log(radial[frequencies]), 1)[0]
    assert -3.2 < slope < -1.8


def test_colours_are_neither_grey_nor_garish(images: np.ndarray[Any, Any]) -> None:
    # Photographs: 17 in the median, 5 to 39 (5 to 95 %).
    values = images.astype(float)
    chroma = (values - values.mean(axis=3, keepdims=True)).std(axis=(1, 2, 3))
    assert 8 < np.median(chroma) < 26


def test_by_default_200_images_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    # How many is asked here, not what is in them.
    black = np.zeros((32, 32, 3), np.uint8)
    monkeypatch.setattr(synthetic, "synthetic_image", lambda index, size, seed: black)
    made = open_images("synthetic").sample(SampleRequest(shape=ImageShape.square(32))).manifest
    assert (made.requested, len(made.images)) == (200, 200)
