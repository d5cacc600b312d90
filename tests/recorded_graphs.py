"""What a function that builds a Keras graph asks of Keras, written down instead of built.

Two graphs whose layers are made from the same classes and arguments, called on the same tensors in the same
order, are the same graph to Keras, automatic names included. Writing that down costs a hundredth of a graph.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import pytest

Shape = tuple[int | None, ...]


class Step(NamedTuple):
    """One operation of a graph.

    Attributes:
        kind: The layer's class, `+` or `*`.
        name: The name that was asked for; None where Keras counts.
        config: The layer's configuration as Keras tells it, without the name; the number of `+` and `*`.
        inputs: Steps whose outputs it takes, by their place.
        shape: Shape of the output.
    """

    kind: str
    name: str | None
    config: str
    inputs: tuple[int, ...]
    shape: Shape


class Graph(NamedTuple):
    """A whole graph."""

    name: str | None
    steps: tuple[Step, ...]
    input: int
    output: int


class _Tensor:
    def __init__(self, steps: list[Step], place: int) -> None:
        self.steps = steps
        self.place = place
        self.shape = steps[place].shape

    def then(self, kind: str, number: float) -> _Tensor:
        return _added(self.steps, Step(kind, None, repr(number), (self.place,), self.shape))

    def __add__(self, number: float) -> _Tensor:
        return self.then("+", number)

    def __mul__(self, number: float) -> _Tensor:
        return self.then("*", number)


def _added(steps: list[Step], step: Step) -> _Tensor:
    steps.append(step)
    return _Tensor(steps, len(steps) - 1)


class _Layers:
    """In the place of the module `keras.layers`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def Input(self, *, shape: Shape) -> _Tensor:  # noqa: N802
        return _added(self.steps, Step("Input", None, "", (), (None, *shape)))

    def __getattr__(self, kind: str) -> Callable[..., Callable[[Any], _Tensor]]:
        return functools.partial(self._layer, kind)

    def _layer(self, kind: str, *arguments: Any, **options: Any) -> Callable[[Any], _Tensor]:
        bound = _signature(kind).bind(None, *arguments, **options)
        given = {name: value for name, value in bound.arguments.items() if name != "self"}
        given |= given.pop("kwargs", {})
        name = given.pop("name", None)
        key = repr(sorted(given.items()))

        def call(tensors: Any) -> _Tensor:
            several = tensors if isinstance(tensors, list) else [tensors]
            shapes = tuple(tensor.shape for tensor in several)
            config, shape = _facts(kind, key, shapes, _Given(given))
            inputs = tuple(tensor.place for tensor in several)
            return _added(self.steps, Step(kind, name, config, inputs, shape))

        return call


@functools.cache
def _signature(kind: str) -> inspect.Signature:
    return inspect.signature(getattr(keras.layers, kind).__init__)


class _Given(dict[str, Any]):
    """Arguments of a layer; the key that stands beside them tells them apart."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given)


@functools.cache
def _facts(kind: str, key: str, shapes: tuple[Shape, ...], given: _Given) -> tuple[str, Shape]:
    """The configuration and the shape of the output, both from the real layer."""
    layer = _layer_of(kind, key, given)
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    shape = layer.compute_output_shape(list(shapes) if len(shapes) > 1 else shapes[0])
    return json.dumps(config, sort_keys=True, default=repr), tuple(shape)


@functools.cache
def _layer_of(kind: str, key: str, given: _Given) -> Any:
    return getattr(keras.layers, kind)(**given)


def recorded(places: dict[str, Any], build: Callable[[], Any]) -> Graph:
    """Runs `build` and returns what it asked for.

    Args:
        places: Where the code finds Keras: `layers`, modules whose `layers` is replaced; `model`, the object
            and the name there of the model's class.
        build: Builds the graph.
    """
    layers = _Layers()

    def model(inputs: _Tensor, outputs: _Tensor, name: str | None = None) -> Graph:
        return Graph(name, tuple(layers.steps), inputs.place, outputs.place)

    with pytest.MonkeyPatch.context() as patch:
        for module in places["layers"]:
            patch.setattr(module, "layers", layers)
        owner, name = places["model"]
        patch.setattr(owner, name, model)
        graph = build()
    assert isinstance(graph, Graph)
    return graph
