"""What the quantization of each tensor costs at the logits, alone and together with others.

The float file is run with one of its values rounded to int8 and back, by the int8 file's scale, zero point
and factors, or with one operator's weights replaced by the int8 file's: the error of the logits is what that
tensor alone costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_mnv3.runtime import open_bytes
from edge_mnv3_quantization.activations import Images
from edge_mnv3_quantization.factors import SATURATED_BIAS, Factors, moved_biases
from edge_mnv3_quantization.network import Array
from edge_mnv3_quantization.pairing import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.tflite_file import Edit

_EQUAL = 1e-3  # factors this near to 1 are left out: they would move a number by a thousandth of itself
_MEAN_IMAGES = 16  # for the mean error of an operator's channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A tensor that was quantized: a value, or the weights of the operator that gives it.

    Attributes:
        real: Weights and bias to put in the float file's place.
    """

    kind: Literal["value", "weights"]
    value: PairedValue
    weights: PairedWeights | None = None
    real: tuple[Array, Array] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Squared errors of the logits relative to their signal: 0.01 is 20 dB.

    Attributes:
        items: Dearest first.
        alone: Of each item quantized alone.
        cumulative: Of the first item, the first two, …, as many as were asked for.
        together: Of all items at once, with the int8 file's biases: what the int8 kernels should give.
    """

    items: tuple[Item, ...]
    alone: tuple[float, ...]
    cumulative: tuple[float, ...]
    together: float


def attribute(
    pair: Pair,
    factors: Factors,
    images: Images,
    *,
    top: int,
    on_item: Callable[[int, int], None] | None = None,
) -> Costs:
    """Quantizes every tensor alone, then the dearest one after the other, then all.

    Args:
        pair: The files.
        factors: Of the int8 file.
        images: (N, H, W, 3) uint8.
        top: How many to accumulate.
        on_item: Called with (runs over the images done, runs in all).
    """
    values = [Item(kind="value", value=value) for value in pair.values]
    count = len(values) + len(pair.weights)
    total = count + min(top, count) + 2
    done = 0

    def logits(chosen: Iterable[Item]) -> Array:
        nonlocal done
        found = np.concatenate(list(run_quantized(pair, factors, chosen, images)))
        done += 1
        if on_item:
            on_item(done, total)
        return found

    wanted = logits(())
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())

    def cost(chosen: Sequence[Item]) -> float:
        return float(np.square(logits(chosen) - wanted).sum()) / max(signal, 1e-30)

    items = values + [
        _weights_item(pair, factors, weights, images[:_MEAN_IMAGES]) for weights in pair.weights
    ]
    alone = [cost([item]) for item in items]
    order = sorted(range(len(items)), key=lambda index: -alone[index])
    ranked = [items[index] for index in order]
    return Costs(
        items=tuple(ranked),
        alone=tuple(alone[index] for index in order),
        cumulative=tuple(cost(ranked[: count + 1]) for count in range(min(top, len(items)))),
        together=cost(values + [_stored(weights, factors) for weights in pair.weights]),
    )


def run_quantized(
    pair: Pair, factors: Factors, chosen: Iterable[Item], images: Images, *, output: int | None = None
) -> Iterator[Array]:
    """Runs the float file with the chosen items quantized as in the int8 file.

    Yields:
        For each image the logits, or another value, (positions, C).
    """
    wanted = pair.logits.float_tensor if output is None else output
    edit = Edit(pair.float_content, "being diagnosed").with_outputs([wanted])
    for item in chosen:
        if item.weights is None:
            own = factors.outputs[item.value.int8_tensor]
            edit.fake_quantize(
                item.value.float_tensor,
                item.value.scale,
                item.value.zero_point,
                own if np.abs(own - 1).max() > _EQUAL else None,
            )
        elif item.real is not None:
            edit.set_constant(item.weights.weights_tensor, item.real[0].astype(np.float32))
            if item.weights.bias_tensor >= 0:
                edit.set_constant(item.weights.bias_tensor, item.real[1].astype(np.float32))
    model = open_bytes(edit.to_bytes())
    for image in images:
        (found,) = model.run_all(image)
        yield found.reshape(-1, found.shape[-1]).astype(np.float64)


def _weights_item(pair: Pair, factors: Factors, weights: PairedWeights, images: Images) -> Item:
    """The weights of one operator, less their mean error where the int8 file's biases were moved.

    A recipe that corrects biases takes back the mean error of everything before them, and does not say how
    much of a correction is for these weights; with the rest exact, it would be all of their mean error.
    """
    item = Item(
        kind="weights",
        value=weights.output,
        weights=weights,
        real=as_float(weights, factors, stored_bias=False),
    )
    moved = moved_biases(weights, factors)
    if item.real is None or moved is None or not moved.any():
        return item
    own = weights.output.float_tensor
    changed, plain = (
        np.mean(
            [found.mean(axis=0) for found in run_quantized(pair, factors, chosen, images, output=own)], axis=0
        )
        for chosen in ([item], [])
    )
    return dataclasses.replace(item, real=(item.real[0], item.real[1] - (changed - plain)))


def _stored(weights: PairedWeights, factors: Factors) -> Item:
    real = as_float(weights, factors, stored_bias=True)
    return Item(kind="weights", value=weights.output, weights=weights, real=real)


def as_float(weights: PairedWeights, factors: Factors, *, stored_bias: bool) -> tuple[Array, Array]:
    """The int8 weights and bias in the float file's place.

    Args:
        weights: Of one operator.
        factors: Of the int8 file.
        stored_bias: The int8 file's bias; else the float file's, but for rows at the limit of int32.
    """
    output = weights.output.int8_tensor
    given, taken = factors.outputs[output], factors.inputs[output]
    real = weights.real() * weights.per_output(given) / np.where(taken != 0, taken, 1.0)
    real = np.where(np.broadcast_to(taken != 0, real.shape), real, weights.float_weights)
    bias = weights.real_bias() * given
    if output in factors.image_takers:
        axes = tuple(range(real.ndim - 1)) if weights.depthwise else tuple(range(1, real.ndim))
        bias = bias - factors.image_offset * real.sum(axis=axes)
    if not stored_bias:
        bias = np.where(np.abs(weights.bias) >= SATURATED_BIAS, bias, weights.float_bias)
    return real, bias
