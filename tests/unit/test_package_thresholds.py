"""Thresholds of labels where the user gives none: one half, or asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_mnv3.core.errors import ArgumentError
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


@pytest.mark.parametrize("file", [("none", "uint8", 0), ("relu", "int8", -128)])
def test_a_threshold_that_every_score_reaches_is_asked_for(file: tuple[Any, str, int]) -> None:
    with pytest.raises(ArgumentError, match="none, for output 's', whose scores are never below 0"):
        open_thresholds(None, model(*file))
