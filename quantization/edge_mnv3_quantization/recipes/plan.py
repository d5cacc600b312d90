"""What is measured and decided before an equalization exponent is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.memory import give_back_freed_memory
from edge_mnv3_quantization.algorithms.constant_excitations import constant_excitations
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, shrunk
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.calibration.counted import check_network
from edge_mnv3_quantization.calibration.statistics import collect, network_sha256
from edge_mnv3_quantization.graph.heads import logits_values
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.rewrites import fold_constant_excitations
from edge_mnv3_quantization.reading.reader import read_network
from edge_mnv3_quantization.recipes.copies import Decided
from edge_mnv3_quantization.recipes.decisions import decide
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs
from edge_mnv3_quantization.recipes.synthetic_images import SHRINKAGE, reaching_further
from edge_mnv3_quantization.recipes.work import Work

_FEWEST_FOR_CONSTANT = 8  # images; over a single one everything is constant


class Plan(NamedTuple):
    """What all candidates have in common.

    Attributes:
        original: The float network, without the excitations that were folded away.
        lowered: The same with every hard-swish in its chosen form, and without constant factors in products.
        reference: `lowered` without fitted channels: its results are wanted.
        sensitivities: What errors in the values of `lowered` cost.
        scales: Equalization scales of the scale-sharing groups of `lowered`, (C,) each.
        folded: Tensor names of the excitations that were folded away.
        images: Number of calibration images.
        forms_percent: How much more modelled cost the forms of hard-swish have than the cheapest.
        copies_percent: How much modelled cost channel copies add to that.
    """

    original: Network
    lowered: Network
    reference: Network
    sensitivities: Mapping[int, Sensitivity]
    scales: Mapping[int, Array]
    folded: tuple[str, ...]
    images: int
    forms_percent: float = 0.0
    copies_percent: float = 0.0


def _statistics(
    inputs: QuantizationInputs, observed: Network, work: Work
) -> tuple[dict[int, ChannelStatistics], int]:
    """The statistics of each value, and over how many images they are."""
    population = inputs.population
    if population is None:
        of_images = collect(observed, inputs.images, start=inputs.statistics, reporter=work)
        return of_images.by_value(observed), len(inputs.images)
    check_network(population.facts, network_sha256(observed))
    return population.by_value(observed), population.facts.images


def measured_plan(inputs: QuantizationInputs, observed: Network, work: Work) -> Plan:
    """Observes the float network, measures what errors cost, and decides what follows from that.

    Args:
        inputs: What to quantize, and how.
        observed: The network whose values are observed, from `observed_network`.
        work: Its `progress` is told of each image.

    Raises:
        ConversionError: The network's numbers are not finite.
        CalibrationDataError: The statistics are of another network or count other images.
    """
    images, options = inputs.images, inputs.options
    with work.phase("observe"):
        statistics, counted = _statistics(inputs, observed, work)
        constant = constant_excitations(observed, statistics) if counted >= _FEWEST_FOR_CONSTANT else {}
        network = fold_constant_excitations(observed, constant)
    with work.phase("measure"):
        seen = shrunk(network, statistics, counted, least=SHRINKAGE if options.synthetic else 0.0)
        measured = images[: inputs.config.measured_images]
        sensitivities = measure(network, seen, measured, seed=options.seed, reporter=work)
        if not options.synthetic:
            share = inputs.config.clipping
            # Behind the last weights nothing makes up for it.
            last = {*logits_values(network), *network.outputs}
            sensitivities = {
                value: one if value in last else one.with_clipping(share)
                for value, one in sensitivities.items()
            }
        else:
            sensitivities = reaching_further(network, logits_values(network), sensitivities)
    give_back_freed_memory()
    if not all(np.isfinite(sensitivity.rounding).all() for sensitivity in sensitivities.values()):
        raise ConversionError("measuring what errors cost", "a cost that is not finite", "finite weights")
    with work.phase("equalize"):
        original = fold_constant_excitations(read_network(inputs.float_model, options.input_range), constant)
        decided, costs = decide(
            Decided(original, network, sensitivities), seen, images, options, reporter=work
        )
        lowered, sensitivities = decided.lowered()
        scales = group_scales(lowered, sensitivities)
    folded = tuple(observed.values[value].name for value in constant)
    return Plan(
        decided.original, lowered, decided.reference(), sensitivities, scales, folded, len(images), *costs
    )
