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

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import ImageSource, SampleRequest, check_skipped, manifest_warnings
from edge_mnv3.core.result_files import read_calibration_manifest
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape, SkippedImage
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3_calibration_data.listed_images import FileImage, HeldImages, ListedSource
from edge_mnv3_calibration_data.sampling import sample_order
from edge_mnv3_calibration_data.source_kinds import open_images
from recording_reporter import RecordingReporter


def write_images(folder: Path, names: list[str]) -> None:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 10), (index, 0, 0)).save(path)


def load(source: ImageSource, count: int = 10, seed: int = 0) -> tuple[Any, CalibrationManifest]:
    request = SampleRequest(samples=count, seed=seed, preprocess="resize", shape=ImageShape.square(8))
    sample = source.sample(request)
    return sample.pixels, sample.manifest


def listed(source: ImageSource) -> list[tuple[str, int | None]]:
    return [(source.name(index), label) for index, label in enumerate(source.labels())]


def test_flat_folder_has_no_labels(tmp_path: Path) -> None:
    write_images(tmp_path, ["b.png", "a.PNG", "sub/c.jpg"])
    (tmp_path / "notes.md").write_text("no image")
    source = open_images(tmp_path)
    assert listed(source) == [("a.PNG", None), ("b.png", None), ("sub/c.jpg", None)]
    assert (source.kind, source.location, source.root) == ("folder", str(tmp_path), tmp_path)


def test_folder_of_class_folders(tmp_path: Path) -> None:
    write_images(tmp_path, ["dog/1.png", "cat/1.png", "cat/deep/2.png"])
    source = open_images(tmp_path, need_labels=True)
    assert listed(source) == [
        ("cat/1.png", 0),
        ("cat/deep/2.png", 0),
        ("dog/1.png", 1),
    ]


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("\ufefflabel,file\n3,x/a.png\n0,b.png\n", encoding="utf-8")
    write_images(tmp_path, ["other.png", "x/a.png"])
    source = open_images(tmp_path / "l.csv", need_labels=True)
    assert listed(source) == [("x/a.png", 3), ("b.png", 0)]
    assert source.load(0, shape=ImageShape.square(4), preprocess="resize")[0, 0].tolist() == [1, 0, 0]
    (tmp_path / "u.csv").write_text("file\nother.png\n")
    assert listed(open_images(tmp_path / "u.csv")) == [("other.png", None)]


def test_list(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    (tmp_path / "l.txt").write_text("# mine\n\na.png\n sub/b c.png \n")
    assert listed(open_images(tmp_path / "l.txt")) == [("a.png", None), ("sub/b c.png", None)]


@pytest.mark.parametrize("shape", [(4, 9, 7, 3), (4, 9, 7), (4, 9, 7, 1)])
def test_npz(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "i.npz", images=images, labels=np.array([1, 0, 1, 2]))
    source = open_images(tmp_path / "i.npz", need_labels=True)
    assert listed(source)[3] == ("i.npz[3]", 2)
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
            "no such file or folder, expected a folder, .csv, .txt, .npz, .json",
        ),
        (
            "a.zip",
            b"",
            InputFileError,
            "got an archive of type '.zip', expected a folder, .csv, .txt, .npz, .json",
        ),
        ("a.PNG", b"", InputFileError, "got one image, expected a folder"),
        ("a.xlsx", b"", InputFileError, "; save it as .csv"),
        ("a.tflite", b"", InputFileError, "got a file of type '.tflite'"),
        (
            "a.csv",
            b"where,label\nx,1\n",
            InputFileError,
            "got columns where, label, expected the columns file and",
        ),
        ("a.csv", b"", InputFileError, "got columns none"),
        ("a.csv", b"file,label\n", CalibrationDataError, "got none, expected at least one image"),
        (
            "a.csv",
            b"file,label\nx.png,cat\ny.png,1\n",
            CalibrationDataError,
            "got 'cat' in line 2 and '1' in line 3, expected class numbers from 0 on, or names, not both",
        ),
        ("a.csv", b"file,label\nx.png,1\ny.png,-1\n", CalibrationDataError, "line 3: got '-1'"),
        ("a.csv", b"file,label\nx.png\n", CalibrationDataError, "line 2: got none, expected a class number"),
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
        open_images(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationDataError, match=f"images {tmp_path}: got none, expected at least one image"
    ):
        open_images(tmp_path)


