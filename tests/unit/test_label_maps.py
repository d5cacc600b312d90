"""How class numbers are counted: shown by what is known of ImageNet, stated, or asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.imagenet import (
    class_of_first_image,
    class_of_ilsvrc2012_id,
    class_of_synset,
    imagenet_classes,
)
from edge_mnv3.core.images import ImageSource, check_labelled
from edge_mnv3_calibration_data import ilsvrc_truth
from edge_mnv3_calibration_data.label_maps import map_by_range
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.validation.label_names import OutputNames, labels_of

CLASSES = (0, 1, 7, 65, 999)
LISTED = 5000  # the first image of each class is among so many


def validation_name(number: int) -> str:
    """The validation image that is the first of a class."""
    return f"ILSVRC2012_val_{imagenet_classes()[number].first_validation_image:08}.JPEG"


def listed(path: Path, rows: list[tuple[str, object]], label_map: LabelMap | None = None) -> ImageSource:
    for name, _ in rows:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    (path / "l.csv").write_text("\n".join(["file,label", *(f"{name},{label}" for name, label in rows)]))
    return open_images(path / "l.csv", label_map=label_map)


def test_the_table_of_classes_is_that_of_imagenet() -> None:
    classes = imagenet_classes()
    synsets = [each.wnid for each in classes]
    assert (len(classes), synsets) == (1000, sorted(set(synsets)))
    assert sorted(class_of_ilsvrc2012_id()) == list(range(1, 1001))
    assert len(class_of_first_image()) == 1000
    # The kit's own examples: 1 is the kit fox, 2 the English setter; image 1 is number 490, a sea snake.
    assert (classes[class_of_ilsvrc2012_id()[1]].wnid, classes[class_of_ilsvrc2012_id()[2]].wnid) == (
        "n02119789",
        "n02100735",
    )
    assert class_of_ilsvrc2012_id()[490] == class_of_synset()["n01751748"] == class_of_first_image()[1] == 65


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda number: number, None),
        (lambda number: number + 1, "counted from 1, so 1 is taken off"),
        (lambda number: imagenet_classes()[number].ilsvrc2012_id, "ILSVRC2012_ID of ImageNet's"),
    ],
    ids=["zero", "one", "devkit"],
)
@pytest.mark.parametrize("name", ["validation", "training", "folder"])
def test_numbers_of_known_images_are_found_out(
    tmp_path: Path, written: Callable[[int], int], said: str | None, name: str
) -> None:
    names: dict[str, Callable[[int], str]] = {
        "validation": validation_name,
        "training": lambda number: f"{imagenet_classes()[number].wnid}_12.JPEG",
        "folder": lambda number: f"{imagenet_classes()[number].wnid}/12.JPEG",
    }
    source = listed(tmp_path, [(names[name](number), written(number)) for number in CLASSES])
    assert source.labels() == list(CLASSES)
    assert len(source.remarks) == (said is not None)
    assert said is None or said in source.remarks[0]


def test_what_is_stated_goes_first(tmp_path: Path) -> None:
    rows: list[tuple[str, object]] = [(validation_name(number), number + 1) for number in CLASSES]
    assert listed(tmp_path, rows, "zero").labels() == [number + 1 for number in CLASSES]
    assert listed(tmp_path, [("a.png", 3), ("b.png", 1)], "one").labels() == [2, 0]
    assert listed(tmp_path, [("a.png", 490)], "devkit").labels() == [65]
    with pytest.raises(CalibrationDataError, match=r"got 0, expected 1 or more; 0 is the back"):
        listed(tmp_path, [("a.png", 3), ("b.png", 0)], "one")
    with pytest.raises(CalibrationDataError, match=r"got 1001, expected 1 to 1000"):
        listed(tmp_path, [("a.png", 1001)], "devkit")
    with pytest.raises(CalibrationDataError, match=r"--label-map one for .*: got no class numbers"):
        listed(tmp_path, [("a.png", "cat")], "one")


def test_other_images_and_other_classes_keep_their_numbers(tmp_path: Path) -> None:
    rows: list[tuple[str, object]] = [(f"{number}.png", number + 1) for number in CLASSES]
    assert listed(tmp_path, rows).labels() == [number + 1 for number in CLASSES]
    some: list[tuple[str, object]] = [(validation_name(CLASSES[place + 1]), place) for place in range(4)]
    source = listed(tmp_path, some)
    assert (source.labels(), source.remarks) == ([0, 1, 2, 3], ())


def test_ranges_of_numbers() -> None:
    assert [map_by_range(each) for each in ([0, 9], [1, 1000], [1, 9], [0, 1000], [1, 999])] == [
        *("zero", "one", None, None, None)
    ]


def ground_truth(path: Path, first: dict[int, object], other: object) -> None:
    labels = [first.get(number, other) for number in range(1, LISTED + 1)]
    path.write_text("\n".join(map(str, labels)) + "\n")


@pytest.fixture
def short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ilsvrc_truth, "VALIDATION_IMAGES", LISTED)


def validation_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in CLASSES:
        (folder / validation_name(number)).touch()
    return folder


@pytest.mark.parametrize("place", ["val", "ILSVRC2012_devkit_t12/data"])
@pytest.mark.usefixtures("short_list")
def test_validation_images_get_the_labels_of_the_development_kit(tmp_path: Path, place: str) -> None:
    folder = validation_folder(tmp_path / "val")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    first = {each.first_validation_image: each.ilsvrc2012_id for each in imagenet_classes()}
    ground_truth(tmp_path / place / "ILSVRC2012_validation_ground_truth.txt", dict(first), 1)
    source = open_images(folder, need_labels=True)
    by_name = {source.name(index): source.label(index) for index in range(len(CLASSES))}
    assert by_name == {validation_name(number): number for number in CLASSES}
    assert source.remarks[0].endswith("are ILSVRC2012_ID")
    assert "so they are taken to the order of synsets" in source.remarks[1]
    stated = open_images(folder, need_labels=True, label_map="zero")
    assert not any("order of synsets" in remark for remark in stated.remarks)
    assert stated.remarks[-1] == "class numbers are taken as counted from 0, as --label-map zero states"


def test_validation_images_get_the_labels_of_other_files(tmp_path: Path) -> None:
    folder = validation_folder(tmp_path / "ILSVRC/Data/CLS-LOC/val")
    rows = [f"{validation_name(each)[:-5]},{imagenet_classes()[each].wnid} 1 2 3 4" for each in CLASSES]
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    source = open_images(folder, need_labels=True)
    assert sorted(label for label in source.labels() if label is not None) == list(CLASSES)
    (folder / "val_map.txt").write_text(
        "\n".join(f"val.zip@/{validation_name(each)} {each + 1}" for each in CLASSES)
    )
    source = open_images(folder, need_labels=True)
    assert sorted(label for label in source.labels() if label is not None) == list(CLASSES)
    assert "numbers from 1 on" in source.remarks[0]


@pytest.mark.usefixtures("short_list")
def test_a_ground_truth_that_does_not_fit_is_asked_about(tmp_path: Path) -> None:
    folder = validation_folder(tmp_path / "val")
    with pytest.raises(CalibrationDataError, match=r"images without labels; these are ImageNet's validation"):
        open_images(folder, need_labels=True)
    truth = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    ground_truth(truth, {}, 1000)
    with pytest.raises(CalibrationDataError, match=r"nothing tells how the class numbers, 1000 to 1000, are"):
        open_images(folder, need_labels=True)
    assert set(open_images(folder, label_map="one").labels()) == {999}
    truth.write_text("1\n2\n")
    with pytest.raises(InputFileError, match=r"got 2 labels, 0 of them with .*expected 5000 in"):
        open_images(folder)
    truth.write_text("one\n")
    with pytest.raises(InputFileError, match=r"line 1: got 'one', expected a class number or a synset"):
        open_images(folder)
    truth.write_text(f"{validation_name(0)} 1\n")
    with pytest.raises(CalibrationDataError, match=r"no label of ILSVRC2012_val_"):
        open_images(folder)


def folders(path: Path, names: list[str]) -> ImageSource:
    for name in names:
        (path / name).mkdir(parents=True)
        (path / name / "a.jpg").touch()
    return open_images(path)


def test_synset_folders_are_numbered_as_the_model_has_them(tmp_path: Path) -> None:
    source = folders(tmp_path / "some", [imagenet_classes()[number].wnid for number in CLASSES])
    # For a model of all classes they are what ImageNet has; for one of these classes, their own order.
    assert labels_of(source, task="classes", classes=1000, names=None).labels == list(CLASSES)
    assert labels_of(source, task="classes", classes=len(CLASSES), names=None).labels == [0, 1, 2, 3, 4]
    with pytest.raises(CalibrationDataError, match=r"got 5 class folders \(such as n01440764\), exp.* 20"):
        labels_of(source, task="classes", classes=20, names=None)
    names = OutputNames(tuple(f"class {number}" for number in range(1000)), "labels.txt", stated=False)
    assert labels_of(source, task="classes", classes=1000, names=names).labels == list(CLASSES)
    mine = tuple(imagenet_classes()[number].wnid for number in reversed(CLASSES))
    stated = OutputNames(mine, "labels.txt", stated=True)
    assert labels_of(source, task="classes", classes=5, names=stated).labels == [4, 3, 2, 1, 0]


def test_synsets_in_a_table_are_imagenets_classes(tmp_path: Path) -> None:
    source = listed(tmp_path, [(f"{number}.png", imagenet_classes()[number].wnid) for number in CLASSES])
    check_labelled(source)
    assert source.labels() == list(CLASSES)


def test_lists_with_labels(tmp_path: Path) -> None:
    for name in ("a 1.jpg", "b.jpg"):
        (tmp_path / name).touch()
    path = tmp_path / "l.txt"
    path.write_text("# names\na 1.jpg 4\nb.jpg\t0\n")
    source = open_images(path, need_labels=True)
    assert [(source.name(index), source.label(index)) for index in (0, 1)] == [("a 1.jpg", 4), ("b.jpg", 0)]
    path.write_text("a 1.jpg\nb.jpg\n")
    assert [open_images(path).name(index) for index in (0, 1)] == ["a 1.jpg", "b.jpg"]
    path.write_text("a 1.jpg 4\n\nb.jpg\n")
    with pytest.raises(CalibrationDataError, match=r"line 3: got no label, and labels in other lines"):
        open_images(path)
