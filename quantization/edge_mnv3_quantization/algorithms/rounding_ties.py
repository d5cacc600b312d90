"""Scales of products moved by a hair, so that every processor rounds every product to the same step.

XNNPACK's int8 MUL rounds by another rule on Arm than elsewhere: there exact halves go up, elsewhere the
product is a float first, and halves go to the even step (`init_qs8_mul_config` in XNNPACK's
binary-elementwise-config.c, kernels `rndnu` and `fp32`). Whether products of int8 numbers are such halves
depends on the scales alone: an output scale a few floats away has none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.types import Quantization

_STEPS = np.arange(-128, 128, dtype=np.int64)
_MOST_TRIALS = 1000  # floats on each side; one is enough for nearly all
_MANTISSA_BITS = 24


def away_from_ties(network: Network, quantizations: Mapping[int, Quantization]) -> dict[int, Quantization]:
    """Returns the quantizations with the scales of those products moved that processors round differently.

    Values of one quantization, such as those that are concatenated, keep one.

    Args:
        network: As it is written.
        quantizations: Those of the input and every node's output.
    """
    found = dict(quantizations)
    for node in network.nodes:
        own = found[node.output]
        if node.kind == "mul" and _differs(network, found, own, own):
            for near in _neighbours(own):
                if not _differs(network, found, own, near):
                    found |= {value: near for value, other in found.items() if other == own}
                    break
    return found


def rounded_differently(first: Quantization, second: Quantization, output: Quantization) -> int:
    """Counts the pairs of stored numbers whose product XNNPACK rounds otherwise on Arm than elsewhere."""
    scale = np.float32(np.float32(first.scale) * np.float32(second.scale)) / np.float32(output.scale)
    products = np.multiply.outer(_STEPS - first.zero_point, _STEPS - second.zero_point)
    limits = (-128 - output.zero_point, 127 - output.zero_point)
    arm, other = (
        np.clip(steps, *limits) for steps in (_half_up(products, scale), _half_even(products, scale))
    )
    return int(np.count_nonzero(arm != other))


def _differs(
    network: Network, found: Mapping[int, Quantization], own: Quantization, new: Quantization
) -> bool:
    """Whether any product of a quantization has ties under another one."""
    return any(
        rounded_differently(found[node.inputs[0]], found[node.inputs[1]], new)
        for node in network.nodes
        if node.kind == "mul" and found[node.output] == own
    )


def _neighbours(own: Quantization) -> Iterator[Quantization]:
    """The same with the next floats above and below as the scale, nearest first."""
    above = below = np.float32(own.scale)
    for _ in range(_MOST_TRIALS):
        above = np.nextafter(above, np.float32(np.inf))
        below = np.nextafter(below, np.float32(0))
        yield from (dataclasses.replace(own, scale=float(scale)) for scale in (above, below))


def _half_up(products: npt.NDArray[np.int64], scale: np.float32) -> npt.NDArray[np.int64]:
    """Exact products, rounded to the nearest step, halves up."""
    mantissa, exponent = np.frexp(np.float64(scale))
    shift = _MANTISSA_BITS - int(exponent)
    scaled = products * int(mantissa * 2**_MANTISSA_BITS)
    return (scaled + (1 << (shift - 1))) >> shift


def _half_even(products: npt.NDArray[np.int64], scale: np.float32) -> npt.NDArray[np.int64]:
    """Products in float32, rounded to the nearest step, halves to the even one."""
    return np.rint(products.astype(np.float32) * scale).astype(np.int64)
