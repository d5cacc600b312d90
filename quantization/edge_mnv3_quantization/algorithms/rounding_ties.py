"""Scales of products, moved by a few floats so that every processor rounds every product to the same number.

XNNPACK's int8 MUL rounds by one rule on Arm and by another elsewhere. On Arm exact halves are rounded up.
Elsewhere the product is a float first, and halves are rounded to even (`init_qs8_mul_config` in XNNPACK's
binary-elementwise-config.c, kernels `rndnu` and `fp32`). Whether products of int8 numbers are such halves
depends on the scales alone: with an output scale a few floats away there are none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.types import Quantization

_STORED = np.arange(-128, 128, dtype=np.int64)
_MOST_TRIALS = 1000  # floats on each side; one is enough for nearly all
_MANTISSA_BITS = 24


def away_from_ties(network: Network, quantizations: Mapping[int, Quantization]) -> dict[int, Quantization]:
    """Moves the output scales of the products that processors round differently.

    Values that share a quantization, such as the inputs of a concatenation, still share one afterwards.

    Args:
        network: The network as it is written.
        quantizations: How the input and every node's output are stored.

    Returns:
        The quantizations, most of them as they were.
    """
    moved = dict(quantizations)
    for node in network.nodes:
        quantization = moved[node.output]
        if node.kind == "mul" and _differs(network, moved, quantization, quantization):
            for near in _neighbours(quantization):
                if not _differs(network, moved, quantization, near):
                    moved |= {value: near for value, other in moved.items() if other == quantization}
                    break
    return moved


def rounded_differently(first: Quantization, second: Quantization, output: Quantization) -> int:
    """Counts the pairs of stored numbers whose product XNNPACK rounds differently on Arm and elsewhere."""
    scale = np.float32(np.float32(first.scale) * np.float32(second.scale)) / np.float32(output.scale)
    products = np.multiply.outer(_STORED - first.zero_point, _STORED - second.zero_point)
    limits = (-128 - output.zero_point, 127 - output.zero_point)
    arm, other = (
        np.clip(rounded, *limits) for rounded in (_half_up(products, scale), _half_even(products, scale))
    )
    return int(np.count_nonzero(arm != other))


def _differs(
    network: Network, quantizations: Mapping[int, Quantization], old: Quantization, new: Quantization
) -> bool:
    """Whether any product whose output has the old quantization has ties with the new one."""
    return any(
        rounded_differently(quantizations[node.inputs[0]], quantizations[node.inputs[1]], new)
        for node in network.nodes
        if node.kind == "mul" and quantizations[node.output] == old
    )


def _neighbours(quantization: Quantization) -> Iterator[Quantization]:
    """Yields the quantization with the next floats above and below as its scale, nearest first."""
    above = below = np.float32(quantization.scale)
    for _ in range(_MOST_TRIALS):
        above = np.nextafter(above, np.float32(np.inf))
        below = np.nextafter(below, np.float32(0))
        yield from (dataclasses.replace(quantization, scale=float(scale)) for scale in (above, below))


def _half_up(products: npt.NDArray[np.int64], scale: np.float32) -> npt.NDArray[np.int64]:
    """Scales exact products and rounds them to the nearest integer, halves up."""
    mantissa, exponent = np.frexp(np.float64(scale))
    shift = _MANTISSA_BITS - int(exponent)
    scaled = products * int(mantissa * 2**_MANTISSA_BITS)
    return (scaled + (1 << (shift - 1))) >> shift


def _half_even(products: npt.NDArray[np.int64], scale: np.float32) -> npt.NDArray[np.int64]:
    """Scales products in float32 and rounds them to the nearest integer, halves to even."""
    return np.rint(products.astype(np.float32) * scale).astype(np.int64)
