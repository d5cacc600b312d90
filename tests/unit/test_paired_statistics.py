"""The statistics of paired answers, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.commands.validate_statistics import details, intervals, sentences
from edge_mnv3.core.exact_tests import mcnemar_p
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.results.model_facts import Activation, OutputFacts, Task
from edge_mnv3_quantization.validation.confidence import (
    LEAST_IMAGES,
    UNITS,
    Confidences,
    class_confidences,
    compare_confidences,
    probabilities_of,
    score_confidences,
)
from edge_mnv3_quantization.validation.paired_statistics import (
    LEAST_CHANGED,
    PairedAnswers,
    class_tests,
    confusions,
    output_statistics,
    paired_test,
)


def test_statistics_of_an_output_by_hand() -> None:
    paired = PairedAnswers(
        output="output",
        labels=np.array([0, 0, 1, 1, 2]),
        float_classes=np.array([0, 0, 1, 2, 2]),
        int8_classes=np.array([0, 1, 1, 1, 0]),
        top5=(5, 4),
    )
    found = output_statistics(paired, None)
    assert (found.agreement.hits, found.agreement.n, found.agreement.percent) == (2, 5, 40.0)
    assert found.agreement.ci95_percent == wilson_percent(2, 5)
    hits = [
        each and each.hits for each in (found.float_top1, found.int8_top1, found.float_top5, found.int8_top5)
    ]
    assert hits == [4, 3, 5, 4]
    assert found.difference is not None
    assert (found.difference.lost, found.difference.won) == (2, 1)
    assert found.difference.p_value == pytest.approx(1.0, rel=1e-12)  # NumPy 1 rounds otherwise
    assert [(each.label, each.answer, each.float_n, each.int8_n) for each in found.confusions] == [
        (0, 1, 0, 1),
        (1, 2, 1, 0),
        (2, 0, 0, 1),
    ]
    unlabelled = output_statistics(
        PairedAnswers(output="o", labels=None, float_classes=np.arange(3), int8_classes=np.arange(3)), None
    )
    assert (unlabelled.agreement.percent, unlabelled.difference, unlabelled.confusions) == (100.0, None, ())


def test_a_difference_is_shown_by_the_test_alone() -> None:
    assert paired_test(25, 10, 650).shown
    assert not paired_test(20, 10, 650).shown
    few = paired_test(0, 0, 3)
    assert (few.shown, few.shown_points) == (False, None)
    needed = [each.n for each in paired_test(20, 20, 650).needed]
    assert needed == sorted(needed, reverse=True)


def test_images_are_counted_for_differences_that_so_many_do_not_tell() -> None:
    told = paired_test(11, 5, 650)
    assert [each.text for each in told.smaller] == ["8,121 images for 0.5 points", "2,125 images for 1 point"]
    untold = paired_test(1, 0, 3)
    assert untold.shown_points is None
    assert untold.smaller == untold.needed != ()


def test_classes_are_corrected_for_their_number() -> None:
    """Class 3 loses 12 of 12, class 7 6 of 6, class 9 5 of 5, with which no test could tell anything."""
    labels = np.repeat([3, 7, 9, 11], [20, 20, 20, 20])
    lost = np.zeros(80, np.bool_)
    lost[:12] = lost[20:26] = lost[40:45] = True
    found = class_tests(labels, lost, np.zeros(80, np.bool_))
    assert (LEAST_CHANGED, found.tested, found.changed, found.shown) == (6, 2, 3, 2)
    by_label = {each.label: each for each in found.classes}
    assert [each.label for each in found.classes] == [3, 7, 9]
    assert by_label[3].corrected_p_value == pytest.approx(2 * 2 / 2**12)
    assert by_label[7].corrected_p_value == pytest.approx(2 / 2**6)
    assert (by_label[9].p_value, by_label[9].corrected_p_value) == (mcnemar_p(5, 0), 1.0)
    assert not by_label[9].shown


def test_confusions_are_those_that_changed() -> None:
    labels = np.array([4, 4, 4, 5])
    found = confusions(labels, np.array([1, 1, 4, 4]), np.array([2, 2, 2, 4]))
    assert [(each.label, each.answer, each.float_n, each.int8_n) for each in found] == [
        (4, 2, 0, 3),
        (4, 1, 2, 0),
    ]


@pytest.mark.parametrize(
    ("task", "activation", "expected"),
    [
        ("classes", "softmax", 0.7),
        ("classes", "none", 1 / (1 + np.exp(-0.5) + np.exp(-0.6))),
        ("classes", "log_softmax", np.exp(0.7)),
        ("classes", "sigmoid", None),
        ("labels", "sigmoid", None),
        ("embedding", "none", None),
    ],
)
def test_probabilities_follow_from_some_outputs(
    task: Task, activation: Activation, expected: float | None
) -> None:
    kind = probabilities_of(OutputFacts(name="o", shape=(3,), activation=activation, task=task))
    outputs = np.array([[0.2, 0.7, 0.1], [0.7, np.nan, 0.1], [np.inf, 0.1, 0.1]], np.float32)
    given, *broken = class_confidences(outputs, kind)
    assert np.isnan(broken).all()
    if expected is None:
        assert kind is None
        assert np.isnan(given)
    else:
        assert given == pytest.approx(expected, rel=1e-6)


def test_confidence_of_single_scores() -> None:
    given = score_confidences(np.array([0.9, 0.2]), "as given")
    assert given == pytest.approx([0.9, 0.8])
    logits = score_confidences(np.array([0.0, np.log(3.0), -np.log(3.0), 1e4]), "sigmoid of the score")
    assert logits == pytest.approx([0.5, 0.75, 0.75, 1.0])


def confidences(given: list[list[float]], labels: list[int] | None, classes: list[list[int]]) -> Confidences:
    names = [f"{index}.png" for index in range(len(given))]
    truth = None if labels is None else np.array(labels)
    return Confidences("as given", names, truth, np.array(classes), np.array(given))


def test_calibration_error_by_hand() -> None:
    """Two bins: 0.9 twice and one right; 0.3 once and right. int8: 1.0 thrice, all right but the last."""
    found = compare_confidences(
        confidences([[0.9, 1.0], [0.9, 1.0], [0.3, 1.0]], [0, 0, 0], [[0, 0], [1, 0], [0, 2]])
    )
    assert found is not None
    assert found.calibration is not None
    assert found.calibration.float_percent == pytest.approx(100 * (abs(1 - 1.8) + abs(1 - 0.3)) / 3)
    assert found.calibration.int8_percent == pytest.approx(100 / 3)
    assert found.shift_points == pytest.approx(30.0)
    assert (found.ci95_points, found.calibration.ci95_points) == (None, None)  # 3 images
    assert [(each.file, each.effect, each.float_confidence) for each in found.flips] == [
        ("1.png", "won", 0.9),
        ("2.png", "lost", 0.3),
    ]


def test_numbers_that_are_no_probabilities_have_no_confidence() -> None:
    assert compare_confidences(confidences([[0.5, 1.5]], None, [[0, 0]])) is None
    assert compare_confidences(confidences([[float("nan"), 0.5]], None, [[0, 0]])) is None


@pytest.mark.parametrize("n", [LEAST_IMAGES, UNITS + 300])
def test_intervals_do_not_depend_on_how_images_are_grouped(n: int) -> None:
    """The standard error of the mean difference by its formula, and the interval's half width."""
    rng = np.random.default_rng(2)
    given = np.clip(0.7 + rng.normal(0, 0.1, (n, 2)), 0, 1)
    found = compare_confidences(
        Confidences("as given", [""] * n, np.zeros(n, np.int64), np.zeros((n, 2), np.int64), given)
    )
    assert found is not None
    assert found.ci95_points is not None
    half = 100 * 1.96 * np.std(given[:, 1] - given[:, 0]) / np.sqrt(n)
    # The percentiles of 1,000 resamples have a standard error of 5 % of the half width.
    assert np.diff(found.ci95_points)[0] / 2 == pytest.approx(half, rel=0.15)
    assert found.calibration is not None
    assert 0 < found.calibration.float_percent < 100


