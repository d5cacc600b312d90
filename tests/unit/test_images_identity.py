"""What tells images from others of the same names: sizes, and bytes of some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_mnv3.core.images import ImageSource
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation.contents import images_identity
from image_archives import plain_jpeg, write_tar

COUNT = 40


def folder(path: Path, *, other: dict[int, bytes] | None = None) -> ImageSource:
    path.mkdir()
    for number in range(COUNT):
        content = (other or {}).get(number, b"%03d" % number)
        (path / f"{number:02}.jpg").write_bytes(content)
    return open_images(path)


def identity(images: ImageSource) -> str:
    return images_identity(images, range(COUNT))


def test_copies_are_the_same_and_other_bytes_are_not(tmp_path: Path) -> None:
    first = folder(tmp_path / "a")
    assert identity(folder(tmp_path / "b")) == identity(first)
    # All images of one size, other pixels: as with bitmaps.
    others = {number: b"%03d" % (number + 500) for number in range(COUNT)}
    assert identity(folder(tmp_path / "c", other=others)) != identity(first)
    # One image of another size, anywhere.
    for number in (0, 7, COUNT - 1):
        changed = folder(tmp_path / f"d{number}", other={number: b"0001"})
        assert identity(changed) != identity(first)
    # The first and the last image are read.
    for number in (0, COUNT - 1):
        assert identity(folder(tmp_path / f"e{number}", other={number: b"xyz"})) != identity(first)


def test_statistics_of_earlier_versions_are_of_the_same_source(tmp_path: Path) -> None:
    assert identity(folder(tmp_path / "a")) == (
        "25b5bb716d38eb130e5ffdd4551948ce6a84fa570e5036c3eb2fa47dc3a2fb9b"
    )
    tar = write_tar(tmp_path / "v.tar", [(f"{number:02}.jpg", b"%03d" % number) for number in range(COUNT)])
    assert identity(open_images(tar)) == "969ee82b5d694f44a611e09bb0e3dd14680b3a512c0c7361e5b26a4f35d925f2"


def test_order_and_names_count_and_what_is_missing_is_no_error(tmp_path: Path) -> None:
    images = folder(tmp_path / "a")
    assert images_identity(images, range(COUNT)[::-1]) != identity(images)
    assert images_identity(images, []) != images_identity(images, [3]) != images_identity(images, [4])
    before = identity(images)
    (tmp_path / "a" / "05.jpg").unlink()
    assert identity(images) != before


def test_parts_of_archives_and_pixels_in_memory(tmp_path: Path) -> None:
    for name, level in (("a", 0), ("b", 0), ("c", 100)):
        (tmp_path / name).mkdir()
        content = plain_jpeg(level)
        write_tar(tmp_path / name / "v.tar", [(f"{number:02}.jpg", content) for number in range(COUNT)])
        np.savez(tmp_path / f"{name}.npz", images=np.full((COUNT, 4, 4), level, np.uint8))
    tars = [identity(open_images(tmp_path / name / "v.tar")) for name in "abc"]
    assert tars[0] == tars[1] != tars[2]
    arrays = [identity(open_images(tmp_path / f"{name}.npz")) for name in "ac"]
    assert arrays[0] != arrays[1]
