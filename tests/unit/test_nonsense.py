"""Answers that make no sense are told from those that do, by the figures alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3_quantization.validation.chance import kappa_z
from edge_mnv3_quantization.validation.class_comparison import (
    STATES,
    ClassComparison,
    ClassOutputs,
    fewer_than_chance,
)
from edge_mnv3_quantization.validation.comparing import Answered, PairNames
from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.hits import NO_CLASS
from edge_mnv3_quantization.validation.label_numbering import other_numbering

FILES = PairNames(Path("f.tflite"), Path("q.tflite"))
RNG = np.random.default_rng(7)
LABELS = [index % 10 for index in range(200)]


def wrong_at(answers: list[int], share: float, classes: int = 10, seed: int = 0) -> list[int]:
    """Answers of which a share is another class."""
    rng = np.random.default_rng(seed)
    return [
        (answer + int(rng.integers(1, classes))) % classes if rng.random() < share else answer
        for answer in answers
    ]


def comparison(classes: int = 10, *, named: bool = False) -> ClassComparison:
    facts = OutputFacts(name="scores", shape=(classes,), activation="softmax", task="classes")
    return ClassComparison(facts=facts, files=FILES, classes=classes, offsets=(0, 0), named=named)


def findings(
    labels: list[int] | None, float_: list[int], int8: list[int], classes: int = 10, *, named: bool = False
) -> dict[str, Finding]:
    outputs = np.eye(classes, dtype=np.float32)
    answers = [ClassOutputs(outputs[one], outputs[other]) for one, other in zip(float_, int8, strict=True)]
    names = [f"{index}.png" for index in range(len(answers))]
    made = comparison(classes, named=named)
    compared = made.compare(Answered(names=names, columns=made.columns(answers), labels=labels))
    return {finding.kind: finding for finding in compared.findings}


def test_good_files_have_no_finding() -> None:
    assert findings(LABELS, wrong_at(LABELS, 0.05), wrong_at(LABELS, 0.08, seed=1)) == {}
    # So do weak ones that are far from chance.
    assert findings(LABELS, wrong_at(LABELS, 0.6), wrong_at(LABELS, 0.6)) == {}


def test_guessing_is_found() -> None:
    guesses = RNG.integers(0, 10, 200).tolist()
    found = findings(LABELS, guesses, guesses)
    assert found.keys() == {"float_at_chance", "int8_at_chance"}
    assert found["float_at_chance"].fails_gate
    assert "the labels, the preprocessing or the input range are not those of f.tflite" in (
        found["float_at_chance"].text
    )
    assert "by chance 10" in found["float_at_chance"].text


def test_always_the_same_answer_is_found_where_most_images_are_of_it() -> None:
    # 90 % are right without looking.
    labels = [0] * 180 + [1] * 20
    found = findings(labels, [0] * 200, labels, classes=2)
    assert {"float_at_chance", "float_answers_alike"} <= found.keys()
    assert "float answers all images alike, with class 0" in found["float_answers_alike"].text
    # 93 % with half of the rare class right is far from chance.
    assert findings(labels, [0] * 180 + [1] * 10 + [0] * 10, labels, classes=2) == {}


@pytest.mark.parametrize("right", [1, 2])
def test_too_few_images_are_said_and_fail_nothing(right: int) -> None:
    found = findings([0, 1][:right], [0, 1][:right], [0, 1][:right], classes=2)
    assert not any(finding.fails_gate for finding in found.values())
    assert "too_few_images" in found
    assert findings([1], [1], [1], classes=1000).keys() == set()


def test_all_images_of_one_class() -> None:
    found = findings([3] * 30, [3] * 29 + [2], [3] * 30)
    assert found.keys() == {"fewer_classes"}
    assert found["fewer_classes"].fails_gate
    assert findings([3] * 30, [3] * 29 + [2], [3] * 30, named=True)["fewer_classes"].fails_gate is False


@pytest.mark.parametrize("shift", [1, -1])
def test_labels_off_by_one_are_named(shift: int) -> None:
    labels = [5 + index % 90 for index in range(120)]
    right = wrong_at([label + shift for label in labels], 0.29, 100)
    numbering = other_numbering(labels, right, classes=100)
    assert numbering is not None
    assert numbering.words == ("labels one more" if shift == 1 else "labels one less")
    assert numbering.percent == pytest.approx(71, abs=9)  # three standard errors of 120 images
    found = findings(labels, right, right, classes=100)
    text = found["labels_numbered_otherwise"].text
    assert found["labels_numbered_otherwise"].fails_gate
    assert f" %, but {numbering.percent:.2f} % with {numbering.words}: " in text
    assert ("a missing class folder" in text) if shift == 1 else ("numbers that begin with 1" in text)


def test_images_without_an_answer_tell_no_numbering() -> None:
    labels = [index % 10 for index in range(200)]
    answers = [NO_CLASS if label < 3 else label for label in labels]
    assert other_numbering(labels, answers, classes=10) is None
    moved = other_numbering(
        labels, [NO_CLASS if label < 3 else (label * 3) % 10 for label in labels], classes=10
    )
    assert moved is not None
    assert str(NO_CLASS) not in moved.words
    assert moved.hits == 140


def test_one_missing_class_folder_is_named() -> None:
    answers = [label if label < 6 else label + 1 for label in (index % 9 for index in range(180))]
    numbering = other_numbering([index % 9 for index in range(180)], answers, classes=10)
    assert numbering is not None
    assert (numbering.words, numbering.percent) == ("labels from 6 on one more", 100)
    assert numbering.cause == "no folder of class 6"


def test_folders_of_numbers_sorted_as_text() -> None:
    as_text = sorted(map(str, range(120)))
    labels = [index % 120 for index in range(240)]
    answers = [int(as_text[label]) for label in labels]
    numbering = other_numbering(labels, answers, classes=120)
    assert numbering is not None
    assert (numbering.words, numbering.percent) == ("labels sorted as numbers", 100)
    back = other_numbering(answers, labels, classes=120)
    assert back is not None
    assert (back.words, back.percent) == ("labels sorted as text", 100)


def test_any_other_order_is_named() -> None:
    order = [4, 2, 9, 0, 7, 1, 3, 5, 6, 8]
    answers = wrong_at([order[label] for label in LABELS], 0.1)
    numbering = other_numbering(LABELS, answers, classes=10)
    assert numbering is not None
    assert numbering.words == "label 0 as 4, 1 as 2, 2 as 9, 3 as 0 and 6 more"
    assert numbering.percent == pytest.approx(90, abs=8)


@given(st.integers(0, 2**32), st.sampled_from([3, 10, 200]), st.sampled_from([0.0, 0.3, 0.7]))
def test_right_labels_are_not_renumbered(seed: int, classes: int, wrong: float) -> None:
    # Each label has two images at most: an order read off the same images would fit them all.
    labels = [index % classes for index in range(2 * min(classes, 40))]
    answers = wrong_at(labels, wrong, classes, seed)
    numbering = other_numbering(labels, answers, classes=classes)
    plain = np.mean([a == b for a, b in zip(labels, answers, strict=True)])
    if wrong < 0.5 and classes > 3:
        assert numbering is None
    elif numbering is not None:  # chance itself may have made another order fit
        assert numbering.percent > 100 * plain


def test_files_of_different_models_are_found() -> None:
    found = findings(LABELS, wrong_at(LABELS, 0.02), RNG.integers(0, 10, 200).tolist())
    assert found.keys() == {"int8_at_chance", "files_disagree"}
    assert "was not made from this float file" in found["files_disagree"].text
    # Above chance, but on most images.
    found = findings(LABELS, LABELS, wrong_at(LABELS, 0.7))
    assert found.keys() == {"files_disagree"}
    assert "it is another model, is fed other numbers, or lost most" in found["files_disagree"].text
    # Without labels too.
    assert findings(None, LABELS, wrong_at(LABELS, 0.7)).keys() == {"files_disagree"}


def test_fewer_classes_are_told_from_a_small_sample() -> None:
    # 60 images of 1000 classes: 58 classes on average.
    assert not fewer_than_chance(60, 58, 1000)
    assert fewer_than_chance(60, 40, 1000)
    assert not fewer_than_chance(60, 1000, 1000)
    # Two draws from two classes are of one class every other time; six are once in 32.
    assert not fewer_than_chance(2, 1, 2)
    assert fewer_than_chance(6, 1, 2)
    rng = np.random.default_rng(0)
    seen = sorted(len(set(rng.integers(0, 50, 60).tolist())) for _ in range(2000))
    # The least that is not flagged stands at the fifth percentile of draws.
    least = next(count for count in range(50) if not fewer_than_chance(60, count, 50))
    assert np.mean([count < least for count in seen]) <= 0.06
    assert np.mean([count <= least for count in seen]) > 0.04


def test_outputs_that_are_no_numbers_or_tied() -> None:
    compared = comparison(3)
    fine = np.array([[0.1, 0.7, 0.2]], np.float32)
    broken = compared.read(np.array([[np.nan, 1, 0]], np.float32), fine)
    full = compared.read(fine, np.array([[1, 1, 0]], np.float32))
    columns = compared.columns([broken, full])
    assert [[STATES[state] for state in row] for row in columns["states"]] == [
        ["not finite", "clear"],
        ["clear", "tied"],
    ]
    assert columns["float_margin"].tolist() == pytest.approx([0.0, 0.6])
    assert (columns["float_top5"][0].tolist(), columns["int8_top5"][1].tolist()) == (
        [-1] * 5,
        [0, 1, 2, -1, -1],
    )
    answered = Answered(names=["a", "b"], columns=columns, labels=[1, 1])
    kinds = {finding.kind: finding for finding in compared.compare(answered).findings}
    assert "float answers 1 of 2 images with NaN or infinity" in kinds["float_not_finite"].text
    many = Answered(names=["a"] * 3, columns=compared.columns([full] * 3), labels=None)
    assert "int8_saturated" in {finding.kind for finding in compared.compare(many).findings}


def test_kappa_of_a_worked_table() -> None:
    # 45 agree on the first class, 25 on the second, 15 each way apart: observed 0.7, expected 0.52;
    # variance 0.52 + 0.52^2 - (0.36 * 1.2 + 0.16 * 0.8) = 0.2304, so z = 0.18 * sqrt(100 / 0.2304) = 3.75.
    one = [0] * 45 + [1] * 25 + [0] * 15 + [1] * 15
    other = [0] * 45 + [1] * 25 + [1] * 15 + [0] * 15
    assert kappa_z(one, other) == pytest.approx(3.75)
