"""Labels in columns of their own: one for each label, and one for each output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError
from edge_mnv3.core.hashing import sha256_names
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.results.model_facts import Activation, InputFacts, OutputFacts, Task
from edge_mnv3.core.tflite.input_facts import DecidedInput
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.validation.file_pair import ComparedFile, FilePair, PairedOutput
from edge_mnv3_quantization.validation.label_columns import ColumnsInOrder, labels_of_columns
from edge_mnv3_quantization.validation.label_names import OutputNames
from edge_mnv3_quantization.validation.plan import plan_comparisons
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison

NAMES = OutputNames(("cat", "dog", "bird"), "labels.txt", stated=True)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for name in "ab":
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path / "t.csv"


def images(table: Path, text: str) -> ImageSource:
    table.write_text(text)
    return open_images(table)


def test_columns_are_found_by_the_names_of_the_outputs(table: Path) -> None:
    source = images(table, "file,Dog,bird,cat,note\na.png,1,0,1,x\nb.png,0,0,0,y\n")
    found = labels_of_columns(source, classes=3, names=NAMES)
    assert found is not None
    assert (found.labels, found.named, found.columns) == (
        [frozenset((0, 1)), frozenset()],
        True,
        ("cat", "Dog", "bird"),
    )
    assert found.findings == ()


def test_columns_without_names_are_taken_in_their_order_and_that_is_said(table: Path) -> None:
    source = images(table, "file;p;q;r\na.png;true;0;1.0\nb.png;0;1;0\n")
    found = labels_of_columns(source, classes=3, names=None)
    assert found is not None
    assert (found.labels, found.named) == ([frozenset((0, 2)), frozenset((1,))], False)
    assert found.findings == (ColumnsInOrder(("p", "q", "r")),)
    assert "the columns p, q, r are taken for outputs 0 to 2 in their order" in found.findings[0].text


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        (
            "file,cat,dog\na.png,1,0\n",
            NAMES,
            "none called 'bird', expected a column of 0 and 1 for each of the 3",
        ),
        ("file,cat,dog\na.png,1,0\n", None, "2 of 0 and 1 (cat, dog), expected 3, one for each label"),
        ("file,cat,dog,bird\na.png,1,0,-1\n", NAMES, "column 'bird' of a.png"),
        ("file,cat,dog,bird\na.png,1,0,\n", NAMES, "got nothing, expected 0 or 1"),
    ],
)
def test_columns_that_do_not_fit(table: Path, text: str, names: OutputNames | None, message: str) -> None:
    with pytest.raises(CalibrationDataError) as caught:
        labels_of_columns(images(table, text), classes=3, names=names)
    assert message in str(caught.value)


def test_a_table_without_such_columns(table: Path) -> None:
    assert labels_of_columns(images(table, "file,note\na.png,x\n"), classes=3, names=None) is None
    brought = replace(NAMES, stated=False)
    assert labels_of_columns(images(table, "file,note\na.png,x\n"), classes=3, names=brought) is None


def pair(*tasks: tuple[str, Task, int]) -> FilePair:
    facts = InputFacts(
        height_px=4, width_px=4, channels=3, mean=PIXELS.mean, std=PIXELS.std, range_source="stated"
    )
    file = ComparedFile(
        path=Path("m.tflite"), kernels="xnnpack", input=DecidedInput(facts=facts, warning=None), runtime="r"
    )
    outputs = tuple(
        PairedOutput(
            facts=OutputFacts(name=name, shape=(count,), activation="softmax", task=task),
            float_place=place,
            int8_place=place,
            float_count=count,
            int8_count=count,
        )
        for place, (name, task, count) in enumerate(tasks)
    )
    return FilePair(float_=file, int8=file, outputs=outputs, task_source="graph", findings=())


TWO = pair(("kind", "classes", 3), ("colour", "classes", 2))


def test_each_output_has_a_column_of_its_name(table: Path) -> None:
    source = images(table, "file,Kind,colour\na.png,2,red\nb.png,0,blue\n")
    colours = OutputNames(("blue", "red"), "colours.txt", stated=True)
    plan = plan_comparisons(TWO, source, class_offset=None, names={"colour": colours})
    assert plan.labels == {0: [2, 0], 1: [1, 0]}
    assert (plan.labelled, plan.columns, plan.findings) == (0, ("Kind", "colour"), [])


def test_the_column_label_is_of_the_first_output_without_one(table: Path) -> None:
    source = images(table, "file,label,kind\na.png,1,2\nb.png,0,0\n")
    plan = plan_comparisons(TWO, source, class_offset=None, names={})
    assert plan.labels == {0: [2, 0], 1: [1, 0]}
    source = images(table, "file,label\na.png,1\nb.png,0\n")
    assert plan_comparisons(TWO, source, class_offset=None, names={}).labels == {0: [1, 0]}


def test_names_of_an_output_that_there_is_not(table: Path) -> None:
    source = images(table, "file,label\na.png,1\n")
    with pytest.raises(
        ArgumentError, match=r"--labels color=…: got no output 'color', expected one of kind, colour"
    ):
        plan_comparisons(TWO, source, class_offset=None, names={"color": NAMES})


def test_an_empty_cell_is_no_label_of_a_class_and_no_label_of_several(table: Path) -> None:
    source = images(table, "file,kind,tags\na.png,0,0|2\nb.png,1,\n")
    both = pair(("kind", "classes", 3), ("tags", "labels", 3))
    assert plan_comparisons(both, source, class_offset=None, names={}).labels == {
        0: [0, 1],
        1: [frozenset((0, 2)), frozenset()],
    }
    source = images(table, "file,kind,tags\na.png,0,0|2\nb.png,,1\n")
    with pytest.raises(CalibrationDataError, match=r"column kind of .*b\.png: got no label, expected one"):
        plan_comparisons(both, source, class_offset=None, names={})


def test_columns_that_are_not_read_are_said(table: Path) -> None:
    source = images(table, "file,klasse\na.png,1\n")
    plan = plan_comparisons(pair(("e", "embedding", 3)), source, class_offset=None, names={})
    assert [finding.text for finding in plan.findings] == [
        "columns klasse were not read; a column of labels is called label"
    ]
    with pytest.raises(CalibrationDataError, match="images without labels; no column label, but klasse"):
        plan_comparisons(TWO, source, class_offset=None, names={})


SAID = "the images' labels are taken for those of output 'kind', and not of 'colour'"
COLOURS = OutputNames(("blue", "red"), "colours.txt", stated=True)
BROUGHT = replace(COLOURS, stated=False)
KINDS = OutputNames(("cat", "dog", "red"), "kinds.txt", stated=True)


@pytest.mark.parametrize(
    ("labels", "names", "place", "is_said"),
    [
        # What the user names has the labels, wherever it stands.
        ("red,blue", {"colour": COLOURS}, 1, False),
        ("0,1", {"colour": COLOURS}, 1, False),
        # Of several, that which has such names.
        ("blue,red", {"kind": replace(KINDS, names=("cat", "dog", "bird")), "colour": COLOURS}, 1, False),
        ("cat,red", {"kind": KINDS, "colour": replace(COLOURS, names=("blue", "green"))}, 0, False),
        # Names that the files bring do as well.
        (
            "red,blue",
            {"kind": replace(NAMES, stated=False), "colour": replace(COLOURS, stated=False)},
            1,
            False,
        ),
        # Else it is the first, and that is said.
        ("0,1", {}, 0, True),
        ("red,red", {"kind": KINDS, "colour": COLOURS}, 0, True),
        ("0,1", {"kind": KINDS, "colour": COLOURS}, 0, True),
        # An empty name stands for it.
        ("cat,dog", {"": KINDS}, 0, False),
    ],
)
def test_the_output_that_the_images_labels_are_of(
    table: Path, labels: str, names: dict[str, OutputNames], place: int, is_said: bool
) -> None:
    first, second = labels.split(",")
    source = images(table, f"file,label\na.png,{first}\nb.png,{second}\n")
    plan = plan_comparisons(TWO, source, class_offset=None, names=names)
    assert plan.labelled == place
    assert list(plan.labels) == [place]
    said = [each.text for each in plan.findings if each.kind == "labels_of_first_output"]
    assert bool(said) == is_said
    if is_said:
        assert said[0].startswith(
            "the images' labels are taken for those of output 'kind', and not of 'colour'"
        )


@pytest.mark.parametrize(
    ("labels", "names", "hashed"),
    [
        ("cat,dog", ("Cat", "dog", "bird"), ("cat", "dog", "bird")),
        ("cat,dog", ("background", "cat", "dog", "bird"), ("cat", "dog", "bird")),
        ("0,1", ("cat", "dog", "bird"), None),  # labels that are numbers say nothing of the names
    ],
)
def test_the_names_by_which_labels_were_found_are_hashed(
    table: Path, labels: str, names: tuple[str, ...], hashed: tuple[str, ...] | None
) -> None:
    first, second = labels.split(",")
    source = images(table, f"file,label\na.png,{first}\nb.png,{second}\n")
    offset = len(names) - 3
    stated = OutputNames(names, "l.txt", stated=True)
    plan = plan_comparisons(
        pair(("kind", "classes", len(names))), source, class_offset=offset, names={"": stated}
    )
    assert plan.names_sha256 == ({} if hashed is None else {"kind": sha256_names(hashed)})


@pytest.mark.parametrize("names", [("dog",), ("cat", "dog")])
def test_of_one_score_the_name_of_its_class_is_hashed(table: Path, names: tuple[str, ...]) -> None:
    source = images(table, "file,label\na.png,cat\nb.png,dog\n")
    stated = OutputNames(names, "l.txt", stated=True)
    plan = plan_comparisons(pair(("s", "binary", 1)), source, class_offset=None, names={"": stated})
    assert plan.names_sha256 == {"s": sha256_names(["dog"])}


@pytest.mark.parametrize(
    ("activation", "stated", "used"),
    [
        ("sigmoid", None, 0.5),
        ("sigmoid", 0.9, 0.9),
        ("none", None, 0.0),
        ("other", 0.25, 0.25),
        ("other", None, None),
    ],
)
def test_the_threshold_of_scores(
    table: Path, activation: Activation, stated: float | None, used: float | None
) -> None:
    source = images(table, "file,label\na.png,0\nb.png,1\n")
    two = pair(("c", "classes", 3), ("s", "binary", 1))
    first, second = two.outputs
    second = replace(second, facts=replace(second.facts, activation=activation))
    two = replace(two, outputs=(first, second))
    if used is None:
        with pytest.raises(ArgumentError, match=r"output 's' .*whose middle .* --threshold"):
            plan_comparisons(two, source, class_offset=None, names={}, threshold=stated)
        return
    if activation == "sigmoid":
        with pytest.raises(ArgumentError, match="--threshold 50: got no probability"):
            plan_comparisons(two, source, class_offset=None, names={}, threshold=50)
    _, scores = plan_comparisons(two, source, class_offset=None, names={}, threshold=stated).comparisons
    assert isinstance(scores, ScoresComparison)
    assert scores.threshold == used
    with pytest.raises(ArgumentError, match="--threshold 0.5: got outputs of classes"):
        plan_comparisons(pair(("c", "classes", 3)), source, class_offset=None, names={}, threshold=0.5)


def test_class_folders_that_numbered_the_labels(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    source, one = open_images(tmp_path, need_labels=True), pair(("s", "binary", 1))
    plan = plan_comparisons(one, source, class_offset=None, names={})
    assert (plan.ordered_names, plan.labels) == ({"s": ("ant", "bee")}, {0: [0, 1]})
    stated = OutputNames(("bee", "ant"), "l.txt", stated=True)
    plan = plan_comparisons(one, source, class_offset=None, names={"": stated})
    assert (plan.ordered_names, plan.labels) == ({}, {0: [1, 0]})
