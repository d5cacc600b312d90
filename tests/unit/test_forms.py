"""The forms in which converters write a MobileNetV3, each read as a network that gives the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.input_range import MINUS_ONE_TO_ONE, PIXELS, ZERO_TO_ONE, InputRange
from edge_mnv3_quantization.reading.reader import read_network
from examples_count import examples
from written_graphs import SAME, VALID, Written, assert_equal, kinds

SIXTH = 1 / 6
CLASSIFIED = ["mean", "conv", "reshape"]


def hard_sigmoid(graph: Written, x: int, form: str) -> tuple[int, bool]:
    """Writes relu6(x + 3), or a sixth of it; tells whether it is the sixth."""
    three, six, zero = (graph.constant(number) for number in (3.0, 6.0, 0.0))
    if form == "fused":
        return graph.op("ADD", three, x, fused_activation_function="RELU6"), False
    if form == "relu6":
        return graph.op("RELU6", graph.op("ADD", x, three)), False
    if form == "limits":
        return graph.op("MINIMUM", graph.op("MAXIMUM", graph.op("ADD", x, three), zero), six), False
    if form == "turned limits":
        return graph.op(
            "MAXIMUM", zero, graph.op("MINIMUM", six, graph.op("SUB", x, graph.constant(-3.0)))
        ), False
    halved = graph.op("ADD", graph.op("MUL", x, graph.constant(SIXTH)), graph.constant(0.5))
    return graph.op("RELU_0_TO_1", halved), True


FORMS = ("fused", "relu6", "limits", "turned limits", "unit")


def swished(graph: Written, x: int, form: str, order: tuple[int, ...], divided: bool) -> int:
    """Writes hard-swish as a product of x, the hard-sigmoid and a sixth, associated in an order."""
    limited, is_sixth = hard_sigmoid(graph, x, form)
    factors = [x, limited] if is_sixth else [x, limited, -1]
    ordered = [factors[place] for place in order if place < len(factors)]
    if ordered[0] == -1:  # a constant cannot begin a product
        ordered[:2] = ordered[1::-1]
    product = ordered[0]
    for factor in ordered[1:]:
        if factor >= 0:
            product = graph.op("MUL", product, factor)
        elif divided:
            product = graph.op("DIV", product, graph.constant(6.0))
        else:
            product = graph.op("MUL", product, graph.constant([SIXTH]))
    return product


@examples(20)
@given(
    form=st.sampled_from(FORMS),
    order=st.sampled_from(list(itertools.permutations(range(3)))),
    divided=st.booleans(),
    seed=st.integers(0, 99),
)
def test_hard_swish_in_every_written_form(
    form: str, order: tuple[int, ...], divided: bool, seed: int
) -> None:
    graph = Written(seed=seed)
    x = graph.op("MUL", graph.conv(graph.image, 5), graph.constant(np.full(5, 8.0)))  # reaches both limits
    network = assert_equal(graph.classified(graph.conv(swished(graph, x, form, order, divided), 4)))
    assert kinds(network) == ["conv", "hard_swish", "conv", *CLASSIFIED]


@pytest.mark.parametrize("form", FORMS)
def test_squeeze_excite_in_every_written_form(form: str) -> None:
    graph = Written()
    x = graph.conv(graph.image, 5, fused_activation_function="RELU")
    excitation = graph.conv(graph.conv(graph.mean(x), 3, fused_activation_function="RELU"), 5)
    excitation, is_sixth = hard_sigmoid(graph, excitation, form)
    if not is_sixth:
        excitation = graph.op("MUL", excitation, graph.constant([SIXTH]))
    network = assert_equal(graph.classified(graph.op("MUL", excitation, x)))
    assert kinds(network) == ["conv", "mean", "conv", "conv", "mul", *CLASSIFIED]
    assert network.nodes[3].clamp == "relu6"
    assert network.nodes[4].factor == pytest.approx(SIXTH)


def test_what_is_nearly_hard_swish_is_none() -> None:
    graph = Written()
    x = graph.op("MUL", graph.conv(graph.image, 5), graph.constant(8.0))
    limited = graph.op("RELU6", graph.op("ADD", x, graph.constant(2.9)))
    network = assert_equal(graph.classified(graph.op("MUL", x, limited)))
    assert kinds(network) == ["conv", "depthwise", "mul", *CLASSIFIED]


@examples(20)
@given(
    order=st.permutations(("scale", "shift", "relu")),
    padding=st.sampled_from(("SAME", "VALID")),
    per_channel=st.booleans(),
    seed=st.integers(0, 99),
)
def test_batch_norms_that_are_written_out(
    order: list[str], padding: str, per_channel: bool, seed: int
) -> None:
    """In front of a convolution with a border, behind one, in any order with a ReLU."""
    graph = Written(seed=seed)
    x = graph.conv(graph.image, 5)
    for name in order:
        number = graph.rng.uniform(0.4, 2.0, 5 if per_channel else 1)
        if name == "scale":
            x = graph.op("MUL", x, graph.constant(number))
        elif name == "shift":
            x = graph.op("SUB", x, graph.constant(number))
        else:
            x = graph.op("RELU", x)
    network = assert_equal(graph.classified(graph.conv(x, 4, 3, padding=padding)))
    assert "depthwise" not in kinds(network) or (
        order.index("shift") > order.index("relu") and padding == "SAME"
    )


def test_batch_norm_behind_a_dense_layer() -> None:
    graph = Written()
    x = graph.dense(graph.mean(graph.image, keep_dims=False), 5)
    x = graph.op("MUL", x, graph.constant(graph.normal(5)))
    x = graph.op("RELU6", graph.op("ADD", x, graph.constant(graph.normal(5))))
    assert kinds(assert_equal(graph.finish(graph.dense(x, 4)))) == [
        "depthwise",
        *CLASSIFIED[:2],
        *CLASSIFIED[1:],
    ]


@pytest.mark.parametrize(
    ("sides", "stride", "kept"), [((1, 1), 1, 0), ((0, 1), 2, 1), ((1, 1), 2, 1), ((1, 0), 1, 1)]
)
def test_borders_of_their_own(sides: tuple[int, int], stride: int, kept: int) -> None:
    graph = Written()
    x = graph.conv(graph.image, 5)
    rows = 6 + sum(sides)
    border = graph.constant([[0, 0], sides, sides, [0, 0]], np.int32)
    x = graph.op("PAD", x, border, shape=(1, rows, rows, 5))
    x = graph.conv(x, 4, 3, **VALID | {"stride_h": stride, "stride_w": stride})
    assert kinds(assert_equal(graph.classified(x))).count("pad") == kept


@pytest.mark.parametrize("name", ["MEAN", "SUM", "REDUCE_MAX"])
@pytest.mark.parametrize("keep_dims", [True, False])
def test_global_pooling(name: str, keep_dims: bool) -> None:
    graph = Written()
    x = graph.mean(graph.conv(graph.image, 5), keep_dims=keep_dims, name=name)
    x = graph.reshape(x, 1, 5) if keep_dims else x
    network = assert_equal(graph.finish(graph.dense(x, 4)))
    assert kinds(network) == ["conv", "max" if name == "REDUCE_MAX" else "mean", "conv", "reshape"]


@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("squeezed", [True, False])
def test_global_pooling_by_windows(name: str, squeezed: bool) -> None:
    graph = Written()
    window = VALID | {"filter_height": 6, "filter_width": 6}
    x = graph.op(name, graph.conv(graph.image, 5), shape=(1, 1, 1, 5), **window)
    x = graph.op("SQUEEZE", x, shape=(1, 5), squeeze_dims=(1, 2)) if squeezed else graph.reshape(x, 1, 5)
    assert len(kinds(assert_equal(graph.finish(graph.dense(x, 4))))) == 4


def test_channels_first() -> None:
    """As exports of other frameworks: transposed around each convolution, elementwise in between."""
    graph = Written((1, 3, 6, 8))
    x = graph.conv(graph.transpose(graph.image, 0, 2, 3, 1), 5)
    y = graph.transpose(x, 0, 3, 1, 2)
    y = graph.op("ADD", y, graph.constant(graph.normal(1, 5, 1, 1)))
    pooled = graph.op("MEAN", y, graph.constant([-1, -2], np.int32), shape=(1, 5, 1, 1), keep_dims=True)
    excitation = graph.conv(graph.reshape(pooled, 1, 1, 1, 5), 5, fused_activation_function="RELU6")
    excitation = graph.transpose(excitation, 0, 3, 1, 2)
    y = graph.op("MUL", y, excitation)
    z = graph.depthwise(graph.transpose(y, 0, 2, 3, 1))
    z = graph.op("MEAN", graph.transpose(z, 0, 3, 1, 2), graph.constant([2, 3], np.int32), shape=(1, 5))
    network = assert_equal(graph.finish(graph.dense(z, 4)))
    assert network.values[network.input].shape == (1, 6, 8, 3)
    assert kinds(network) == ["conv", "mean", "conv", "mul", "depthwise", "mean", "conv", "reshape"]


@pytest.mark.parametrize("channels_first", [True, False])
def test_a_map_that_is_flattened(channels_first: bool) -> None:
    graph = Written()
    x = graph.conv(graph.image, 5)
    x = graph.transpose(x, 0, 3, 1, 2) if channels_first else x
    network = assert_equal(graph.finish(graph.dense(graph.reshape(x, 1, 180), 4)))
    assert kinds(network) == ["conv", "conv", "reshape"]


def batch_norm(graph: Written, x: int) -> int:
    """A batch norm that is not fused, behind a layer that is no convolution."""
    numbers = [graph.constant(graph.rng.uniform(0.4, 2.0, graph.shapes[x][-1])) for _ in range(2)]
    return graph.op("SUB", graph.op("MUL", x, numbers[0]), numbers[1])


def swish_of(graph: Written, x: int) -> int:
    limited, _ = hard_sigmoid(graph, x, "relu6")
    return graph.op("MUL", graph.op("MUL", x, limited), graph.constant([SIXTH]))


HIDDEN = ("NONE", "RELU", "RELU6", "HARD_SWISH", "LOGISTIC", "TANH", "written out")


def hidden(graph: Written, x: int, name: str) -> int:
    if name == "written out":
        return swish_of(graph, x)
    return x if name == "NONE" else graph.op(name, x)


@examples(40)
@given(
    before=st.sampled_from(HIDDEN),
    behind=st.sampled_from(HIDDEN),
    channels_first=st.booleans(),
    norms=st.tuples(st.booleans(), st.booleans()),
    end=st.sampled_from(("dense", "norm", "SOFTMAX", "CONCATENATION")),
)
def test_layers_behind_a_map_that_is_flattened(
    before: str, behind: str, channels_first: bool, norms: tuple[bool, bool], end: str
) -> None:
    """Each place of the vector has numbers of its own, in the order in which the file flattened the map."""
    graph = Written((1, 2, 3, 3))
    x = hidden(graph, graph.conv(graph.image, 5), before)
    x = batch_norm(graph, x) if norms[0] else x
    channels_first = channels_first and end == "dense"  # another end has the order of the network's own
    x = graph.reshape(graph.transpose(x, 0, 3, 1, 2) if channels_first else x, 1, 30)
    x = batch_norm(graph, x) if norms[1] else x
    x = hidden(graph, x, behind)
    if end == "CONCATENATION":
        x = graph.op(end, x, graph.mean(graph.image, keep_dims=False), shape=(1, 33), axis=-1)
    if end in ("dense", "CONCATENATION"):
        x = graph.dense(x, 4)
    elif end == "SOFTMAX":
        x = graph.op("SOFTMAX", x, beta=1.0)
    network = assert_equal(graph.finish(batch_norm(graph, x) if end == "norm" else x))
    if end == "dense" and behind == "NONE":
        assert kinds(network)[-2:] == ["conv", "reshape"]
        assert kinds(network).count("reshape") == 1


def test_batch_norm_behind_a_map_that_is_flattened_costs_nothing() -> None:
    graph = Written()
    x = graph.op("RELU", graph.conv(graph.image, 5))
    x = batch_norm(graph, graph.reshape(batch_norm(graph, x), 1, 180))
    assert kinds(assert_equal(graph.finish(graph.dense(x, 4)))) == ["conv", "conv", "reshape"]


def test_shapes_of_an_open_batch() -> None:
    graph = Written(open_batch=True)
    pooled = graph.mean(graph.conv(graph.image, 5))
    shape = graph.integers("SHAPE", pooled, shape=(4,), out_type=2)
    cut = [graph.constant(place, np.int32) for place in ([0], [1], [1])]
    batch = graph.integers("STRIDED_SLICE", shape, *cut, shape=(), shrink_axis_mask=1)
    packed = graph.integers("PACK", batch, graph.constant(5, np.int32), shape=(2,), values_count=2)
    flat = graph.op("RESHAPE", pooled, packed, shape=(1, 5))
    assert kinds(assert_equal(graph.finish(graph.dense(flat, 4)))) == ["conv", "mean", "conv", "reshape"]


@pytest.mark.parametrize("turned", [True, False])
def test_a_product_of_matrices(turned: bool) -> None:
    graph = Written()
    pooled = graph.mean(graph.image, keep_dims=False)
    weights = graph.constant(graph.normal(4, 3) if turned else graph.normal(3, 4))
    scores = graph.op("BATCH_MATMUL", pooled, weights, shape=(1, 4), adj_y=turned)
    assert (
        kinds(assert_equal(graph.finish(graph.op("ADD", scores, graph.constant(graph.normal(4))))))[-1]
        == "reshape"
    )


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
def test_functions_behind_a_product(name: str) -> None:
    """Weights in between take the factor of the int8 hard-swish."""
    graph = Written()
    x = graph.mean(graph.op("HARD_SWISH", graph.conv(graph.image, 5)), keep_dims=False)
    assert_equal(graph.finish(graph.dense(graph.op(name, x), 3)))


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
def test_heads(name: str) -> None:
    graph = Written()
    scores = graph.dense(graph.mean(graph.conv(graph.image, 5), keep_dims=False), 3)
    assert_equal(graph.finish(graph.op(name, scores)))


@pytest.mark.parametrize("name", ["LOGISTIC", "RELU", "RELU6", "HARD_SWISH", "TANH"])
def test_hidden_layers(name: str) -> None:
    graph = Written()
    x = graph.op(name, graph.dense(graph.mean(graph.image, keep_dims=False), 5))
    assert_equal(graph.finish(graph.dense(x, 3)))


def test_feature_maps_and_embeddings() -> None:
    """Weights follow a hard-swish, for in int8 they take its factor."""
    graph = Written()
    x = graph.op("HARD_SWISH", graph.conv(graph.image, 5))
    assert kinds(assert_equal(graph.finish(x))) == ["conv", "hard_swish", "depthwise"]
    embedded = assert_equal(graph.finish(graph.mean(x, keep_dims=False)))
    assert kinds(embedded) == ["conv", "hard_swish", "mean", "depthwise", "reshape"]
    assert kinds(assert_equal(graph.finish(graph.conv(graph.image, 5)))) == ["conv"]


def grey(form: str) -> bytes:
    graph = Written((1, 6, 6, 1))
    shape = (1, 6, 6, 3)
    if form == "CONCATENATION":
        x = graph.op(form, graph.image, graph.image, graph.image, shape=shape, axis=-1)
    elif form == "MUL":
        x = graph.op(form, graph.image, graph.constant(graph.normal(1, 1, 1, 3)), shape=shape)
    else:
        sizes = (1, 1, 1, 3) if form == "TILE" else shape
        x = graph.op(form, graph.image, graph.constant(sizes, np.int32), shape=shape)
    return graph.classified(graph.conv(x, 5, 3))


@pytest.mark.parametrize("form", ["CONCATENATION", "TILE", "MUL"])
def test_grey_to_three_channels(form: str) -> None:
    assert kinds(assert_equal(grey(form))) == ["conv", *CLASSIFIED]


def test_grey_to_three_channels_by_broadcasting() -> None:
    """The operator's first version, which is what is written here, is in no runtime."""
    tiled, broadcast = (
        read_network(grey(form)).nodes[0].weights_and_bias() for form in ("TILE", "BROADCAST_TO")
    )
    for one, other in zip(tiled, broadcast, strict=True):
        assert np.array_equal(one, other)


