"""What is known of a file's tensors while its operators are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Operator
from edge_mnv3_quantization.graph.network import Value
from edge_mnv3_quantization.reading.constants import Constant
from edge_mnv3_quantization.reading.refusals import source_of, unsupported
from edge_mnv3_quantization.reading.steps import Step, Steps
from edge_mnv3_quantization.reading.views import CHANNELS, View

_CLIPS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
_FLOATS = ("float16", "float32", "float64")


class Reading:
    """Tensors of the file that were read: constants, and views of the steps' values.

    Attributes:
        graph: The file's graph.
        steps: The steps so far.
        constants: Tensor to its numbers: float64, or int64 of integers.
        views: Tensor to what it holds of a value.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps = Steps(values={}, input=graph.inputs[0])
        self.constants: dict[int, Constant] = {}
        self.views: dict[int, View] = {}
        self._in_file: dict[int, int] = {}
        self._vectors: dict[int, int] = {}
        self._added = len(graph.tensors) - 1

    def start(self, tensor: int, shape: tuple[int, ...], view: View) -> None:
        """Takes a tensor as the image, of shape (1, H, W, C)."""
        self.steps.values = {tensor: Value(name=self.graph.tensors[tensor].name, shape=shape)}
        self.views[tensor] = View(tensor, view.axes)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Returns the shape of a tensor that holds numbers of a value, for a batch of 1."""
        view = self.views[tensor]
        return view.shape(self.steps.values[view.value].shape)

    def constant(self, tensor: int) -> Constant | None:
        """Returns a constant's numbers; None for what operators compute."""
        if tensor in self.constants or tensor == NO_TENSOR:
            return self.constants.get(tensor)
        stored = self.graph.tensors[tensor]
        numbers = stored.numbers()
        if numbers is None:
            return None
        if numbers.dtype.name not in _FLOATS:
            numbers = numbers.astype(np.int64)
            if stored.scales:
                raise unsupported(
                    f"constant '{stored.name}'",
                    f"{stored.dtype.lower()} weights: the file is quantized already",
                    "give the float file",
                )
        else:
            numbers = numbers.astype(np.float64)
        return self.constants.setdefault(tensor, numbers)

    def numbers(self, operator: Operator, place: int) -> Constant:
        """Returns the constant that an operator takes in a place.

        Raises:
            ConversionError: It is no constant.
        """
        numbers = self.constant(operator.inputs[place])
        if numbers is None:
            raise unsupported(source_of(operator, self.graph), "an argument that is computed")
        return numbers

    def output(self, operator: Operator, shape: tuple[int, ...]) -> int:
        """Makes the value that an operator's output tensor holds."""
        return self._named(operator.output, shape)

    def between(self, operator: Operator, shape: tuple[int, ...]) -> int:
        """Makes a value that the file has no tensor for."""
        self._added += 1
        name = self.graph.tensors[operator.output].name
        self.steps.values[self._added] = Value(name=f"{name}_{self._added}", shape=shape)
        return self._added

    def add(self, operator: Operator, **fields: Any) -> Step:
        """Adds a step."""
        step = Step(source=source_of(operator, self.graph), **fields)
        self.steps.steps.append(step)
        return step

    def as_map(self, operator: Operator, tensor: int) -> int:
        """Returns the value that a tensor holds as a map (1, H, W, C).

        Raises:
            ConversionError: The tensor's dimensions are in another order.
        """
        view = self.views[tensor]
        if not view.is_map(self.steps.values[view.value].shape):
            raise unsupported(
                source_of(operator, self.graph),
                f"an input {self.shape(tensor)} in another order than rows, columns, channels",
            )
        return view.value

    def as_in_file(self, tensor: int) -> int:
        """Returns a value of the tensor's own shape, which a reshape makes where needed."""
        view, shape = self.views[tensor], self.shape(tensor)
        known = self.steps.values[view.value].shape
        if view.is_map(known):
            return view.value
        if tensor in self._in_file:
            return self._in_file[tensor]
        name = self.graph.tensors[tensor].name
        source = f"tensor '{name.partition(';')[0]}'"
        if not view.is_in_order(known):
            raise unsupported(
                source,
                "an output whose dimensions are not in the order rows, columns, channels",
                "give it out in the order rows, columns, channels",
            )
        output = tensor
        if tensor in self.steps.values:
            self._added += 1
            output, name = self._added, f"{name}_{self._added}"
        self.steps.values[output] = Value(name=name, shape=shape)
        self.steps.steps.append(Step(kind="reshape", inputs=(view.value,), output=output, source=source))
        self._in_file[tensor] = output
        return output

    def as_vector(self, operator: Operator, view: View) -> View:
        """Returns a map that was flattened as a value (1, 1, 1, N) of its own, which a reshape makes.

        Operators that have a number for each place of the vector need it; others take the map as it is. A
        view in another order than the map's keeps its order.
        """
        if view.flat is None:
            return view
        shape = self.steps.values[view.value].shape
        vector = (1, 1, 1, len(view.flat))
        if shape == vector:
            return view
        if view.value not in self._vectors:
            self._vectors[view.value] = self.between(operator, vector)
            self.add(operator, kind="reshape", inputs=(view.value,), output=self._vectors[view.value])
        value = self._vectors[view.value]
        return View(value, (0, CHANNELS)) if view.is_in_order(shape) else View(value, (), view.flat)

    def _named(self, tensor: int, shape: tuple[int, ...]) -> int:
        self.steps.values[tensor] = Value(name=self.graph.tensors[tensor].name, shape=shape)
        return tensor


def clipped(reading: Reading, operator: Operator, view: View, limits: tuple[float, float]) -> View:
    """Adds a step that clips what a view holds, and gives the operator's output."""
    output = reading.output(operator, reading.steps.values[view.value].shape)
    reading.add(operator, kind="clip", inputs=(view.value,), output=output, low=limits[0], high=limits[1])
    return View(output, view.axes, view.flat)


def first_output(reading: Reading, operator: Operator, shape: tuple[int, ...]) -> int:
    """Makes the value that an operator gives before its activation."""
    if operator.activation == "NONE":
        return reading.output(operator, shape)
    return reading.between(operator, shape)


def activated(reading: Reading, operator: Operator, view: View) -> View:
    """Adds the activation that is part of an operator, behind what it gives before.

    Raises:
        ConversionError: It is another activation than ReLU, ReLU6 and clipping to -1..1.
    """
    if operator.activation == "NONE":
        return view
    if operator.activation not in _CLIPS:
        raise unsupported(source_of(operator, reading.graph), f"activation {operator.activation}")
    return clipped(reading, operator, view, _CLIPS[operator.activation])
