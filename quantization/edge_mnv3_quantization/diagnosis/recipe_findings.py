"""What an int8 file's recipe did: read from the file's notes, or else inferred from both files."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.counts import three_digits
from edge_mnv3.core.results.diagnose import RecipeFindings, TensorCause
from edge_mnv3.core.results.recipe import ONLY_GAIN, RecipeReport, RefittedLayer
from edge_mnv3_quantization.diagnosis.causes import SampledValue
from edge_mnv3_quantization.diagnosis.equalization_scales import EqualizationScales, moved_biases
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.graph.tensor_names import layer_name, ungrouped

_FORMS = {
    "table": "hard-swish lowered as a table",
    "table_by_groups": "hard-swish lowered as tables, one for each group of channels",
    "per_channel": "hard-swish lowered channel by channel",
    "operator": "hard-swish kept as an operator",
}
_EQUALIZED = 1.05  # ratio of a value's largest equalization scale to its smallest
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


def recipe_findings(pair: Pair, equalization: EqualizationScales) -> RecipeFindings:
    """Counts what was done over the whole graph, from the int8 file's notes or else by inference."""
    ratios = [scale_ratio(equalization.outputs[value.int8_tensor]) for value in pair.values]
    counts = _noted_counts(pair.report) if pair.report else _inferred_counts(pair, equalization)
    return RecipeFindings(
        **counts,
        values=len(pair.values),
        equalized_values=sum(ratio > _EQUALIZED for ratio in ratios),
        largest_factor_ratio=max(ratios),
        weighted_operators=len(pair.weights),
    )


def _noted_counts(report: RecipeReport) -> dict[str, int]:
    forms = [hard_swish.form for hard_swish in report.hard_swishes]
    in_groups = forms.count("table_by_groups")
    return {
        "hard_swishes": len(forms),
        "hard_swishes_as_table": forms.count("table") + in_groups,
        "hard_swishes_in_groups": in_groups,
        "hard_swishes_as_convolution": forms.count("per_channel"),
        "folded_squeeze_excites": len(report.folded_excitations),
        "corrected_operators": len(report.refitted_layers),
    }


def _inferred_counts(pair: Pair, equalization: EqualizationScales) -> dict[str, int]:
    producers = [pair.int8_file.producer(hard_sigmoid) for hard_sigmoid in pair.hard_sigmoids]
    kinds = [operator.name for operator in producers if operator is not None]
    # The channel groups of one hard-swish count as one table.
    names = [
        pair.int8_file.tensors[operator.output].name
        for operator in producers
        if operator and operator.name == "ADD"
    ]
    tables = {ungrouped(name) for name in names}
    return {
        "hard_swishes": pair.hard_swishes,
        "hard_swishes_as_table": len(tables),
        "hard_swishes_in_groups": len(tables - set(names)),
        "hard_swishes_as_convolution": kinds.count("DEPTHWISE_CONV_2D"),
        "folded_squeeze_excites": _folded(pair),
        "corrected_operators": sum(
            moved is not None and bool(moved.any())
            for moved in (moved_biases(weights, equalization) for weights in pair.weights)
        ),
    }


def scale_ratio(scales: Array) -> float:
    """Divides the largest equalization scale by the smallest."""
    return float(scales.max() / scales.min()) if scales.min() > 0 else 1.0


