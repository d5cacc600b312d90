"""Which answers of two evaluations belong together: images, outputs, and those that give no class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.stages.results_compare import _other_outputs, _outputs
from edge_mnv3_quantization.evaluation.labelled import KeptFacts, KeptLabel, KeptOutput, known_location
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.comparing import Answered, PairNames
from edge_mnv3_quantization.validation.stored_answers import StoredAnswer, joined_answers

CLASSES = 10


def of(name: str, place: int) -> KeptOutput:
    facts = OutputFacts(name=name, shape=(CLASSES,), activation="softmax", task="classes")
    return KeptOutput(place=place, facts=facts, classes=CLASSES, offsets=(0, 0), threshold=None)


def test_an_image_of_two_labels_is_joined_by_them_first() -> None:
    def answer(label: KeptLabel, row: int) -> StoredAnswer:
        return StoredAnswer("image", "a.jpg", label, row)

    one = [answer(3, 0), answer(1, 1), answer(None, 2)]
    other = [answer(2, 0), answer(3, 1), answer(frozenset({1, 4}), 2), answer(9, 3)]
    joined = joined_answers(one, other)
    labels = [(a.label, b.label) for a, b in joined.pairs]
    assert labels == [(3, 3), (1, 2), (None, frozenset({1, 4}))]
    assert (joined.only_a, joined.only_b) == (0, 1)


@pytest.mark.parametrize("location", ["digits", "synthetic", "s3://bucket/val.csv", "zip://a::file://b.zip"])
def test_words_and_urls_are_the_same_from_anywhere(location: str) -> None:
    assert known_location(location) == location


def test_outputs_of_one_name_are_compared() -> None:
    def side(outputs: Sequence[KeptOutput], *labelled: int) -> Any:
        facts = KeptFacts(data="", images=1, outputs=tuple(outputs), labelled=labelled)
        return SimpleNamespace(facts=facts)

    kind, color = of("kind", 0), of("color", 1)
    # The order differs, and both are labelled.
    a, b = side((kind, color), 0, 1), side((of("color", 0), of("kind", 1)), 0, 1)
    chosen = _outputs(a, b)
    assert [each.facts.name for each in chosen] == ["kind", "kind"]
    assert _other_outputs(a, b, chosen) == ()
    assert [each.facts.name for each in _outputs(side((kind, color)), side((color,)))] == ["color", "color"]
    a, b = side((kind, color), 0), side((of("shape", 0), color), 0)
    chosen = _outputs(a, b)
    assert [each.facts.name for each in chosen] == ["kind", "shape"]
    (warning,) = _other_outputs(a, b, chosen)
    assert warning.startswith("output kind of A is compared with output shape of B")
    a, b = side((kind,), 0), side((of("shape", 0),), 0)
    assert _other_outputs(a, b, _outputs(a, b)) == ()  # there is no choice


def test_files_that_give_no_class_do_not_agree() -> None:
    files, nan = PairNames(Path(), Path()), np.full(CLASSES, np.nan, np.float32)
    comparison = ClassComparison(facts=of("kind", 0).facts, files=files, classes=CLASSES - 2, offsets=(2, 2))
    first = np.eye(CLASSES, dtype=np.float32)[0]  # class -2
    answers = [comparison.read(nan, nan), comparison.read(first, first), comparison.read(nan, first)]
    columns = comparison.columns(answers)
    assert columns["float_top5"][:, 0].tolist() == [-1, 0, -1]
    found = comparison.compare(Answered(names=["a", "b", "c"], columns=columns, labels=None))
    assert found.comparison.agreement_percent == pytest.approx(100 / 3)
    assert found.statistics is not None
    assert found.statistics.agreement.hits == 1
