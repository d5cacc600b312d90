"""The stated accuracy against fresh images: what is told to differ, and how often."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_mnv3.core.errors import BundleError
from edge_mnv3.core.exact_tests import LEVEL, MCNEMAR
from edge_mnv3.core.image_marks import images_sha256, packed, unpacked
from edge_mnv3.core.intervals import WILSON, wilson_percent
from edge_mnv3.core.results.stated import StatedAccuracy, StatedImages
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3.stages.verify_accuracy import AccuracyTest, Answers, accuracy_words, compare_accuracy

FORMATS = Path(__file__).parents[1] / "golden" / "formats"
(MODEL,) = read_manifest({"manifest.json": (FORMATS / "bundle-manifest-v3.json").read_bytes()}).models
STATED = StatedAccuracy(
    n=650,
    data="val.csv",
    preprocess="resize",
    kernels="xnnpack",
    class_offset=0,
    top1_percent=100 * 516 / 650,
    top5_percent=95.0,
    ci95_percent=wilson_percent(516, 650),
    method=WILSON,
    drop_points=None,
    drop_ci95_points=None,
    agreement_percent=None,
    runtime="litert",
    warnings=(),
)


NAMES = [f"{index}.png" for index in range(650)]
RIGHT = Answers(NAMES, [0] * 650, [(0,)] * 516 + [(1,)] * 134)


def answers(top1: int, n: int) -> Answers:
    """Other images, of which so many are right."""
    return Answers([f"new {index}" for index in range(n)], [0] * n, [(0,)] * top1 + [(1,)] * (n - top1))


def knowing(right: list[bool]) -> AccuracyTest:
    """A bundle that tells which of the 650 images were right, in the order of their names."""
    images = StatedImages(sha256=images_sha256(NAMES, [0] * 650), right=packed(right))
    return AccuracyTest(dataclasses.replace(MODEL, stated_images=images), STATED, LEVEL)


@pytest.mark.parametrize(
    ("top1", "n", "passed", "words"),
    [
        (13, 20, True, "; below 53.1 % a difference would have been seen 8 times in 10"),
        (1, 1, True, "; so few images could not show any drop"),
        (
            12,
            20,
            False,
            "top-1 60.00 % on 20 images, 79.38 % on 650 is stated (p = 0.049, Fisher's exact test, ",
        ),
        (520, 520, False, "top-1 100.00 % on 520 images"),
    ],
)
def test_other_images_are_another_sample(top1: int, n: int, passed: bool, words: str) -> None:
    for test in (AccuracyTest(MODEL, STATED, LEVEL), knowing(RIGHT.right)):
        measured = compare_accuracy(test, "val", answers(top1, n))
        assert measured.p_value is not None
        assert (measured.passed, measured.p_value > LEVEL) == (passed, passed)
        assert words in accuracy_words(measured)
        assert measured.lost is None


@pytest.mark.parametrize(
    ("lost", "won", "passed"), [(0, 0, True), (5, 0, True), (6, 0, False), (0, 6, False), (9, 4, True)]
)
def test_the_same_images_are_compared_one_by_one(lost: int, won: int, passed: bool) -> None:
    """Six images lost and none won are no chance: a drop of 0.9 points, which two samples would not tell."""
    top = [(1,)] * lost + [(0,)] * (516 - lost) + [(0,)] * won + [(1,)] * (134 - won)
    shuffled = list(range(650))[::-1]
    now = Answers([NAMES[place] for place in shuffled], [0] * 650, [top[place] for place in shuffled])
    measured = compare_accuracy(knowing(RIGHT.right), "val", now)
    assert (measured.lost, measured.won, measured.passed) == (lost, won, passed)
    assert measured.told_below_percent == pytest.approx(100 * (516 - 5) / 650)
    assert f"images of the same names and labels, {lost} lost and {won} won (p = " in accuracy_words(measured)
    assert measured.test == MCNEMAR


def test_stated_images_that_contradict_the_accuracy() -> None:
    with pytest.raises(
        BundleError, match="its stated images: got 517 right, expected 516, as its accuracy says"
    ):
        compare_accuracy(knowing([True] * 517 + [False] * 133), "val", RIGHT)
    with pytest.raises(BundleError, match="marks of 8 images, not of 650"):
        compare_accuracy(knowing([True] * 8), "val", RIGHT)


def test_marks_come_back() -> None:
    for marks in ([], [True], [False] * 8 + [True], [True, False] * 20):
        assert unpacked(packed(marks), len(marks)) == marks
    assert images_sha256(["a", "b"], [1, 2]) == images_sha256(["b", "a"], [2, 1])
    assert (
        len(
            {
                images_sha256(*each)
                for each in ((["a"], [1]), (["a"], [2]), (["b"], [1]), (["a", "a"], [1, 1]))
            }
        )
        == 4
    )