def test_labels_are_needed(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    with pytest.raises(
        CalibrationDataError, match="got images without labels, expected a label for each; use a CSV"
    ):
        open_images(tmp_path, need_labels=True)


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
        open_images(tmp_path / "a.npz")
    assert text in str(caught.value)


def labelled(labels: list[int | None]) -> ListedSource:
    images = [
        FileImage(name=f"{index}.png", label=label, folder=Path()) for index, label in enumerate(labels)
    ]
    return ListedSource(kind="list", location="here", root=Path(), images=HeldImages(images))


def test_order_is_pinned() -> None:
    # Must never change: a seed stands for the same images in every version.
    assert sample_order(labelled([None] * 6), seed=0) == sorted(
        range(6), key=lambda i: hashlib.sha256(f"0:{i}.png".encode()).hexdigest()
    )
    assert sample_order(labelled([None] * 6), seed=1) != sample_order(labelled([None] * 6), seed=0)


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60), seed=st.integers(0, 9), data=st.data())
def test_sample_is_balanced(labels: list[int], seed: int, data: st.DataObject) -> None:
    source = labelled(list(labels))
    backwards = dataclasses.replace(source, images=HeldImages(source.images[::-1]))
    ordered = sample_order(source, seed=seed)
    assert sorted(ordered) == list(range(len(labels)))
    assert [source.name(index) for index in ordered] == [
        backwards.name(index) for index in sample_order(backwards, seed=seed)
    ]
    count = data.draw(st.integers(1, len(labels)))
    there, taken = Counter(labels), Counter(labels[index] for index in ordered[:count])
    turns = max(taken.values())
    for label, number in there.items():
        assert taken[label] >= min(number, turns - 1)


