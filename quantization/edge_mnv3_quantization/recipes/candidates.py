"""Networks with everything but their weights quantized, and which of them is nearest to float."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.results.recipe import ExponentTrial
from edge_mnv3_quantization.algorithms.channel_copies import staggered
from edge_mnv3_quantization.algorithms.int8_activations import Int8Activations
from edge_mnv3_quantization.algorithms.ranges import choose_ranges, margin
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images, run_float
from edge_mnv3_quantization.graph.heads import logits_values
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network
from edge_mnv3_quantization.graph.rewrites import centre_input
from edge_mnv3_quantization.graph.scale_sharing import costless_groups, rescale, value_scales
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.recipes.plan import Plan

Weights = Mapping[int, QuantizedWeights]

_FEWEST_TRIALS = 2  # to see whether the error rises


class Candidate(NamedTuple):
    """A network with its channels equalized and the ranges of its values chosen.

    Attributes:
        exponent: The power to which the plan's equalization scales were raised.
        scales: The equalization scales, by scale-sharing group, that divided the values of the plan's
            `lowered`.
        divided: The equalization scale by which each value of `lowered` was divided, (C,).
        network: The network as it will be written.
        quantizations: How the input and every node's output are stored.
    """

    exponent: float
    scales: Mapping[int, Array]
    divided: Mapping[int, Array]
    network: Network
    quantizations: Mapping[int, Quantization]


def candidate(plan: Plan, exponent: float) -> Candidate:
    """Equalizes a plan's network with scales raised to a power.

    Groups whose scales make no weights harder to quantize (`costless_groups`) keep their scales as they are.
    """
    free = costless_groups(plan.lowered)
    scales = {group: scale if group in free else scale**exponent for group, scale in plan.scales.items()}
    reference = rescale(plan.lowered, scales)
    divided = value_scales(plan.lowered, scales)
    quantizations = choose_ranges(
        reference,
        {value: sensitivity.divided(divided[value]) for value, sensitivity in plan.sensitivities.items()},
        widened=margin(plan.images),
    )
    network = staggered(centre_input(reference, quantizations[reference.input]), quantizations)
    return Candidate(exponent, scales, divided, network, quantizations)


def round_to_nearest(chosen: Candidate) -> dict[int, QuantizedWeights]:
    """Rounds every weight of a candidate to its nearest step."""
    return {
        node.output: quantize_weights(node, chosen.quantizations[node.inputs[0]].scale)
        for node in chosen.network.nodes
        if node.kind in WEIGHTED
    }


def best_candidate(
    plan: Plan,
    exponents: Sequence[float],
    images: Images,
    weights_of: Callable[[Candidate], Weights],
    *,
    to_the_first_rise: bool = False,
) -> tuple[Candidate, tuple[ExponentTrial, ...]]:
    """Finds the exponent whose logits are nearest to float's.

    Args:
        plan: What the candidates have in common.
        exponents: The powers to try.
        images: Images to compare the logits on, (N, H, W, 3) uint8.
        weights_of: Quantizes a candidate's weights; several threads call it.
        to_the_first_rise: Try no more exponents once the error rises, which saves time where `weights_of`
            takes long: the error has one minimum.

    Returns:
        The best candidate, and the error of each exponent that was tried.
    """
    logits = logits_values(plan.lowered)
    runs = zip(*run_float(plan.reference, logits, images), strict=True)
    wanted = dict(zip(logits, map(np.stack, runs), strict=True))

    def tried(exponent: float) -> _Tried:
        trial = candidate(plan, exponent)
        errors = _squared_errors(trial, weights_of(trial), wanted, images)
        numbers = sum(of_head.size for of_head in wanted.values())
        error = sum(errors[value] * of_head.size for value, of_head in wanted.items()) / numbers
        relative = sum(errors[value] / _power(of_head) for value, of_head in wanted.items())
        return _Tried(trial, ExponentTrial(exponent=exponent, logits_mse=error), relative)

    # A rise needs two trials.
    first = _FEWEST_TRIALS if to_the_first_rise else len(exponents)
    results = map_in_threads(tried, exponents[:first], available_cores())
    for exponent in exponents[first:]:
        if results[-1].relative > results[-2].relative:
            break
        results.append(tried(exponent))
    best = min(results, key=lambda result: result.relative)
    return best.candidate, tuple(result.trial for result in results)


class _Tried(NamedTuple):
    """A trial network; `relative` is the error of each head as a share of its power, summed up."""

    candidate: Candidate
    trial: ExponentTrial
    relative: float


def _squared_errors(
    trial: Candidate, weights: Weights, wanted: Mapping[int, npt.NDArray[np.float32]], images: Images
) -> dict[int, float]:
    """Computes the mean squared error of the logits of each head."""
    activations = Int8Activations(trial.network.up_to(*wanted), trial.quantizations, images, 1)
    errors = {}
    for value, of_head in wanted.items():
        quantization, stored = trial.quantizations[value], activations.stored(value, weights)
        unscaled = stored.reshape(of_head.shape).astype(np.float64) - quantization.zero_point
        errors[value] = float(np.square(quantization.scale * unscaled - of_head).mean())
    return errors


def _power(numbers: npt.NDArray[np.float32]) -> float:
    """Computes the mean square of a head's numbers, by which its errors are compared with other heads'."""
    return max(float(np.square(numbers.astype(np.float64)).mean()), 1e-30)
