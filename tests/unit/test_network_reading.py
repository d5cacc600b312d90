"""Float files read as networks, and what of them cannot be rewritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.errors import ConversionError, ModelFileError
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import NO_TENSOR, Tensor, constant_tensor
from edge_mnv3_quantization.graph.reader import read_network

SHAPE = (1, 4, 4, 3)
CONV = {"padding": "VALID", "stride_h": 2, "stride_w": 1}


class Chain(GraphBuilder):
    """A float graph in which each operator takes what the one before gave."""

    def __init__(self) -> None:
        super().__init__()
        self.image = self.last = self.value("image")

    def value(self, name: str) -> int:
        return self.add_tensor(Tensor(name=name, dtype="FLOAT32", shape=SHAPE))

    def then(self, name: str, *numbers: Any, **options: Any) -> Chain:
        constants = [self.add_tensor(constant_tensor("c", np.asarray(each))) for each in numbers]
        output = self.value(name)
        self.add_operator(name, [self.last, *constants], output, options)
        self.last = output
        return self

    def content(self) -> bytes:
        return self.to_bytes([self.image], [self.last])


def floats(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


KERNEL, BIAS = floats(3, 1, 1, 3), floats(3)
HALF, ONE = np.full(1, 0.5, np.float32), np.ones(1, np.float32)


def test_scale_and_offset_of_pixels_become_the_networks() -> None:
    chain = Chain().then("MUL", HALF).then("ADD", -ONE).then("CONV_2D", KERNEL, BIAS, **CONV)
    network = read_network(chain.content())
    assert (network.input_scale, network.input_offset) == (0.5, -1.0)
    (conv,) = network.nodes
    assert conv.inputs == (network.input,)
    assert network.values[network.input].name == "ADD"


def test_a_weighted_operator() -> None:
    options = CONV | {"fused_activation_function": "RELU6"}
    network = read_network(Chain().then("CONV_2D", KERNEL, BIAS, **options).content())
    (conv,) = network.nodes
    assert (conv.kind, conv.clamp, conv.stride, conv.same_padding) == ("conv", "relu6", (2, 1), False)
    weights, bias = conv.weights_and_bias()
    assert weights.dtype == bias.dtype == np.float64
    assert np.array_equal(weights, KERNEL)
    assert np.array_equal(bias, BIAS)


@pytest.mark.parametrize(
    ("name", "shape", "channels"), [("DEPTHWISE_CONV_2D", (1, 2, 2, 3), 3), ("FULLY_CONNECTED", (5, 3), 5)]
)
def test_a_bias_that_is_left_out_is_zero(name: str, shape: tuple[int, ...], channels: int) -> None:
    chain = Chain()
    weights, output = chain.add_tensor(constant_tensor("w", floats(*shape))), chain.value("out")
    chain.add_operator(name, [chain.image, weights, NO_TENSOR], output)
    (node,) = read_network(chain.to_bytes([chain.image], [output])).nodes
    assert np.array_equal(node.weights_and_bias()[1], np.zeros(channels))


def test_a_constant_factor_moves_into_the_product_that_takes_it() -> None:
    chain = Chain().then("HARD_SWISH").then("MUL", HALF)
    output = chain.value("product")
    chain.add_operator("MUL", [chain.last, chain.last], output)
    network = read_network(chain.to_bytes([chain.image], [output]))
    assert [(node.kind, node.factor) for node in network.nodes] == [("hard_swish", 1.0), ("mul", 0.25)]
    swish, product = network.nodes
    assert product.inputs == (swish.output, swish.output)


def test_paddings() -> None:
    sides = np.array([[0, 0], [1, 2], [3, 4], [0, 0]], np.int32)
    (pad,) = read_network(Chain().then("PAD", sides).content()).nodes
    assert (pad.kind, pad.paddings) == ("pad", (1, 2, 3, 4))


def weights_that_are_computed() -> Chain:
    chain = Chain().then("HARD_SWISH")
    output = chain.value("out")
    chain.add_operator("CONV_2D", [chain.last, chain.last], output, CONV)
    chain.last = output
    return chain


ADVICE = "expected the operators of a MobileNetV3 classifier; use --recipe stock"


@pytest.mark.parametrize(
    ("chain", "text"),
    [
        (lambda: Chain().then("CONCATENATION"), f"operator 0: got CONCATENATION, {ADVICE}"),
        (
            lambda: Chain().then("CONV_2D", KERNEL, BIAS, **CONV, dilation_w_factor=2),
            f"operator 0: got CONV_2D with dilation, {ADVICE}",
        ),
        (
            lambda: Chain().then("CONV_2D", KERNEL, BIAS, **CONV, fused_activation_function="TANH"),
            f"operator 0: got CONV_2D with activation TANH, {ADVICE}",
        ),
        (weights_that_are_computed, f"operator 1: got CONV_2D without constant weights, {ADVICE}"),
        (
            lambda: Chain().then("HARD_SWISH").then("ADD", ONE),
            f"operator 1: got ADD with a constant, {ADVICE}",
        ),
        (
            lambda: Chain().then("HARD_SWISH").then("MUL", BIAS),
            f"operator 1: got MUL with a constant per channel, {ADVICE}",
        ),
        (
            lambda: Chain().then("HARD_SWISH").then("MUL", HALF).then("SOFTMAX"),
            "float model: got a constant factor in front of a softmax, expected one in front of a product",
        ),
        (
            lambda: Chain().then("CONV_2D", KERNEL.astype(np.float16), BIAS, **CONV),
            "float model: got constant 'c' of another type, expected float32",
        ),
    ],
)
def test_what_cannot_be_rewritten_is_named(chain: Callable[[], Chain], text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        read_network(chain().content())
    assert str(caught.value) == text


def test_sums_with_an_activation_cannot_be_rewritten() -> None:
    chain = Chain()
    output = chain.value("sum")
    chain.add_operator("ADD", [chain.image] * 2, output, {"fused_activation_function": "RELU"})
    with pytest.raises(ConversionError, match="^operator 0: got ADD with an activation, "):
        read_network(chain.to_bytes([chain.image], [output]))


def test_several_inputs_or_outputs_are_refused() -> None:
    chain = Chain().then("HARD_SWISH")
    for ends in (([chain.image] * 2, [chain.last]), ([chain.image], [chain.image, chain.last])):
        with pytest.raises(ConversionError, match="^float model: got several graphs, inputs or outputs, "):
            read_network(chain.to_bytes(*ends))


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match="^model float: got no valid TFLite flatbuffer"):
        read_network(b"")