def test_weights_of_float16() -> None:
    graph = Written()
    stored = graph.constant(graph.normal(5, 3, 3, 3), np.float16)
    weights = graph.op("DEQUANTIZE", stored, shape=(5, 3, 3, 3))
    x = graph.op("CONV_2D", graph.image, weights, graph.constant(graph.normal(5)), shape=(1, 6, 6, 5), **SAME)
    assert_equal(graph.classified(x))


def test_branches_that_are_joined() -> None:
    graph = Written()
    x = graph.conv(graph.image, 5)
    pooled = [graph.mean(x, keep_dims=False, name=name) for name in ("MEAN", "REDUCE_MAX")]
    joined = graph.op("CONCATENATION", *pooled, shape=(1, 10), axis=-1)
    assert kinds(assert_equal(graph.finish(graph.dense(joined, 4)))) == [
        "conv",
        "mean",
        "max",
        "depthwise",  # of weights 1: for int8 numbers of the range of the result
        "depthwise",
        "concat",
        "conv",
        "reshape",
    ]


MEANS, DEVIATIONS = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize(
    ("takes", "scale", "offset", "first"),
    [
        (MINUS_ONE_TO_ONE, 1 / 127.5, -1.0, "conv"),
        (ZERO_TO_ONE, 1 / 255, 0.0, "conv"),
        (InputRange(MEANS, DEVIATIONS), 1.0, 0.0, "depthwise"),
        (InputRange((-500.0,), (100.0,)), 1.0, 0.0, "depthwise"),  # real 0 is no pixel
        (InputRange((127.5,), (-127.5,)), 1.0, 0.0, "depthwise"),
    ],
)
def test_the_range_of_the_input(
    takes: InputRange, scale: float, offset: float, first: str, channels_first: bool
) -> None:
    """Zeros around the image stand for real 0, whatever the range, so a border forbids folding it away."""
    graph = Written((1, 3, 6, 6) if channels_first else (1, 6, 6, 3))
    image = graph.transpose(graph.image, 0, 2, 3, 1) if channels_first else graph.image
    network = assert_equal(graph.classified(graph.conv(image, 4, 3)), takes)
    assert [network.input_scale, network.input_offset] == pytest.approx([scale, offset])
    assert kinds(network)[0] == first


def test_ranges_in_the_graph_and_of_the_input_are_joined() -> None:
    graph = Written()
    x = graph.op("SUB", graph.op("MUL", graph.image, graph.constant(2.0)), graph.constant(1.0))
    network = assert_equal(graph.classified(graph.conv(x, 4, 3)), ZERO_TO_ONE)
    assert [network.input_scale, network.input_offset] == pytest.approx([2 / 255, -1.0])


@pytest.mark.parametrize(("padding", "first"), [("SAME", "depthwise"), ("VALID", "conv")])
def test_a_range_for_each_channel_in_the_graph(padding: str, first: str) -> None:
    graph = Written()
    x = graph.op("DIV", graph.op("SUB", graph.image, graph.constant(MEANS)), graph.constant(DEVIATIONS))
    network = assert_equal(graph.classified(graph.conv(x, 4, 3, padding=padding)), PIXELS)
    assert kinds(network) == [first, *["conv"] * (first == "depthwise"), *CLASSIFIED]
