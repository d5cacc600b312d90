"""Counting hits, and the gate that decides by findings."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edge_mnv3_quantization.validation.differences import (
    PairedTop,
    accuracy_delta,
    agreement_percent,
    class_losses,
    worst_disagreements,
)
from edge_mnv3_quantization.validation.findings import BackgroundAssumed, RefusedByXnnpack, decide_gate
from edge_mnv3_quantization.validation.hits import Hits, count_hits, default_class_offset, top_outputs


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_equal_outputs_count_in_the_order_of_their_index(dtype: str) -> None:
    outputs = np.array([[3, 7, 7, 1, 0, 5, 3], [0, 0, 0, 0, 0, 0, 1]], dtype)
    assert top_outputs(outputs).tolist() == [[1, 2, 5, 0, 6], [6, 0, 1, 2, 3]]


def test_lowest_int8_is_not_the_highest() -> None:
    # Negated in its own dtype, -128 would stay -128.
    assert top_outputs(np.array([[-128, 127, 0]], np.int8)).tolist() == [[1, 2, 0, -1, -1]]


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 0.25, 3e38, np.inf, np.nan]),
    )
)
def test_outputs_are_ranked_as_by_sorting(outputs: npt.NDArray[np.float32]) -> None:
    for output, found in zip(outputs, top_outputs(outputs).tolist(), strict=True):
        ranked = np.argsort(-output, kind="stable")[:5].tolist() if np.isfinite(output).all() else []
        assert found == ranked + [-1] * (5 - len(ranked))


@pytest.mark.parametrize(("outputs", "offset"), [(1000, 0), (1001, 1), (1002, 0), (5, 0)])
def test_background_is_known_by_the_number_of_outputs(outputs: int, offset: int) -> None:
    assert default_class_offset(outputs) == offset


def test_hits() -> None:
    first_five = np.array([(3, 1, 2, 0, 4), (3, 1, 2, 0, 4), (3, 1, 2, 0, 4), (-1, 0, 1, 2, 3)])
    hits = count_hits(np.array([3, 4, 9, 0]), first_five)
    assert hits == Hits(n=4, top1=1, top5=3)
    assert (hits.top1_percent, hits.top5_percent) == (25.0, 75.0)


def test_differences_by_hand() -> None:
    label, float_class, int8_class, margin = np.array(
        [
            (1, 1, 1, 0.0),
            (1, 1, 2, 0.5),  # lost
            (1, 1, 9, 0.7),  # lost
            (2, 0, 2, 0.7),  # won
            (8, 3, 4, 0.1),  # wrong twice; among float's first five
        ]
    ).T
    answers = PairedTop(
        files=[f"{number}.png" for number in range(5)],
        labels=label.astype(np.int64),
        float_top5=np.stack([float_class, np.full(5, 8)], axis=1).astype(np.int64),
        int8_top5=np.stack([int8_class, np.full(5, 9)], axis=1).astype(np.int64),
        float_margin=margin,
    )
    float_hits = count_hits(answers.labels, answers.float_top5)
    int8_hits = count_hits(answers.labels, answers.int8_top5)
    delta = accuracy_delta(answers, float_hits, int8_hits)
    assert (delta.lost, delta.won, delta.top1_points) == (2, 1, -20.0)
    assert delta.top5_points == -40.0
    assert agreement_percent(answers) == 20.0
    (loss,) = class_losses(answers)
    assert (loss.label, loss.n, loss.float_correct, loss.int8_correct) == (1, 3, 3, 1)
    assert [miss.file for miss in worst_disagreements(answers)] == ["2.png", "3.png", "1.png", "4.png"]


REFUSED = RefusedByXnnpack(Path("q.tflite"))


def test_gate_takes_findings_not_their_words() -> None:
    assert decide_gate("top-1", 1.5, 1.5, []).passed
    # A name that holds the words of the other finding decides nothing.
    named = BackgroundAssumed(Path("does not load under XNNPACK.tflite"))
    assert decide_gate("top-1", 1.5, 1.5, [named]).passed
    refused = decide_gate("top-1", 1.5, 100.0, [named, REFUSED])
    assert (refused.passed, refused.problems) == (False, (REFUSED.text,))
    dropped = decide_gate("top-1", 1.5, 1.0, [REFUSED])
    assert dropped.problems == (REFUSED.text, "top-1 drops by 1.50 points, at most 1 are allowed")
    assert not decide_gate("top-1", math.nan, 100.0, []).passed


def test_words_of_findings() -> None:
    assert REFUSED.text == (
        "q.tflite does not load under XNNPACK, the default on phones: do not ship it; "
        "its accuracy was measured with the built-in kernels"
    )
    assert BackgroundAssumed(Path("q.tflite")).text == (
        "q.tflite has 1001 outputs: output 0 is taken for 'background', output 1 for label 0"
    )
