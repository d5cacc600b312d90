"""Class folders that are called by numbers: when these are the outputs, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.validation.label_names import Labelled, OutputNames, labels_of


def labelled(
    folder: Path, folders: tuple[str, ...], classes: int, names: OutputNames | None = None
) -> Labelled:
    for name in folders:
        (folder / name).mkdir()
        (folder / name / "a.png").touch()
    return labels_of(open_images(folder), task="classes", classes=classes, names=names)


@pytest.mark.parametrize(
    ("folders", "classes", "labels"),
    [
        (("0", "2", "5"), 1000, [0, 2, 5]),
        (("000", "010", "7"), 11, [0, 10, 7]),
        (("1", "10", "2"), 11, [1, 10, 2]),
        (("0", "1", "2"), 1000, [0, 1, 2]),
        (("2", "5", "9"), 3, [0, 1, 2]),
        (("0", "1", "10", "2"), 4, [0, 1, 2, 3]),
        (("0", "2", "cat"), 1000, [0, 1, 2]),
        (("0", "2", "\u0665"), 1000, [0, 1, 2]),
    ],
)
def test_numbers_are_outputs_where_some_are_missing(
    tmp_path: Path, folders: tuple[str, ...], classes: int, labels: list[int]
) -> None:
    found = labelled(tmp_path, folders, classes)
    assert found.labels == labels
    in_order = labels == list(range(len(labels)))
    assert (found.named, [each.kind for each in found.findings]) == (
        not in_order,
        [] if in_order else ["folders_are_numbers"],
    )


def test_the_finding_says_what_was_done(tmp_path: Path) -> None:
    (finding,) = labelled(tmp_path, ("0", "2", "5"), 1000).findings
    assert finding.text.startswith(
        "the images' 3 classes are called by numbers, 0 to 5, and the model has 1000: they are taken for"
    )
    assert not finding.fails_gate


def test_names_go_before_numbers(tmp_path: Path) -> None:
    names = OutputNames(("5", "0", "2", "1"), "labels.txt", stated=True)
    assert labelled(tmp_path, ("0", "2", "5"), 4, names).labels == [1, 2, 0]


def test_names_of_the_model_that_are_others_do_not(tmp_path: Path) -> None:
    names = OutputNames(("cat", "dog", "cow", "hen"), "the model", stated=False)
    assert labelled(tmp_path, ("1", "3"), 4, names).labels == [1, 3]


@pytest.mark.parametrize(("folders", "got"), [(("1", "2", "10"), "'10'"), (("1", "01", "3"), "'01' and '1'")])
def test_numbers_that_the_model_does_not_have(tmp_path: Path, folders: tuple[str, ...], got: str) -> None:
    with pytest.raises(
        CalibrationDataError, match=f"called by numbers: got {got}, expected one class for each"
    ):
        labelled(tmp_path, folders, 10)
