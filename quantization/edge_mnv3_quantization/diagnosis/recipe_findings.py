"""What an int8 file shows of the recipe that made it, by comparison with its float file."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.results.diagnose import RecipeFindings, TensorCause
from edge_mnv3_quantization.diagnosis.causes import SampledValue
from edge_mnv3_quantization.diagnosis.factors import Factors, moved_biases
from edge_mnv3_quantization.diagnosis.pairing import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.graph.tensor_names import ungrouped

_EQUALIZED = 1.05  # ratio of a value's largest factor to its smallest
_SUGGESTIONS = {
    "xnnpack_ratio": "--recipe accurate gives it a scale that XNNPACK takes, or folds the block away",
    "channel_imbalance": "--recipe accurate equalizes the channels",
    "outlier_range": "--recipe accurate weighs clipping against coarser steps",
    "below_minus_3": "--recipe accurate leaves these numbers out of the range",
}
_ANY_RECIPE = {
    "too_narrow": "calibrate on images like these",
    "saturated_bias": "prune these channels: their weights hardly count in int8",
}


def recipe_findings(pair: Pair, factors: Factors) -> RecipeFindings:
    """Counts what was done over the whole graph."""
    ratios = [factor_ratio(factors.outputs[value.int8_tensor]) for value in pair.values]
    corrected = sum(
        moved is not None and bool(moved.any())
        for moved in (moved_biases(weights, factors) for weights in pair.weights)
    )
    producers = [pair.int8_file.producer(gate) for gate in pair.gates]
    kinds = [step.name for step in producers if step is not None]
    # The groups of one hard-swish are one table.
    names = [pair.int8_file.tensors[step.output].name for step in producers if step and step.name == "ADD"]
    tables = {ungrouped(name) for name in names}
    return RecipeFindings(
        hard_swishes=pair.hard_swishes,
        hard_swishes_as_table=len(tables),
        hard_swishes_in_groups=len(tables - set(names)),
        hard_swishes_as_convolution=kinds.count("DEPTHWISE_CONV_2D"),
        folded_squeeze_excites=_folded(pair),
        values=len(pair.values),
        equalized_values=sum(ratio > _EQUALIZED for ratio in ratios),
        largest_factor_ratio=max(ratios),
        weighted_operators=len(pair.weights),
        corrected_operators=corrected,
    )


def factor_ratio(factors: Array) -> float:
    """Largest factor over the smallest."""
    return float(factors.max() / factors.min()) if factors.min() > 0 else 1.0


def done_for_value(
    pair: Pair, factors: Factors, value: PairedValue, sampled: SampledValue
) -> tuple[str, ...]:
    """What was done about one value, a phrase each."""
    ratio = factor_ratio(factors.outputs[value.int8_tensor])
    found = [
        f"channels equalized, factors 1 to {ratio:.3g}" if ratio > _EQUALIZED else "channels not equalized"
    ]
    share, _ = sampled.clipped()
    found.append(
        f"range cuts off {100 * share:.2g} % of the numbers"
        if share
        else "range holds every number that was seen"
    )
    if sampled.gated:
        kinds = [
            step.name for step in pair.int8_file.consumers(value.int8_tensor) if step.output in pair.gates
        ]
        table = "as a table"
        if value.name != ungrouped(value.name):
            table = "as tables, one for each group of channels"
        lowered = {"ADD": table, "DEPTHWISE_CONV_2D": "channel by channel"}
        found += [f"hard-swish lowered {lowered[kind]}" for kind in kinds]
    found += [
        text for weights in pair.weights if weights.output is value for text in _bias_moves(weights, factors)
    ]
    return tuple(found)


def done_for_weights(weights: PairedWeights, factors: Factors) -> tuple[str, ...]:
    """What was done about one operator's weights, a phrase each."""
    found = []
    given = factor_ratio(factors.outputs[weights.output.int8_tensor])
    taken = factors.inputs[weights.output.int8_tensor]
    taken_ratio = factor_ratio(taken[taken > 0]) if (taken > 0).any() else 1.0
    if max(given, taken_ratio) > _EQUALIZED:
        found.append(
            f"channels equalized, factors 1 to {taken_ratio:.3g} of its input, 1 to {given:.3g} of its output"
        )
    return (*found, *_bias_moves(weights, factors))


def suggestion(causes: tuple[TensorCause, ...], *, rewritten: bool) -> str:
    """What to do about the first cause that something can be done about.

    Args:
        causes: Of one tensor.
        rewritten: The recipe has equalized or lowered the graph already.
    """
    known = _ANY_RECIPE if rewritten else _SUGGESTIONS | _ANY_RECIPE
    return next((known[cause.kind] for cause in causes if cause.kind in known), "")


def is_rewritten(findings: RecipeFindings) -> bool:
    """Whether the int8 file is of a recipe that changes the graph."""
    return bool(
        findings.equalized_values
        or findings.hard_swishes_as_table
        or findings.hard_swishes_as_convolution
        or findings.folded_squeeze_excites
    )


def _bias_moves(weights: PairedWeights, factors: Factors) -> list[str]:
    moved = moved_biases(weights, factors)
    if moved is None or not moved.any():
        return []
    return [
        f"{np.count_nonzero(moved)} of {len(moved)} biases moved by up to {np.abs(moved).max():.2g} steps of "
        "the output"
    ]


def _folded(pair: Pair) -> int:
    """Products of two values that the int8 file has no tensor for."""
    known = {value.float_tensor for value in pair.values}
    count = 0
    for step in pair.float_file.operators:
        values = [i for i in step.inputs if pair.float_file.producer(i) is not None]
        named = bool(pair.float_file.tensors[step.output].name)  # those put in by lowering have no names
        count += step.name == "MUL" and len(values) == 2 and named and step.output not in known
    return count
