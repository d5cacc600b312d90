"""The range of a file's input: read from metadata, graph, quantization and the other file, or asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import (
    COMMON_RANGES,
    MINUS_ONE_TO_ONE,
    PIXELS,
    ZERO_TO_ONE,
    InputRange,
    parse_input_range,
)
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.stored_numbers import fed_numbers
from edge_mnv3.core.tflite.attached import with_metadata
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.input_facts import FileInput, decide_inputs, input_of
from edge_mnv3.core.tflite.input_scaling import UNSCALED, range_of_graph
from edge_mnv3.core.tflite.integer_input import with_float_input
from edge_mnv3.core.tflite.metadata_schema import (
    FILE_IDENTIFIER,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    SubGraphMetadata,
    TensorMetadata,
)
from edge_mnv3.core.tflite.objects import unpacked
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.tables import pack
from edge_mnv3.core.tflite.types import Graph, Operator, Tensor, constant_tensor

SHAPE = (1, 4, 6, 3)
TORCHVISION = parse_input_range("123.675,116.28,103.53/58.395,57.12,57.375")
IMAGENET_STD, IMAGENET_MEAN = (0.229, 0.224, 0.225), (0.485, 0.456, 0.406)
FLOAT = FileInput(name="f.tflite", dtype="float32", shape=(4, 6, 3), metadata=None, graph=None, integers=None)
INT8 = dataclasses.replace(FLOAT, name="q.tflite", dtype="uint8", integers=PIXELS)


def graph_of(*steps: tuple[str, object]) -> Graph:
    """A graph whose input goes through these operators, each with a constant, or a scale and a zero point."""
    tensors = [Tensor(name="image", dtype="FLOAT32", shape=SHAPE)]
    operators = []
    for index, (name, number) in enumerate(steps):
        taken = [len(tensors) - 1]
        if name == "QUANTIZE":
            scale, zero_point = np.asarray(number).tolist()
            tensors.append(
                Tensor(name="q", dtype="INT8", shape=SHAPE, scales=(scale,), zero_points=(int(zero_point),))
            )
        else:
            taken.append(len(tensors))
            tensors.append(constant_tensor("c", np.asarray(number, np.float32).reshape(-1)))
            tensors.append(Tensor(name="x", dtype="FLOAT32", shape=SHAPE))
        operators.append(
            Operator(
                index=index,
                name=name,
                version=1,
                inputs=tuple(taken),
                outputs=(len(tensors) - 1,),
                options={},
            )
        )
    return Graph(tensors=tuple(tensors), operators=tuple(operators), inputs=(0,), outputs=(len(tensors) - 1,))


def file_of(
    *, factor: float = 1 / 255, dtype: str = "FLOAT32", scale: float = 0, zero_point: int = 0
) -> bytes:
    """A file that multiplies its input."""
    graph = GraphBuilder()
    scales, zero_points = ((scale,), (zero_point,)) if scale else ((), ())
    tensor = Tensor(name="image", dtype=dtype, shape=SHAPE, scales=scales, zero_points=zero_points)
    image, output = graph.add_tensor(tensor), graph.add_tensor(dataclasses.replace(tensor, name="x"))
    constant = graph.add_tensor(constant_tensor("c", np.array([factor], np.float32)))
    graph.add_operator("MUL", [image, constant], output)
    return graph.to_bytes([image], [output])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("MUL", 1 / 127.5), ("ADD", -1)], PIXELS),  # Rescaling(1/127.5, -1), the network's own
        ([("MUL", 1 / 255)], PIXELS),
        ([("MUL", 1 / 255), ("MUL", 2), ("ADD", -1)], PIXELS),
        ([("MUL", 2), ("ADD", -1)], ZERO_TO_ONE),
        ([("MUL", 255), ("MUL", 1 / 127.5), ("ADD", -1)], ZERO_TO_ONE),
        ([("MUL", 127.5), ("ADD", 127.5)], MINUS_ONE_TO_ONE),
        # As many operators again bring it back to -1..1: the first of them tell.
        ([("MUL", 127.5), ("ADD", 127.5), ("MUL", 1 / 127.5), ("ADD", -1)], MINUS_ONE_TO_ONE),
        ([("ADD", 1), ("MUL", 0.5)], MINUS_ONE_TO_ONE),
        ([("SUB", IMAGENET_MEAN), ("DIV", IMAGENET_STD)], ZERO_TO_ONE),
        ([("SUB", TORCHVISION.mean), ("DIV", TORCHVISION.std)], PIXELS),
        ([("SUB", (103.939, 116.779, 123.68))], PIXELS),
        ([("QUANTIZE", (2 / 255, -1))], MINUS_ONE_TO_ONE),
        ([("QUANTIZE", (1 / 255, -128))], ZERO_TO_ONE),
        ([("QUANTIZE", (1.0, -128))], PIXELS),
        ([("QUANTIZE", (0.0186, -14))], None),  # of a mean and a deviation: which, it does not tell
        ([("QUANTIZE", (0.93, -128))], None),  # of images that were not bright
        # A dark image's mean alone leaves 0..255 as it was; with the deviation, none of the ranges fits.
        ([("SUB", 0.05), ("DIV", 0.1)], None),
        ([("SUB", (-0.066, 0.066, 0.1)), ("MUL", (0.45, 0.44, 0.43))], None),
        ([("SUB", 0.1), ("DIV", 0.08)], None),  # nor is -1.1..0.9 a standardized -1..1
        (
            [("DIV", 0.35), ("SUB", 0.8 / 0.35)],
            None,
        ),  # a bright one's deviation alone would make -2.9..2.9 of -1..1
        # Images of 0..1 have such a mean and deviation, and bright ones of -1..1; no others than -1..1 these.
        ([("SUB", 0.5), ("DIV", 0.3)], None),
        ([("SUB", (0.45, 0.5, 0.4)), ("DIV", (0.25, 0.26, 0.25))], None),
        ([("SUB", -0.05), ("DIV", 0.5)], None),
        ([("SUB", -0.2), ("DIV", 0.5)], MINUS_ONE_TO_ONE),
        ([("SUB", 120), ("DIV", 60)], PIXELS),
        ([("MUL", 1.001), ("ADD", 0.2)], None),
        ([("MUL", 0.3)], None),
        ([("MUL", (1, 2))], None),  # not of channels
        ([], None),
    ],
)
def test_range_of_first_operators(steps: list[tuple[str, object]], expected: InputRange | None) -> None:
    assert range_of_graph(graph_of(*steps), 0) == expected


# The network's own scaling, as include_preprocessing puts it behind a user's layers.
SCALED_BY_NETWORK = (("MUL", 1 / 127.5), ("ADD", -1))
MEANS_AND_DEVIATIONS = [  # of images, as shares of their range
    (IMAGENET_MEAN, IMAGENET_STD),
    ((0.5,), (0.5,)),
    ((0.5,), (0.25,)),
    ((0.3, 0.25, 0.2), (0.2, 0.2, 0.15)),
    ((0.13,), (0.31,)),
    ((0.8, 0.8, 0.75), (0.2,)),
    ((0.02, 0.03, 0.02), (0.05,)),
    ((0.15,), (0.15,)),
]


@pytest.mark.parametrize("behind", [(), SCALED_BY_NETWORK], ids=["as it is", "the network scales"])
@pytest.mark.parametrize("form", ["SUB MUL", "SUB DIV", "MUL ADD"])
@pytest.mark.parametrize("pixels", COMMON_RANGES, ids=str)
def test_a_normalization_in_front_is_never_taken_for_one_of_another_range(
    pixels: InputRange, form: str, behind: tuple[tuple[str, object], ...]
) -> None:
    low, high = pixels.ends()[0]
    told = []
    for mean_share, deviation_share in MEANS_AND_DEVIATIONS:
        mean, deviation = low + (high - low) * np.array(mean_share), (high - low) * np.array(deviation_share)
        steps: dict[str, list[tuple[str, object]]] = {
            "SUB MUL": [("SUB", mean), ("MUL", 1 / deviation)],
            "SUB DIV": [("SUB", mean), ("DIV", deviation)],
            "MUL ADD": [("MUL", 1 / deviation), ("ADD", -mean / deviation)],
        }
        if not (mean.any() and (deviation != 1).any()):
            continue  # it leaves -1..1 as it is, and what follows is of 0..255 then
        told.append(range_of_graph(graph_of(*steps[form], *behind), 0))
    assert set(told) <= {pixels, None}
    assert pixels in told


def test_a_normalization_that_a_converter_joined_with_the_networks_scaling() -> None:
    mean, deviation = (np.array(each) for each in (IMAGENET_MEAN, IMAGENET_STD))
    joined = graph_of(
        ("SUB", mean), ("MUL", 1 / (127.5 * deviation)), ("ADD", -1)
    )  # ... of 0..255 by all of them, were it not for the first
    assert range_of_graph(joined, 0) is None
    layers = UNSCALED.then(1 / deviation, -mean / deviation)
    assert range_of_graph(joined, 0, [layers]) == ZERO_TO_ONE


def test_range_of_metadata() -> None:
    options = NormalizationOptions(mean=(127.5,), std=(127.5,))
    tensor = TensorMetadata(name="image", process_units=(ProcessUnit(options=options),))
    metadata = ModelMetadata(subgraph_metadata=(SubGraphMetadata(input_tensor_metadata=(tensor,)),))
    content = pack(metadata, identifier=FILE_IDENTIFIER)
    stated = input_of(with_metadata(file_of(), content, {}, name="f"), "f")
    assert (stated.metadata, stated.graph) == (MINUS_ONE_TO_ONE, PIXELS)
    assert stated.told == (MINUS_ONE_TO_ONE, "metadata")
    # What it says of an integer input is of its steps.
    integer = file_of(dtype="UINT8", scale=1.0)
    assert input_of(with_metadata(integer, content, {}, name="q"), "q").told == (PIXELS, "quantization")


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "expected"),
    [
        ("UINT8", 1.0, 0, PIXELS),
        ("INT8", 1.0, -128, PIXELS),
        ("UINT8", 2 / 255, 127, MINUS_ONE_TO_ONE),
        ("UINT8", 2 / 255, 128, MINUS_ONE_TO_ONE),
        ("INT8", 1 / 127.5, -1, MINUS_ONE_TO_ONE),
        ("INT8", 1 / 255, -128, ZERO_TO_ONE),
        ("UINT8", 0.0186, 114, None),
    ],
)
def test_steps_of_integer_inputs(
    dtype: str, scale: float, zero_point: int, expected: InputRange | None
) -> None:
    assert input_of(file_of(dtype=dtype, scale=scale, zero_point=zero_point), "q").common == expected


def test_shape() -> None:
    (decided,) = decide_inputs([input_of(file_of(), "f")])
    assert (decided.facts.height_px, decided.facts.width_px, decided.facts.channels) == (4, 6, 3)
    assert str(decided) == "0..255 (as its first layers tell)"


def test_what_is_stated_goes_before_all_and_a_contradiction_is_said() -> None:
    file = dataclasses.replace(FLOAT, metadata=MINUS_ONE_TO_ONE, graph=PIXELS)
    (own,) = decide_inputs([file])
    assert (own.range, own.facts.range_source) == (MINUS_ONE_TO_ONE, "metadata")
    said = "f.tflite is fed -1..1 as its metadata says, but its first layers are made for 0..255"
    assert own.warning == f"{said}: one of the two is wrong"
    (agreed,) = decide_inputs([dataclasses.replace(file, graph=MINUS_ONE_TO_ONE)])
    assert agreed.warning is None
    (same,) = decide_inputs([file], MINUS_ONE_TO_ONE)
    assert (same.facts.range_source, same.warning) == ("stated", None)
    (other,) = decide_inputs([file], ZERO_TO_ONE)
    assert other.range == ZERO_TO_ONE
    assert other.warning == "f.tflite is fed 0..1 as stated, but takes -1..1 as its metadata says"


def test_an_integer_input_keeps_its_own_and_a_contradiction_is_said() -> None:
    (alone,) = decide_inputs([INT8], MINUS_ONE_TO_ONE)
    assert alone.range == PIXELS
    assert alone.warning == "q.tflite is fed 0..255, as its uint8 steps are, and not -1..1 as stated"
    # The range that is stated for a pair is that of its float file.
    assert [each.warning for each in decide_inputs([FLOAT, INT8], MINUS_ONE_TO_ONE)] == [None, None]
    assert decide_inputs([INT8], PIXELS)[0].warning is None


def test_the_other_file_tells() -> None:
    float_, int8 = decide_inputs([FLOAT, dataclasses.replace(INT8, integers=MINUS_ONE_TO_ONE)])
    assert (float_.range, float_.facts.range_source) == (MINUS_ONE_TO_ONE, "pair")
    assert (int8.range, int8.facts.range_source) == (MINUS_ONE_TO_ONE, "quantization")
    float_io = dataclasses.replace(FLOAT, name="q.tflite", graph=ZERO_TO_ONE)
    assert [each.range for each in decide_inputs([FLOAT, float_io])] == [ZERO_TO_ONE] * 2


def test_each_file_keeps_its_own() -> None:
    float_, int8 = decide_inputs(
        [dataclasses.replace(FLOAT, graph=PIXELS), dataclasses.replace(INT8, integers=MINUS_ONE_TO_ONE)]
    )
    assert (float_.range, int8.range) == (PIXELS, MINUS_ONE_TO_ONE)


def test_integers_of_other_steps_get_the_numbers_of_their_twin() -> None:
    odd = dataclasses.replace(INT8, integers=InputRange((114.0,), (1 / 0.0186,)))
    _, int8 = decide_inputs([dataclasses.replace(FLOAT, metadata=TORCHVISION), odd])
    assert (int8.range, int8.facts.range_source) == (TORCHVISION, "pair")
    assert int8.warning is not None
    assert (
        "does not take pixels as they are: its uint8 steps are -2.1204..2.6226, so it is fed" in int8.warning
    )
    (alone,) = decide_inputs([odd])
    assert (alone.range, alone.warning) == (odd.integers, None)


def test_steps_behind_a_folded_scaling_take_pixels_as_they_are() -> None:
    # The float file scales pixels 0..255 to -2..2.25 by its first layers; the recipe made that its steps.
    folded = dataclasses.replace(INT8, integers=InputRange((120.0,), (60.0,)))
    _, int8 = decide_inputs([dataclasses.replace(FLOAT, graph=PIXELS), folded])
    assert (int8.range, int8.warning) == (folded.integers, None)
    # A converter that saw no bright image left steps of 0..200 for the same numbers.
    dim = dataclasses.replace(INT8, integers=InputRange((0.0,), (255 / 200,)))
    _, int8 = decide_inputs([dataclasses.replace(FLOAT, graph=PIXELS), dim])
    assert int8.range == PIXELS
    assert int8.warning is not None


@pytest.mark.parametrize(
    "files",
    [[FLOAT], [FLOAT, FLOAT], [FLOAT, dataclasses.replace(INT8, integers=InputRange((114.0,), (53.8,)))]],
)
def test_what_is_not_known_is_asked_for(files: list[FileInput]) -> None:
    with pytest.raises(ModelFileError) as raised:
        decide_inputs(files)
    assert str(raised.value) == (
        "model f.tflite: got a float input of unknown range, expected the numbers that stand for pixels 0 "
        "and 255; state it with --input-range 0..255, -1..1, 0..1, or MEAN/STD of pixels 0 to 255, one "
        "number or three each"
    )
    assert decide_inputs(files, ZERO_TO_ONE)[0].range == ZERO_TO_ONE


def test_refuses_a_range_of_other_channels() -> None:
    with pytest.raises(ModelFileError, match="expected one number, or 1, as the image has"):
        decide_inputs([dataclasses.replace(FLOAT, shape=(4, 6, 1))], TORCHVISION)


def test_numbers_fed() -> None:
    image = np.array([[[0, 100, 255]]], np.uint8)
    tensor = TensorInfo(name="image", shape=(1, 1, 1, 3), dtype="float32", scale=None, zero_point=None)
    np.testing.assert_array_equal(fed_numbers(image, tensor, None), [[[0, 100, 255]]])
    np.testing.assert_allclose(fed_numbers(image, tensor, ZERO_TO_ONE), [[[0, 100 / 255, 1]]])
    signed = dataclasses.replace(tensor, dtype="int8", scale=2 / 255, zero_point=-1)
    np.testing.assert_array_equal(fed_numbers(image, signed, MINUS_ONE_TO_ONE), [[[-128, -28, 127]]])
    odd = dataclasses.replace(tensor, dtype="uint8", scale=0.02, zero_point=114)
    # (100 - 116.28) / 57.12 / 0.02 + 114 = 99.7, and so on: not the pixels themselves.
    np.testing.assert_array_equal(fed_numbers(image, odd, TORCHVISION), [[[8, 100, 246]]])


def integers_of(*operators: tuple[str, str], repeated: bool = False) -> bytes:
    """A file whose uint8 image goes through operators of these names, to tensors of these types."""
    graph = GraphBuilder()
    tensor = Tensor(name="image", dtype="UINT8", shape=SHAPE)
    image = value = graph.add_tensor(tensor)
    for name, dtype in operators:
        output = graph.add_tensor(dataclasses.replace(tensor, name=name, dtype=dtype))
        graph.add_operator(name, [value, value] if repeated else [value], output)
        value = output
    return graph.to_bytes([image], [value])


def test_integers_become_floats_of_the_same_numbers() -> None:
    given = integers_of(("RESHAPE", "UINT8"), ("CAST", "FLOAT32"), ("RELU", "FLOAT32"))
    graph = read_model(with_float_input(given, "f"), "f").main_graph
    assert [operator.name for operator in graph.operators] == ["RESHAPE", "RELU"]
    assert len(unpacked(with_float_input(given, "f"), "f").operatorCodes) == 2
    used = [graph.tensors[number].dtype for operator in graph.operators for number in operator.inputs]
    assert set(used) == {"FLOAT32"}
    floats, quantized = file_of(), file_of(dtype="UINT8", scale=1.0)
    assert (with_float_input(floats, "f"), with_float_input(quantized, "q")) == (floats, quantized)


@pytest.mark.parametrize(
    ("operators", "text"),
    [
        (
            (("ADD", "UINT8"), ("CAST", "FLOAT32")),
            "operator 0 ADD: got arithmetic with the uint8 of the image",
        ),
        ((("CAST", "INT32"),), "operator 0 CAST: got arithmetic with the uint8"),
        ((("RESHAPE", "UINT8"),), "got an output of uint8"),
    ],
)
def test_arithmetic_with_integers_is_refused(operators: tuple[tuple[str, str], ...], text: str) -> None:
    with pytest.raises(ModelFileError, match=text):
        with_float_input(integers_of(*operators, repeated=operators[0][0] == "ADD"), "f")
