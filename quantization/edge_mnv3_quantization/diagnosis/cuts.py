"""A float graph cut at one tensor after the other: what is known there, and what still has to run.

The values of the float network are computed once, in the order of execution. At a cut only the operators
behind it run, on kept values. A value is forgotten once no operator behind takes it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.stored_numbers import fed_numbers
from edge_mnv3.core.tflite.excerpts import Excerpts
from edge_mnv3.core.tflite.types import Graph, Operator
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.one_output import needed_for

Numbers = npt.NDArray[Any]
Kept = Sequence[Numbers]  # a tensor's numbers for each image, in the tensor's shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Operators that run together.

    Attributes:
        operators: In the order of execution.
        inputs: Numbers of the tensors that they take from elsewhere, but for constants.
    """

    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What is known where a tensor may be changed.

    Attributes:
        operator: What gives the tensor.
        behind: What runs after the operator.
        tensor: The number of the tensor.
        values: The tensor's numbers.
        known: Number of each tensor that the operator, or what runs after it, takes to its numbers.
        images: Which images these are.
    """

    operator: Operator
    behind: Part
    tensor: int
    values: Kept
    known: Mapping[int, Kept]
    images: range


class Flow:
    """The operators that a tensor depends on, without those that only constants go into."""

    def __init__(self, graph: Graph, output: int) -> None:
        """Takes a graph of one input, and the number of the tensor."""
        needed = needed_for(graph, output)
        self.graph, self.output = graph, output
        self._constant = {number for number, one in enumerate(graph.tensors) if one.data is not None}
        self._of_constants: list[Operator] = []
        self.operators: list[Operator] = []
        for operator in graph.operators:
            if not needed.intersection(operator.outputs):
                continue
            if self.taken_by([operator]):
                self.operators.append(operator)
            else:
                self._of_constants.append(operator)
                self._constant.update(operator.outputs)

    def taken_by(self, operators: Iterable[Operator]) -> set[int]:
        """Lists what operators take, but for constants."""
        return {tensor for one in operators for tensor in one.inputs if tensor >= 0} - self._constant

    def part(self, operators: Sequence[Operator]) -> Part:
        """Adds to operators what they take."""
        given = {tensor for operator in operators for tensor in operator.outputs}
        return Part(operators=tuple(operators), inputs=tuple(sorted(self.taken_by(operators) - given)))

    def places(self, part: Part) -> list[int]:
        """Lists the places of a part's operators in the file, with those that compute its constants."""
        wanted = {tensor for operator in part.operators for tensor in operator.inputs}
        places = [operator.index for operator in part.operators]
        for operator in reversed(self._of_constants):
            if wanted.intersection(operator.outputs):
                wanted.update(operator.inputs)
                places.append(operator.index)
        return sorted(places)


class Parts:
    """Runs parts of a float file."""

    def __init__(self, content: bytes, flow: Flow) -> None:
        self.flow = flow
        self._content = content
        self._excerpts = Excerpts(content, "being diagnosed")

    def load(
        self,
        part: Part,
        known: Mapping[int, Kept],
        outputs: Sequence[int],
        constants: Mapping[int, Numbers] | None = None,
    ) -> LoadedModel:
        """Loads a part as a model that takes the part's inputs, of the shapes of what is known."""
        shapes = {tensor: known[tensor][0].shape for tensor in part.inputs}
        return open_bytes(self._excerpts.excerpt(self.flow.places(part), shapes, outputs, constants or {}))

    def cuts(self, tensors: Iterable[int], images: Images, first: int = 0) -> Iterator[Cut]:
        """Cuts the graph at tensors, in the order of execution, and last at the flow's output.

        Args:
            tensors: Numbers of tensors that operators give.
            images: (N, H, W, channels) uint8.
            first: The number of the first image.
        """
        (image_input,) = open_bytes(self._content).inputs
        known: dict[int, Kept] = {
            self.flow.graph.inputs[0]: [fed_numbers(image[np.newaxis], image_input, None) for image in images]
        }
        wanted, waiting = {*tensors, self.flow.output}, list[Operator]()
        for place, operator in enumerate(self.flow.operators):
            waiting.append(operator)
            changed = wanted.intersection(operator.outputs)
            if not changed:
                continue
            behind = self.flow.part(self.flow.operators[place + 1 :])
            known |= self._run(self.flow.part(waiting), known, {*behind.inputs, *operator.inputs, *changed})
            waiting = []
            for tensor in sorted(changed):
                taken_here = self.flow.taken_by([operator]).union(behind.inputs)
                yield Cut(
                    operator=operator,
                    behind=behind,
                    values=known[tensor],
                    tensor=tensor,
                    known={number: known[number] for number in taken_here},
                    images=range(first, first + len(images)),
                )
            known = {number: known[number] for number in behind.inputs}

    def _run(self, part: Part, known: Mapping[int, Kept], wanted: Collection[int]) -> dict[int, Kept]:
        """Computes those values that are wanted of the ones that a part gives."""
        given = (tensor for operator in part.operators for tensor in operator.outputs)
        outputs = [tensor for tensor in given if tensor in wanted]
        model = self.load(part, known, outputs)
        rows = [model.run_raw(*inputs) for inputs in taken(part, known)]
        return dict(zip(outputs, zip(*rows, strict=True), strict=True))


def taken(part: Part, known: Mapping[int, Kept]) -> Iterator[tuple[Numbers, ...]]:
    """Yields what a part takes, image by image."""
    return zip(*(known[tensor] for tensor in part.inputs), strict=True)


def most_bytes(flow: Flow, tensors: Container[int]) -> int:
    """Computes how much one image's values take at the cut where they take the most."""
    graph, most = flow.graph, 0
    for place, operator in enumerate(flow.operators):
        if any(tensor in tensors for tensor in operator.outputs):
            behind = flow.part(flow.operators[place + 1 :])
            held = flow.taken_by([operator]).union(behind.inputs, operator.outputs)
            most = max(most, sum(4 * math.prod(graph.tensors[number].shape) for number in held))
    return most
