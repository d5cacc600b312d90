"""Images in TFRecord files: labels as scripts write them, and what is wrong with files."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import sys
from pathlib import Path

import pytest

from edge_mnv3.core.errors import CalibrationDataError, InputFileError, MissingExtraError
from edge_mnv3.core.imagenet import imagenet_classes
from edge_mnv3.core.images import ImageSource, SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.archives.tf_records import features
from edge_mnv3_calibration_data.source_kinds import open_images
from image_archives import example, plain_jpeg, write_records

pytest.importorskip("google_crc32c", reason="the extra tfrecord is not installed")
SHAPE = ImageShape.square(4)


def slim(label: int, **others: bytes | int) -> bytes:
    named = {f"image/{name.replace('_', '/', 1)}": value for name, value in others.items()}
    return example({"image/encoded": b"?", "image/class/label": label, **named})


def opened(path: Path, records: list[bytes], *, need_labels: bool = True) -> ImageSource:
    return open_images(write_records(path / "a.tfrecord", records), need_labels=need_labels)


def test_examples_are_read() -> None:
    for packed in (True, False):
        read = features(example({"a": b"x" * 300, "b": -1, "c": 1 << 40}, packed=packed))
        assert (read["a"].texts, read["b"].integers, read["c"].integers) == ([b"x" * 300], [-1], [1 << 40])
    for wrong in (b"\x0a\x05", b"\x0b", b"\x80" * 11, example({"a": b"x"})[:-1]):
        with pytest.raises(ValueError, match=r"beyond the end|wire type"):
            features(wrong)


@pytest.mark.parametrize(
    ("written", "read", "remark"),
    [
        ([0, 4, 2], [0, 4, 2], "taken as counted from 0, for 0 is among them"),
        ([1, 1000, 2], [0, 999, 1], "taken as counted from 1, for 1000 is, and 0 is not"),
    ],
)
def test_the_range_of_numbers_tells_how_they_are_counted(
    tmp_path: Path, written: list[int], read: list[int], remark: str
) -> None:
    source = opened(tmp_path, [slim(label) for label in written])
    assert source.labels() == read
    assert remark in source.remarks[0]


def test_else_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationDataError, match="nothing tells how the class numbers, 1 to 5, are counted"
    ):
        opened(tmp_path, [slim(1), slim(5)])
    assert open_images(tmp_path / "a.tfrecord", label_map="one").labels() == [0, 4]
    with pytest.raises(CalibrationDataError, match="nothing tells how the class numbers, 0 to 1000"):
        opened(tmp_path, [slim(0), slim(1000)])


@pytest.mark.parametrize("by", ["synset", "filename"])
def test_images_of_imagenet_tell_how_they_are_counted(tmp_path: Path, by: str) -> None:
    records = []
    for number in (5, 70, 900):
        each = imagenet_classes()[number]
        name = f"ILSVRC2012_val_{each.first_validation_image:08}.JPEG".encode()
        told = {"class_synset": each.wnid.encode()} if by == "synset" else {"filename": name}
        records.append(slim(number + 1, **told))
    source = opened(tmp_path, records)
    assert source.labels() == [5, 70, 900]
    assert "counted from 1, so 1 is taken off" in source.remarks[0]


def test_the_form_of_tensorflow_datasets(tmp_path: Path) -> None:
    record = example({"image": b"?", "label": 7, "file_name": b"b/a.JPEG"})
    source = opened(tmp_path, [record])
    assert (source.name(0), source.label(0), source.remarks) == ("a.tfrecord[0]/b/a.JPEG", 7, ())
    source = opened(tmp_path, [record, example({"image": b"?", "label": -1})], need_labels=False)
    assert source.labels() == [7, None]
    assert "1 of 2 images have no label, such as a.tfrecord[1]" in source.remarks[0]


def test_pixels_hashes_and_manifests(tmp_path: Path) -> None:
    records = [
        example({"image": plain_jpeg(60 * index), "label": index, "file_name": b"same.jpg"})
        for index in range(4)
    ]
    write_records(tmp_path / "d-test.tfrecord-00000-of-00002", records[:2])
    write_records(tmp_path / "d-test.tfrecord-00001-of-00002", records[2:])
    sample = open_images(tmp_path, need_labels=True).sample(SampleRequest(shape=SHAPE, samples=3))
    hashes = {hashlib.sha256(plain_jpeg(60 * index)).hexdigest(): index for index in range(4)}
    assert [hashes[image.sha256] for image in sample.manifest.images] == [
        image.label for image in sample.manifest.images
    ]
    (tmp_path / "quantize.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
    again = open_images(tmp_path / "quantize.json").sample(SampleRequest(shape=SHAPE))
    assert (again.pixels == sample.pixels).all()


def test_sets_of_files_must_be_whole(tmp_path: Path) -> None:
    write_records(tmp_path / "validation-00001-of-00003", [slim(0)])
    with pytest.raises(CalibrationDataError, match=r"1 of 3 files, without validation-00000-of-00003 for"):
        open_images(tmp_path)
    source = open_images(tmp_path / "validation-*")
    assert "1 of the 3 files" in source.remarks[0]
    write_records(tmp_path / "train-00000-of-00001", [slim(0)])
    with pytest.raises(
        CalibrationDataError, match=r"files of train and validation, parts .*give '.*train-\*"
    ):
        open_images(tmp_path)
    (tmp_path / "eval-00000-of-00001").touch()
    with pytest.raises(CalibrationDataError, match="at least one image"):
        open_images(tmp_path / "eval-00000-of-00001")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.tfrecord", [slim(0), slim(1)])
    whole = path.read_bytes()
    half = len(whole) // 2

    def refused(data: bytes) -> str:
        path.write_bytes(data)
        with pytest.raises(InputFileError) as caught:
            open_images(path)
        return str(caught.value)

    for place, message in ((half + 2, "length of record 1"), (half + 20, "wrong checksum of record 1")):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        assert message in refused(bytes(damaged))
    assert "a cut in record 1" in refused(whole[:-1])
    assert "a cut in record 1" in refused(whole[: half + 5])
    assert "packed by gzip" in refused(gzip.compress(whole))
    assert "wrong checksum of the length of record 0, expected a TFRecord file" in refused(b"x" * 100)
    write_records(path, [b"\xff"])
    assert "record 0 of" in refused(path.read_bytes())
    write_records(path, [example({"text": b"a"})])
    assert "got the features text, expected one image in image/encoded or image" in refused(path.read_bytes())


def test_a_changed_record_is_not_read(tmp_path: Path) -> None:
    source = opened(tmp_path, [example({"image": plain_jpeg(1), "label": 0})])
    source.load(0, shape=SHAPE, preprocess="resize")
    opened(tmp_path, [example({"image": plain_jpeg(2), "label": 0})])
    with pytest.raises(InputFileError, match="changed since its images were listed"):
        source.load(0, shape=SHAPE, preprocess="resize")


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(tmp_path / "a.tfrecord", [slim(0)])
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(MissingExtraError, match=r"not installed; pip install 'edge-mnv3\[tfrecord\]'"):
        open_images(tmp_path / "a.tfrecord")
