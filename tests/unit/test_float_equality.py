"""A float file against the model that it was made of: what rounding explains, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3.core.errors import ConversionError, InputFileError
from edge_mnv3.core.input_range import PIXELS, ZERO_TO_ONE
from edge_mnv3.core.results.model_facts import InputFacts, ModelFacts, OutputFacts
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.input_scaling import UNSCALED
from edge_mnv3.core.tflite.types import Tensor, constant_tensor
from edge_mnv3.stages.float_equality import Floats, check_same_answers, scaled_twice

SHAPE = (1, 2, 3, 1)
TWICE = UNSCALED.then(1 / 255 / 127.5, -1)
FACTS = ModelFacts(
    input=InputFacts(height_px=2, width_px=3, channels=1, mean=(0.0,), std=(1.0,), range_source="definition"),
    outputs=(OutputFacts(name="y", shape=SHAPE[1:], activation="none", task="map"),),
)
FAINTER = 1 / 255 / 127.5 / 20
STEEPNESS = 5000.0


def steep_file() -> bytes:
    """A file that leaves little of pixels, beside -1, and then takes that off and enlarges what is left."""
    graph = GraphBuilder()
    value = image = graph.add_tensor(Tensor(name="image", dtype="FLOAT32", shape=SHAPE))
    for name, number in (("MUL", FAINTER), ("ADD", -1.0), ("ADD", 1.0), ("MUL", STEEPNESS)):
        constant = graph.add_tensor(constant_tensor("c", np.array([number], np.float32)))
        taken, value = value, graph.add_tensor(Tensor(name="x", dtype="FLOAT32", shape=SHAPE))
        graph.add_operator(name, [taken, constant], value)
    return graph.to_bytes([image], [value])


def model(pixels: Floats, off: float = 0) -> list[Floats]:
    """The same with less rounding, and off by a share of its answers."""
    return [(pixels.astype(np.float64) * (STEEPNESS * FAINTER) * (1 + off)).astype(np.float32)]


def test_rounding_that_the_first_layers_enlarge_is_no_difference() -> None:
    scalings = [UNSCALED.then(FAINTER, -1)]
    check_same_answers(steep_file(), model, FACTS, scalings=scalings, name="m")
    with pytest.raises(ConversionError, match="differ from the model's by"):
        check_same_answers(steep_file(), model, FACTS, scalings=[], name="m")


@pytest.mark.parametrize("off", [0.005, 0.2])
def test_more_than_rounding_is_a_difference(off: float) -> None:
    scalings = [UNSCALED.then(FAINTER, -1)]
    with pytest.raises(ConversionError, match="differ from the model's by"):
        check_same_answers(
            steep_file(), lambda pixels: model(pixels, off), FACTS, scalings=scalings, name="m"
        )


def test_other_shapes_and_no_numbers() -> None:
    with pytest.raises(ConversionError, match="outputs of shapes"):
        check_same_answers(steep_file(), lambda pixels: [pixels[:, :1]], FACTS, scalings=[TWICE], name="m")
    with pytest.raises(InputFileError, match="NaN or infinite"):
        check_same_answers(steep_file(), lambda pixels: [pixels * np.nan], FACTS, scalings=[TWICE], name="m")


def test_scaled_twice() -> None:
    (said,) = scaled_twice([TWICE], PIXELS)
    assert said.startswith("the first layers make -1..-0.9922 of images of 0..255, as where a model scales")
    assert scaled_twice([UNSCALED.then(1 / 255, 0)], PIXELS) == ()
    assert scaled_twice([UNSCALED.then(1 / 0.229, -0.485 / 0.229)], ZERO_TO_ONE) == ()
    assert len(scaled_twice([UNSCALED.then(1 / 0.229 / 127.5, -0.485 / 0.229 / 127.5 - 1)], ZERO_TO_ONE)) == 1
    assert scaled_twice([], PIXELS) == ()
