"""Int8 files whose convolutions take maps in another shape give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.graph import writer
from edge_mnv3_quantization.graph.map_views import MapView, view_of
from edge_mnv3_quantization.graph.network import Clamp, Network, Node, Value
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.without_views import without_views

RNG = np.random.default_rng(3)


def convolution(
    side: tuple[int, int],
    filter_size: tuple[int, int],
    *,
    channels: int = 3,
    stride: tuple[int, int] = (2, 2),
    same: bool = True,
) -> Network:
    """A convolution of an image, and the hard-sigmoid per channel and product of a hard-swish behind it."""
    (height, width), (rows, columns) = side, filter_size
    if same:
        shape = (1, -(-height // stride[0]), -(-width // stride[1]), 6)
    else:
        shape = (1, (height - rows) // stride[0] + 1, (width - columns) // stride[1] + 1, 6)
    first = RNG.normal(0, 0.5, (6, rows, columns, channels))
    gates = RNG.uniform(0.5, 2.0, (1, 1, 1, 6))
    clamp: Clamp = "relu6"
    nodes = (
        Node(
            kind="conv", inputs=(0,), output=1, weights=first, bias=RNG.normal(size=6), stride=stride,
            same_padding=same,
        ),
        Node(kind="depthwise", inputs=(1,), output=2, weights=gates, bias=np.full(6, 3.0), clamp=clamp),
        Node(kind="mul", inputs=(1, 2), output=3),
    )  # fmt: skip
    values = {0: Value(name="image", shape=(1, height, width, channels))}
    values |= {number: Value(name=f"value {number}", shape=shape) for number in (1, 2, 3)}
    return Network(values=values, nodes=nodes, input=0, outputs=(3,))


QUANTIZATIONS = {
    0: Quantization(scale=1 / 127, zero_point=-1),
    1: Quantization(scale=0.03, zero_point=-20),
    2: Quantization(scale=6 / 255, zero_point=-128),
    3: Quantization(scale=0.1, zero_point=-100),
}


def weights_of(network: Network) -> dict[int, QuantizedWeights]:
    return {
        node.output: quantize_weights(node, QUANTIZATIONS[node.inputs[0]].scale)
        for node in network.nodes
        if node.weights is not None
    }


def written(network: Network) -> bytes:
    return writer.write_int8(network, QUANTIZATIONS, weights_of(network), io="uint8")


def plain(network: Network) -> bytes:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writer, "view_of", lambda *_: None)
        return written(network)


def reshapes(content: bytes) -> int:
    return read_model(content, "file").op_histogram().get("RESHAPE", 0)


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
@pytest.mark.parametrize(
    ("side", "filter_size", "channels", "same"),
    [
        ((8, 8), (3, 3), 3, True),  # the family's first layer
        ((7, 10), (3, 3), 1, True),
        ((8, 12), (3, 3), 4, False),
        ((8, 8), (2, 2), 3, True),  # no column of zeros is needed
        ((8, 12), (1, 7), 3, True),  # a pair of zeros stands before the first column
        ((9, 8), (3, 1), 2, False),
    ],
)
def test_column_pairs_and_whole_rows_give_the_same_bits(
    kernels: Kernels, side: tuple[int, int], filter_size: tuple[int, int], channels: int, same: bool
) -> None:
    network = convolution(side, filter_size, channels=channels, same=same)
    viewed, as_it_is = written(network), plain(network)
    pairs = view_of(network.nodes[0], network.values[0].shape, network.values[1].shape)
    # A hard-sigmoid per channel has a reshape on either side.
    assert reshapes(viewed) == (pairs is not None) + 2
    assert reshapes(as_it_is) == 0
    models = [open_bytes(content, kernels=kernels) for content in (viewed, as_it_is)]
    assert {model.partitions for model in models} == {kernels == "xnnpack"}
    for _ in range(3):
        image = RNG.integers(0, 256, network.values[0].shape, dtype=np.uint8)
        given, wanted = (model.run_raw(image)[0] for model in models)
        assert len(np.unique(wanted)) > 5
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
def test_an_app_may_give_several_images_at_once(kernels: str) -> None:
    network = convolution((8, 8), (3, 3))
    content = written(network)
    assert reshapes(content) == 3
    images = RNG.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    resolver = (
        OpResolverType.AUTO if kernels == "xnnpack" else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
    (image,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = {}
    for count in (1, 3):
        interpreter.resize_tensor_input(image["index"], [count, 8, 8, 3])
        interpreter.allocate_tensors()
        interpreter.set_tensor(image["index"], images[:count])
        interpreter.invoke()
        answers[count] = interpreter.get_tensor(output["index"])
    assert answers[3].shape == (3, *network.values[3].shape[1:])
    np.testing.assert_array_equal(answers[3][:1], answers[1])
    assert not np.array_equal(answers[3][1:2], answers[1])


def test_the_first_layer_is_one_of_column_pairs() -> None:
    network = convolution((224, 224), (3, 3))
    view = view_of(network.nodes[0], (1, 224, 224, 3), (1, 112, 112, 6))
    assert view == MapView(
        kind="pairs", taken=(1, 224, 112, 6), given=(1, 112, 112, 6), stride=(2, 1), repeats=1
    )
    rows = view_of(network.nodes[1], (1, 112, 112, 6), (1, 112, 112, 6))
    assert rows is not None
    assert (rows.taken, rows.repeats) == ((1, 112, 1, 672), 112)


@pytest.mark.parametrize(
    ("side", "filter_size", "options"),
    [
        ((8, 9), (3, 3), {}),  # a column is left over
        ((8, 8), (3, 3), {"stride": (1, 1)}),
        ((8, 8), (3, 3), {"channels": 5}),  # two places of 8 channels more than a place of 16 saves
        ((8, 12), (5, 5), {}),  # one column of padding is half a pair
    ],
)
def test_convolutions_that_stay_as_they_are(
    side: tuple[int, int], filter_size: tuple[int, int], options: dict[str, object]
) -> None:
    network = convolution(side, filter_size, **options)  # type: ignore[arg-type]
    assert view_of(network.nodes[0], network.values[0].shape, network.values[1].shape) is None


def test_maps_that_stay_as_they_are() -> None:
    depthwise = Node(
        kind="depthwise", inputs=(0,), output=1, weights=np.ones((1, 1, 1, 64)), bias=np.zeros(64)
    )
    assert view_of(depthwise, (1, 8, 8, 64), (1, 8, 8, 64)) is None
    assert view_of(depthwise, (1, 64), (1, 64)) is None
    narrow = convolution((8, 8), (3, 3)).nodes[1]
    assert view_of(narrow, (1, 8, 1, 6), (1, 8, 1, 6)) is None
    assert view_of(convolution((8, 8), (3, 3)).nodes[2], (1, 4, 4, 6), (1, 4, 4, 6)) is None


@pytest.mark.parametrize("columns", [2, 3])
def test_a_graph_without_views_is_that_of_a_plain_file(columns: int) -> None:
    network = convolution((8, 8), (3, columns))
    wanted = read_model(plain(network), "plain").main_graph
    got = without_views(read_model(written(network), "viewed").main_graph)
    assert [one.name for one in got.operators] == [one.name for one in wanted.operators]
    for one, other in zip(got.operators, wanted.operators, strict=True):
        for given, expected in zip((*one.inputs, *one.outputs), (*other.inputs, *other.outputs), strict=True):
            tensor, plain_tensor = got.tensors[given], wanted.tensors[expected]
            assert tensor == plain_tensor
            if tensor.data is not None:
                assert bytes(tensor.data) == bytes(plain_tensor.data or b"")
    assert without_views(wanted) is wanted
