"""The recipes `accurate` and `fast`: a full-integer file that keeps the float file's answers, whole on XNNPACK.

Post-training, on unlabelled images, deterministic. In order:

1. hard-swish is lowered to a gate and a product, the pixels' scaling moves into the input's zero point;
2. squeeze-excite gates that are constant over the calibration images move into the weights that follow;
3. what rounding and clipping cost at the logits is measured for every channel (`sensitivity`);
4. factors per channel and ranges are chosen by that cost (`equalization`, `ranges`), and which hard-swishes
   need factors per channel at all (`lowering`);
5. `accurate` only: weights and biases are refitted, node by node, to what the int8 network really computes
   (`reconstruction`).

The file is written through the schema that LiteRT ships, not by TensorFlow's converter: its scales, zero
points, weights and biases are exactly those that were computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edge_mnv3.errors import ConversionError
from edge_mnv3_quantization.activations import Images
from edge_mnv3_quantization.equalization import group_factors
from edge_mnv3_quantization.lowering import HardSwish, lower
from edge_mnv3_quantization.network import WEIGHTED, Network
from edge_mnv3_quantization.network_reader import read_network
from edge_mnv3_quantization.network_writer import Quantization, write_int8
from edge_mnv3_quantization.ranges import choose_ranges
from edge_mnv3_quantization.reconstruction import reconstruct
from edge_mnv3_quantization.rewrites import centre_input, constant_gates, fold_constant_gates, logits_value
from edge_mnv3_quantization.scaling import rescale, value_factors
from edge_mnv3_quantization.sensitivity import measure
from edge_mnv3_quantization.statistics import Statistics, collect, observed_network
from edge_mnv3_quantization.stock import IoType
from edge_mnv3_quantization.weight_quantization import quantize_weights

_MOST_MEASURED = 200  # images on which the cost of errors is measured
_FAST_MEASURED = 32


class _Plan(NamedTuple):
    """A network with the quantization of its values; `reference` is the same before any quantization."""

    reference: Network
    network: Network
    quantizations: dict[int, Quantization]


class _Progress:
    """Counts units of work."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._report = 0, total, report

    def step(self, *_: object) -> None:
        self._done = min(self._done + 1, self._total)
        if self._report:
            self._report(self._done, self._total)


def quantize_accurate(
    float_model: bytes,
    images: Images,
    *,
    io: IoType = "uint8",
    hard_swish: HardSwish = "auto",
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
) -> bytes:
    """Quantizes a float file to int8.

    Args:
        float_model: A float32 `.tflite` file of the MobileNetV3 family from TensorFlow's converter.
        images: Calibration images, (N, H, W, 3) uint8 with N >= 1.
        io: dtype of the result's input and output.
        hard_swish: See `lowering`.
        seed: Of the directions in which costs are measured, and of the places where weights are fitted.
        on_image: Called with (units of work done, units in all).
        statistics: Of this network over these images, or some of them: those are not run in float again.

    Returns:
        The int8 file's bytes: weights int8 per channel, activations int8 per tensor, biases int32.

    Raises:
        ConversionError: The file holds an operator that this recipe cannot rewrite.
        CalibrationDataError: The statistics are of another network or count other images.
    """
    measured = images[:_MOST_MEASURED]
    network = observed_network(float_model)
    weighted = sum(node.kind in WEIGHTED for node in network.nodes)
    observed = len(images) - (len(statistics.images) if statistics else 0)
    progress = _Progress(observed + len(measured) + weighted, on_image)
    plan = _planned(float_model, network, images, measured, hard_swish, seed, statistics, progress)
    weights = reconstruct(
        plan.reference, plan.network, plan.quantizations, images, seed=seed, on_node=progress.step
    )
    for _ in range(weighted - len(weights)):  # nodes that were folded
        progress.step()
    return write_int8(plan.network, plan.quantizations, weights, io=io)


def quantize_fast(
    float_model: bytes,
    images: Images,
    *,
    io: IoType = "uint8",
    hard_swish: HardSwish = "auto",
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
) -> bytes:
    """Quantizes a float file to int8 without refitting any weight; see `quantize_accurate`."""
    measured = images[:_FAST_MEASURED]
    network = observed_network(float_model)
    observed = len(images) - (len(statistics.images) if statistics else 0)
    progress = _Progress(observed + len(measured), on_image)
    plan = _planned(float_model, network, images, measured, hard_swish, seed, statistics, progress)
    weights = {
        node.output: quantize_weights(node, plan.quantizations[node.inputs[0]].scale)
        for node in plan.network.nodes
        if node.kind in WEIGHTED
    }
    return write_int8(plan.network, plan.quantizations, weights, io=io)


def _planned(
    float_model: bytes,
    network: Network,
    images: Images,
    measured: Images,
    hard_swish: HardSwish,
    seed: int,
    statistics: Statistics | None,
    progress: _Progress,
) -> _Plan:
    histograms = collect(network, images, start=statistics, on_image=progress.step).histograms(network)
    constant = constant_gates(network, histograms)
    network = fold_constant_gates(network, constant)
    logits = logits_value(network)
    sensitivities = measure(network, logits, histograms, measured, seed=seed, on_image=progress.step)
    if not all(np.isfinite(found.rounding).all() for found in sensitivities.values()):
        raise ConversionError("measuring what errors cost", "a cost that is not finite", "finite weights")
    original = fold_constant_gates(read_network(float_model), constant)
    lowered, sensitivities = lower(original, network, sensitivities, hard_swish)
    factors = group_factors(lowered, sensitivities)
    reference = rescale(lowered, factors)
    divided = value_factors(lowered, factors)
    quantizations = choose_ranges(
        reference, {value: found.divided(divided[value]) for value, found in sensitivities.items()}
    )
    return _Plan(reference, centre_input(reference, quantizations[reference.input]), quantizations)
