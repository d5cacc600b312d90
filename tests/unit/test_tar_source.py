"""Images in tars: WebDataset's samples, packed folders, and what is wrong with tars."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import ImageSource, SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.archives.shard_files import expanded
from edge_mnv3_calibration_data.source_kinds import open_images
from image_archives import plain_jpeg, write_tar

SHAPE = ImageShape.square(4)


def samples(first: int, count: int) -> list[tuple[str, bytes]]:
    members = []
    for index in range(first, first + count):
        members += [(f"{index:04}.cls", str(index % 3).encode()), (f"{index:04}.jpg", plain_jpeg(index))]
    return members


def named_labels(source: ImageSource) -> dict[str, int | None]:
    return {source.name(index): source.label(index) for index in range(source.available or 0)}


def test_shards_are_read_by_folder_pattern_and_file(tmp_path: Path) -> None:
    for shard in range(3):
        write_tar(tmp_path / f"s-{shard:06}.tar", samples(2 * shard, 2))
    whole = open_images(tmp_path, need_labels=True)
    assert whole.kind == "tar"
    assert named_labels(whole) == {f"s-{index // 2:06}.tar/{index:04}.jpg": index % 3 for index in range(6)}
    assert named_labels(open_images(tmp_path / "s-{000000..000002}.tar")) == named_labels(whole)
    assert named_labels(open_images(tmp_path / "s-*.tar")) == named_labels(whole)
    assert list(named_labels(open_images(tmp_path / "s-000001.tar"))) == [
        *("s-000001.tar/0002.jpg", "s-000001.tar/0003.jpg")
    ]
    with pytest.raises(InputFileError, match=r"s-000003\.tar: got no such file"):
        open_images(tmp_path / "s-{000000..000003}.tar")


def test_patterns() -> None:
    assert expanded("a{08..10}b") == ["a08b", "a09b", "a10b"]
    assert expanded("{a,b}-{1..2}") == ["a-1", "a-2", "b-1", "b-2"]
    with pytest.raises(InputFileError, match="the range {5..3}, expected one that goes up"):
        expanded("{5..3}")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_pixels_and_hashes_are_those_of_the_members(tmp_path: Path, form: int) -> None:
    long = "é" * 60 + "/" + "x" * 30 if form != tarfile.USTAR_FORMAT else "x"
    data = plain_jpeg(77)
    source = open_images(write_tar(tmp_path / "a.tar", [(f"./{long}.JPG", data)], form))
    assert source.name(0) == f"a.tar/{long}.JPG"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(data)
    as_file = open_images(tmp_path / "photos")
    request = SampleRequest(shape=SHAPE, preprocess="resize")
    ours, theirs = source.sample(request), as_file.sample(request)
    assert (ours.pixels == theirs.pixels).all()
    assert ours.manifest.images[0].sha256 == hashlib.sha256(data).hexdigest()
    assert ours.manifest.sha256 == theirs.manifest.sha256
    assert source.part_sha256(0) == hashlib.sha256(data).hexdigest()
    part = pickle.loads(pickle.dumps(source.part([0])))
    assert (part.load(0, shape=SHAPE, preprocess="resize") == ours.pixels[0]).all()


def test_a_manifest_finds_the_images_again(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(0, 4))
    sample = open_images(tmp_path).sample(SampleRequest(shape=SHAPE, samples=3))
    (tmp_path / "quantize.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
    again = open_images(tmp_path / "quantize.json").sample(SampleRequest(shape=SHAPE))
    assert (again.pixels == sample.pixels).all()
    assert [image.label for image in again.manifest.images] == [
        image.label for image in sample.manifest.images
    ]


@pytest.mark.parametrize(
    ("ending", "text", "label", "name"),
    [
        ("cls", " 7\n", 7, None),
        ("txt", "7", 7, None),
        ("txt", "a  cat\n", None, "a cat"),
        ("json", '{"label": 7, "other": 1}', 7, None),
        ("json", '{"class_name": "cat"}', None, "cat"),
        ("json", '{"label": "7"}', 7, None),
        ("json", '{"label": 7, "class_id": 8}', 7, None),
        ("json", '{"class_id": 7, "class_name": "cat"}', 7, None),
        ("json", '{"class": "cat", "class_name": "cat"}', None, "cat"),
        ("json", '{"width": 7}', None, None),
        ("json", '{"label": "", "class_id": 7}', 7, None),
        ("json", "[7]", None, None),
    ],
)
def test_labels_of_samples(
    tmp_path: Path, ending: str, text: str, label: int | None, name: str | None
) -> None:
    source = open_images(write_tar(tmp_path / "a.tar", [("a.png", b"?"), (f"a.{ending}", text.encode())]))
    assert (source.label(0), source.label_name(0)) == (label, name)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.jpg", b""), ("a.cls", b"x")], r"label a\.cls in .*a\.tar: got 'x', expected a class number"),
        ([("a.jpg", b""), ("a.cls", b"-1")], r"got '-1', expected a class number from 0 on"),
        ([("a.jpg", b""), ("a.json", b"{")], r"label a\.json in .*expected JSON"),
        (
            [("a.jpg", b""), ("a.json", b'{"y": 1, "target": 2}')],
            r"got target and y, expected one label; call it",
        ),
        ([("a.jpg", b""), ("a.json", b'{"label": 1.5}')], r"got the label 1\.5, expected a class number"),
        (
            [("a.jpg", b""), ("a.cls", b"1"), ("a.jpg", b"")],
            r"got two members a\.jpg, expected each name",
        ),
        (
            [("a.jpg", b""), ("a.png", b""), ("a.cls", b"1")],
            r"got two images, a\.jpg and a\.png, expected",
        ),
        (
            [("a.jpg", b""), ("a.cls", b"1"), ("b.jpg", b""), ("b.txt", b"cat")],
            r"a name for a\.tar/b\.jpg and a number for a\.tar/a\.jpg",
        ),
        (
            [("a.jpg", b""), ("a.cls", b"1"), ("b.jpg", b"")],
            r"images without labels; 1 of 2 images have no label .*, such as a\.tar/b\.jpg",
        ),
        ([("train/a/1.jpg", b""), ("val/a/1.jpg", b"")], r"got folders train and val, parts of a data set"),
        ([("a.npy", b"")], r"got none; 1 \.npy member is not read"),
    ],
    ids=range(11),
)
def test_what_is_wrong_with_members_is_said(
    tmp_path: Path, members: list[tuple[str, bytes]], message: str
) -> None:
    with pytest.raises(CalibrationDataError, match=message):
        open_images(write_tar(tmp_path / "a.tar", members), need_labels=True)


def test_two_numbers_of_one_sample_are_told(tmp_path: Path) -> None:
    members = [
        *(("a.jpg", b"?"), ("a.cls", b"1"), ("a.json", b'{"label": 2}')),
        *(("b.jpg", b"?"), ("b.cls", b"1"), ("b.json", b'{"label": 1, "width": 3}'), ("b.txt", b"a cat")),
    ]
    source = open_images(write_tar(tmp_path / "a.tar", members), need_labels=True)
    assert source.labels() == [1, 1]
    (remark,) = source.remarks
    assert remark.startswith("1 of 2 samples have two class numbers, such as a.tar/a.jpg: that of .cls, then")


def test_labels_of_no_image_are_told_where_no_image_has_one(tmp_path: Path) -> None:
    """Of images that are called otherwise than WebDataset calls them, for example."""
    members = [("a.input.jpg", b"?"), ("a.output.jpg", b"?"), ("a.cls", b"1")]
    source = open_images(write_tar(tmp_path / "a.tar", members))
    assert source.labels() == [None, None]
    (unread,) = source.unread
    assert (unread.kind, unread.reason) == (".cls member", "a label without an image")


def test_a_packed_folder_has_its_class_folders(tmp_path: Path) -> None:
    names = ["photos/dog/1.jpg", "photos/cat/2.jpg", "photos/cat/._2.jpg", "photos/.DS_Store", "photos/a.md"]
    source = open_images(write_tar(tmp_path / "a.tar", [(name, b"?") for name in names]), need_labels=True)
    assert named_labels(source) == {"a.tar/photos/dog/1.jpg": 1, "a.tar/photos/cat/2.jpg": 0}
    assert source.class_names == ("cat", "dog")
    assert [unread.files for unread in source.unread] == [("photos/a.md",)]


def test_masks_beside_images_are_no_images(tmp_path: Path) -> None:
    members = [("a.jpg", b"?"), ("a.seg.png", b"?"), ("a.cls", b"3")]
    source = open_images(write_tar(tmp_path / "a.tar", members), need_labels=True)
    assert named_labels(source) == {"a.tar/a.jpg": 3}
    assert source.unread[0].text == (
        "1 .seg.png member is not read: no image of a sample, whose key ends at the first dot (a.seg.png)"
    )


def test_damaged_tars_are_refused(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "a.tar", samples(0, 2)).read_bytes()
    second = 1024  # each member has a header and a block

    def refused(data: bytes) -> str:
        (tmp_path / "b.tar").write_bytes(data)
        with pytest.raises(InputFileError) as caught:
            open_images(tmp_path / "b.tar")
        return str(caught.value)

    assert "no end mark: it is cut off" in refused(whole[: 2 * second + 512])
    assert "unexpected end of data" in refused(whole[: second + 700])
    damaged = bytearray(whole)
    damaged[second + 10] ^= 1
    assert f"a damaged header at byte {second}" in refused(bytes(damaged))
    assert "more behind its end mark" in refused(whole + whole)
    assert "an empty file" in refused(b"")
    assert "packed by gzip, expected a plain tar" in refused(gzip.compress(whole))
    assert "expected a whole tar" in refused(b"x" * 2000)


def test_a_tar_that_changed_is_not_read(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", samples(0, 2))
    source = open_images(path)
    source.load(0, shape=SHAPE, preprocess="resize")
    write_tar(path, samples(5, 2))
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputFileError, match="changed since its images were listed"):
        source.load(0, shape=SHAPE, preprocess="resize")
    assert source.part_sha256(0) is None


def test_parts_of_a_data_set_are_refused(tmp_path: Path) -> None:
    for name in ("in-train-0.tar", "in-val-0.tar"):
        write_tar(tmp_path / name, samples(0, 1))
    with pytest.raises(CalibrationDataError, match=r"got files of train and val, .*in-train-\*\.tar'"):
        open_images(tmp_path)
    assert open_images(tmp_path / "in-val-*.tar").available == 1


def directory(name: str, kind: bytes = tarfile.DIRTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tar_of(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


@pytest.mark.parametrize("top", ["", "./", "data/val/"])
def test_classes_without_images_keep_their_numbers(tmp_path: Path, top: str) -> None:
    """As in the folder that was packed: empty ones, and those whose pictures are not read."""
    members: list[tuple[str, bytes] | tarfile.TarInfo] = [
        *(directory(f"{top}{name}") for name in ("a", "b", "c", "d", ".hidden")),
        (f"{top}a/1.jpg", plain_jpeg(1)),
        (f"{top}c/1.jp2", b"other"),
        (f"{top}d/2.jpg", plain_jpeg(2)),
    ]
    if top == "data/val/":
        members = [directory("data"), directory("data/val"), *members]
    source = open_images(tar_of(tmp_path / "p.tar", *members), need_labels=True)
    assert [source.label(index) for index in range(2)] == [0, 3]
    assert source.class_names == ("a", "b", "c", "d")
    assert [remark[:36] for remark in source.remarks] == [
        "the class folder b holds no image; i",
        "the class folder c holds no image; i",
    ]
    (tmp_path / "folder").mkdir()
    with tarfile.open(tmp_path / "p.tar") as tar:
        tar.extractall(tmp_path / "folder", filter="data")
    unpacked = open_images(tmp_path / "folder" / top, need_labels=True)
    assert [unpacked.label(index) for index in range(2)] == [0, 3]
    assert unpacked.remarks == source.remarks


def test_one_class_with_images_is_still_one_of_several(tmp_path: Path) -> None:
    members = (directory("a"), directory("b"), ("b/1.jpg", plain_jpeg(1)))
    assert open_images(tar_of(tmp_path / "p.tar", *members), need_labels=True).label(0) == 1


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("0002.jpg", tarfile.LNKTYPE, "a hard link"),
        ("0002.cls", tarfile.LNKTYPE, "a hard link"),
        ("0002.jpg", tarfile.SYMTYPE, "a link"),
        ("x/0002.JPEG", tarfile.GNUTYPE_SPARSE, "a sparse file"),
    ],
)
def test_images_and_labels_without_bytes_of_their_own(
    tmp_path: Path, name: str, kind: bytes, words: str
) -> None:
    """Half of the images would be measured, and nothing said."""
    link = directory(name, kind, "0001.jpg")
    path = tar_of(tmp_path / "s.tar", *samples(0, 2), link)
    with pytest.raises(InputFileError, match=f"{name} in .*: got {words}, .*--hard-dereference"):
        open_images(path)


def test_other_members_are_counted(tmp_path: Path) -> None:
    members: tuple[tuple[str, bytes] | tarfile.TarInfo, ...] = (
        *samples(0, 2),
        directory("latest", tarfile.SYMTYPE, "0001.jpg"),
        ("0007.cls", b"1"),
        ("0008.v1.jpg", plain_jpeg(1)),
        directory("pipe", tarfile.FIFOTYPE),
    )
    source = open_images(tar_of(tmp_path / "s.tar", *members), need_labels=True)
    assert source.available == 2
    assert {each.kind: each.files for each in source.unread} == {
        "link member": ("latest",),
        "special file member": ("pipe",),
        ".cls member": ("0007.cls",),
        ".v1.jpg member": ("0008.v1.jpg",),
    }
    assert any("whose key ends at the first dot" in each.reason for each in source.unread)


def test_what_lies_beside_shards_is_counted(tmp_path: Path) -> None:
    write_tar(tmp_path / "a-000.tar", samples(0, 2))
    for name in ("a-001.tar.part", "c.tfrecord", "sub/a-002.tar", "._a-000.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    unread = {each.kind: each.files for each in open_images(tmp_path).unread}
    assert unread == {
        ".part file": ("a-001.tar.part",),
        ".tar file": ("sub/a-002.tar",),
        ".tfrecord file": ("c.tfrecord",),
    }
    assert open_images(tmp_path / "a-*.tar").unread == ()
