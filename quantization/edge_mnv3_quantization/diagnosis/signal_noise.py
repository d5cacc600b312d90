"""The signal-to-noise ratio of every value of an int8 file, over images, against the float file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import LoadedModel, open_bytes, real_numbers
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.equalization_scales import (
    EqualizationScales,
    recover_scales,
    unread_inputs,
)
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue
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
        moments: The moments of each value, by its tensor in the float file.
        float_logits: The float file's logits, (N, classes).
        int8_logits: The int8 file's logits as real numbers, (N, classes).
    """

    equalization: EqualizationScales
    moments: Mapping[int, Moments]
    float_logits: Array
    int8_logits: Array


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
    float_run = _Runner(open_bytes(_exposing(pair.float_content, [v.float_tensor for v in values])))
    int8_run = _Runner(
        open_bytes(_exposing(pair.int8_content, [v.int8_tensor for v in values]), kernels=kernels)
    )
    floors = [-HARD_SIGMOID_SHIFT if feeds_hard_swish(pair, value) else None for value in values]
    sums = [_Sums(value.channels, floor) for value, floor in zip(values, floors, strict=True)]
    float_logits, int8_logits = [], []
    for done, image in enumerate(images, start=1):
        wanted, got = float_run(image), int8_run(image)
        for value, total, one, other in zip(values, sums, wanted, got, strict=True):
            real = other * equalization.outputs[value.int8_tensor].astype(np.float32)
            total.add(one, real)
        float_logits.append(wanted[-1].reshape(-1))
        int8_logits.append(got[-1].reshape(-1))
        reporter.progress(done, len(images))
    if not np.isfinite(float_logits).all():
        raise ModelFileError(f"model {float_name}", "answers that are no finite numbers", "finite weights")
    return Survey(
        equalization=equalization,
        moments={value.float_tensor: total.moments() for value, total in zip(values, sums, strict=True)},
        float_logits=np.stack(float_logits).astype(np.float64),
        int8_logits=np.stack(int8_logits).astype(np.float64),
    )


def feeds_hard_swish(pair: Pair, value: PairedValue) -> bool:
    """Whether hard-swish alone takes a value of the float file, lowered or not."""
    takers = pair.float_file.consumers(value.float_tensor)
    if [taker.name for taker in takers] == ["HARD_SWISH"]:
        return True
    hard_sigmoids = [
        taker for taker in takers if is_hard_sigmoid_name(pair.float_file.tensors[taker.output].name)
    ]
    return len(hard_sigmoids) == 1 and len(takers) == 2


def sample_value(pair: Pair, tensor: int, images: Images, *, positions: int) -> Matrix:
    """Samples one value of the float file, (numbers, C), at evenly spread positions of each image."""
    run = _Runner(open_bytes(_exposing(pair.float_content, [tensor])))
    samples = []
    for index, image in enumerate(images):
        (output,) = run(image)
        stride = -(-len(output) // positions)
        samples.append(output[index % stride :: stride])
    return np.concatenate(samples)


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


class _Sums:
    def __init__(self, channels: int, floor: float | None) -> None:
        self._count, self._floor = 0, floor
        self._sum, self._square, self._noise = np.zeros((3, channels))
        self._low, self._high = np.full(channels, np.inf), np.full(channels, -np.inf)

    def add(self, wanted: Matrix, got: Matrix) -> None:
        self._low = np.minimum(self._low, wanted.min(axis=0))
        self._high = np.maximum(self._high, wanted.max(axis=0))
        if self._floor is not None:
            wanted, got = np.maximum(wanted, self._floor), np.maximum(got, self._floor)
        self._count += len(wanted)
        self._sum += wanted.sum(axis=0, dtype=np.float64)
        self._square += np.square(wanted).sum(axis=0, dtype=np.float64)
        self._noise += np.square(got - wanted).sum(axis=0, dtype=np.float64)

    def moments(self) -> Moments:
        mean = self._sum / self._count
        return Moments(
            signal=np.maximum(self._square / self._count - np.square(mean), 0.0),
            noise=self._noise / self._count,
            low=self._low,
            high=self._high,
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
