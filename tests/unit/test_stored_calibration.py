"""Stored calibrations: written, opened, joined, refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.sources.stored import (
    DESCRIPTION,
    StoredCalibration,
    is_stored,
    join,
    new_stored,
    read_stored,
    write_stored,
)
from edge_mnv3_calibration_data.synthetic import synthetic_image

SIDE = 32


def photos(folder: Path, numbers: range) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(synthetic_image(number, size=SIDE, seed=0)).save(folder / f"{number}.png")
    return folder


def stored(source: Path, *, preprocess: str = "slim") -> StoredCalibration:
    request = SampleRequest(samples=100, preprocess=preprocess, shape=ImageShape.square(SIDE))
    return new_stored(open_images(source).sample(request), str(source))


def written(calibration: StoredCalibration, folder: Path) -> Path:
    folder.mkdir()
    write_stored(calibration, folder / calibration.contents.pixels_file, folder / DESCRIPTION)
    return folder


def test_what_was_written_is_read_and_mapped(tmp_path: Path) -> None:
    calibration = stored(photos(tmp_path / "photos", range(3)))
    folder = written(calibration, tmp_path / "a.calibration")
    assert is_stored(folder)
    again = read_stored(folder)
    assert again.contents == calibration.contents
    assert again.contents.merged == (again.contents.manifest.sha256,)
    assert isinstance(again.pixels, np.memmap)
    np.testing.assert_array_equal(again.pixels, calibration.pixels)
    assert not is_stored(tmp_path / "photos")


def test_stored_images_are_a_source(tmp_path: Path) -> None:
    calibration = stored(photos(tmp_path / "photos", range(5)), preprocess="resize")
    folder = written(calibration, tmp_path / "a.calibration")
    source = open_images(folder)
    assert (source.kind, source.location, source.root) == ("folder", str(folder), tmp_path / "photos")
    assert source.available == 5
    names = [record.file for record in calibration.contents.manifest.images]
    assert [source.name(index) for index in range(5)] == names
    assert source.applied_preprocess("slim") == "resize"
    np.testing.assert_array_equal(
        source.load(3, shape=ImageShape.square(SIDE), preprocess="slim"), calibration.pixels[3]
    )
    whole = source.sample(SampleRequest(samples=2, seed=9, preprocess="slim", shape=ImageShape.square(SIDE)))
    assert whole.manifest == calibration.contents.manifest
    np.testing.assert_array_equal(whole.pixels, calibration.pixels)
    first = source.sample(SampleRequest(samples=2, shape=ImageShape.square(SIDE), shorten_recorded=True))
    np.testing.assert_array_equal(first.pixels, calibration.pixels[:2])
    assert first.manifest.images == calibration.contents.manifest.images[:2]
    assert first.manifest.sha256 != calibration.contents.manifest.sha256
    expected = rf"stored calibration {folder}: got images of 32 px, expected 64 px; use --input-size 32"
    with pytest.raises(CalibrationDataError, match=expected):
        source.check_shape(ImageShape.square(64))
    with pytest.raises(CalibrationDataError, match=expected):
        source.sample(SampleRequest(shape=ImageShape.square(64), shorten_recorded=True))
    with pytest.raises(CalibrationDataError, match="images without labels"):
        open_images(folder, need_labels=True)


def test_joined_manifest_gives_the_joined_pixels(tmp_path: Path) -> None:
    day = stored(photos(tmp_path / "all" / "day", range(3)))
    np.savez(tmp_path / "all" / "night.npz", images=np.stack([synthetic_image(9, size=SIDE, seed=0)] * 2))
    both = join(day, stored(tmp_path / "all" / "night.npz"))
    manifest = both.contents.manifest
    assert manifest.kind == "merged"
    assert manifest.root == str(tmp_path / "all")
    names = [record.file for record in manifest.images]
    assert sorted(names[:3]) == ["day/0.png", "day/1.png", "day/2.png"]
    assert sorted(names[3:]) == ["night.npz[0]", "night.npz[1]"]
    assert (manifest.requested, manifest.available) == (200, 5)
    assert both.contents.merged == (
        day.contents.manifest.sha256,
        stored(tmp_path / "all" / "night.npz").contents.manifest.sha256,
    )
    # As `quantize.json` would hold it, from another folder than the archive's.
    root = dataclasses.replace(
        manifest,
        root=str(tmp_path),
        images=tuple(dataclasses.replace(record, file=f"all/{record.file}") for record in manifest.images),
    )
    path = tmp_path / "quantize.json"
    path.write_text(json.dumps(dataclasses.asdict(root)))
    again = open_images(path).sample(SampleRequest(samples=1, seed=5, shape=ImageShape.square(SIDE)))
    np.testing.assert_array_equal(again.pixels, both.pixels)
    assert again.manifest.sha256 == manifest.sha256


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    first = stored(photos(tmp_path / "first", range(3)))
    second = photos(tmp_path / "second", range(2, 4))
    with pytest.raises(CalibrationDataError, match=r"got 1 image that is in both, expected different images"):
        join(first, stored(second))
    with pytest.raises(
        CalibrationDataError,
        match=r"got preprocessing resize to 32 px, expected slim to 32 px as in the first",
    ):
        join(first, stored(second, preprocess="resize"))
    synthetic = open_images(SYNTHETIC).sample(SampleRequest(samples=2, shape=ImageShape.square(SIDE)))
    made = new_stored(synthetic, SYNTHETIC)
    assert made.synthetic
    with pytest.raises(CalibrationDataError, match=r"got synthetic images, .*; use more --samples instead"):
        join(made, first)


def test_damaged_or_foreign_folders_are_refused(tmp_path: Path) -> None:
    calibration = stored(photos(tmp_path / "photos", range(2)))
    folder = written(calibration, tmp_path / "a.calibration")
    pixels = folder / calibration.contents.pixels_file
    content = pixels.read_bytes()
    again = "make it again with edge-mnv3 calibrate --force"
    pixels.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputFileError, match=rf"got pixels of SHA-256 \w+…, expected \w+…; {again}"):
        read_stored(folder)
    for damaged in (content[:1000], b""):
        pixels.write_bytes(damaged)
        with pytest.raises(
            InputFileError, match=rf"got no readable pixels-\w+\.npy, expected its pixels; {again}"
        ):
            read_stored(folder)
    description = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(description | {"schema_version": 2}))
    with pytest.raises(InputFileError, match=r"got schema_version 2 is not supported, this program reads 1"):
        read_stored(folder)
    (folder / DESCRIPTION).unlink()
    assert is_stored(folder)  # by its name
    with pytest.raises(InputFileError, match=r"got no calibration\.json, expected a folder of edge-mnv3"):
        read_stored(folder)
