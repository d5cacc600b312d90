"""What is kept of the images of a shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.results.model_facts import OutputFacts, Task
from edge_mnv3_quantization.evaluation.records import (
    Columns,
    ShardRecords,
    Skipped,
    from_bytes,
    joined,
    prefixed,
    to_bytes,
    unprefixed,
)
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.comparing import Comparison, PairNames
from edge_mnv3_quantization.validation.readings import TopClasses
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.similarity import FeatureComparison

FILES = PairNames(Path("f.tflite"), Path("q.tflite"))


def comparison(task: Task) -> Comparison[Any]:
    facts = OutputFacts(name="output", shape=(7,), activation="none", task=task)
    if task == "classes":
        return ClassComparison(facts=facts, files=FILES, classes=6, offsets=(0, 1))
    if task == "labels":
        return ScoresComparison(facts=facts, files=FILES, threshold=0.0)
    return FeatureComparison(facts=facts, files=FILES)


@pytest.mark.parametrize("task", ["classes", "labels", "embedding", "map"])
def test_columns_come_back_from_their_bytes(task: Task) -> None:
    numbers = np.random.default_rng(1).normal(size=(5, 2, 7)).astype(np.float32)
    numbers[2, 1, 3] = np.nan
    numbers[3, 0] = 1.0
    one = comparison(task)
    answers = [one.read(*pair) for pair in numbers]
    columns = one.columns(answers)
    records = ShardRecords((0, 1, 2, 4, 5), prefixed([columns]), (Skipped(3, "an empty file"),))
    again = from_bytes(to_bytes(records))
    assert (again.places, again.skipped) == (records.places, records.skipped)
    assert same(unprefixed(again.columns, 0), columns)
    # What is kept of an image depends on no other one.
    assert same(joined([one.columns(answers[:2]), {}, one.columns(answers[2:])]), columns)
    assert same(joined([one.columns([answer]) for answer in answers]), columns)


def same(one: Columns, other: Columns) -> bool:
    """Whether the numbers are the same bytes."""
    return list(one) == list(other) and all(
        (one[name].dtype, one[name].shape, one[name].tobytes())
        == (other[name].dtype, other[name].shape, other[name].tobytes())
        for name in one
    )


def test_classes_are_kept_as_numbers_of_outputs() -> None:
    compared = comparison("classes")
    scores = np.arange(7, dtype=np.float32)
    pairs = [(scores, scores), (scores, scores + np.float32(np.inf))]
    columns = compared.columns([compared.read(*pair) for pair in pairs])
    assert columns["float_top5"].tolist() == [[6, 5, 4, 3, 2]] * 2
    assert columns["int8_top5"].tolist() == [[6, 5, 4, 3, 2], [-1] * 5]
    assert columns["float_scores"].tolist() == [[6, 5, 4, 3, 2]] * 2
    assert columns["int8_scores"].tolist() == [[6, 5, 4, 3, 2], [0] * 5]
    # The highest output of int8 is class 5, which is float's second one; and there is none.
    assert columns["float_margin"].tolist() == [1, 0]


def test_classes_of_one_output_are_kept_with_its_places() -> None:
    reading = TopClasses(1)
    outputs = [np.zeros((1, 1), np.float32), np.array([[0, 3, np.nan], [5, 0, 7]], np.float32)]
    rows = [reading.read([[outputs[0], row[np.newaxis]]]) for row in outputs[1]]
    assert reading.columns(rows)["top5"].tolist() == [[-1] * 5, [2, 0, 1, -1, -1]]


def test_bytes_that_are_cut_are_refused() -> None:
    content = to_bytes(ShardRecords((0,), {"a": np.zeros((1, 3), np.float32)}, ()))
    for damaged in (content[:-1], content + b"\0", content[:9], b""):
        with pytest.raises(ValueError, match="no records of a shard"):
            from_bytes(damaged)
