"""Golden vectors: images and the exact answers to them, and who can run them again.

A runner is anything that answers images with a model's raw outputs: this machine under either kind of
kernels, an emulated Arm processor, a phone. It says under which kernels it runs, and that decides what is
asked of it. Integer outputs under XNNPACK are the same bits on every processor, unless a product lies halfway
between two steps, and the recipes `accurate` and `fast` leave none. The softmax is TFLite's kernel, whose
last step may differ. The built-in kernels round in other places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.results.package import (
    PackagedModel,
    StepDifference,
)
from edge_mnv3.core.results.verify import GoldenRun
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite.input_facts import known_range
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Model

GOLDEN_COUNT = 10
GOLDEN_FOLDER = "golden"
# Over 200 photographs the built-in kernels differed from XNNPACK by up to 41 of 255 steps of a class's
# probability: on an uncertain image the softmax turns one step of a score into many. A wrong model differs by
# over 200.
BUILTIN_LIMIT_STEPS = 80
# TFLite's int8 softmax takes a table of 16 bits on 64-bit Arm and one of floats elsewhere (optimized_ops.h,
# TFLITE_SOFTMAX_USE_UINT16_LUT). Over 100 photographs, 10 to 20 of 100,000 probabilities were one step apart,
# though all that went into the softmax was the same.
SOFTMAX_LIMIT_STEPS = 1
# Float kernels sum in an order that depends on the processor. A thousandth is far above that rounding, and
# far below any difference that changes an answer.
FLOAT_LIMIT_MILLIONTHS = 1000
_MILLION = 1e6


class Answers(NamedTuple):
    """Raw outputs, and the runtime that gave them.

    Attributes:
        outputs: For each image all outputs of the file, in its order and dtypes, flat.
        runtime: Name and version.
    """

    outputs: list[tuple[npt.NDArray[Any], ...]]
    runtime: str

    def of(self, place: int) -> list[npt.NDArray[Any]]:
        """Returns one output for each image."""
        return [outputs[place] for outputs in self.outputs]


class OutputKind(NamedTuple):
    """What decides how near a model's outputs must come to the golden ones.

    Attributes:
        softmax: The model has a softmax.
        step: Real value of a step where float outputs are integers times it; None for others.
    """

    softmax: bool
    step: float | None


class GoldenRunner(Protocol):
    """Answers images with a model.

    Attributes:
        name: Name for people, such as `host, xnnpack`.
        kernels: Kernels that it runs.
    """

    @property
    def name(self) -> str:
        """Name for people, such as `host, xnnpack`."""

    @property
    def kernels(self) -> Kernels:
        """Kernels that it runs."""

    def run(self, model: Path, images: Sequence[Pixels]) -> Answers:
        """Runs a file on (rows, columns, channels) uint8 images, RGB or grey.

        A float input gets them in the range that the file itself tells, as packaged ones do.

        Raises:
            EdgeMnv3Error: It cannot be run here.
        """


@dataclass(frozen=True, slots=True)
class HostRunner:
    """This machine."""

    kernels: Kernels

    @property
    def name(self) -> str:
        """Name for people."""
        return f"host, {self.kernels}"

    def run(self, model: Path, images: Sequence[Pixels]) -> Answers:
        """Runs a file here, with one thread.

        Raises:
            ModelFileError: It does not load.
        """
        loaded = open_model(model, kernels=self.kernels, input_range=known_range(model))
        answers = [tuple(output.reshape(-1) for output in loaded.run_all(image)) for image in images]
        return Answers(answers, loaded.runtime)


def output_kinds(contents: Model) -> tuple[OutputKind, ...]:
    """Reads from a file's main graph what each of its golden outputs can be held to."""
    graph = contents.main_graph
    return tuple(_output_kind(graph, tensor) for tensor in graph.outputs)


def _output_kind(graph: Graph, tensor: int) -> OutputKind:
    last = graph.producer(tensor)
    scales = () if last is None else graph.tensors[last.inputs[0]].scales
    dequantized = last is not None and last.name == "DEQUANTIZE" and len(scales) == 1
    return OutputKind(softmax=_has_softmax(graph, tensor), step=scales[0] if dequantized else None)


def _has_softmax(graph: Graph, tensor: int) -> bool:
    """Whether a softmax is among the operators that make a tensor."""
    waiting, seen = [tensor], {tensor}
    while waiting:
        operator = graph.producer(waiting.pop())
        if operator is None:
            continue
        if operator.name == "SOFTMAX":
            return True
        new = {number for number in operator.inputs if number != NO_TENSOR} - seen
        waiting += new
        seen |= new
    return False


