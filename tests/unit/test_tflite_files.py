"""`.tflite` files as values: what is built is read, what is edited is changed and nothing else."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.build import GraphBuilder, Signature
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.op_versions import OP_VERSIONS
from edge_mnv3.core.tflite.read import only_graph, read_file, read_model
from edge_mnv3.core.tflite.runtimes import runtime_needs
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Model, Operator, Tensor, constant_tensor
from tiny_models import added_twice, write_classifier

IMAGE = Tensor(name="image", dtype="INT8", shape=(1, 4, 4, 2), scales=(0.5,), zero_points=(-3,))
KERNEL = constant_tensor(
    "kernel",
    np.arange(-8, 8, dtype=np.int8).reshape(2, 2, 2, 2),
    scales=(0.25, 0.75),
    zero_points=(0, 0),
    quantized_dimension=0,
)
OPEN = Tensor(name="opened", dtype="INT8", shape=(1, 2, 2, 2), shape_signature=(-1, 2, 2, 2))
TWICE = Tensor(name="twice", dtype="FLOAT32", shape=(1, 2, 2, 2))


def built(notes: dict[str, bytes] | None = None) -> bytes:
    builder = GraphBuilder()
    image, kernel, opened, twice = map(builder.add_tensor, (IMAGE, KERNEL, OPEN, TWICE))
    options = {"padding": "VALID", "stride_h": 3, "stride_w": 2, "fused_activation_function": "RELU6"}
    builder.add_operator("CONV_2D", [image, kernel, NO_TENSOR], opened, options)
    builder.add_operator("ADD", [opened, opened], twice)
    return builder.to_bytes([image], [twice], signature=Signature(("in",), ("out",)), metadata=notes)


def test_what_is_built_is_read() -> None:
    model = read_model(built({"first": b"1", "second": b"\0\xff"}), "m")
    assert model.metadata == {"first": b"1", "second": b"\0\xff"}
    assert model.graphs == (model.main_graph,)
    graph = model.main_graph
    assert graph.tensors == (IMAGE, KERNEL, OPEN, TWICE)
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    conv, add = graph.operators
    assert (conv.index, conv.name, conv.version, conv.inputs, conv.outputs) == (
        0,
        "CONV_2D",
        3,
        (0, 1, -1),
        (2,),
    )
    assert conv.options == {
        "padding": "VALID",
        "stride_w": 2,
        "stride_h": 3,
        "fused_activation_function": "RELU6",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
        "quantized_bias_type": 0,
    }
    assert (conv.activation, add.activation) == ("RELU6", "NONE")
    assert (add.index, add.name, add.version, add.inputs, add.output) == (1, "ADD", 2, (2, 2), 3)


def test_a_graph_knows_who_gives_and_takes_a_tensor() -> None:
    graph = read_model(built(), "m").main_graph
    conv, add = graph.operators
    assert [graph.producer(tensor) for tensor in range(4)] == [None, None, conv, add]
    assert [graph.consumers(tensor) for tensor in range(4)] == [(conv,), (conv,), (add,), ()]
    assert graph.constant(0) is None
    assert graph.constant(NO_TENSOR) is None
    assert np.array_equal(np.asarray(graph.constant(1)), np.arange(-8, 8).reshape(2, 2, 2, 2))


def test_a_model_lists_operators_and_tensors_of_all_graphs() -> None:
    graph = read_model(built(), "m").main_graph
    model = Model(graphs=(graph, graph), metadata={})
    assert list(model.op_histogram().items()) == [("CONV_2D", 2), ("ADD", 2)]
    assert model.float_tensors() == ("twice", "twice")
    assert model.dynamic_tensors() == ("opened", "opened")


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "float32",
        "float64",
    ],
)
def test_constants_of_every_type_of_numpy(dtype: str) -> None:
    numbers = np.array([[0, 1, 0], [1, 1, 0]]).astype(dtype)
    builder = GraphBuilder()
    builder.add_tensor(constant_tensor("c", numbers.T))  # not contiguous
    (tensor,) = read_model(builder.to_bytes([], []), "m").main_graph.tensors
    read = tensor.numbers()
    assert read is not None
    assert read.dtype == numbers.dtype
    assert np.array_equal(read, numbers.T)
    assert tensor.is_float == dtype.startswith("float")


def test_types_that_numpy_lacks_have_bytes_but_no_numbers() -> None:
    tensor = Tensor(name="packed", dtype="INT4", shape=(3,), data=b"\x21\x03")
    assert tensor.numbers() is None
    assert not tensor.is_float
    assert Tensor(name="b", dtype="BFLOAT16", shape=(1,), data=b"\0\0").is_float


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("CONV_2D", {"strides": 1}, "CONV_2D has no option strides"),
        ("HARD_SWISH", {"beta": 1.0}, "HARD_SWISH has no options"),
    ],
)
def test_options_that_an_operator_does_not_have(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        GraphBuilder().add_operator(name, [0], 1, options)


def test_operators_of_one_name_share_a_code_unless_told_otherwise() -> None:
    builder = GraphBuilder()
    tensors = [builder.add_tensor(TWICE) for _ in range(4)]
    builder.add_operator("ADD", tensors[:2], 2)
    builder.add_operator("ADD", tensors[:2], 3)
    builder.add_operator("ADD", tensors[:2], 3, code="apart")
    parsed = schema.ModelT.InitFromPackedBuf(builder.to_bytes([0, 1], [3]), 0)
    assert [code.builtinCode for code in parsed.operatorCodes] == [schema.BuiltinOperator.ADD] * 2
    assert [operator.opcodeIndex for operator in parsed.subgraphs[0].operators] == [0, 0, 1]


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with a change that no function of the project makes."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def old_code(model: Any) -> None:
    model.operatorCodes[0].builtinCode = 0
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D


def newer_code(model: Any) -> None:
    model.operatorCodes[0].builtinCode = 9999


def custom_code(model: Any) -> None:
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = b"Mine"


@pytest.mark.parametrize(
    ("change", "name"), [(old_code, "CONV_2D"), (newer_code, "BUILTIN_9999"), (custom_code, "Mine")]
)
def test_names_of_operators(change: Callable[[Any], None], name: str) -> None:
    assert read_model(changed(built(), change), "m").main_graph.operators[0].name == name


def test_types_newer_than_the_schema_have_their_number_as_a_name() -> None:
    def newer(model: Any) -> None:
        model.subgraphs[0].tensors[0].type = 120

    assert read_model(changed(built(), newer), "m").main_graph.tensors[0].dtype == "TYPE_120"


def no_such_code(model: Any) -> None:
    model.subgraphs[0].operators[0].opcodeIndex = 7


def no_such_buffer(model: Any) -> None:
    model.subgraphs[0].tensors[0].buffer = 7


def no_graphs(model: Any) -> None:
    model.subgraphs = None


INVALID = "^model m: got no valid TFLite flatbuffer, expected a whole .tflite file$"


@pytest.mark.parametrize("change", [no_such_code, no_such_buffer, no_graphs])
def test_references_that_lead_nowhere(change: Callable[[Any], None]) -> None:
    with pytest.raises(ModelFileError, match=INVALID):
        read_model(changed(built(), change), "m")


@pytest.mark.parametrize("content", [b"", b"text", b"\x20\0\0\0TFL3", bytes(range(64))])
def test_what_is_no_flatbuffer(content: bytes) -> None:
    for read in (read_model, Edit):
        with pytest.raises(ModelFileError, match=INVALID):
            read(content, "m")


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    whole = write_classifier(tmp_path / "m.tflite", "int8").read_bytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        try:
            read_model(bytes(content), "m")
        except ModelFileError:
            refused += 1
    assert 0 < refused < 400


def test_several_graphs_are_read_but_not_taken_for_one() -> None:
    def doubled(model: Any) -> None:
        model.subgraphs = model.subgraphs * 2

    content = changed(built(), doubled)
    model = read_model(content, "m")
    assert len(model.graphs) == 2
    for take in (lambda: only_graph(model, "m"), lambda: Edit(content, "m")):
        with pytest.raises(ModelFileError, match="^model m: got 2 graphs, expected one$"):
            take()
    assert only_graph(read_model(built(), "m"), "m").outputs == (3,)


def graph_after(edit: Edit) -> Graph:
    return read_model(edit.to_bytes(), "m").main_graph


def test_an_edit_without_changes_changes_no_byte() -> None:
    content = built({"note": b"n"})
    assert Edit(content, "m").to_bytes() == content


def test_other_outputs() -> None:
    before = read_model(built(), "m").main_graph
    edit = Edit(built(), "m").with_outputs([2, 3])
    assert graph_after(edit) == dataclasses.replace(before, outputs=(2, 3))
    # The signature named the outputs that were.
    assert schema.ModelT.InitFromPackedBuf(edit.to_bytes(), 0).signatureDefs is None


def test_another_constant_is_that_of_one_operator() -> None:
    edit = Edit(added_twice(), "m")
    edit.set_constant(2, 1, np.array([[3.0, 4.0]], np.float32))
    graph = graph_after(edit)
    constants = [np.asarray(graph.constant(operator.inputs[1])).tolist() for operator in graph.operators]
    assert constants == [[[3.0, 4.0]], [[1.0, 2.0]]]


def test_other_scales_leave_what_is_stored_alone() -> None:
    edit = Edit(built(), "m")
    edit.set_quantization(1, [2.0, 4.0], [0, 0], 3)
    kernel = dataclasses.replace(KERNEL, scales=(2.0, 4.0), quantized_dimension=3)
    assert graph_after(edit).tensors == (IMAGE, kernel, OPEN, TWICE)


def test_an_operator_is_bypassed() -> None:
    edit = Edit(built(), "m")
    edit.bypass({2: 0})
    (add,) = graph_after(edit).operators
    assert (add.name, add.inputs, add.output) == ("ADD", (0, 0), 3)


@pytest.mark.parametrize("scales", [None, np.array([2.0, 4.0])])
def test_rounding_is_put_between_a_value_and_its_takers(scales: Any) -> None:
    edit = Edit(built(), "m")
    edit.fake_quantize(2, 0.5, -1, scales)
    graph = graph_after(edit)
    names = ["QUANTIZE", "DEQUANTIZE"] if scales is None else ["MUL", "QUANTIZE", "DEQUANTIZE", "MUL"]
    assert [operator.name for operator in graph.operators] == ["CONV_2D", *names, "ADD"]
    conv, *added, add = graph.operators
    assert added[0].inputs[0] == conv.output == 2
    assert set(add.inputs) == {added[-1].output}
    (stored,) = (graph.tensors[each.output] for each in added if each.name == "QUANTIZE")
    assert (stored.dtype, stored.shape) == ("INT8", OPEN.shape)
    assert (stored.scales, stored.zero_point) == ((0.5,), -1)
    if scales is not None:
        factors = [np.asarray(graph.constant(added[place].inputs[1])).tolist() for place in (0, -1)]
        assert factors == [[0.5, 0.25], [2.0, 4.0]]


def test_operators_are_plain_values() -> None:
    conv = Operator(index=0, name="CONV_2D", version=3, inputs=(0,), outputs=(1,), options={})
    assert conv == dataclasses.replace(conv)
    assert conv.activation == "NONE"


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"no model")
    with pytest.raises(ModelFileError) as caught:
        read_file(tmp_path / "x.tflite")
    assert str(caught.value) == (
        f"model {tmp_path}/x.tflite: got no valid TFLite flatbuffer, expected a whole .tflite file"
    )


def test_what_a_file_asks_of_runtimes() -> None:
    needs = runtime_needs(read_model(built(), "m"))
    assert (needs.least_tflite, needs.unknown_operators, needs.missing_in_micro) == ("1.14.0", (), ())
    assert needs.least_words == "TensorFlow Lite 1.14.0, or any LiteRT"
    assert needs.micro_words == "has all operators"


@pytest.mark.parametrize(
    ("operators", "least", "unknown", "missing"),
    [
        ([("ADD", 3), ("MUL", 1)], "2.4.0", (), ()),
        ([("CONV_2D", 3), ("FULLY_CONNECTED", 10), ("SQUEEZE", 1)], "2.11.0", (), ()),
        (
            [("ADD", 1), ("TRANSPOSE", 3)],
            "1.15.0",
            (),
            (),
        ),  # not the text's order, in which 1.5.0 is the last
        ([("GELU", 1)], "2.9.0", (), ("GELU",)),
        ([("ADD", 99), ("Mine", 1)], None, ("ADD version 99", "Mine version 1"), ("Mine",)),
        ([("ADD", 0)], None, ("ADD version 0",), ()),
    ],
)
def test_runtimes_by_operators(
    operators: list[tuple[str, int]], least: str | None, unknown: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    made = tuple(
        Operator(index=index, name=name, version=version, inputs=(), outputs=(0,), options={})
        for index, (name, version) in enumerate(operators)
    )
    graph = Graph(tensors=(IMAGE,), operators=made, inputs=(0,), outputs=(0,))
    needs = runtime_needs(Model(graphs=(graph,), metadata={}))
    assert (needs.least_tflite, needs.unknown_operators, needs.missing_in_micro) == (least, unknown, missing)


@pytest.mark.parametrize(("exponent", "missing"), [(-25, ()), (-26, ("SOFTMAX of steps of 2^-26 or less",))])
def test_a_softmax_of_steps_so_fine_that_micro_ends(exponent: int, missing: tuple[str, ...]) -> None:
    scores = replace(IMAGE, scales=(2.0**exponent,), zero_points=(0,))
    softmax = Operator(index=0, name="SOFTMAX", version=2, inputs=(0,), outputs=(0,), options={})
    graph = Graph(tensors=(scores,), operators=(softmax,), inputs=(0,), outputs=(0,))
    assert runtime_needs(Model(graphs=(graph,), metadata={})).missing_in_micro == missing


@pytest.mark.parametrize(("scales", "least"), [((0.5,), "1.14.0"), ((0.5, 0.25), "2.13.0")])
def test_dense_weights_with_scales_per_channel(scales: tuple[float, ...], least: str) -> None:
    """Older runtimes take the first scale for all channels, or none: the operator's version does not say."""
    builder = GraphBuilder()
    numbers = np.ones((2, 3), np.int8)
    weights = constant_tensor("w", numbers, scales=scales, zero_points=(0,) * len(scales))
    x, kernel = map(builder.add_tensor, (dataclasses.replace(IMAGE, shape=(1, 3)), weights))
    y = builder.add_tensor(dataclasses.replace(IMAGE, name="y", shape=(1, 2)))
    builder.add_operator("FULLY_CONNECTED", [x, kernel, NO_TENSOR], y, {})
    content = builder.to_bytes([x], [y], signature=Signature(("x",), ("y",)))
    assert runtime_needs(read_model(content, "m")).least_tflite == least


def test_operators_that_are_written_have_a_known_least_runtime() -> None:
    made = tuple(
        Operator(index=index, name=name, version=version, inputs=(), outputs=(0,), options={})
        for index, (name, version) in enumerate(OP_VERSIONS.items())
    )
    needs = runtime_needs(
        Model(graphs=(Graph(tensors=(), operators=made, inputs=(), outputs=()),), metadata={})
    )
    assert (needs.unknown_operators, needs.missing_in_micro) == ((), ())
