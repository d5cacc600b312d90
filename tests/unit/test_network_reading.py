"""What a float file's operators become as nodes, and what of them cannot be rewritten."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_mnv3.core.errors import ConversionError, EdgeMnv3Error, ModelFileError
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import NO_TENSOR, constant_tensor
from edge_mnv3.model.tflite_models import with_channels_last
from edge_mnv3_quantization.reading.reader import read_network
from written_graphs import SAME, VALID, Written, assert_equal, kinds


def test_scale_and_offset_of_pixels_become_the_networks() -> None:
    graph = Written()
    half = graph.op("MUL", graph.image, graph.constant([0.5]))
    x = graph.conv(graph.op("SUB", half, graph.constant([1.0])), 4)
    network = assert_equal(graph.finish(x))
    assert (network.input_scale, network.input_offset) == (0.5, -1.0)
    (conv,) = network.nodes
    assert conv.inputs == (network.input,)
    assert network.values[network.input].name.startswith("SUB")


def test_a_weighted_operator() -> None:
    graph = Written()
    options = VALID | {"stride_h": 2, "fused_activation_function": "RELU6"}
    weights, bias = graph.normal(4, 2, 2, 3), graph.normal(4)
    x = graph.op(
        "CONV_2D", graph.image, graph.constant(weights), graph.constant(bias), shape=(1, 3, 5, 4), **options
    )
    (conv,) = assert_equal(graph.finish(x)).nodes
    assert (conv.kind, conv.clamp, conv.stride, conv.same_padding) == ("conv", "relu6", (2, 1), False)
    read, read_bias = conv.weights_and_bias()
    assert read.dtype == read_bias.dtype == np.float64
    assert np.array_equal(read, weights)
    assert np.array_equal(read_bias, bias)


@pytest.mark.parametrize("scaled", [False, True])
def test_an_output_that_is_the_image_is_refused(scaled: bool) -> None:
    graph = Written()
    image = graph.op("MUL", graph.image, graph.constant([0.5])) if scaled else graph.image
    content = graph.finish(graph.conv(image, 4), image)
    with pytest.raises(ConversionError, match=r"output 'output_1' that is the image itself.* leave it out"):
        read_network(content)


@pytest.mark.parametrize("bias", [(), (NO_TENSOR,)])
def test_a_bias_that_is_left_out_is_zero(bias: tuple[int, ...]) -> None:
    graph = Written()
    x = graph.op(
        "FULLY_CONNECTED", graph.mean(graph.image), graph.constant(graph.normal(5, 3)), *bias, shape=(1, 5)
    )
    dense = assert_equal(graph.finish(x)).nodes[-2]
    assert not dense.weights_and_bias()[1].any()


def test_a_dense_layer_is_a_convolution_of_one_position() -> None:
    graph = Written()
    network = assert_equal(graph.classified(graph.image))
    assert kinds(network) == ["depthwise", "mean", "conv", "reshape"]  # weights must take the image
    assert [network.values[node.output].shape for node in network.nodes[2:]] == [(1, 1, 1, 4), (1, 4)]


def test_a_constant_factor_moves_into_the_product_that_takes_it() -> None:
    graph = Written()
    x = graph.op("HARD_SWISH", graph.conv(graph.image, 4))
    half = graph.op("MUL", x, graph.constant([0.5]))
    network = assert_equal(graph.finish(graph.conv(graph.op("MUL", half, half), 2)))
    _, swish, product, _ = network.nodes
    assert product.factor == 0.25
    assert product.inputs == (swish.output, swish.output)


def test_paddings() -> None:
    graph = Written()
    sides = graph.constant([[0, 0], [1, 2], [3, 4], [0, 0]], np.int32)
    x = graph.op("PAD", graph.conv(graph.image, 3), sides, shape=(1, 9, 13, 3))
    assert assert_equal(graph.finish(x)).nodes[1].paddings == (1, 2, 3, 4)


def test_names_are_there_and_differ() -> None:
    graph = Written()
    first = graph.tensor("", (1, 6, 6, 3))
    second = graph.tensor("", (1, 6, 6, 3))
    graph.add_operator("HARD_SWISH", [graph.image], first)
    graph.add_operator("HARD_SWISH", [first], second)
    names = [value.name for value in assert_equal(graph.finish(second)).values.values()]
    assert len(set(names)) == len(names)
    assert all(names)


STOCK = "use --recipe stock"
NO_FORM = "an operator that cannot be rewritten"


def dilated(graph: Written) -> int:
    return graph.conv(graph.image, 4, 3, dilation_w_factor=2)


def computed_weights(graph: Written) -> int:
    return graph.op("CONV_2D", graph.image, graph.image, graph.constant(graph.normal(1)), **SAME)


def grouped(graph: Written) -> int:
    weights = graph.constant(graph.normal(6, 1, 1, 1))
    return graph.op("CONV_2D", graph.image, weights, shape=(1, 6, 6, 6), **SAME)


def local_pool(graph: Written) -> int:
    window = VALID | {"filter_height": 2, "filter_width": 2}
    return graph.op("MAX_POOL_2D", graph.image, shape=(1, 5, 5, 3), **window)


def elu(graph: Written) -> int:
    return graph.op("ELU", graph.image)


def broadcast_sum(graph: Written) -> int:
    return graph.op("ADD", graph.image, graph.mean(graph.image))


def constant_for_each_position(graph: Written) -> int:
    return graph.op("MUL", graph.image, graph.constant(graph.normal(1, 6, 6, 3)))


def channels_first_output(graph: Written) -> int:
    return graph.transpose(graph.image, 0, 3, 1, 2)


def a_softmax_of_half_the_scores(graph: Written) -> int:
    return graph.op("SOFTMAX", graph.mean(graph.image), beta=0.5)


@pytest.mark.parametrize(
    ("write", "what", "got", "advice"),
    [
        (dilated, "operator 0 CONV_2D", "dilation", f"export the classifier without dilation, or {STOCK}"),
        (computed_weights, "operator 0 CONV_2D", "weights that are computed", STOCK),
        (grouped, "operator 0 CONV_2D", "groups: weights (6, 1, 1, 1) for 3 channels", STOCK),
        (
            local_pool,
            "operator 0 MAX_POOL_2D",
            "a window of 2 x 2 of 6 x 6",
            "pool over all rows and columns at once",
        ),
        (
            elu,
            "operator 0 ELU",
            NO_FORM,
            "use ReLU, ReLU6, hard-swish, hard-sigmoid, sigmoid or tanh",
        ),
        (broadcast_sum, "operator 1 ADD", "inputs of different shapes (1, 6, 6, 3) and (1, 1, 1, 3)", STOCK),
        (
            constant_for_each_position,
            "operator 0 MUL",
            "a constant of shape (1, 6, 6, 3)",
            "use one number, or one for each channel",
        ),
        (
            channels_first_output,
            "",
            "an output whose dimensions are not in the order rows, columns, channels",
            "give it out in the order rows, columns, channels",
        ),
        (a_softmax_of_half_the_scores, "operator 1 SOFTMAX", "beta 0.5", "multiply in the layer before"),
    ],
)
def test_what_cannot_be_rewritten_is_named(
    write: Callable[[Written], int], what: str, got: str, advice: str
) -> None:
    graph = Written()
    output = write(graph)
    with pytest.raises(ConversionError) as caught:
        read_network(graph.finish(output))
    source = f"{what}, tensor '{graph.names[output]}'".removeprefix(", ")
    wanted = "expected the operators of a MobileNetV3 with a head"
    assert str(caught.value) == f"{source}: got {got}, {wanted}; {advice}"


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, -1, -1, 3), "got open shape [-1, -1, -1, 3], expected a fixed image size; export it with one"),
        ((8, 6, 6, 3), "got a batch of 8, expected a batch of 1; export it with one"),
        ((1, 6, 3), "got float32 of shape (1, 6, 3), expected float32 of shape (1, H, W, 3)"),
    ],
)
def test_inputs_that_are_no_image(shape: tuple[int, ...], text: str) -> None:
    is_open = -1 in shape
    graph = Written(tuple(map(abs, shape)))
    if is_open:
        graph = Written((1, 1, 1, 3))
        graph.image = graph.tensor("image", (1, 1, 1, 3), (-1, -1, -1, 3))
    with pytest.raises(ConversionError) as caught:
        read_network(graph.finish(graph.op("HARD_SWISH", graph.image)))
    assert str(caught.value) == f"float model's input: {text}"


def test_several_inputs_are_refused() -> None:
    graph = Written()
    last = graph.op("HARD_SWISH", graph.image)
    with pytest.raises(ConversionError, match="^float model: got several graphs or inputs, "):
        read_network(graph.to_bytes([graph.image] * 2, [last]))


def test_outputs_keep_their_order_and_names() -> None:
    graph = Written()
    pooled = graph.mean(graph.conv(graph.image, 5), keep_dims=False)
    first, second = graph.dense(pooled, 2), graph.op("LOGISTIC", graph.dense(pooled, 1))
    for outputs, names in (((second, first), ("b", "a")), ((first, second, pooled), ("x", "y", "z"))):
        network = assert_equal(graph.finish(*outputs, names=names))
        assert network.signature == (("image",), names)
    assert assert_equal(graph.finish(first, second)).signature.outputs == ("output_0", "output_1")


def test_weights_that_are_integers_are_refused() -> None:
    graph = Written()
    ones = np.ones((4, 1, 1, 3), np.int8)
    stored = graph.add_tensor(constant_tensor("stored", ones, scales=(0.5,), zero_points=(0,)))
    graph.shapes.append((4, 1, 1, 3))
    x = graph.op("CONV_2D", graph.image, stored, shape=(1, 6, 6, 4), **SAME)
    with pytest.raises(
        ConversionError, match="^constant 'stored': got int8 weights: the file is quantized already"
    ):
        read_network(graph.finish(x))


def test_an_operator_that_does_not_fit_is_a_damaged_file() -> None:
    graph = Written()
    x = graph.op("CONV_2D", graph.image, graph.constant(graph.normal(4, 1, 1, 3)), shape=(1, 6, 6, 4))
    with pytest.raises(ModelFileError, match="^model float: got an operator that does not fit its tensors"):
        read_network(graph.finish(x))


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(EdgeMnv3Error, match="^model float: got no valid TFLite flatbuffer"):
        read_network(b"")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_channels_first_file_is_made_to_take_channels_last(channels: int) -> None:
    """Nothing else changes, and the network that is read has no transposition."""
    graph = Written((1, channels, 6, 8))
    x = graph.conv(graph.transpose(graph.image, 0, 2, 3, 1), 4, 3)
    content = graph.finish(x, names=("scores",))
    turned = with_channels_last(content, "m")
    assert with_channels_last(turned, "m") == turned
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 6, 8, channels)).astype(np.float32)
    (wanted,) = open_bytes(content, kernels="builtin").run_raw(pixels.transpose(0, 3, 1, 2))
    (got,) = open_bytes(turned, kernels="builtin").run_raw(pixels)
    assert np.array_equal(wanted, got)
    assert kinds(assert_equal(turned)) == ["conv"]
    (signature,) = read_model(turned, "m").signatures
    assert signature.inputs == {"image": read_model(turned, "m").main_graph.inputs[0]}
