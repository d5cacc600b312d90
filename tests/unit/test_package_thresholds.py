"""Thresholds of labels where the user gives none: one half, or asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.results.model_facts import Activation, OutputFacts
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.packaging.model_file import FileOutput, ModelFile
from edge_mnv3.stages.package_inputs import open_thresholds


def model(activation: Activation, dtype: str, zero_point: int | None) -> ModelFile:
    scale = None if zero_point is None else 0.01
    tensor = TensorInfo(name="s", shape=(1, 1), dtype=dtype, scale=scale, zero_point=zero_point)
    facts = OutputFacts(name="s", shape=(1,), activation=activation, task="binary")
    return cast(ModelFile, SimpleNamespace(outputs=[FileOutput(tensor=tensor, facts=facts)]))


@pytest.mark.parametrize(
    ("file", "threshold"),
    [
        (("sigmoid", "uint8", 0), 0.5),
        (("none", "uint8", 120), 0.0),
        (("none", "int8", 0), 0.0),
        (("none", "float32", None), 0.0),
    ],
)
def test_one_half(file: tuple[Any, str, int | None], threshold: float) -> None:
    assert open_thresholds(None, model(*file)) == {"s": (threshold,)}


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (("none", "uint8", 0), "whose scores are never below 0"),
        (("tanh", "int8", 127), "whose scores are never above 0"),
        (("relu", "int8", -128), "whose middle its last layers do not tell"),
        (("other", "float32", None), "whose middle its last layers do not tell"),
    ],
)
def test_a_threshold_that_nothing_tells_is_asked_for(file: tuple[Any, str, int | None], why: str) -> None:
    with pytest.raises(ArgumentError, match=f"none, for output 's', {why}"):
        open_thresholds(None, model(*file))


@pytest.mark.parametrize(
    ("file", "text", "refused"),
    [
        (("sigmoid", "float32", None), "0.9", None),
        (("sigmoid", "float32", None), "90", "90, above which the label would hold never"),
        (("sigmoid", "float32", None), "-1", "-1, above which the label would hold always"),
        (("none", "float32", None), "90", None),
        (("none", "uint8", 100), "1.5", None),
        (
            ("none", "uint8", 100),
            "1.55",
            "would hold never, expected -1 to less than 1.55",
        ),
        (("other", "uint8", 100), "-1.1", "above which the label would hold always"),
    ],
)
def test_a_threshold_lies_among_the_scores(
    file: tuple[Any, str, int | None], text: str, refused: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text)
    if refused is None:
        assert open_thresholds(path, model(*file)) == {"s": (float(text),)}
        return
    with pytest.raises(InputFileError, match=refused):
        open_thresholds(path, model(*file))
