"""NaN and infinity on either side: no agreement, no right answer and no similarity, wherever answers meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_mnv3.core.results.model_facts import OutputFacts, Task
from edge_mnv3.core.results.validate import Similarity
from edge_mnv3.packaging.golden import compare
from edge_mnv3_android_bench.measuring.phone_outputs import compare_outputs
from edge_mnv3_quantization.diagnosis.diagnose import agreement_percent, not_finite_warnings
from edge_mnv3_quantization.validation.chance import agreement
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.comparing import Answered, Compared, Label, PairNames
from edge_mnv3_quantization.validation.hits import NO_CLASS
from edge_mnv3_quantization.validation.paired_statistics import confusions
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.similarity import FeatureComparison

FILES = PairNames(Path("f.tflite"), Path("q.tflite"))
NAN, INF = float("nan"), float("inf")
Numbers = npt.NDArray[np.float32]


def facts(task: Task, numbers: int) -> OutputFacts:
    return OutputFacts(name="s", shape=(numbers,), activation="none", task=task)


def scores(
    task: Task, float_: list[list[float]], int8: list[list[float]], labels: list[Label] | None
) -> Compared:
    comparison = ScoresComparison(facts=facts(task, len(float_[0])), files=FILES, threshold=0.0)
    answers = [
        comparison.read(np.array(one, np.float32), np.array(other, np.float32))
        for one, other in zip(float_, int8, strict=True)
    ]
    names = [f"{place}.png" for place in range(len(answers))]
    return comparison.compare(Answered(names=names, columns=comparison.columns(answers), labels=labels))


def texts(compared: Compared) -> str:
    return " ".join(finding.text for finding in compared.findings)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_one_score_that_is_not_finite_is_no_answer(bad: float) -> None:
    float_, int8 = [[bad], [bad], [-1.0], [1.0]], [[bad], [-1.0], [bad], [1.0]]
    compared = scores("binary", float_, int8, labels=[0, 0, 0, 1])
    accuracy, area = compared.comparison.scores
    assert compared.comparison.agreement_percent == 25  # the last one
    assert (accuracy.float_percent, accuracy.int8_percent) == (50, 50)
    assert [area.float_percent, area.int8_percent] == pytest.approx([100 / 3, 100 / 3])
    assert compared.statistics is not None
    assert compared.statistics.agreement.hits == 1
    assert compared.statistics.confidence is None
    for which in ("float", "int8"):
        assert f"{which} answers 2 of 4 images with NaN or infinity, which count as wrong" in texts(compared)


def test_one_score_that_is_never_finite_is_found() -> None:
    nothing: list[list[float]] = [[NAN]] * 40
    compared = scores("binary", nothing, nothing, labels=[0, 1] * 20)
    accuracy, area = compared.comparison.scores
    assert (compared.comparison.agreement_percent, accuracy.float_percent, area.float_percent) == (0, 0, 0)
    assert {"files_disagree", "float_at_chance"} <= {finding.kind for finding in compared.findings}
    without = scores("binary", nothing, nothing, labels=None)
    assert without.comparison.agreement_percent == 0
    assert "files_disagree" in {finding.kind for finding in without.findings}


def test_labels_that_are_not_finite_are_none() -> None:
    good = [[1.0, -1.0], [-1.0, 1.0]] * 20
    bad = [[NAN, -1.0], [NAN, 1.0]] * 20
    labels: list[Label] = [frozenset({0}), frozenset({1})] * 20
    fine, broken = scores("labels", good, good, labels), scores("labels", bad, bad, labels)
    assert (fine.comparison.agreement_percent, broken.comparison.agreement_percent) == (100, 50)
    assert fine.comparison.scores[0].float_percent == 100
    assert broken.comparison.scores[0].float_percent == 75  # of label 0, all positives are behind: one half
    assert "files_disagree" in {finding.kind for finding in broken.findings}


def test_classes_that_are_never_finite_are_no_agreement() -> None:
    comparison = ClassComparison(facts=facts("classes", 4), files=FILES, classes=4, offsets=(0, 0))
    nothing = np.full(4, NAN, np.float32)
    answers = [comparison.read(nothing, nothing) for _ in range(40)]
    names = [f"{place}.png" for place in range(40)]
    columns = comparison.columns(answers)
    compared = comparison.compare(Answered(names=names, columns=columns, labels=None))
    assert compared.comparison.agreement_percent == 0
    assert "files_disagree" in {finding.kind for finding in compared.findings}
    both = agreement([NO_CLASS, 1], [NO_CLASS, 1], classes=4)
    assert (both.hits, both.percent) == (1, 50)
    confused = confusions(np.array([1, 1]), np.array([NO_CLASS, NO_CLASS]), np.array([2, NO_CLASS]))
    assert [(each.answer, each.float_n, each.int8_n) for each in confused] == [(2, 0, 1)]


def features(float_: Numbers, int8: Numbers) -> Similarity:
    comparison = FeatureComparison(facts=facts("embedding", float_.shape[1]), files=FILES)
    answers = [comparison.read(one, other) for one, other in zip(float_, int8, strict=True)]
    names = [f"{place}.png" for place in range(len(answers))]
    columns = comparison.columns(answers)
    similarity = comparison.compare(Answered(names=names, columns=columns, labels=None)).comparison.similarity
    assert similarity is not None
    return similarity


def test_features_that_are_not_finite_are_not_alike() -> None:
    fine = np.random.default_rng(1).normal(size=(8, 5)).astype(np.float32)
    broken = fine.copy()
    broken[:2, 3] = NAN
    assert features(fine, fine + np.float32(0.001)).neighbour_agreement_percent == 100
    for one, other in ((broken, broken), (fine, broken), (broken, fine)):
        found = features(one, other)
        assert found.cosine_mean == pytest.approx(6 / 8)
        assert (found.cosine_least, found.snr_db) == (0, None)
        assert found.neighbour_agreement_percent == 75
    assert features(np.full_like(fine, NAN), np.full_like(fine, NAN)).neighbour_agreement_percent == 0
    assert features(fine[:2], fine[:2]).neighbour_agreement_percent is None


def test_golden_outputs_that_are_not_finite_are_far_apart() -> None:
    wanted = [np.array([0.5, 0.25], np.float32), np.array([NAN, 0.0], np.float32)]
    for step in (None, 1 / 256):
        found = compare(wanted, wanted, step=step)
        assert (found.differing, found.max_apart, found.top1_equal) == (1, 2**53, 1)


def test_answers_of_phones_that_are_not_finite_have_no_class() -> None:
    finite, nothing = np.array([0.5, 0.1], np.float32), np.array([NAN, 0.1], np.float32)
    assert compare_outputs([[finite]], [[finite]]).same_top1 == 1
    for one, other in ((nothing, nothing), (finite, nothing), (nothing, finite)):
        assert compare_outputs([[one]], [[other]]).same_top1 == 0


def test_a_diagnosis_counts_answers_that_are_not_finite() -> None:
    wanted = np.array([[1.0, -1.0], [-2.0, -1.0]])
    got = np.array([[NAN, -1.0], [-2.0, -1.0]])
    assert agreement_percent(facts("classes", 2), wanted, got) == 50
    assert agreement_percent(facts("labels", 2), wanted, wanted) == 100
    assert agreement_percent(facts("labels", 2), -wanted, np.where(np.isnan(got), NAN, -got)) == 50
    assert agreement_percent(facts("embedding", 2), wanted, got) is None
    assert not_finite_warnings(wanted) == ()
    (warning,) = not_finite_warnings(got)
    assert warning.startswith("the int8 file answers 1 of 2 images with NaN or infinity")
