"""Outputs that are no classes: what they mean, how they are paired, compared, and found to make no sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_mnv3.core.errors import CalibrationDataError, ModelFileError
from edge_mnv3.core.images import ImageSample, ImageSource, SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import OutputFacts, Task
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3_quantization.validation.comparing import Answered, Compared, Comparison, Label, PairNames
from edge_mnv3_quantization.validation.file_pair import paired_outputs
from edge_mnv3_quantization.validation.label_names import OutputNames, labels_of
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.similarity import FeatureComparison, cosine, nearest

FILES = PairNames(Path("f.tflite"), Path("q.tflite"))
RNG = np.random.default_rng(3)


def info(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, shape=(1, *shape), dtype="float32", scale=None, zero_point=None)


def test_outputs_are_paired_by_name_then_shape_then_place() -> None:
    fact = OutputFacts(name="", shape=(2,), activation="none", task="embedding")

    def places(float_: list[TensorInfo], int8: list[TensorInfo]) -> list[int]:
        return [each.int8_place for each in paired_outputs([fact] * len(float_), float_, int8)]

    assert places([info("a", 2), info("b", 2)], [info("b", 2), info("a", 2)]) == [1, 0]
    assert places([info("a", 2), info("b", 3)], [info("x", 3), info("y", 2)]) == [1, 0]
    assert places([info("a", 2), info("b", 2)], [info("x", 2), info("y", 2)]) == [0, 1]
    with pytest.raises(ModelFileError, match="outputs of the two models: got 2 and 1"):
        places([info("a", 2), info("b", 2)], [info("x", 2)])


def answered(comparison: Comparison[Any], answers: list[Any], labels: list[Label] | None = None) -> Answered:
    names = [f"{i}.png" for i in range(len(answers))]
    return Answered(names=names, columns=comparison.columns(answers), labels=labels)


def compare_scores(
    task: Task,
    float_: npt.NDArray[Any],
    int8: npt.NDArray[Any],
    labels: list[Label] | None,
    threshold: float = 0.5,
) -> Compared:
    facts = OutputFacts(name="s", shape=(float_.shape[1],), activation="sigmoid", task=task)
    comparison = ScoresComparison(facts=facts, files=FILES, threshold=threshold)
    rows = [comparison.read(one, other) for one, other in zip(float_, int8, strict=True)]
    return comparison.compare(answered(comparison, rows, labels))


def kinds(compared: Compared) -> set[str]:
    return {finding.kind for finding in compared.findings}


def test_one_score_by_hand() -> None:
    labels: list[Label] = [0, 0, 1, 1] * 5
    float_ = np.array([0.1, 0.4, 0.35, 0.8] * 5, np.float32)[:, None]
    int8 = np.array([0.1, 0.6, 0.6, 0.8] * 5, np.float32)[:, None]
    compared = compare_scores("binary", float_, int8, labels)
    accuracy, area = compared.comparison.scores
    assert (accuracy.name, accuracy.float_percent, accuracy.int8_percent) == ("accuracy at 0.5", 75, 75)
    assert (area.name, area.float_percent, area.int8_percent) == ("ROC AUC", 75, 87.5)
    assert area.ci95_points[0] <= area.difference_points <= area.ci95_points[1]
    assert compared.comparison.agreement_percent == 50
    assert compared.findings == ()
    statistics = compared.statistics
    assert statistics is not None
    assert statistics.difference is not None
    assert (statistics.difference.lost, statistics.difference.won, statistics.agreement.hits) == (5, 5, 10)
    assert statistics.float_top5 is None
    assert statistics.confidence is not None
    assert statistics.confidence.float_mean_percent == pytest.approx(100 * (0.9 + 0.6 + 0.65 + 0.8) / 4)
    assert statistics.confidence.int8_mean_percent == pytest.approx(100 * (0.9 + 0.6 + 0.6 + 0.8) / 4)
    elsewhere = compare_scores("binary", float_, int8, labels, threshold=0.7)
    assert elsewhere.statistics is not None
    assert elsewhere.statistics.confidence is None  # what 0.7 decides is not what is more probable
    higher, same_area = elsewhere.comparison.scores
    assert (higher.name, higher.float_percent, higher.int8_percent) == ("accuracy at 0.7", 75, 75)
    assert same_area == area


def test_one_score_that_guesses_or_is_turned_round() -> None:
    truth = RNG.integers(0, 2, 200)
    guesses = RNG.random((200, 1))
    assert "float_at_chance" in kinds(compare_scores("binary", guesses, guesses, truth.tolist()))
    turned = 1 - truth[:, None].astype(float)
    compared = compare_scores("binary", turned, turned, truth.tolist())
    assert {"float_at_chance", "float_ranks_by_chance"} <= kinds(compared)
    assert "are the labels of the two classes swapped?" in " ".join(f.text for f in compared.findings)
    balanced: list[Label] = [0, 1] * 150
    untrained = np.linspace(0.4, 0.6, 300)[:, None]  # ranks a little better than by chance: 50.33 %
    compared = compare_scores("binary", untrained, untrained, balanced)
    assert "float_ranks_by_chance" in kinds(compared)
    assert "ROC AUC 50.33 %, where chance reaches 55.49 %" in " ".join(f.text for f in compared.findings)
    alike = compare_scores("binary", np.full((200, 1), 0.7), guesses, truth.tolist())
    assert "float_answers_alike" in kinds(alike)


def test_several_labels() -> None:
    truth = RNG.random((60, 4)) < 0.4
    truth[:, 3] = False
    labels: list[Label] = [frozenset(np.flatnonzero(row).tolist()) for row in truth]
    right = truth * 0.8 + 0.1
    compared = compare_scores("labels", right, right, labels)
    (score,) = compared.comparison.scores
    assert (score.name, score.float_percent, score.difference_points) == ("mean average precision", 100, 0)
    assert kinds(compared) == {"labels_without_images"}
    guesses = RNG.random((60, 4))
    worse = compare_scores("labels", right, guesses, labels).comparison.scores[0]
    assert worse.ci95_points[1] < 0
    broken = np.where(truth, np.nan, 0.1)
    assert {"int8_not_finite", "files_disagree"} <= kinds(compare_scores("labels", right, broken, labels))


def compare_features(task: Task, float_: npt.NDArray[Any], int8: npt.NDArray[Any]) -> Compared:
    facts = OutputFacts(name="e", shape=float_.shape[1:], activation="none", task=task)
    comparison = FeatureComparison(facts=facts, files=FILES)
    return comparison.compare(
        answered(comparison, [comparison.read(one, other) for one, other in zip(float_, int8, strict=True)])
    )


def test_cosine_and_neighbours_by_hand() -> None:
    assert cosine(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == pytest.approx(24 / 25)
    assert cosine(np.zeros(2), np.zeros(2)) == 1
    assert cosine(np.zeros(2), np.ones(2)) == 0
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.2, 2]], np.float32)
    assert nearest(vectors).tolist() == [1, 0, 3, 2]


def test_embeddings() -> None:
    vectors = RNG.normal(0, 1, (40, 8)).astype(np.float32)
    near = compare_features("embedding", vectors, vectors + 0.01 * RNG.normal(0, 1, vectors.shape))
    assert near.findings == ()
    similarity = near.comparison.similarity
    assert similarity is not None
    assert similarity.cosine_mean > 0.999
    assert similarity.snr_db == pytest.approx(40, abs=1.5)  # of 320 numbers, with an error of 1 %
    assert similarity.neighbour_agreement_percent is not None
    assert similarity.neighbour_agreement_percent > 90
    other = compare_features("embedding", vectors, RNG.normal(0, 1, vectors.shape))
    assert kinds(other) == {"outputs_unlike"}
    alike = compare_features("embedding", vectors, np.ones_like(vectors))
    assert "int8_answers_alike" in kinds(alike)


def test_maps_have_no_neighbours_and_name_the_worst_image() -> None:
    maps = RNG.random((5, 3, 3, 2)).astype(np.float32)
    other = maps.copy()
    other[3] = -other[3]
    similarity = compare_features("map", maps, other).comparison.similarity
    assert similarity is not None
    assert similarity.least_file == "3.png"
    assert similarity.cosine_least == pytest.approx(-1)
    assert similarity.neighbour_agreement_percent is None
    assert similarity.cosine_mean == pytest.approx(0.6)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named(ImageSource):
    """Images that are never read, with the labels and names that are given."""

    numbers: list[int | None]
    words: list[str | None]

    @property
    def available(self) -> int:
        return len(self.words)

    def name(self, index: int) -> str:
        return f"{index}.png"

    def label(self, index: int) -> int | None:
        return self.numbers[index]

    def label_name(self, index: int) -> str | None:
        return self.words[index]

    def load(self, index: int, *, shape: ImageShape, preprocess: str) -> npt.NDArray[np.uint8]:
        raise NotImplementedError

    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        raise NotImplementedError


def source(*words: str | None, numbers: list[int | None] | None = None) -> Named:
    return Named(
        kind="csv", location="d.csv", root=None, words=list(words), numbers=numbers or [None] * len(words)
    )


NAMES = OutputNames(("golden retriever", "cat", "Hund"), "labels.txt", stated=True)


def test_names_are_found_whatever_their_case() -> None:
    found = labels_of(source(" Cat", "hund", "golden retriever"), task="classes", classes=3, names=NAMES)
    assert (found.labels, found.named) == ([1, 2, 0], True)


def test_one_score_has_the_name_of_its_class_or_of_both_classes() -> None:
    one, both = (
        OutputNames(names, "labels.txt", stated=True) for names in (("cat",), ("golden retriever", "cat"))
    )
    images = source("Cat", "golden retriever", "cat")
    for names in (one, both):
        found = labels_of(images, task="binary", classes=2, names=names)
        assert (found.labels, found.named) == ([1, 0, 1], True)
    assert labels_of(source("cat", "cat"), task="binary", classes=2, names=one).labels == [1, 1]
    numbered = labels_of(source(None, None, numbers=[1, 0]), task="binary", classes=2, names=one)
    assert numbered.labels == [1, 0]


def test_a_name_of_one_score_that_leaves_open_which_the_other_class_is() -> None:
    one = OutputNames(("cat",), "labels.txt", stated=True)
    with pytest.raises(
        CalibrationDataError, match="the one name 'cat', and images of 2 others: bird, dog, expected"
    ):
        labels_of(source("cat", "dog", "bird"), task="binary", classes=2, names=one)
    with pytest.raises(CalibrationDataError, match="got 'cats', .*; the nearest is 'cat'"):
        labels_of(source("cats"), task="binary", classes=2, names=one)
    with pytest.raises(
        CalibrationDataError, match="got 3 labels, expected the name of the class that the one"
    ):
        labels_of(source("cat"), task="binary", classes=2, names=NAMES)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(CalibrationDataError) as raised:
        labels_of(source("cat", "golden retriver"), task="classes", classes=3, names=NAMES)
    assert str(raised.value) == (
        "label of 1.png in d.csv: got 'golden retriver', expected one of the 3 names in labels.txt; "
        "the nearest is 'golden retriever'"
    )
    with pytest.raises(
        CalibrationDataError, match=r"got the name 'cat', .*; give the names .* with --labels"
    ):
        labels_of(source("cat"), task="classes", classes=3, names=None)
    with pytest.raises(CalibrationDataError, match="labels labels.txt: got 3 labels, expected 4"):
        labels_of(source("cat"), task="classes", classes=4, names=NAMES)
    with pytest.raises(CalibrationDataError, match="got 3, expected 0 to 2, as the models have"):
        labels_of(source(None, numbers=[3]), task="classes", classes=3, names=None)


def test_names_that_the_model_brings_may_be_of_another_kind() -> None:
    brought = OutputNames(NAMES.names, "labels.txt in f.tflite", stated=False)
    found = labels_of(source("n01", "n02", numbers=[0, 1]), task="classes", classes=3, names=brought)
    assert (found.labels, found.named) == ([0, 1], False)
    assert [finding.kind for finding in found.findings] == ["names_unknown"]
    with pytest.raises(CalibrationDataError, match="got 'n02'"):  # some are its own: the other is a mistake
        labels_of(source("cat", "n02", numbers=[0, 1]), task="classes", classes=3, names=brought)


def test_several_labels_of_one_image() -> None:
    texts = source("cat|golden retriever", "Hund cat", "golden retriever", "")
    found = labels_of(texts, task="labels", classes=3, names=NAMES)
    assert found.labels == [*map(frozenset, ([0, 1], [1, 2], [0], []))]
    numbers = labels_of(source("0 2", "1|2", ""), task="labels", classes=3, names=None)
    assert numbers.labels == [*map(frozenset, ([0, 2], [1, 2], []))]
