"""Our graphs against `keras.applications`.

All 320 combinations of network, head and input size ask Keras for the same layers in the same order. Each
of the 20 networks is built too, with all pairs of head and size among them, and computes the same; with
`--whole-grid` all 320 are built, which takes many minutes.
"""

from __future__ import annotations

import importlib
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from edge_mnv3.model import arch, blocks, builder
from recorded_graphs import Graph, recorded

pytestmark = pytest.mark.unmeasured

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.25)
SIZES_PX = (224, 160, 96, 33)
HEADS: tuple[dict[str, Any], ...] = (
    {"include_top": True},
    *({"include_top": False, "pooling": pooling} for pooling in (None, "avg", "max")),
)
NETWORKS = tuple(itertools.product(("Small", "Large"), (False, True), ALPHAS))
COMBINATIONS = tuple(itertools.product(NETWORKS, HEADS))  # of each size
of_graphs = pytest.mark.xdist_group("recorded graphs")  # written down once
CLASSES = 10  # the classifier's width multiplies no structure; 1000 is covered by the parameter counts
# Both graphs run the same float32 operators in the same order; only the run-time's own choice of kernels may
# differ between two graphs, by a few units in the last place of values around 1.
RELATIVE_TOLERANCE = 1e-5

theirs_module = importlib.import_module("keras.src.applications.mobilenet_v3")
THEIR_PLACES = {"layers": [theirs_module], "model": (theirs_module, "Functional")}
OUR_PLACES = {"layers": [builder, blocks], "model": (keras, "Model")}


def arguments(network: tuple[str, bool, float], head: dict[str, Any], side: int) -> dict[str, Any]:
    _, minimalistic, alpha = network
    return {
        "input_shape": (side, side, 3),
        "alpha": alpha,
        "minimalistic": minimalistic,
        "weights": None,
        "classes": CLASSES,
        **head,
    }


def our_graph(size: str, given: dict[str, Any]) -> Graph:
    return recorded(OUR_PLACES, lambda: getattr(builder, f"MobileNetV3{size}")(**given))


def their_graph(size: str, given: dict[str, Any]) -> Graph:
    return recorded(THEIR_PLACES, lambda: getattr(keras.applications, f"MobileNetV3{size}")(**given))


def graphs(record: Callable[[str, dict[str, Any]], Graph], side: int) -> list[Graph]:
    return [record(network[0], arguments(network, head, side)) for network, head in COMBINATIONS]


@pytest.fixture(scope="module")
def our_graphs() -> dict[int, list[Graph]]:
    """Of all combinations, by the input's side."""
    return {side: graphs(our_graph, side) for side in SIZES_PX}


@pytest.fixture(scope="module")
def their_graphs() -> dict[int, list[Graph]]:
    """Of all combinations, by the input's side."""
    return {side: graphs(their_graph, side) for side in SIZES_PX}


def differing(ours: list[Graph], theirs: list[Graph]) -> list[tuple[Any, ...]]:
    """Combinations for which Keras is asked for another graph."""
    pairs = zip(COMBINATIONS, ours, theirs, strict=True)
    return [combination for combination, our, their in pairs if our != their]


@of_graphs
def test_every_combination_asks_for_the_layers_of_keras_applications(
    our_graphs: dict[int, list[Graph]], their_graphs: dict[int, list[Graph]]
) -> None:
    for side in SIZES_PX:
        assert differing(our_graphs[side], their_graphs[side]) == [], side


@of_graphs
def test_recorded_graphs_of_all_combinations_are_not_the_same_one(
    our_graphs: dict[int, list[Graph]],
) -> None:
    recorded_graphs = list(itertools.chain.from_iterable(our_graphs.values()))
    assert len(set(recorded_graphs)) == len(recorded_graphs) == 320


def even_padding(patch: pytest.MonkeyPatch) -> None:
    def padding(x: object, kernel_size: int) -> tuple[tuple[int, int], ...]:
        return ((kernel_size // 2 - 1, kernel_size // 2),) * 2

    patch.setattr(blocks, "_strided_padding", padding)


def other_epsilon(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(blocks.BATCH_NORM, "epsilon", 2e-3)


def wider_squeeze(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(arch, "SE_RATIO", 0.5)


@of_graphs
@pytest.mark.parametrize(
    ("change", "side", "count"),
    [
        (even_padding, 224, 0),  # all maps that are strided have even sides
        (even_padding, 33, 80),
        (other_epsilon, 96, 80),
        (wider_squeeze, 96, 40),  # minimalistic networks have none
    ],
)
def test_what_is_built_otherwise_is_found(
    change: Callable[[pytest.MonkeyPatch], None],
    side: int,
    count: int,
    their_graphs: dict[int, list[Graph]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(monkeypatch)
    assert len(differing(graphs(our_graph, side), their_graphs[side])) == count


def random_weights(model: Any, seed: int) -> list[np.ndarray[Any, Any]]:
    """Weights with a batch norm that does something: no value at its initial 0 or 1."""
    rng = np.random.default_rng(seed)
    return [
        value + rng.uniform(-0.3, 0.3, value.shape).astype(np.float32) if value.ndim == 1 else value
        for value in model.get_weights()
    ]


def assert_recorded_as_built(graph: Graph, model: Any) -> None:
    """What was written down is what Keras builds: every layer's class, name and shape."""
    arithmetic = {"Add": "+", "Multiply": "*"}  # operations that are no layers
    built = []
    for operation in model.operations:
        kind = type(operation).__name__
        if not isinstance(operation, keras.layers.Layer):
            kind = arithmetic[kind]
        built.append(("Input" if kind == "InputLayer" else kind, tuple(operation.output.shape)))
    assert Counter((step.kind, step.shape) for step in graph.steps) == Counter(built)
    named = {step.name for step in graph.steps if step.name}
    assert named <= {layer.name for layer in model.layers}
    assert graph.name == model.name


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_equals_keras_applications(number: int, pytestconfig: pytest.Config) -> None:
    size, minimalistic, alpha = NETWORKS[number]
    ours_build = getattr(builder, f"MobileNetV3{size}")
    theirs_build = getattr(keras.applications, f"MobileNetV3{size}")
    rng = np.random.default_rng(1)
    largest = 0.0
    combinations = list(itertools.product(HEADS, SIZES_PX))
    if not pytestconfig.getoption("--whole-grid"):
        combinations = [combinations[number % len(combinations)]]
    for head, side in combinations:
        given = arguments(NETWORKS[number], head, side)
        # Keras then counts its automatic names from the start, for both.
        keras.backend.clear_session()
        theirs = theirs_build(**given)
        keras.backend.clear_session()
        ours = ours_build(**given)
        assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
        assert [type(layer) for layer in ours.layers] == [type(layer) for layer in theirs.layers]
        assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
        assert_recorded_as_built(our_graph(size, given), ours)
        values = random_weights(theirs, seed=side)
        theirs.set_weights(values)
        ours.set_weights(values)
        pixels = rng.uniform(0, 255, (1, side, side, 3)).astype(np.float32)
        expected = np.asarray(theirs(pixels, training=False))
        actual = np.asarray(ours(pixels, training=False))
        assert actual.shape == expected.shape
        assert np.ptp(expected) > 0
        largest = max(largest, float(np.abs(actual - expected).max() / np.abs(expected).max()))
    print(f"largest relative difference {size} {minimalistic} {alpha}: {largest:.3g}")
    assert largest <= RELATIVE_TOLERANCE
