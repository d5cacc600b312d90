"""The recipes `accurate` and `fast`: a full-integer file that keeps float's answers, whole on XNNPACK.

Post-training, on unlabelled images, deterministic. In order:

1. hard-swish is lowered to a gate and a product, the pixels' scaling moves into the input's zero point;
2. squeeze-excite gates that are constant over the calibration images move into the weights that follow;
3. what rounding and clipping cost at the logits is measured for every channel (`sensitivity`);
4. factors per channel and ranges are chosen by that cost (`equalization`, `ranges`), and which hard-swishes
   need factors per channel at all (`lowering`); factors make the weights' rows less even, so, except in front
   of depthwise convolutions, they are raised to the power that trial networks on a part of the images tell;
5. `accurate` only: weights and biases are refitted, node by node, to what the int8 network really computes
   (`reconstruction`).

Synthetic images tell less; `synthetic_images` says what is done otherwise with them.

The file is written through the schema that LiteRT ships, not by TensorFlow's converter: its scales, zero
points, weights and biases are exactly those that were computed, but for scales of products that processors
would round differently (`rounding_ties`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.algorithms.constant_gates import constant_gates
from edge_mnv3_quantization.algorithms.equalization import group_factors
from edge_mnv3_quantization.algorithms.lowering import HardSwish, lower
from edge_mnv3_quantization.algorithms.ranges import choose_ranges, margin
from edge_mnv3_quantization.algorithms.reconstruction import reconstruct, run_int8
from edge_mnv3_quantization.algorithms.rounding_ties import away_from_ties
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, evened, measure
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images, run_float
from edge_mnv3_quantization.calibration.statistics import Statistics, collect, observed_network
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network
from edge_mnv3_quantization.graph.reader import read_network
from edge_mnv3_quantization.graph.rewrites import centre_input, fold_constant_gates, logits_value
from edge_mnv3_quantization.graph.scale_sharing import free_groups, rescale, value_factors
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_int8
from edge_mnv3_quantization.recipes.notes import write_notes
from edge_mnv3_quantization.recipes.stock import IoType
from edge_mnv3_quantization.recipes.synthetic_images import EVENED, is_refitted, reaching_further

_MOST_MEASURED = 200  # images on which the cost of errors is measured
_FAST_MEASURED = 32
_STRENGTHS = (1.0, 0.5, 0.0)  # powers of the factors
_UNTRIED = 0.5  # with fewer images than a trial needs, or synthetic ones, which tell nothing of photographs
_FEWEST_FOR_CONSTANT = 8  # images; over a single one everything is constant
_TRIAL_IMAGES = 48  # to fit a trial network to, and as many others to compare it on


class _Plan(NamedTuple):
    """What is known before factors are chosen."""

    lowered: Network
    sensitivities: Mapping[int, Sensitivity]
    factors: Mapping[int, Array]
    images: int


class _Quantized(NamedTuple):
    """A network with the quantization of its values; `reference` is the same before any quantization.

    Attributes:
        lowered: Before channels were divided.
        factors: By which they were, of groups of its values.
    """

    lowered: Network
    factors: Mapping[int, Array]
    reference: Network
    network: Network
    quantizations: Mapping[int, Quantization]


class _Progress(Reporter):
    """Adds up the units of work of all parts, one for each time that a part tells of its progress."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._report = 0, total, report

    def progress(self, done: int, total: int) -> None:
        self._done = min(self._done + 1, self._total)
        if self._report:
            self._report(self._done, self._total)

    def finish(self) -> None:
        """Reports all as done: nodes that were folded away are not stepped through."""
        if self._report:
            self._report(self._total, self._total)


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def quantize_accurate(
    float_model: bytes,
    images: Images,
    *,
    io: IoType = "uint8",
    hard_swish: HardSwish = "auto",
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
    synthetic: bool = False,
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
        synthetic: The images are no photographs.

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
    tried = _tells_strength(images, synthetic)
    trials = len(_STRENGTHS) if tried else 0
    progress = _Progress(observed + len(measured) + (trials + 1) * weighted, on_image)
    plan = _planned(float_model, network, images, measured, hard_swish, seed, statistics, progress, synthetic)

    def fitted(quantized: _Quantized, chosen: Images) -> dict[int, QuantizedWeights]:
        return reconstruct(
            quantized.reference,
            quantized.network,
            quantized.quantizations,
            chosen,
            seed=seed,
            refitted=lambda node: not synthetic or is_refitted(quantized.network, node),
            reporter=progress,
        )

    quantized = _quantized(plan, _UNTRIED)
    if tried:
        most = 2 * _TRIAL_IMAGES
        quantized = _best(plan, images[1:most:2], lambda trial: fitted(trial, images[0:most:2]))
    weights = fitted(quantized, images)
    progress.finish()
    return _written(quantized, weights, io)


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def quantize_fast(
    float_model: bytes,
    images: Images,
    *,
    io: IoType = "uint8",
    hard_swish: HardSwish = "auto",
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    statistics: Statistics | None = None,
    synthetic: bool = False,
) -> bytes:
    """Quantizes a float file to int8 without refitting any weight; see `quantize_accurate`."""
    measured = images[:_FAST_MEASURED]
    network = observed_network(float_model)
    observed = len(images) - (len(statistics.images) if statistics else 0)
    progress = _Progress(observed + len(measured), on_image)
    plan = _planned(float_model, network, images, measured, hard_swish, seed, statistics, progress, synthetic)
    if _tells_strength(images, synthetic):
        quantized = _best(plan, measured, _as_they_are)
    else:
        quantized = _quantized(plan, _UNTRIED)
    return _written(quantized, _as_they_are(quantized), io)


def _tells_strength(images: Images, synthetic: bool) -> bool:
    """Whether trials on these images find the power of the factors that is best for others."""
    return not synthetic and len(images) >= 2 * _TRIAL_IMAGES


def _written(quantized: _Quantized, weights: Mapping[int, QuantizedWeights], io: IoType) -> bytes:
    """The file; a hair's breadth in the scale of a product matters to no weight."""
    quantizations = away_from_ties(quantized.network, quantized.quantizations)
    notes = write_notes(quantized.lowered, quantized.factors)
    return write_int8(quantized.network, quantizations, weights, io=io, notes=notes)


def _as_they_are(quantized: _Quantized) -> dict[int, QuantizedWeights]:
    """The weights rounded."""
    return {
        node.output: quantize_weights(node, quantized.quantizations[node.inputs[0]].scale)
        for node in quantized.network.nodes
        if node.kind in WEIGHTED
    }


def _planned(
    float_model: bytes,
    network: Network,
    images: Images,
    measured: Images,
    hard_swish: HardSwish,
    seed: int,
    statistics: Statistics | None,
    progress: _Progress,
    synthetic: bool = False,
) -> _Plan:
    collected = collect(network, images, start=statistics, reporter=progress).by_value(network)
    constant = constant_gates(network, collected) if len(images) >= _FEWEST_FOR_CONSTANT else {}
    network = fold_constant_gates(network, constant)
    logits = logits_value(network)
    seen = evened(network, collected, len(images), least=EVENED if synthetic else 0.0)
    sensitivities = measure(network, logits, seen, measured, seed=seed, reporter=progress)
    if synthetic:
        sensitivities = reaching_further(network, logits, sensitivities)
    if not all(np.isfinite(found.rounding).all() for found in sensitivities.values()):
        raise ConversionError("measuring what errors cost", "a cost that is not finite", "finite weights")
    original = fold_constant_gates(read_network(float_model), constant)
    lowered, sensitivities = lower(original, network, sensitivities, hard_swish)
    return _Plan(lowered, sensitivities, group_factors(lowered, sensitivities), len(images))


def _quantized(plan: _Plan, strength: float) -> _Quantized:
    free = free_groups(plan.lowered)
    factors = {group: factor if group in free else factor**strength for group, factor in plan.factors.items()}
    reference = rescale(plan.lowered, factors)
    divided = value_factors(plan.lowered, factors)
    quantizations = choose_ranges(
        reference,
        {value: found.divided(divided[value]) for value, found in plan.sensitivities.items()},
        widened=margin(plan.images),
    )
    network = centre_input(reference, quantizations[reference.input])
    return _Quantized(plan.lowered, factors, reference, network, quantizations)


def _best(
    plan: _Plan, compared: Images, weights_of: Callable[[_Quantized], Mapping[int, QuantizedWeights]]
) -> _Quantized:
    """The strength of equalization whose logits are nearest to float's."""
    logits = logits_value(plan.lowered)
    wanted = np.stack([outputs[0] for outputs in run_float(plan.lowered, [logits], compared)])
    found: list[tuple[float, _Quantized]] = []
    for strength in _STRENGTHS:
        trial = _quantized(plan, strength)
        own = trial.quantizations[logits]
        stored = run_int8(trial.network.up_to(logits), trial.quantizations, weights_of(trial), compared)
        got = own.scale * (np.stack(stored).reshape(wanted.shape).astype(np.float64) - own.zero_point)
        found.append((float(np.square(got - wanted).mean()), trial))
    return min(found, key=lambda pair: pair[0])[1]