def test_statistics_in_sentences() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), 100)
    float_classes, int8_classes = labels.copy(), labels.copy()
    float_classes[:10] = 1
    int8_classes[200:230] = 3
    classes = np.stack([float_classes, int8_classes], axis=1)
    given = rng.uniform(0.5, 1, (400, 2))
    confidence = compare_confidences(Confidences("as given", ["a.png"] * 400, labels, classes, given))
    paired = PairedAnswers(
        output="o", labels=labels, float_classes=float_classes, int8_classes=int8_classes, top5=(400, 400)
    )
    statistics = output_statistics(paired, confidence)
    shown = intervals(statistics)
    assert (shown.float_, shown.agreement) == (
        "  95 % interval 95.46 to 98.64 of top-1",
        ", 95 % interval 86.67 to 92.57",
    )
    difference, size, of_classes, of_confidence = sentences(statistics)
    assert difference == "The difference of accuracy is shown: p = 0.0022 (McNemar's exact test, two-sided)."
    assert size == (
        "With 400 images, a difference of 4.7 points or more is found 8 times in 10; it takes 31,792 images "
        "for 0.5 points, 8,046 images for 1 point and 2,059 images for 2 points."
    )
    assert of_classes == (
        "Classes that changed beyond chance, of 2 tested: 2 (30 lost, 0 won of 100), 0 (0 lost, 10 won of "
        "100)."
    )
    assert of_confidence == (
        "Mean probability of the answers: 74.37 % float, 74.62 % int8 (+0.25 points, 95 % interval -1.77 to "
        "+2.34); calibration error 23.13 and 18.03 points."
    )
    listed = details(statistics)
    assert "  2: 30 lost, 0 won of 100; p = 1.9e-09, corrected 3.7e-09" in listed
    assert "  2 taken for 3: float 0, int8 30" in listed
    assert sum(line.endswith(": lost") or line.endswith(": won") for line in listed) == 20


def test_where_both_have_the_same_images_right_no_test_is_told() -> None:
    labels = np.array([0, 1, 1])
    paired = PairedAnswers(output="o", labels=labels, float_classes=labels, int8_classes=labels)
    assert sentences(output_statistics(paired, None))[0] == "Both have the same images right."


def test_little_is_said_of_few_images() -> None:
    paired = PairedAnswers(
        output="o",
        labels=np.array([0, 1, 1]),
        float_classes=np.array([0, 1, 1]),
        int8_classes=np.array([0, 0, 1]),
    )
    found = sentences(output_statistics(paired, None))
    assert found[0] == "The difference of accuracy may be chance: p = 1 (McNemar's exact test, two-sided)."
    assert found[1].startswith("3 images are too few to show a difference of any size; it takes ")
    assert found[2:] == ["Classes with changed answers: 1, none with enough to tell that from chance."]
    assert sentences(None) == details(None) == []
