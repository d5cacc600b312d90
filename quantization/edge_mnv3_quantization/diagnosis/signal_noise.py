"""The signal-to-noise ratio of every value of an int8 file, over images, against the float file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.parallel import available_cores, results_in_order
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.diagnose import ValueHistogram
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.stored_numbers import real_numbers
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3_quantization.calibration.activations import Image, Images
from edge_mnv3_quantization.diagnosis.equalization_scales import (
    EqualizationScales,
    recover_scales,
    unread_inputs,
)
from edge_mnv3_quantization.diagnosis.histograms import Counts, StepCounts
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue
from edge_mnv3_quantization.diagnosis.pairing import logits_tensor
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, Array
from edge_mnv3_quantization.graph.tensor_names import is_hard_sigmoid_name

_CONSTANT = 1e-3  # a channel is constant if its spread is no larger share of the value's largest number
_SCALE_IMAGES = 8  # enough for the constants of products, the scaling of pixels, and constant excitations

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Moments of one value over the images and positions, (C,) each.

    Where only hard-swish takes a value, numbers below -3 count as -3 in signal and noise: all of them give 0.

    Attributes:
        signal: Mean square of the float numbers about their mean.
        noise: Mean square of the error of int8.
        low: Smallest float number.
        high: Largest float number.
    """

    signal: Array
    noise: Array
    low: Array
    high: Array

    def dead(self) -> npt.NDArray[np.bool_]:
        """Tells which channels are constant over the images, (C,)."""
        largest = max(float(np.abs(self.low).max()), float(np.abs(self.high).max()))
        return self.high - self.low <= _CONSTANT * largest

    def decibels(self) -> float | None:
        """Computes the signal-to-noise ratio of the whole value; None if it is constant or has no noise."""
        return None if self.dead().all() else decibels(float(self.signal.sum()), float(self.noise.sum()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What both files make of the images.

    Attributes:
        equalization: The equalization scales of the int8 file.
        moments: The moments of each value, by its tensor in the float file; those of the logits are against
            the float file as it was given, those of values before against it with linear channels divided.
        float_logits: The float file's logits as it was given, (N, classes).
        int8_logits: The int8 file's logits as real numbers, (N, classes).
        divided_logits: The float file's with linear channels divided; None where none was.
        histograms: How the numbers of each value lie in its int8 range, by its tensor in the float file.
    """

    equalization: EqualizationScales
    moments: Mapping[int, Moments]
    histograms: Mapping[int, ValueHistogram | None]
    float_logits: Array
    int8_logits: Array
    divided_logits: Array | None


def decibels(signal: float, noise: float) -> float | None:
    """Computes 10 · log10(signal / noise); None where that is no finite number."""
    if not (signal > 0 and noise > 0 and np.isfinite(signal) and np.isfinite(noise)):
        return None
    return float(10 * np.log10(signal / noise))


def survey(
    pair: Pair,
    images: Images,
    *,
    kernels: Kernels,
    float_name: str,
    int8_name: str,
    reporter: Reporter = SILENT,
) -> Survey:
    """Runs both files over the images.

    Args:
        pair: The files.
        images: (N, H, W, 3) uint8.
        kernels: For the int8 file.
        float_name: What errors call the float file.
        int8_name: What errors call the int8 file.
        reporter: Its `progress` is told of (images done, images in all).

    Raises:
        ModelFileError: The files are not of one network, or the float file's answers are not finite.
    """
    equalization = _equalization_scales(pair, images[:_SCALE_IMAGES], kernels, float_name, int8_name)
    values = pair.values
    floors = [-HARD_SIGMOID_SHIFT if feeds_hard_swish(pair, value) else None for value in values]
    counts = [_step_counts(pair, value, equalization) for value in values]
    copies = [pair.copies.get(pair.int8_file.tensors[value.int8_tensor].name) for value in values]

    def compared(
        runners: _Runners, image: Image
    ) -> tuple[list[_Sums], list[tuple[Counts, int]], tuple[Matrix, Matrix, Matrix]]:
        wanted, got = runners[0](image), runners[1](image)
        divided = wanted[-1]
        if runners[2] is not None:
            wanted[-1] = runners[2](image)[0]
        counted = [each.of(one) for each, one in zip(counts, wanted, strict=True)]
        scales = (equalization.outputs[value.int8_tensor].astype(np.float32) for value in values)
        numbers = zip(wanted, got, scales, floors, strict=True)
        sums = [
            _sums(one, mean_of_copies(other * scale, places), floor)
            for (one, other, scale, floor), places in zip(numbers, copies, strict=True)
        ]
        return sums, counted, (wanted[-1].reshape(-1), got[-1].reshape(-1), divided.reshape(-1))

    runners = [_runners(pair, kernels) for _ in range(min(available_cores(), len(images)))]
    totals = [_no_sums(value.channels) for value in values]
    logits: list[tuple[Matrix, Matrix, Matrix]] = []
    answers = results_in_order(compared, runners, list(images))
    for done, (sums, counted, answered) in enumerate(answers, start=1):
        for total, of_image in zip(totals, sums, strict=True):
            total.add(of_image)
        for each, of_value in zip(counts, counted, strict=True):
            each.add(of_value)
        logits.append(answered)
        reporter.progress(done, len(images))
    float_logits, int8_logits, divided = (
        np.stack(each).astype(np.float64) for each in zip(*logits, strict=True)
    )
    if not np.isfinite(float_logits).all():
        raise ModelFileError(f"model {float_name}", "answers that are no finite numbers", "finite weights")
    moments = {value.float_tensor: total.moments() for value, total in zip(values, totals, strict=True)}
    return Survey(
        equalization=equalization,
        moments=moments,
        histograms={
            tensor: each.histogram(of_value.low, of_value.high)
            for (tensor, of_value), each in zip(moments.items(), counts, strict=True)
        },
        float_logits=float_logits,
        int8_logits=int8_logits,
        divided_logits=divided if pair.undivided_content else None,
    )


def _runners(pair: Pair, kernels: Kernels) -> _Runners:
    """Opens the files for one thread, with all paired values as outputs."""
    given = _exposing(pair.float_content, [value.float_tensor for value in pair.values])
    int8 = _exposing(pair.int8_content, [value.int8_tensor for value in pair.values])
    return _Runner(open_bytes(given)), _Runner(open_bytes(int8, kernels=kernels)), _undivided_logits(pair)


def _step_counts(pair: Pair, value: PairedValue, equalization: EqualizationScales) -> StepCounts:
    """What counts a value's numbers; the logits are counted of the file with divided channels, as stored."""
    return StepCounts(
        scale=value.scale,
        zero_point=value.zero_point,
        equalization_scales=equalization.outputs[value.int8_tensor],
        movement=pair.movements.get(pair.int8_file.tensors[value.int8_tensor].name),
        before_hard_swish=feeds_hard_swish(pair, value) or _is_joined_before_hard_swish(pair, value),
    )


def _is_joined_before_hard_swish(pair: Pair, value: PairedValue) -> bool:
    """Whether a value is one of several channel groups that are joined, and a hard-swish takes them."""
    takers = pair.float_file.consumers(value.float_tensor)
    if [taker.name for taker in takers] != ["CONCATENATION"]:
        return False
    joined = next((each for each in pair.values if each.float_tensor == takers[0].output), None)
    return joined is not None and feeds_hard_swish(pair, joined)


def _undivided_logits(pair: Pair) -> _Runner | None:
    """Opens the float file as it was before channels were divided, for its logits."""
    if pair.undivided_content is None:
        return None
    logits = logits_tensor(read_model(pair.undivided_content, "being diagnosed").main_graph)
    return _Runner(open_bytes(_exposing(pair.undivided_content, [logits])))


def mean_of_copies(numbers: Matrix, copies: npt.NDArray[np.intp] | None) -> Matrix:
    """Replaces the numbers (positions, C) of copies of a channel by their mean, which is what counts."""
    if copies is None:
        return numbers
    _, places, counts = np.unique(copies, return_inverse=True, return_counts=True)
    is_copy = np.equal.outer(np.arange(len(counts)), places).astype(np.float32)
    mean: Matrix = numbers @ (is_copy.T @ (is_copy / counts[:, np.newaxis].astype(np.float32)))
    return mean


def feeds_hard_swish(pair: Pair, value: PairedValue) -> bool:
    """Whether hard-swish alone takes a value of the float file, lowered or not."""
    takers = pair.float_file.consumers(value.float_tensor)
    if [taker.name for taker in takers] == ["HARD_SWISH"]:
        return True
    hard_sigmoids = [
        taker for taker in takers if is_hard_sigmoid_name(pair.float_file.tensors[taker.output].name)
    ]
    return len(hard_sigmoids) == 1 and len(takers) == 2


def sample_values(
    pair: Pair, tensors: Collection[int], images: Images, *, positions: int
) -> dict[int, Matrix]:
    """Samples values of the float file, (numbers, C) each, at evenly spread positions of each image."""
    if not tensors:
        return {}
    ordered = sorted(tensors)
    run = _Runner(open_bytes(_exposing(pair.float_content, ordered)))
    samples: dict[int, list[Matrix]] = {tensor: [] for tensor in ordered}
    for index, image in enumerate(images):
        for tensor, output in zip(ordered, run(image), strict=True):
            stride = -(-len(output) // positions)
            samples[tensor].append(output[index % stride :: stride].copy())
    return {tensor: np.concatenate(parts) for tensor, parts in samples.items()}


def _exposing(content: bytes, tensors: Sequence[int]) -> bytes:
    return Edit(content, "being diagnosed").with_outputs(tensors).to_bytes()


class _Runner:
    """Runs a file of any input type on images and gives its outputs as real numbers, (positions, C) each.

    A runtime lists an output that is asked for twice only once, so the tensors must differ.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def __call__(self, image: npt.NDArray[np.uint8]) -> list[Matrix]:
        return [
            real_numbers(stored, info).reshape(-1, stored.shape[-1] if stored.ndim else 1)
            for info, stored in zip(self._model.outputs, self._model.run_all(image), strict=True)
        ]


_Runners: TypeAlias = tuple[_Runner, _Runner, _Runner | None]  # of both files, and of the undivided one


@dataclass(slots=True, kw_only=True)
class _Sums:
    """Sums over images and positions, (C,) each; beside them the count of what was added."""

    count: int
    plain: Array
    square: Array
    noise: Array
    low: Array
    high: Array

    def add(self, other: _Sums) -> None:
        self.count += other.count
        self.plain += other.plain
        self.square += other.square
        self.noise += other.noise
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)

    def moments(self) -> Moments:
        mean = self.plain / self.count
        return Moments(
            signal=np.maximum(self.square / self.count - np.square(mean), 0.0),
            noise=self.noise / self.count,
            low=self.low,
            high=self.high,
        )


def _no_sums(channels: int) -> _Sums:
    plain, square, noise = np.zeros((3, channels))
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    return _Sums(count=0, plain=plain, square=square, noise=noise, low=low, high=high)


def _sums(wanted: Matrix, got: Matrix, floor: float | None) -> _Sums:
    """Sums one image's numbers, (positions, C) each; those below the floor count as the floor."""
    low, high = wanted.min(axis=0).astype(np.float64), wanted.max(axis=0).astype(np.float64)
    if floor is not None:
        wanted, got = np.maximum(wanted, floor), np.maximum(got, floor)
    return _Sums(
        count=len(wanted),
        plain=wanted.sum(axis=0, dtype=np.float64),
        square=np.square(wanted).sum(axis=0, dtype=np.float64),
        noise=np.square(got - wanted).sum(axis=0, dtype=np.float64),
        low=low,
        high=high,
    )


def _equalization_scales(
    pair: Pair, images: Images, kernels: Kernels, float_name: str, int8_name: str
) -> EqualizationScales:
    unread = tuple(unread_inputs(pair))
    float_tensors = sorted({v.float_tensor for v in pair.values} | {one for one, _ in unread})
    int8_tensors = sorted({v.int8_tensor for v in pair.values} | {other for _, other in unread})
    float_outputs = _collected(_exposing(pair.float_content, float_tensors), float_tensors, images, "xnnpack")
    int8_outputs = _collected(_exposing(pair.int8_content, int8_tensors), int8_tensors, images, kernels)
    return recover_scales(pair, float_outputs, int8_outputs, float_name=float_name, int8_name=int8_name)


def _collected(content: bytes, tensors: Sequence[int], images: Images, kernels: Kernels) -> dict[int, Matrix]:
    run = _Runner(open_bytes(content, kernels=kernels))
    rows: Iterator[list[Matrix]] = (run(image) for image in images)
    return {
        tensor: np.concatenate(parts) for tensor, parts in zip(tensors, zip(*rows, strict=True), strict=True)
    }