def test_calibration_manifest(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{i}.png" for i in range(5)])
    reporter = RecordingReporter()
    request = SampleRequest(samples=3, seed=7, preprocess="slim", shape=ImageShape.square(16))
    sample = open_images(tmp_path).sample(request, reporter)
    pixels, manifest = sample.pixels, sample.manifest
    assert pixels.shape == (3, 16, 16, 3)
    assert pixels.dtype == np.uint8
    assert not sample.synthetic
    assert reporter.done_and_total == [(1, 3), (2, 3), (3, 3)]
    assert (manifest.kind, manifest.requested, manifest.available, manifest.seed) == ("folder", 3, 5, 7)
    first = manifest.images[0]
    assert first.sha256 == hashlib.sha256((tmp_path / first.file).read_bytes()).hexdigest()
    other = open_images(tmp_path).sample(dataclasses.replace(request, preprocess="resize"))
    assert manifest.sha256 != other.manifest.sha256


def test_fewer_images_than_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    pixels, manifest = load(open_images(tmp_path), count=200)
    assert len(pixels) == len(manifest.images) == 2
    assert manifest.requested == 200


def test_by_default_500_images_are_taken_or_all_that_can_be_read(tmp_path: Path) -> None:
    def default(location: Path) -> CalibrationManifest:
        return open_images(location).sample(SampleRequest(shape=ImageShape.square(32))).manifest

    np.savez(tmp_path / "many.npz", images=np.zeros((501, 2, 2), np.uint8))
    many = default(tmp_path / "many.npz")
    assert (many.requested, len(many.images)) == (500, 500)
    few = tmp_path / "few"
    write_images(few, ["a.png", "b.png"])
    (few / "c.png").write_bytes(b"broken")
    assert [name for name in manifest_warnings(default(few)) if "asked for" in name] == []
    assert (default(few).requested, open_images(few).sample_size(None)) == (2, 3)


def test_unreadable_images_are_replaced_and_named(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{i:03}.png" for i in range(150)])
    source = open_images(tmp_path)
    bad = source.name(sample_order(source, seed=0)[4])
    (tmp_path / bad).write_bytes(b"broken")
    pixels, manifest = load(open_images(tmp_path), count=120)
    assert len(pixels) == 120
    assert manifest.skipped == (
        SkippedImage(file=bad, reason="not an image, or of a format that Pillow does not know"),
    )


def test_too_many_unreadable_images(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("\n".join(f"{i}.png" for i in range(5)))
    write_images(tmp_path, ["0.png"])
    with pytest.raises(CalibrationDataError) as caught:
        load(open_images(tmp_path / "l.txt"))
    assert str(caught.value).startswith("4 of 5 images cannot be read, more than 5 %: got ")
    assert str(caught.value).count("no such file or directory") == 3
    assert str(caught.value).endswith(" and 1 more; mend them, or take them out")


def test_one_image_or_five_percent_may_be_unreadable() -> None:
    one = SkippedImage(file="a", reason="r")
    check_skipped([], 0)
    check_skipped([one], 2)
    check_skipped([one] * 2, 40)
    with pytest.raises(
        CalibrationDataError, match="2 of 39 images cannot be read, more than 5 %: got a: r; a"
    ):
        check_skipped([one] * 2, 39)
    with pytest.raises(CalibrationDataError, match="1 of 1 images cannot be read: got a: r; mend"):
        check_skipped([one], 1)


def manifest_file(path: Path, manifest: CalibrationManifest) -> Path:
    path.write_text(json.dumps({"name": "x", "calibration": json.loads(to_json(manifest))}))
    return path


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_manifest_reproduces_the_run(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if kind == "folder":
        write_images(data, [f"c{i % 2}/{i}.png" for i in range(6)])
        source = open_images(data)
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)
        np.savez(data / "i.npz", images=pixels)
        source = open_images(data / "i.npz")
    first, manifest = load(source, count=4, seed=3)
    again = open_images(manifest_file(tmp_path / "quantize.json", manifest))
    assert read_calibration_manifest(tmp_path / "quantize.json") == manifest
    second, reproduced = load(again)
    np.testing.assert_array_equal(first, second)
    assert reproduced == manifest


def test_manifest_whose_image_changed(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    _, manifest = load(open_images(tmp_path))
    path = manifest_file(tmp_path / "q.json", manifest)
    Image.new("RGB", (10, 10), (99, 0, 0)).save(tmp_path / "a.png")
    with pytest.raises(
        CalibrationDataError, match=r"the manifest's image a.png: got SHA-256 .* as in the manifest"
    ):
        load(open_images(path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(
        CalibrationDataError, match=r"the manifest's image a.png: got no such file or directory"
    ):
        load(open_images(path))


def test_manifest_whose_archive_changed(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", images=np.zeros((3, 9, 9, 3), np.uint8))
    _, manifest = load(open_images(tmp_path / "i.npz"))
    path = manifest_file(tmp_path / "q.json", manifest)
    np.savez(tmp_path / "i.npz", images=np.zeros((1, 9, 9, 3), np.uint8))
    with pytest.raises(CalibrationDataError, match=r"i.npz\[\d\] is not there any more"):
        open_images(path)
    (tmp_path / "i.npz").unlink()
    with pytest.raises(CalibrationDataError, match="No such file"):
        open_images(path)


def test_manifest_of_another_size_or_hash(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    manifest = load(open_images(tmp_path))[1]
    source = open_images(manifest_file(tmp_path / "q.json", manifest))
    other_size = SampleRequest(shape=ImageShape.square(16))
    with pytest.raises(CalibrationDataError, match="got images of 8 px, expected 16 px; use --input-size 8"):
        source.sample(other_size)
    shortened = source.sample(dataclasses.replace(other_size, samples=2, shorten_recorded=True))
    assert shortened.pixels.shape == (2, 16, 16, 3)
    assert shortened.manifest.images == manifest.images[:2]
    assert shortened.manifest.preprocess == "resize"
    altered = dataclasses.replace(manifest, sha256="0" * 64)
    with pytest.raises(
        CalibrationDataError, match=r"calibration manifest: got images of SHA-256 \w{12}…, expected 0{12}…"
    ):
        load(open_images(manifest_file(tmp_path / "q.json", altered)))


def test_synthetic_images_are_a_source(tmp_path: Path) -> None:
    source = open_images(SYNTHETIC)
    assert (source.available, source.labels(), source.root) == (None, [], None)
    reporter = RecordingReporter()
    sample = source.sample(SampleRequest(samples=2, seed=5, shape=ImageShape.square(32)), reporter)
    pixels, manifest = sample.pixels, sample.manifest
    assert sample.synthetic
    assert pixels.shape == (2, 32, 32, 3)
    assert reporter.done_and_total == [(1, 2), (2, 2)]
    assert (manifest.kind, manifest.root, manifest.available) == ("synthetic", None, None)
    assert (manifest.preprocess, source.applied_preprocess("slim")) == ("none", "none")
    assert manifest.images[1].file == source.name(1) == "synthetic[1]"
    fewer = source.sample(SampleRequest(samples=1, seed=5, shape=ImageShape.square(32))).manifest
    assert fewer.images == manifest.images[:1]
    assert dataclasses.replace(fewer, images=()).sha256 != manifest.sha256
    of_seed_0 = source.sample(SampleRequest(samples=2, shape=ImageShape.square(32))).pixels
    np.testing.assert_array_equal(
        source.load(1, shape=ImageShape.square(32), preprocess="slim"), of_seed_0[1]
    )
    with pytest.raises(CalibrationDataError, match="images synthetic: got images without labels"):
        open_images(SYNTHETIC, need_labels=True)
    # A path is never a word.
    with pytest.raises(InputFileError, match="images synthetic: got no such file or folder"):
        open_images(Path(SYNTHETIC))

    again = open_images(manifest_file(tmp_path / "q.json", manifest))
    assert again.synthetic
    reproduced = again.sample(SampleRequest(samples=7, seed=1, shape=ImageShape.square(32)))
    np.testing.assert_array_equal(reproduced.pixels, pixels)
    assert reproduced.manifest == manifest
    # The generator goes on where the manifest ends.
    more = again.sample(SampleRequest(samples=3, seed=1, shape=ImageShape.square(32), shorten_recorded=True))
    np.testing.assert_array_equal(more.pixels[:2], pixels)
    assert more.manifest.seed == 5
