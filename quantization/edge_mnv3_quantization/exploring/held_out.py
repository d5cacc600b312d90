"""An int8 file's logits against its float file's, on images that it was not calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.sweep import HeldOutFigures
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.stored_numbers import real_numbers
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_quantization.calibration.activations import Images

# What may stand behind the logits: another type, and the functions of probabilities.
# Which change neither the numbers, but for rounding, nor their order.
_SAME_NUMBERS = ("QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_PROBABILITIES = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC")

Array = npt.NDArray[np.float64]


class Logits(NamedTuple):
    """A file's outputs in front of softmax and sigmoid.

    Attributes:
        rows: (N, numbers) of each output.
        cut: Whether a function of probabilities was left out, of each output.
    """

    rows: tuple[Array, ...]
    cut: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How a file is run.

    Attributes:
        kernels: Kernels.
        input_range: What a float input takes; None for an integer input.
    """

    kernels: Kernels = "xnnpack"
    input_range: InputRange | None = None


def logits_of(content: bytes, images: Images, runs: Runs) -> Logits:
    """Runs a file over images.

    Args:
        content: A float or int8 file.
        images: (N, H, W, C) uint8.
        runs: How.

    Raises:
        ModelFileError: The file is no valid `.tflite` of one graph.
    """
    graph = only_graph(read_model(content, "being compared"), "being compared")
    found = [_in_front(graph, output) for output in graph.outputs]
    tensors = [tensor for tensor, _ in found]
    # A runtime lists an output that is asked for twice only once.
    changed = tensors != list(graph.outputs) and len({*tensors}) == len(tensors)
    if changed:
        content = Edit(content, "being compared").with_outputs(tensors).to_bytes()
    model = open_bytes(content, kernels=runs.kernels, input_range=runs.input_range)
    columns: list[list[Array]] = [[] for _ in model.outputs]
    for image in images:
        for column, stored, info in zip(columns, model.run_all(image), model.outputs, strict=True):
            column.append(real_numbers(stored, info).reshape(-1).astype(np.float64))
    cuts = tuple(cut and changed for _, cut in found)
    return Logits(tuple(np.stack(column) for column in columns), cuts)


def held_out_figures(
    wanted: Logits, got: Logits, outputs: Sequence[OutputFacts], kernels: Kernels
) -> HeldOutFigures:
    """Compares the logits of both files.

    Of several outputs, each counts as much: errors are shares of the output's own signal.

    Args:
        wanted: Float's.
        got: Int8's, on the same images.
        outputs: What the outputs give.
        kernels: What ran the int8 file.

    Raises:
        ModelFileError: The outputs do not fit each other, or are not finite.
    """
    if [one.shape for one in wanted.rows] != [one.shape for one in got.rows] or wanted.cut != got.cut:
        raise ModelFileError("the int8 file", "other outputs than the float file's", "a pair")
    if not all(np.isfinite(rows).all() for rows in (*wanted.rows, *got.rows)):
        raise ModelFileError("held-out images", "answers that are no finite numbers", "finite weights")
    n = len(wanted.rows[0])
    noise, known = np.zeros(n), True
    for one, other in zip(wanted.rows, got.rows, strict=True):
        signal = float(np.square(one - one.mean(axis=0)).sum())
        known = known and signal > 0
        noise += np.square(other - one).sum(axis=1) / (signal or 1.0) / len(wanted.rows)
    total = float(noise.sum())
    return HeldOutFigures(
        n=n,
        snr_db=float(-10 * np.log10(total)) if known and total > 0 else None,
        agreement_percent=_agreement_percent(wanted, got, outputs),
        kernels=kernels,
        noise=tuple(float(f"{one:.6g}") for one in noise),
    )


def _in_front(graph: Graph, output: int) -> tuple[int, bool]:
    """Goes back from an output over what stands behind the logits."""
    cut = False
    while (operator := graph.producer(output)) is not None:
        if operator.name in _PROBABILITIES and not cut:
            cut = True
        elif operator.name not in _SAME_NUMBERS:
            break
        output = operator.inputs[0]
    return output, cut


def _agreement_percent(wanted: Logits, got: Logits, outputs: Sequence[OutputFacts]) -> float | None:
    """The share of images on which all outputs that decide anything decide alike."""
    alike = []
    for facts, one, other, cut in zip(outputs, wanted.rows, got.rows, wanted.cut, strict=True):
        if facts.task == "classes":
            alike.append(one.argmax(axis=1) == other.argmax(axis=1))
            continue
        threshold = 0.0 if cut else facts.even
        if facts.task in ("binary", "labels") and threshold is not None:
            alike.append(((one > threshold) == (other > threshold)).all(axis=1))
    return float(100 * np.logical_and.reduce(alike).mean()) if alike else None
