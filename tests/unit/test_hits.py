"""Counting hits, and the gate that decides by findings."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3_quantization.validation.differences import (
    Answer,
    accuracy_delta,
    agreement_percent,
    class_losses,
    worst_disagreements,
)
from edge_mnv3_quantization.validation.findings import BackgroundAssumed, RefusedByXnnpack, decide_gate
from edge_mnv3_quantization.validation.hits import Hits, count_hits, default_class_offset, top_classes


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_equal_outputs_count_in_the_order_of_their_index(dtype: str) -> None:
    output = np.array([3, 7, 7, 1, 0, 5, 3], dtype)
    assert top_classes(output, class_offset=0) == (1, 2, 5, 0, 6)
    assert top_classes(output, class_offset=1) == (0, 1, 4, -1, 5)


def test_lowest_int8_is_not_the_highest() -> None:
    # Negated in its own dtype, -128 would stay -128.
    assert top_classes(np.array([-128, 127, 0], np.int8), class_offset=0) == (1, 2, 0)


@pytest.mark.parametrize(("outputs", "offset"), [(1000, 0), (1001, 1), (1002, 0), (5, 0)])
def test_background_is_known_by_the_number_of_outputs(outputs: int, offset: int) -> None:
    assert default_class_offset(outputs) == offset


def test_hits() -> None:
    hits = count_hits(
        [(3, (3, 1, 2, 0, 4)), (4, (3, 1, 2, 0, 4)), (9, (3, 1, 2, 0, 4)), (0, (-1, 0, 1, 2, 3))]
    )
    assert hits == Hits(n=4, top1=1, top5=3)
    assert (hits.top1_percent, hits.top5_percent) == (25.0, 75.0)


def answer(number: int, label: int, float_class: int, int8_class: int, margin: float = 0.0) -> Answer:
    return Answer(f"{number}.png", label, (float_class, 8), (int8_class, 9), margin)


def test_differences_by_hand() -> None:
    answers = [
        answer(0, 1, 1, 1),
        answer(1, 1, 1, 2, 0.5),  # lost
        answer(2, 1, 1, 9, 0.7),  # lost
        answer(3, 2, 0, 2, 0.7),  # won
        answer(4, 8, 3, 4, 0.1),  # wrong twice; among float's first five
    ]
    float_hits = count_hits((each.label, each.float_top5) for each in answers)
    int8_hits = count_hits((each.label, each.int8_top5) for each in answers)
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