class RecipeDeeds:
    """Tells in phrases what was done about single tensors, from the int8 file's notes or by inference."""

    def __init__(self, pair: Pair, equalization: EqualizationScales) -> None:
        self._pair, self._equalization = pair, equalization

    def for_value(self, value: PairedValue, sampled: SampledValue) -> tuple[str, ...]:
        """Tells what was done about one value."""
        ratio = scale_ratio(self._equalization.outputs[value.int8_tensor])
        equalized = (
            f"channels equalized, scales 1 to {three_digits(ratio)}"
            if ratio > _EQUALIZED
            else "channels not equalized"
        )
        share, _ = sampled.clipped()
        clipped = (
            f"range cuts off {100 * share:.2g} % of the numbers"
            if share
            else "range holds every number that was seen"
        )
        lowered = self._hard_swish(value) if sampled.before_hard_swish else ()
        fitted = (
            phrase
            for weights in self._pair.weights
            if weights.output is value
            for phrase in self._fitted(weights)
        )
        return (equalized, *self._copied(value), clipped, *lowered, *fitted)

    def for_weights(self, weights: PairedWeights) -> tuple[str, ...]:
        """Tells what was done about one operator's weights."""
        given = scale_ratio(self._equalization.outputs[weights.output.int8_tensor])
        taken = self._equalization.inputs[weights.output.int8_tensor]
        taken_ratio = scale_ratio(taken[taken > 0]) if (taken > 0).any() else 1.0
        equalized: tuple[str, ...] = ()
        if max(given, taken_ratio) > _EQUALIZED:
            equalized = (
                f"channels equalized, scales 1 to {three_digits(taken_ratio)} of its input, "
                f"1 to {three_digits(given)} of its output",
            )
        return (*equalized, *self._fitted(weights))

    def _copied(self, value: PairedValue) -> tuple[str, ...]:
        """Tells of channel copies."""
        copies = self._pair.copies.get(self._pair.int8_file.tensors[value.int8_tensor].name)
        if copies is None:
            return ()
        counts = np.unique(copies, return_counts=True)[1]
        return (
            f"{np.count_nonzero(counts > 1)} of {len(counts)} channels computed 2 to {counts.max()} times",
        )

    def _hard_swish(self, value: PairedValue) -> tuple[str, ...]:
        """Tells the form of the hard-swish that takes a value."""
        if self._pair.report:
            layer = layer_name(ungrouped(value.name))
            forms = [one.form for one in self._pair.report.hard_swishes if one.input_layer == layer]
        else:
            by_groups = value.name != ungrouped(value.name)
            forms = [
                "per_channel"
                if operator.name == "DEPTHWISE_CONV_2D"
                else "table_by_groups"
                if by_groups
                else "table"
                for operator in self._pair.int8_file.consumers(value.int8_tensor)
                if operator.output in self._pair.hard_sigmoids
            ]
        return tuple(_FORMS[form] for form in forms)

    def _fitted(self, weights: PairedWeights) -> tuple[str, ...]:
        """Tells how an operator's weights and biases were refitted."""
        if self._pair.report:
            layers = (one for one in self._pair.report.refitted_layers if one.layer == weights.output.layer)
            return tuple(refitted_phrase(layer) for layer in layers)
        moved = moved_biases(weights, self._equalization)
        if moved is None or not moved.any():
            return ()
        return (
            f"{np.count_nonzero(moved)} of {len(moved)} biases moved by up to {np.abs(moved).max():.2g} "
            "steps of the output",
        )


def refitted_phrase(layer: RefittedLayer) -> str:
    """Says what became of a layer's weights and biases."""
    if layer.smallest_ridge is None or layer.largest_ridge is None:
        return "bias refitted; no other weights were better on images that they were not fitted to"
    if layer.smallest_ridge == ONLY_GAIN:
        return (
            f"weights of {layer.refitted_channels} of {layer.channels} channels times a gain, biases refitted"
        )
    ridges = f"ridge {layer.smallest_ridge:g}"
    if layer.largest_ridge == ONLY_GAIN:
        ridges = f"ridges from {layer.smallest_ridge:g} to a gain alone"
    elif layer.largest_ridge != layer.smallest_ridge:
        ridges = f"ridges {layer.smallest_ridge:g} to {layer.largest_ridge:g}"
    return f"weights of {layer.refitted_channels} of {layer.channels} channels and biases refitted, {ridges}"


def suggestion(causes: tuple[TensorCause, ...], *, rewritten: bool) -> str:
    """Suggests what to do about the first cause that something can be done about.

    Args:
        causes: The causes of one tensor's loss.
        rewritten: Whether the recipe has equalized or lowered the graph already.
    """
    known = _ANY_RECIPE if rewritten else _SUGGESTIONS | _ANY_RECIPE
    return next((known[cause.kind] for cause in causes if cause.kind in known), "")


def is_rewritten(findings: RecipeFindings) -> bool:
    """Whether the int8 file was made by a recipe that changes the graph."""
    return bool(
        findings.equalized_values
        or findings.hard_swishes_as_table
        or findings.hard_swishes_as_convolution
        or findings.folded_squeeze_excites
    )


def _folded(pair: Pair) -> int:
    """Counts the products of two values that the int8 file has no tensor for."""
    known = {value.float_tensor for value in pair.values}
    count = 0
    for operator in pair.float_file.operators:
        values = [i for i in operator.inputs if pair.float_file.producer(i) is not None]
        named = bool(pair.float_file.tensors[operator.output].name)  # those put in by lowering have no names
        count += operator.name == "MUL" and len(values) == 2 and named and operator.output not in known
    return count
