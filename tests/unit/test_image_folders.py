"""Folders as people have them: companions, hidden things, links, parts of data sets, other files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import ImageSource, SampleRequest, foreign_labels
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.stages.package_inputs import read_labels
from edge_mnv3_calibration_data import image_files
from edge_mnv3_calibration_data.source_kinds import open_images

APPLE_DOUBLE = b"\0\5\26\7\0\2\0\0Mac OS X        "


def write(folder: Path, *names: str) -> None:
    """Writes an image of each name, or an empty file where the name is not that of one."""
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".jfif", ".avif", ".webp"):
            kind = "JPEG" if path.suffix.lower() in (".jfif", ".jpg") else None
            Image.new("RGB", (10, 10), (index, 0, 0)).save(path, kind)
        else:
            path.touch()


def names_of(source: ImageSource) -> list[tuple[str, int | None]]:
    return [(source.name(index), source.label(index)) for index in range(source.available or 0)]


def unread(source: ImageSource) -> list[str]:
    return [files.text for files in source.unread]


def test_companions_are_no_images(tmp_path: Path) -> None:
    write(tmp_path, *(f"n{index}.jpg" for index in range(6)))
    for index in range(6):
        (tmp_path / f"._n{index}.jpg").write_bytes(APPLE_DOUBLE)
    write(tmp_path, "Thumbs.db", "desktop.ini", ".DS_Store", "ehthumbs.db", "__MACOSX/a.png", "@eaDir/a.jpg")
    source = open_images(tmp_path)
    assert names_of(source) == [(f"n{index}.jpg", None) for index in range(6)]
    assert unread(source) == []


def test_companions_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "cat/._1.png", "dog/1.png", "__MACOSX/cat/1.png", "._cat/1.png")
    write(tmp_path, ".ipynb_checkpoints/1-checkpoint.png", ".DS_Store", "cat/.ipynb_checkpoints/1.png")
    source = open_images(tmp_path, need_labels=True)
    assert names_of(source) == [("cat/1.png", 0), ("dog/1.png", 1)]
    assert (unread(source), source.remarks) == ([], ())
    labels = read_labels(tmp_path, 2)
    assert labels.names == ("cat", "dog")
    assert labels.source == tmp_path.name  # a bundle does not say where it lay
    with pytest.raises(InputFileError) as caught:
        read_labels(tmp_path, 3)
    assert f"labels {tmp_path}: got 2 labels" in str(caught.value)
    listed = tmp_path / "labels.txt"
    listed.write_text("cat\n", encoding="utf-8")
    assert read_labels(listed, 1).source == "labels.txt"
    with pytest.raises(InputFileError) as caught:
        read_labels(listed, 2)
    assert f"labels {listed}: got 1 label," in str(caught.value)


def test_other_hidden_things_are_told(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png", ".old/1.png", ".old/2.png", "cat/.x.png")
    source = open_images(tmp_path, need_labels=True)
    assert source.labels() == [0, 1]
    assert unread(source) == [
        "1 hidden file is not read: a name that begins with a dot is no data (cat/.x.png)",
        "1 hidden folder is not read: a name that begins with a dot is no data (.old)",
    ]


def test_a_hidden_root_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".cache", "a.png")
    assert names_of(open_images(tmp_path / ".cache")) == [("a.png", None)]


def test_an_empty_class_keeps_its_number(tmp_path: Path) -> None:
    write(tmp_path, "ant/1.png", "cat/readme.md", "dog/1.png")
    (tmp_path / "bee").mkdir()
    source = open_images(tmp_path, need_labels=True)
    assert source.class_names == ("ant", "bee", "cat", "dog")
    assert names_of(source) == [("ant/1.png", 0), ("dog/1.png", 3)]
    assert source.label_names() == ["ant", "dog"]
    assert source.remarks == tuple(
        f"the class folder {name} holds no image; it keeps its number {number}, as in Keras: remove it if it "
        "is no class"
        for name, number in (("bee", 1), ("cat", 2))
    )
    assert read_labels(tmp_path, 4).names == source.class_names
    with pytest.raises(InputFileError) as caught:
        read_labels(tmp_path, 2)
    assert str(caught.value).startswith(
        f"labels {tmp_path}: got 4 class folders, expected 2, as many as the model has classes; the class "
        "folder bee holds no image"
    )


def test_one_class_with_images_beside_an_empty_one(tmp_path: Path) -> None:
    write(tmp_path, "dog/1.png")
    (tmp_path / "cat").mkdir()
    assert open_images(tmp_path, need_labels=True).labels() == [1]


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "store", "felines/1.png", "felines/deep/2.png", "dogs/1.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "cat").symlink_to(tmp_path / "store" / "felines")
    (data / "dog").symlink_to("../store/dogs", target_is_directory=True)
    source = open_images(data, need_labels=True)
    assert names_of(source) == [("cat/1.png", 0), ("cat/deep/2.png", 0), ("dog/1.png", 1)]
    sample = source.sample(SampleRequest(shape=ImageShape.square(4), preprocess="resize"))
    assert len(sample.manifest.images) == 3


def test_linked_files_and_loops(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat" / "2.png").symlink_to(tmp_path / "dog" / "1.png")
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "cat" / "other").symlink_to(tmp_path / "dog", target_is_directory=True)
    (tmp_path / "dog" / "back").symlink_to(tmp_path / "cat", target_is_directory=True)
    (tmp_path / "dog" / "self.png").symlink_to(tmp_path / "dog" / "self.png")
    source = open_images(tmp_path, need_labels=True)
    read = {name for name, _ in names_of(source)}
    assert {"cat/1.png", "cat/2.png", "cat/other/1.png", "dog/1.png", "dog/back/1.png"} <= read
    assert not any("up" in Path(name).parts for name in read)
    kinds = {files.kind: files for files in source.unread}
    assert kinds.keys() == {"broken link", "circular link"}
    assert "cat/gone.png" in kinds["broken link"].files
    assert "cat/up" in kinds["circular link"].files


@pytest.mark.parametrize("parts", [("train", "val"), ("Train", "Validation", "test"), ("training", "dev")])
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, parts: tuple[str, ...]) -> None:
    write(tmp_path, *(f"{part}/{label}/1.png" for part in parts for label in ("cat", "dog")))
    ordered = sorted(parts, key=lambda part: (part.lower().startswith("train"), part.lower() == "test"))
    with pytest.raises(CalibrationDataError) as caught:
        open_images(tmp_path)
    assert str(caught.value) == (
        f"images {tmp_path}: got {' and '.join(ordered)}, parts of a data set, with class folders inside, "
        "expected one folder of images, or one with a subfolder a class; give "
        f"{' or '.join(str(tmp_path / part) for part in ordered)}"
    )
    with pytest.raises(CalibrationDataError, match="parts of a data set"):
        read_labels(tmp_path, len(parts))
    for part in parts:
        assert open_images(tmp_path / part, need_labels=True).class_names == ("cat", "dog")


def test_parts_beside_other_folders(tmp_path: Path) -> None:
    write(tmp_path, *(f"{part}/{label}/1.png" for part in ("train", "val") for label in "ab"), "extra/1.png")
    with pytest.raises(CalibrationDataError, match=r"got val and train, parts of a data set"):
        open_images(tmp_path)


def test_parts_without_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/1.png", "val/1.png")
    with pytest.raises(
        CalibrationDataError, match=r"got val and train, parts of a data set, expected one folder"
    ):
        open_images(tmp_path)


def test_only_one_part_is_there(tmp_path: Path) -> None:
    write(tmp_path, "train/cat/1.png", "train/dog/1.png")
    with pytest.raises(
        CalibrationDataError, match=rf"got train, a part of a data set, .*give {tmp_path}/train"
    ):
        open_images(tmp_path)


def test_classes_may_be_called_like_parts(tmp_path: Path) -> None:
    write(tmp_path, "car/1.png", "train/1.png", "train/deep/2.png")
    assert open_images(tmp_path, need_labels=True).class_names == ("car", "train")


def test_class_folders_one_folder_deeper(tmp_path: Path) -> None:
    write(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    source = open_images(tmp_path)
    remark = "all images lie in the one folder photos: give that one for its subfolders to be classes"
    assert source.remarks == (remark,)
    with pytest.raises(CalibrationDataError, match=f"got images without labels; {remark}, expected a label"):
        open_images(tmp_path, need_labels=True)


def test_images_beside_class_folders(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png", "cat/1.png", "dog/1.png")
    remark = "2 images lie beside the subfolders (a.png, b.png), so the subfolders are not taken for classes"
    assert open_images(tmp_path).remarks == (remark,)
    with pytest.raises(CalibrationDataError, match="2 images lie beside the subfolders"):
        open_images(tmp_path, need_labels=True)


def test_every_file_that_is_not_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "heif_is_readable", lambda: False)
    write(
        tmp_path, *(f"IMG_{index:02}.HEIC" for index in range(30)), *(f"{index}.jpg" for index in range(10))
    )
    write(tmp_path, "x.heic", "raw.CR2", "notes.md", "noending", "film.mp4")
    source = open_images(tmp_path)
    assert source.available == 10
    assert unread(source) == [
        "1 .CR2 file is not read: convert it to PNG or JPEG (raw.CR2)",
        "31 .HEIC files are not read: convert them or install edge-mnv3[heif] (IMG_00.HEIC, IMG_01.HEIC, "
        "IMG_02.HEIC, …)",
        "1 .md file is not read: no image format (notes.md)",
        "1 .mp4 file is not read: no image format (film.mp4)",
        "1 file is not read: no ending that tells of an image (noending)",
    ]
    sample = source.sample(SampleRequest(shape=ImageShape.square(4), preprocess="resize"))
    assert sample.manifest.unread == source.unread


def test_a_line_break_in_a_name_is_no_second_line(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "two\nlines.md")
    assert unread(open_images(tmp_path)) == ["1 .md file is not read: no image format (two lines.md)"]


def test_only_files_that_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "heif_is_readable", lambda: False)
    write(tmp_path, "1.HEIC", "2.HEIC")
    with pytest.raises(
        CalibrationDataError,
        match=r"got none; 2 \.HEIC files are not read: convert them or install edge-mnv3\[heif\] .*, exp",
    ):
        open_images(tmp_path)


def test_avif_and_jfif_are_read(tmp_path: Path) -> None:
    write(tmp_path, "1.avif", "2.jfif")
    sample = open_images(tmp_path).sample(SampleRequest(shape=ImageShape.square(4), preprocess="resize"))
    assert sorted(record.file for record in sample.manifest.images) == ["1.avif", "2.jfif"]
    assert (sample.manifest.skipped, sample.manifest.unread) == ((), ())


def test_one_broken_file_among_thirty(tmp_path: Path) -> None:
    write(tmp_path, *(f"{index}.png" for index in range(29)))
    (tmp_path / "broken.png").write_bytes(b"broken")
    request = SampleRequest(shape=ImageShape.square(4), preprocess="resize", samples=30)
    manifest = open_images(tmp_path).sample(request).manifest
    assert (len(manifest.images), [image.file for image in manifest.skipped]) == (29, ["broken.png"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_closed_folders_are_told(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "dog").chmod(0)
    try:
        source = open_images(tmp_path)
        assert unread(source) == ["1 closed folder is not read: permission denied (dog)"]
    finally:
        (tmp_path / "dog").chmod(0o755)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    # As archives of other systems leave them: Latin-1, not UTF-8.
    for name in (b"\xe4.png", b"b.png"):
        path = Path(os.fsdecode(bytes(tmp_path) + b"/" + name))
        Image.new("RGB", (4, 4)).save(path)
    request = SampleRequest(shape=ImageShape.square(4), preprocess="resize")
    assert len(open_images(tmp_path).sample(request).manifest.images) == 2


def test_labels_beyond_the_classes_are_told_and_change_nothing(tmp_path: Path) -> None:
    write(tmp_path, "ant/1.png", "bee/1.png", "cat/1.png")
    source = open_images(tmp_path)
    assert foreign_labels(source, classes=2) == (
        f"images {tmp_path}: cat/1.png has the label 2, and the model's classes are 0 to 1; calibration "
        "takes images whatever their labels, so that this changes nothing if they are such as the model "
        "will see",
    )
    assert foreign_labels(source, classes=3) == foreign_labels(source, classes=None) == ()
