"""A float graph in one layout, on its way to a `Network`: maps (1, H, W, C), vectors as (1, 1, 1, C)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Clamp, Kind, Node, Value

StepKind = Kind | Literal["affine", "clip"]
_NO_NUMBERS = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """A node of the network, or one of two kinds that other nodes take up.

    `affine` gives scale * input + shift, and `clip` the nearest number from low to high.

    Attributes:
        source: What errors call it: the file's operator and the name of its output tensor.
        scale: The factors of an `affine`, (1,) or (C,).
        shift: The summands of an `affine`, (1,) or (C,).
        low: The smallest number that a `clip` gives.
        high: The largest number that a `clip` gives.
    """

    kind: StepKind
    inputs: tuple[int, ...]
    output: int
    source: str
    weights: Array | None = None
    bias: Array | None = None
    clamp: Clamp = "none"
    stride: tuple[int, int] = (1, 1)
    same_padding: bool = False
    factor: float = 1.0
    paddings: tuple[int, int, int, int] = (0, 0, 0, 0)
    scale: Array = field(default_factory=lambda: _NO_NUMBERS)
    shift: Array = field(default_factory=lambda: _NO_NUMBERS)
    low: float = -np.inf
    high: float = np.inf

    def weights_and_bias(self) -> tuple[Array, Array]:
        """Returns the weights and the bias of a weighted step.

        Raises:
            ValueError: The step has none.
        """
        if self.weights is None or self.bias is None:
            raise ValueError(f"{self.source} has no weights")
        return self.weights, self.bias

    @property
    def is_weighted(self) -> bool:
        """Whether it has weights and a bias."""
        return self.kind in WEIGHTED

    def node(self) -> Node:
        """Returns the step as a node of the network.

        Raises:
            ValueError: No node is of this kind.
        """
        if self.kind == "affine" or self.kind == "clip":
            raise ValueError(f"{self.source} has no node of its own")
        return Node(
            kind=self.kind,
            inputs=self.inputs,
            output=self.output,
            weights=self.weights,
            bias=self.bias,
            clamp=self.clamp,
            stride=self.stride,
            same_padding=self.same_padding or self.kind not in WEIGHTED,
            factor=self.factor,
            paddings=self.paddings,
        )


def affine(value: int, output: int, source: str, scale: Array, shift: Array) -> Step:
    """Makes an `affine` step from factors and summands, (1,) or (C,) each."""
    return Step(kind="affine", inputs=(value,), output=output, source=source, scale=scale, shift=shift)


@dataclass(slots=True)
class Steps:
    """Steps in the order of execution, which passes rewrite.

    Attributes:
        values: Name and shape of each value; numbers of values that come from the file are its tensors'.
        input: The value that holds the image.
        outputs: The values that the network gives.
    """

    values: dict[int, Value]
    input: int
    outputs: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def new_value(self, name: str, shape: tuple[int, ...]) -> int:
        """Adds a value."""
        number = max(self.values) + 1
        self.values[number] = Value(name=name, shape=shape)
        return number

    def producer(self, value: int) -> Step | None:
        """The step that gives a value; None for the input."""
        return next((step for step in self.steps if step.output == value), None)

    def consumers(self, value: int) -> list[Step]:
        """The steps that take a value."""
        return [step for step in self.steps if value in step.inputs]

    def is_only_for(self, value: int, step: Step) -> bool:
        """Whether nothing but this step takes a value."""
        return value not in self.outputs and self.consumers(value) == [step]

    def replace(self, old: Step, *new: Step) -> None:
        """Puts other steps in the place of one."""
        place = self.steps.index(old)
        self.steps[place : place + 1] = new

    def replace_inputs(self, step: Step, new_of: Mapping[int, int]) -> None:
        """Makes a step take other values."""
        inputs = tuple(new_of.get(value, value) for value in step.inputs)
        self.replace(step, dataclasses.replace(step, inputs=inputs))

    def drop(self, step: Step) -> None:
        """Takes a step out, so that what took its output takes its input."""
        self.replace(step)
        (value,) = step.inputs
        self.take_instead(step.output, value)

    def take_instead(self, old: int, new: int) -> None:
        """Makes all steps, and the outputs, take another value."""
        for place, step in enumerate(self.steps):
            if old in step.inputs:
                inputs = tuple(new if value == old else value for value in step.inputs)
                self.steps[place] = dataclasses.replace(step, inputs=inputs)
        self.outputs = [new if value == old else value for value in self.outputs]

    def without_unused(self) -> None:
        """Leaves out the steps that no output depends on."""
        wanted, kept = set(self.outputs), []
        for step in reversed(self.steps):
            if step.output in wanted:
                wanted |= set(step.inputs)
                kept.append(step)
        self.steps = kept[::-1]

    def until_settled(self, rules: Iterable[Callable[[Steps, Step], bool]]) -> None:
        """Applies rules to all steps until none changes anything.

        Args:
            rules: Each may rewrite what is around a step, and tells whether it did.
        """
        rules, changed = tuple(rules), True
        while changed:
            changed = False
            for step in tuple(self.steps):
                for rule in rules:
                    if step in self.steps and rule(self, step):
                        changed = True


def channels(numbers: Array, count: int) -> Array:
    """Spreads numbers (1,) or (C,) over `count` channels."""
    return np.broadcast_to(numbers, (count,))


def named_once(values: Mapping[int, Value]) -> dict[int, Value]:
    """Gives values without a name, or with that of another, names of their own."""
    taken: set[str] = set()
    unique = {}
    for number, value in values.items():
        name = value.name or f"value_{number}"
        while name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        unique[number] = value if name == value.name else dataclasses.replace(value, name=name)
    return unique
