"""Sources of images, samples of them, and the manifest that reproduces a sample."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.images import CalibrationManifest, SkippedImage
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3_calibration_data.loading import (
    check_skipped,
    load_calibration,
    load_image,
    synthetic_calibration,
)
from edge_mnv3_calibration_data.sampling import order
from edge_mnv3_calibration_data.sources import Item, Source, open_source, read_manifest


def write_images(folder: Path, names: list[str]) -> None:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 10), (index, 0, 0)).save(path)


def load(source: Source, count: int = 10, seed: int = 0) -> tuple[Any, CalibrationManifest]:
    return load_calibration(source, count=count, seed=seed, preprocess="resize", size=8)


def test_flat_folder_has_no_labels(tmp_path: Path) -> None:
    write_images(tmp_path, ["b.png", "a.PNG", "sub/c.jpg"])
    (tmp_path / "notes.md").write_text("no image")
    source = open_source(tmp_path)
    assert [item.file for item in source.items] == ["a.PNG", "b.png", "sub/c.jpg"]
    assert {item.label for item in source.items} == {None}


def test_folder_of_class_folders(tmp_path: Path) -> None:
    write_images(tmp_path, ["dog/1.png", "cat/1.png", "cat/deep/2.png"])
    source = open_source(tmp_path, need_labels=True)
    assert [(item.file, item.label) for item in source.items] == [
        ("cat/1.png", 0),
        ("cat/deep/2.png", 0),
        ("dog/1.png", 1),
    ]


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("\ufefflabel,file\n3,x/a.png\n0,b.png\n", encoding="utf-8")
    source = open_source(tmp_path / "l.csv", need_labels=True)
    assert [(item.file, item.label, item.path) for item in source.items] == [
        ("x/a.png", 3, tmp_path / "x/a.png"),
        ("b.png", 0, tmp_path / "b.png"),
    ]
    (tmp_path / "u.csv").write_text("file\na.png\n")
    assert open_source(tmp_path / "u.csv").items[0].label is None


def test_list(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("# mine\n\na.png\n sub/b c.png \n")
    assert [item.file for item in open_source(tmp_path / "l.txt").items] == ["a.png", "sub/b c.png"]


@pytest.mark.parametrize("shape", [(4, 9, 7, 3), (4, 9, 7), (4, 9, 7, 1)])
def test_npz(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "i.npz", images=images, labels=np.array([1, 0, 1, 2]))
    source = open_source(tmp_path / "i.npz", need_labels=True)
    assert [(item.file, item.label) for item in source.items][3] == ("i.npz[3]", 2)
    pixels, manifest = load(source)
    assert pixels.shape == (4, 8, 8, 3)
    assert len({record.sha256 for record in manifest.images}) == 4


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        (
            "none",
            None,
            InputFileError,
            "no such file or folder, expected a folder, .csv, .txt, .npz or .json",
        ),
        ("a.zip", b"", InputFileError, "got a file of type '.zip'"),
        (
            "a.csv",
            b"path,label\nx,1\n",
            InputFileError,
            "got columns path, label, expected the columns file and",
        ),
        ("a.csv", b"", InputFileError, "got columns none"),
        ("a.csv", b"file,label\n", CalibrationDataError, "got none, expected at least one image"),
        (
            "a.csv",
            b"file,label\nx.png,cat\n",
            CalibrationDataError,
            "line 2: got 'cat', expected a class number",
        ),
        ("a.csv", b"file,label\nx.png,1\ny.png,-1\n", CalibrationDataError, "line 3: got '-1'"),
        ("a.csv", b"file,label\nx.png\n", CalibrationDataError, "line 2: got None"),
        ("a.csv", b"file\n\xff\xfe.png\n", InputFileError, "expected UTF-8 text"),
        ("a.txt", b"# nothing\n", CalibrationDataError, "got none, expected at least one image"),
        ("a.txt", b"\xff\xfe", InputFileError, "expected UTF-8 text, a path a line"),
        ("a.npz", b"PK", InputFileError, "expected an .npz file with an array 'images'"),
        ("a.json", b"{", InputFileError, "expected the quantize.json of an earlier run"),
        ("a.json", b"[]", InputFileError, "expected the quantize.json of an earlier run"),
    ],
)
def test_bad_sources(tmp_path: Path, name: str, content: bytes | None, kind: type, text: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind) as caught:
        open_source(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationDataError, match=f"images {tmp_path}: got none, expected at least one image"
    ):
        open_source(tmp_path)


def test_labels_are_needed(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    with pytest.raises(
        CalibrationDataError, match="got images without labels, expected a label for each; use a CSV"
    ):
        open_source(tmp_path, need_labels=True)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"data": np.zeros((1, 2, 2, 3), np.uint8)}, "got no array 'images'"),
        (
            {"images": np.zeros((1, 2, 2, 3), np.float32)},
            "got images of shape (1, 2, 2, 3), float32, expected",
        ),
        ({"images": np.zeros((1, 2, 2, 4), np.uint8)}, "got images of shape (1, 2, 2, 4), uint8, expected"),
        ({"images": np.zeros((2, 2), np.uint8)}, "got images of shape (2, 2), uint8"),
        (
            {"images": np.zeros((2, 2, 2), np.uint8), "labels": np.zeros(3, int)},
            "got shape (3,), int64, expected 2",
        ),
        ({"images": np.zeros((2, 2, 2), np.uint8), "labels": np.array([0.5, 1])}, "got shape (2,), float64"),
        (
            {"images": np.zeros((2, 2, 2), np.uint8), "labels": np.array([0, -1])},
            "expected 2 integers from 0 on",
        ),
        ({"images": np.array([None, "x"], object)}, "expected an .npz file with an array 'images'"),
    ],
)
def test_bad_archives(tmp_path: Path, arrays: dict[str, Any], text: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises((InputFileError, CalibrationDataError)) as caught:
        open_source(tmp_path / "a.npz")
    assert text in str(caught.value)


def items(labels: list[int | None]) -> list[Item]:
    return [Item(file=f"{index}.png", label=label) for index, label in enumerate(labels)]


def test_order_is_pinned() -> None:
    # Must never change: a seed stands for the same images in every version.
    assert [item.file for item in order(items([None] * 6), seed=0)] == [
        f"{i}.png" for i in sorted(range(6), key=lambda i: hashlib.sha256(f"0:{i}.png".encode()).hexdigest())
    ]
    assert [item.file for item in order(items([None] * 6), seed=1)] != [
        item.file for item in order(items([None] * 6), seed=0)
    ]


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60), seed=st.integers(0, 9), data=st.data())
def test_sample_is_balanced(labels: list[int], seed: int, data: st.DataObject) -> None:
    all_items = items(list(labels))
    ordered = order(all_items, seed=seed)
    assert sorted(item.file for item in ordered) == sorted(item.file for item in all_items)
    assert ordered == order(list(reversed(all_items)), seed=seed)
    count = data.draw(st.integers(1, len(labels)))
    there, taken = Counter(labels), Counter(item.label for item in ordered[:count])
    turns = max(taken.values())
    for label, number in there.items():
        assert taken[label] >= min(number, turns - 1)


def test_calibration_manifest(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{i}.png" for i in range(5)])
    seen: list[tuple[int, int]] = []
    pixels, manifest = load_calibration(
        open_source(tmp_path), count=3, seed=7, preprocess="slim", size=16, on_image=lambda *p: seen.append(p)
    )
    assert pixels.shape == (3, 16, 16, 3)
    assert pixels.dtype == np.uint8
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (manifest.kind, manifest.requested, manifest.available, manifest.seed) == ("folder", 3, 5, 7)
    first = manifest.images[0]
    assert first.sha256 == hashlib.sha256((tmp_path / first.file).read_bytes()).hexdigest()
    other = load_calibration(open_source(tmp_path), count=3, seed=7, preprocess="resize", size=16)[1]
    assert manifest.sha256 != other.sha256


def test_fewer_images_than_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    pixels, manifest = load(open_source(tmp_path), count=200)
    assert len(pixels) == len(manifest.images) == 2
    assert manifest.requested == 200


def test_unreadable_images_are_replaced_and_named(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{i:03}.png" for i in range(150)])
    bad = order(open_source(tmp_path).items, seed=0)[4].file
    (tmp_path / bad).write_bytes(b"broken")
    pixels, manifest = load(open_source(tmp_path), count=120)
    assert len(pixels) == 120
    assert manifest.skipped == (
        SkippedImage(file=bad, reason="not an image, or of a format that Pillow does not know"),
    )


def test_too_many_unreadable_images(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("\n".join(f"{i}.png" for i in range(5)))
    write_images(tmp_path, ["0.png"])
    with pytest.raises(CalibrationDataError) as caught:
        load(open_source(tmp_path / "l.txt"))
    assert str(caught.value).startswith("4 of 5 images cannot be read, more than 1 %: got ")
    assert str(caught.value).count("no such file or directory") == 3
    assert str(caught.value).endswith(" and 1 more")


def test_one_percent_is_allowed() -> None:
    one = SkippedImage(file="a", reason="r")
    check_skipped([one], 100)
    check_skipped([], 0)
    with pytest.raises(CalibrationDataError, match="1 of 99 images cannot be read, more than 1 %: got a: r"):
        check_skipped([one], 99)


def manifest_file(path: Path, manifest: CalibrationManifest) -> Path:
    path.write_text(json.dumps({"name": "x", "calibration": json.loads(to_json(manifest))}))
    return path


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_manifest_reproduces_the_run(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if kind == "folder":
        write_images(data, [f"c{i % 2}/{i}.png" for i in range(6)])
        source = open_source(data)
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)
        np.savez(data / "i.npz", images=pixels)
        source = open_source(data / "i.npz")
    first, manifest = load(source, count=4, seed=3)
    again = open_source(manifest_file(tmp_path / "quantize.json", manifest))
    assert read_manifest(tmp_path / "quantize.json") == manifest
    second, reproduced = load(again)
    np.testing.assert_array_equal(first, second)
    assert reproduced == manifest


def test_manifest_whose_image_changed(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    _, manifest = load(open_source(tmp_path))
    path = manifest_file(tmp_path / "q.json", manifest)
    Image.new("RGB", (10, 10), (99, 0, 0)).save(tmp_path / "a.png")
    with pytest.raises(
        CalibrationDataError, match=r"the manifest's image a.png: got SHA-256 .* as in the manifest"
    ):
        load(open_source(path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(
        CalibrationDataError, match=r"the manifest's image a.png: got no such file or directory"
    ):
        load(open_source(path))


def test_manifest_whose_archive_changed(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", images=np.zeros((3, 9, 9, 3), np.uint8))
    _, manifest = load(open_source(tmp_path / "i.npz"))
    path = manifest_file(tmp_path / "q.json", manifest)
    np.savez(tmp_path / "i.npz", images=np.zeros((1, 9, 9, 3), np.uint8))
    with pytest.raises(CalibrationDataError, match=r"i.npz\[\d\] is not there any more"):
        open_source(path)
    (tmp_path / "i.npz").unlink()
    with pytest.raises(CalibrationDataError, match="No such file"):
        open_source(path)


def test_synthetic_manifest(tmp_path: Path) -> None:
    pixels, manifest = synthetic_calibration(count=2, seed=5, size=32)
    assert pixels.shape == (2, 32, 32, 3)
    assert (manifest.kind, manifest.root, manifest.available) == ("synthetic", None, None)
    assert manifest.images[1].file == "synthetic[1]"
    source = open_source(manifest_file(tmp_path / "q.json", manifest))
    assert source.manifest == manifest
    with pytest.raises(InputFileError, match="a synthetic image, expected an image file"):
        load_image(source.items[0], preprocess="slim", size=32)
    fewer = synthetic_calibration(count=1, seed=5, size=32)[1]
    assert fewer.images == manifest.images[:1]
    assert dataclasses.replace(fewer, images=()).sha256 != manifest.sha256
