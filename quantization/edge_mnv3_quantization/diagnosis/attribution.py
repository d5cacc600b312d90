"""What the quantization of each tensor costs at the logits, alone and together with others.

The float file is run with one of its values rounded to int8 and back, by the int8 file's scale, zero point
and equalization scales, or with one operator's weights replaced by the int8 file's: the error of the logits
is what that tensor alone costs.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.equalization_scales import (
    SATURATED_BIAS,
    EqualizationScales,
    moved_biases,
)
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.graph.network import Array

_EQUAL = 1e-3  # scales this near to 1 are left out: they would change a number by a thousandth of itself
_MEAN_IMAGES = 16  # how many images give the mean error of an operator's channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A tensor that was quantized: a value, or the weights of the operator that gives it.

    Attributes:
        real: The weights and the bias that replace those of the float file.
    """

    kind: Literal["value", "weights"]
    value: PairedValue
    weights: PairedWeights | None = None
    real: tuple[Array, Array] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Squared errors of the logits relative to their signal: 0.01 is 20 dB.

    Attributes:
        items: The items, the noisiest first.
        alone: The error with each item quantized alone.
        cumulative: The error with the first item, the first two, …, as many as were asked for.
        together: The error with all items at once and the int8 file's biases: what the int8 kernels should
            give.
    """

    items: tuple[Item, ...]
    alone: tuple[float, ...]
    cumulative: tuple[float, ...]
    together: float


def attribute(
    pair: Pair,
    equalization: EqualizationScales,
    images: Images,
    *,
    top: int,
    reporter: Reporter = SILENT,
) -> Costs:
    """Quantizes every tensor alone, then the noisiest one after the other, then all.

    Args:
        pair: The files.
        equalization: The equalization scales of the int8 file.
        images: (N, H, W, 3) uint8.
        top: How many of the noisiest tensors to accumulate.
        reporter: Its `progress` is told of (runs over the images done, runs in all).
    """
    # A concatenation rounds nothing that its inputs have not rounded.
    values = [Item(kind="value", value=value) for value in pair.values if value.op != "CONCATENATION"]
    count = len(values) + len(pair.weights)
    total = count + min(top, count) + 2
    done, lock = 0, threading.Lock()

    def logits(chosen: Iterable[Item]) -> Array:
        nonlocal done
        runs = run_quantized(pair, equalization, chosen, images)
        rows: Array = np.concatenate([outputs[0] for outputs in runs]).astype(np.float64)
        with lock:
            done += 1
            reporter.progress(done, total)
        return rows

    wanted = logits(())
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())

    def cost(chosen: Sequence[Item]) -> float:
        return float(np.square(logits(chosen) - wanted).sum()) / max(signal, 1e-30)

    items = [*values, *_weights_items(pair, equalization, images[:_MEAN_IMAGES])]
    alone = map_in_threads(cost, [[item] for item in items], available_cores())
    order = sorted(range(len(items)), key=lambda index: -alone[index])
    ranked = [items[index] for index in order]
    noisiest = [ranked[: count + 1] for count in range(min(top, len(items)))]
    return Costs(
        items=tuple(ranked),
        alone=tuple(alone[index] for index in order),
        cumulative=tuple(map_in_threads(cost, noisiest, available_cores())),
        together=cost(values + [_stored(weights, equalization) for weights in pair.weights]),
    )


def run_quantized(
    pair: Pair,
    equalization: EqualizationScales,
    chosen: Iterable[Item],
    images: Images,
    *,
    outputs: Sequence[int] = (),
) -> Iterator[list[Array]]:
    """Runs the float file with the chosen items quantized as in the int8 file.

    Yields:
        For each image the logits, or the values asked for, (positions, C) each.
    """
    wanted = outputs or [pair.logits.float_tensor]
    edit = Edit(pair.float_content, "being diagnosed").with_outputs(wanted)
    for item in chosen:
        if item.weights is None:
            scales = equalization.outputs[item.value.int8_tensor]
            edit.fake_quantize(
                item.value.float_tensor,
                item.value.scale,
                item.value.zero_point,
                scales if np.abs(scales - 1).max() > _EQUAL else None,
            )
        elif item.real is not None:
            edit.set_constant(item.weights.weights_tensor, item.real[0].astype(np.float32))
            if item.weights.bias_tensor >= 0:
                edit.set_constant(item.weights.bias_tensor, item.real[1].astype(np.float32))
    model = open_bytes(edit.to_bytes())
    for image in images:
        yield [output.reshape(-1, output.shape[-1]) for output in model.run_all(image)]


def _weights_items(pair: Pair, equalization: EqualizationScales, images: Images) -> list[Item]:
    """Lists the weights of each operator, without their mean error where the int8 file's biases were moved.

    A recipe that corrects biases takes back the mean error of everything before them, and does not say how
    much of a correction is for these weights. With everything else exact, the correction would be their mean
    error.
    """

    def means(chosen: Iterable[Item], outputs: Sequence[int]) -> list[Array]:
        rows = [
            [output.mean(axis=0, dtype=np.float64) for output in values]
            for values in run_quantized(pair, equalization, chosen, images, outputs=outputs)
        ]
        return [np.mean(column, axis=0) for column in zip(*rows, strict=True)]

    moved = [
        weights
        for weights in pair.weights
        if (steps := moved_biases(weights, equalization)) is not None and steps.any()
    ]
    outputs = [weights.output.float_tensor for weights in moved]
    plain = dict(zip(outputs, means((), outputs), strict=True)) if moved else {}

    def item_of(weights: PairedWeights) -> Item:
        real, bias = as_float(weights, equalization, stored_bias=False)
        item = Item(kind="weights", value=weights.output, weights=weights, real=(real, bias))
        tensor = weights.output.float_tensor
        if tensor not in plain:
            return item
        (changed,) = means([item], [tensor])
        return dataclasses.replace(item, real=(real, bias - (changed - plain[tensor])))

    return map_in_threads(item_of, pair.weights, available_cores())


def _stored(weights: PairedWeights, equalization: EqualizationScales) -> Item:
    real = as_float(weights, equalization, stored_bias=True)
    return Item(kind="weights", value=weights.output, weights=weights, real=real)


def as_float(
    weights: PairedWeights, equalization: EqualizationScales, *, stored_bias: bool
) -> tuple[Array, Array]:
    """Converts an operator's int8 weights and bias to numbers that can replace those of the float file.

    Args:
        weights: The weights of one operator.
        equalization: The equalization scales of the int8 file.
        stored_bias: Whether to take the int8 file's bias. Otherwise the float file's is taken, except for
            rows whose bias is at the limit of int32.
    """
    output = weights.output.int8_tensor
    given, taken = equalization.outputs[output], equalization.inputs[output]
    real = weights.real() * weights.per_output(given) / np.where(taken != 0, taken, 1.0)
    real = np.where(np.broadcast_to(taken != 0, real.shape), real, weights.float_weights)
    bias = weights.real_bias() * given
    if output in equalization.image_takers:
        axes = tuple(range(real.ndim - 1)) if weights.depthwise else tuple(range(1, real.ndim))
        bias = bias - equalization.image_offset * real.sum(axis=axes)
    if not stored_bias:
        bias = np.where(np.abs(weights.bias) >= SATURATED_BIAS, bias, weights.float_bias)
    return real, bias
