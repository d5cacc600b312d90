"""Images in Parquet files: labels and names, rows in any order, and what is wrong with files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import CalibrationDataError, InputFileError, MissingExtraError
from edge_mnv3.core.imagenet import are_imagenet_names, imagenet_classes
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.source_kinds import open_images
from image_archives import plain_jpeg, write_parquet

pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
SHAPE = ImageShape.square(4)
IMAGES = [f"image {index}".encode() for index in range(50)]


def test_labels_and_names(tmp_path: Path) -> None:
    rows = [(b"?", label) for label in (1, 0, 1)]
    source = open_images(write_parquet(tmp_path / "a.parquet", rows, names=("cat", "dog")), need_labels=True)
    assert (source.kind, source.name(2), source.class_names) == (
        "parquet",
        "a.parquet[2]/2.jpg",
        ("cat", "dog"),
    )
    assert (source.labels(), source.label_names()) == ([1, 0, 1], ["dog", "cat", "dog"])
    source = open_images(write_parquet(tmp_path / "a.parquet", rows), need_labels=True)
    assert (source.labels(), source.label_names(), source.class_names) == ([1, 0, 1], [None] * 3, ())
    source = open_images(write_parquet(tmp_path / "a.parquet", [(b"?", "cat")]))
    assert (source.labels(), source.label_names()) == ([None], ["cat"])
    thousand = [str(number) for number in range(1000)]
    source = open_images(write_parquet(tmp_path / "a.parquet", rows, names=thousand))
    assert (source.labels(), source.label_names()) == ([1, 0, 1], [None] * 3)


def test_images_are_found_in_any_order(tmp_path: Path) -> None:
    rows = [(data, 0) for data in IMAGES]
    source = open_images(write_parquet(tmp_path / "a.parquet", rows, group_rows=20))
    for index in (49, 0, 20, 19, 17, 40, 1, 33, 2):
        assert source.part_sha256(index) == hashlib.sha256(IMAGES[index]).hexdigest()
    part = pickle.loads(pickle.dumps(source.part([30, 31])))
    assert part.part_sha256(1) == hashlib.sha256(IMAGES[31]).hexdigest()


def test_a_manifest_finds_the_images_again(tmp_path: Path) -> None:
    rows = [(plain_jpeg(60 * index), index % 2) for index in range(4)]
    write_parquet(tmp_path / "test-00000-of-00002.parquet", rows[:2])
    write_parquet(tmp_path / "test-00001-of-00002.parquet", rows[2:])
    sample = open_images(tmp_path, need_labels=True).sample(SampleRequest(shape=SHAPE, samples=3))
    (tmp_path / "quantize.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
    again = open_images(tmp_path / "quantize.json").sample(SampleRequest(shape=SHAPE))
    assert (again.pixels == sample.pixels).all()


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, -1], (), r"1 of 2 images have no label, such as a\.parquet\[1\]/1\.jpg"),
        ([0, None], (), r"1 of 2 images have no label"),
        (
            [0, 2],
            ("cat", "dog"),
            r"label of a\.parquet\[1\]/1\.jpg: got 2, expected 0 to 1, as",
        ),
        ([0, -3], (), r"got -3, expected a number from 0 on"),
        ([0.5, 1.5], (), r"got 0\.5, expected a number from 0 on"),
    ],
    ids=range(5),
)
def test_wrong_labels_are_named(
    tmp_path: Path, labels: list[int | None], names: tuple[str, ...], message: str
) -> None:
    path = write_parquet(tmp_path / "a.parquet", [(b"?", label) for label in labels], names=names)
    with pytest.raises(CalibrationDataError, match=message):
        open_images(path, need_labels=True)


def test_numbers_that_are_written_as_texts_are_numbers_of_classes(tmp_path: Path) -> None:
    images, names = [b"?", b"?"], ("cat", "dog")
    rows: list[Any] = [(data, label) for data, label in zip(images, ("1", "0"), strict=True)]
    source = open_images(write_parquet(tmp_path / "a.parquet", rows, names=names))
    assert [source.label(0), source.label_name(0), source.label(1)] == [1, "dog", 0]
    rows = [(data, label) for data, label in zip(images, ("0", "5"), strict=True)]
    with pytest.raises(CalibrationDataError, match=r"a\.parquet\[1\]/1\.jpg: got 5, expected 0 to 1, as"):
        open_images(write_parquet(tmp_path / "a.parquet", rows, names=names))


def test_several_columns_of_classes_are_not_guessed(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    features = {name: {"names": ["a", "b"], "_type": "ClassLabel"} for name in ("fine", "coarse")}
    table = pyarrow.table({"img": [b"?"], "fine": [1], "coarse": [0]}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(CalibrationDataError, match="several columns of classes, fine and coarse, of"):
        open_images(tmp_path / "a.parquet", need_labels=True)
    parquet.write_table(table.drop_columns(["coarse"]), tmp_path / "a.parquet")
    parquet.write_table(table.select(["fine"]), tmp_path / "b.parquet")
    with pytest.raises(InputFileError, match="got columns fine, expected one column of images"):
        open_images(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("columns", "classes", "labels"),
    [
        ({"y": [5.5], "breed": [1]}, ("breed",), [1]),
        ({"label": ["dog"], "target": [0]}, ("target",), [0]),
        ({"label": [1], "y": [0]}, ("label", "y"), [1]),
        ({"y": [1], "coarse": [0]}, ("y", "coarse"), [1]),
        ({"target": [1], "y": [0]}, ("target", "y"), [None]),
        ({"target": [1], "y": [0]}, (), [None]),
        ({"target": [1], "label": [0], "width": [8]}, (), [0]),
        ({"target": [1], "width": [8]}, (), [1]),
    ],
)
def test_a_column_of_classes_goes_before_a_usual_name(
    tmp_path: Path, columns: dict[str, list[object]], classes: tuple[str, ...], labels: list[int | None]
) -> None:
    import pyarrow
    from pyarrow import parquet

    features = {name: {"names": ["cat", "dog"], "_type": "ClassLabel"} for name in classes}
    table = pyarrow.table({"img": [b"?"], **columns}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    source = open_images(tmp_path / "a.parquet")
    assert source.labels() == labels
    told = [remark for remark in source.remarks if "several columns of classes, target and y" in remark]
    assert bool(told) == (labels == [None])


def test_damaged_and_changed_files(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [(data, 0) for data in IMAGES])
    whole = path.read_bytes()
    source = open_images(path)
    write_parquet(path, [(data, 0) for data in reversed(IMAGES)])
    assert source.part_sha256(0) is None
    with pytest.raises(InputFileError, match="changed since its images were listed"):
        source.load(0, shape=SHAPE, preprocess="resize")
    for data in (whole[:-20], b"", b"x" * 100):
        path.write_bytes(data)
        with pytest.raises(InputFileError, match=r"Parquet .*a\.parquet: got .*, expected a whole file"):
            open_images(path)
    write_parquet(path, [(None, 0)])
    with pytest.raises(InputFileError, match="row 0 of group 0 .*: got no bytes, at most a path"):
        open_images(path).load(0, shape=SHAPE, preprocess="resize")


def test_files_of_other_classes_are_refused(tmp_path: Path) -> None:
    for number, names in enumerate((("cat", "dog"), ("dog", "cat"))):
        write_parquet(tmp_path / f"{number}.parquet", [(b"?", 0)], names=names)
    with pytest.raises(CalibrationDataError, match=r"1\.parquet: got other columns or classes than"):
        open_images(tmp_path)


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", [(b"?", 0)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"not installed; pip install 'edge-mnv3\[parquet\]'"):
        open_images(path)


def test_a_thousand_names_are_those_of_imagenet_only_where_they_are() -> None:
    """Other classes would be compared by their numbers, in an order of their own."""
    text = (resources.files("edge_mnv3") / "data" / "imagenet_labels.txt").read_text(encoding="utf-8")
    labels = text.splitlines()
    written = [f"{label.replace(' ', '_')}, Otherwise called" for label in labels]
    assert are_imagenet_names(labels)
    assert are_imagenet_names(written)
    assert are_imagenet_names([each.wnid for each in imagenet_classes()])
    assert not are_imagenet_names(sorted(labels))
    assert not are_imagenet_names(sorted((each.wnid for each in imagenet_classes()), reverse=True))
    assert not are_imagenet_names([f"species {number}" for number in range(1000)])
    assert not are_imagenet_names(labels[:999])