def compare(
    expected: Sequence[npt.NDArray[Any]], answers: Sequence[npt.NDArray[Any]], *, step: float | None = None
) -> StepDifference:
    """Compares outputs value by value; NaN is as far away as can be.

    Floats are measured in millionths of the largest golden output of their image, or in steps.

    Args:
        expected: Golden outputs.
        answers: The outputs to compare with them.
        step: Step of the output's numbers, as in `OutputKind`.
    """
    wanted, got = np.stack(expected), np.stack(answers)
    finite = np.isfinite(wanted) & np.isfinite(got)
    top1_equal = (wanted.argmax(axis=1) == got.argmax(axis=1)) & finite.all(axis=1)
    if step is not None:
        wanted, got = (_in_steps(values, step) for values in (wanted, got))
    if np.issubdtype(wanted.dtype, np.floating):
        largest = np.abs(wanted).max(axis=1, keepdims=True).astype(np.float64)
        apart = np.abs(wanted.astype(np.float64) - got) / np.where(largest > 0, largest, 1.0) * _MILLION
        steps = np.ceil(np.nan_to_num(apart, nan=np.inf, posinf=2**53)).clip(max=2**53)
    else:
        apart = np.abs(wanted.astype(np.int64) - got.astype(np.int64))
        steps = np.where(finite, apart, 2**53)
    return StepDifference(
        values=int(wanted.size),
        differing=int(np.count_nonzero(steps)),
        max_apart=int(steps.max()),
        unit="millionths" if np.issubdtype(wanted.dtype, np.floating) else "steps",
        top1_equal=int(top1_equal.sum()),
        images=len(wanted),
    )


def _in_steps(values: npt.NDArray[Any], step: float) -> npt.NDArray[np.int64]:
    """Turns dequantized floats back into integer steps."""
    whole = np.rint(values.astype(np.float64) / step)
    return np.nan_to_num(whole, nan=2**53, posinf=2**53, neginf=-(2**53)).astype(np.int64)


def largest_allowed(kernels: Kernels, output_dtype: str, kind: OutputKind) -> int:
    """Returns the largest difference that is allowed; 0 demands the same bits."""
    if output_dtype == "float32" and kind.step is None:
        return FLOAT_LIMIT_MILLIONTHS
    if kernels == "builtin":
        return BUILTIN_LIMIT_STEPS
    return SOFTMAX_LIMIT_STEPS if kind.softmax else 0


def run_golden(
    runner: GoldenRunner,
    model: PackagedModel,
    path: Path,
    images: Sequence[Pixels],
    expected: Sequence[Sequence[npt.NDArray[Any]]],
) -> list[GoldenRun]:
    """Runs the golden images and compares, output by output.

    Args:
        runner: What runs them.
        model: The model of the bundle.
        path: The model's file.
        images: The golden images.
        expected: Of each output the golden ones, an array an image.

    Raises:
        EdgeMnv3Error: The runner cannot run it, or gives other outputs.
    """
    answers = runner.run(path, images)
    runs = []
    for place, (output, kind) in enumerate(zip(model.outputs, output_kinds(read_file(path)), strict=True)):
        difference = compare(expected[place], answers.of(place), step=kind.step)
        allowed = largest_allowed(runner.kernels, output.tensor.dtype, kind)
        runs.append(
            GoldenRun(
                model=model.file,
                output=output.name,
                runner=runner.name,
                runtime=answers.runtime,
                exact=allowed == 0,
                limit=allowed,
                difference=difference,
                passed=difference.max_apart <= allowed,
            )
        )
    return runs


def image_file(index: int, *, grey: bool = False) -> str:
    """Returns the path of a golden image in the bundle: raw uint8, RGB or grey, row by row."""
    return f"{GOLDEN_FOLDER}/image_{index:02}.{'grey' if grey else 'rgb'}"


def output_file(model_file: str, index: int, *, place: int | None = None) -> str:
    """Returns the path of a golden output in the bundle: raw values, little endian, in the file's dtype.

    Args:
        model_file: The model's file in the bundle.
        index: Number of the image.
        place: Number of the output; None for the only one.
    """
    which = "" if place is None else f"_output{place}"
    return f"{GOLDEN_FOLDER}/{model_file.removesuffix('.tflite')}{which}_{index:02}.bin"


def to_bytes(output: npt.NDArray[Any]) -> bytes:
    """Returns a raw output as bytes, little endian."""
    return output.astype(output.dtype.newbyteorder("<")).tobytes()


def from_bytes(content: bytes, dtype: str) -> npt.NDArray[Any]:
    """Reads what `to_bytes` wrote."""
    return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(dtype)
