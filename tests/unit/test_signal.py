"""Whether int8 answers are more than noise."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.signal import LEAST_IMAGES, MOST_IMAGES, signal_findings

SCORES = OutputFacts(name="scores", shape=(3,), activation="softmax", task="classes")
IMAGES = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)


class Answers:
    """A model that answers the image with pixel p by row p of a table.

    Attributes:
        outputs: As those of `LoadedModel`.
        seen: Pixels of the images that it was given.
    """

    def __init__(self, table: Any, scale: float | None = None) -> None:
        dtype = "uint8" if scale else "float32"
        self.outputs = (TensorInfo(name="scores", shape=(1, 3), dtype=dtype, scale=scale, zero_point=0),)
        self.table = np.rint(table / scale).clip(0, 255).astype(np.uint8) if scale else table
        self.seen: list[int] = []

    def run_all(self, image: Any) -> list[Any]:
        self.seen.append(int(image[0, 0, 0]))
        return [self.table[self.seen[-1] : self.seen[-1] + 1]]


def found(table: Any, images: Any = IMAGES) -> list[Finding]:
    """What is found where int8 holds the numbers of a table in steps of 1 / 256."""
    float_, int8 = (cast(LoadedModel, Answers(table, scale)) for scale in (None, 1 / 256))
    return signal_findings(float_, int8, images, [SCORES])


def kinds(table: Any, images: Any = IMAGES) -> list[str]:
    return [finding.kind for finding in found(table, images)]


def answers(spread: float) -> Any:
    generator = np.random.default_rng(0)
    return (1 / 3 + spread * generator.uniform(-1, 1, (40, 3))).astype(np.float32)


@pytest.mark.parametrize(
    ("spread", "wanted"),
    [(0.3, []), (0.01, []), (1e-3, ["signal_lost"]), (3e-7, ["signal_lost"]), (0, ["float_answers_alike"])],
)
def test_answers_that_differ_less_than_a_step(spread: float, wanted: list[str]) -> None:
    assert kinds(answers(spread)) == wanted


def test_nan_is_lost() -> None:
    table = answers(0.3)
    float_, int8 = (cast(LoadedModel, Answers(each)) for each in (table, np.full_like(table, np.nan)))
    (finding,) = signal_findings(float_, int8, IMAGES, [SCORES])
    assert finding.kind == "signal_lost"


def test_few_images_show_nothing() -> None:
    assert kinds(answers(0), IMAGES[: LEAST_IMAGES - 1]) == []
    assert kinds(answers(0), IMAGES[:LEAST_IMAGES]) == ["float_answers_alike"]


def test_many_images_are_sampled_evenly() -> None:
    model = Answers(answers(0.3))
    signal_findings(cast(LoadedModel, model), cast(LoadedModel, model), IMAGES, [SCORES])
    assert (model.seen[0], model.seen[MOST_IMAGES - 1], len(model.seen)) == (0, 39, 2 * MOST_IMAGES)


def test_words() -> None:
    (finding,) = found(answers(3e-7))
    assert finding.text.startswith("the int8 file answers noise: over 32 calibration images, float numbers ")
    assert "(output scores)" in finding.text
    assert finding.fails_gate
