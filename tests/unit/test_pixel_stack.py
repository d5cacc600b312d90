"""Pixels of many images lie in a temporary file, with the same numbers."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_calibration_data import pixel_stack
from edge_mnv3_calibration_data.pixel_stack import PixelStack

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)


def stacked(images: Any) -> Any:
    stack = PixelStack()
    for image in images:
        stack.add(image)
    assert len(stack) == len(images)
    return stack.stacked()


@pytest.mark.parametrize(("most", "mapped"), [(420, False), (419, True), (100, True), (0, True)])
def test_the_same_numbers_in_memory_and_in_a_file(
    most: int, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_stack, "MOST_BYTES", most)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = stacked(IMAGES)
    assert isinstance(pixels, np.memmap) == mapped
    assert np.array_equal(pixels, IMAGES)
    assert np.array_equal(stacked(IMAGES[..., ::-1]), IMAGES[..., ::-1])
    if mapped:
        assert not pixels.flags.writeable


@pytest.mark.skipif(os.name == "nt", reason="files have names here")
def test_nothing_is_left_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while it is in use, so that no way to end the program leaves anything."""
    monkeypatch.setattr(pixel_stack, "MOST_BYTES", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = stacked(IMAGES)
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(pixels, IMAGES)


def test_no_place_for_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pixel_stack, "MOST_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(CalibrationDataError, match="got No space left on device, expected") as caught:
        stacked(IMAGES)
    assert "TMPDIR" in str(caught.value)
