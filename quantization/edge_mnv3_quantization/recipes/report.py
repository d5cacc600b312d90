"""The report that comes with a recipe's result: how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from edge_mnv3.core.results.recipe import (
    CopiedLayer,
    ExponentTrial,
    HardSwishForm,
    RecipeReport,
    RefittedLayer,
    TensorRange,
)
from edge_mnv3_quantization.algorithms.curves import Curves
from edge_mnv3_quantization.algorithms.node_fits import RefittedWeights
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.tensor_names import HARD_SIGMOID_SUFFIX, layer_name, ungrouped
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import stored_images, stored_input
from edge_mnv3_quantization.recipes.candidates import Candidate
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs
from edge_mnv3_quantization.recipes.plan import Plan

_LOW, _HIGH = -128, 127  # of int8


def equalized_report(
    inputs: QuantizationInputs,
    plan: Plan,
    chosen: Candidate,
    trials: tuple[ExponentTrial, ...],
    weights: Mapping[int, QuantizedWeights],
    phases_s: Mapping[str, float],
) -> RecipeReport:
    """Tells what the engine `equalized` did.

    Args:
        inputs: What was quantized, and how.
        plan: What was measured and decided.
        chosen: The candidate that is written.
        trials: The exponents that were tried, with their errors.
        weights: The weights that are written; those that were refitted are `RefittedWeights`.
        phases_s: Phase to seconds of wall time.
    """
    return RecipeReport(
        recipe=inputs.config.name,
        engine=inputs.config.engine,
        images=len(inputs.images),
        measured_images=min(inputs.config.measured_images, len(inputs.images)),
        equalization_exponent=chosen.exponent,
        exponent_trials=trials,
        hard_swishes=tuple(_hard_swish_forms(plan)),
        target=inputs.options.target,
        forms_cost_percent=plan.forms_percent,
        divided_channels=_divided_channels(plan.lowered),
        channel_groups={
            layer_name(tensor): tuple(len(group) for group in groups)
            for tensor, groups in plan.lowered.channel_groups.items()
        },
        copied_layers=tuple(
            CopiedLayer(
                layer=layer_name(tensor),
                channels=len(counts),
                copied_channels=sum(count > 1 for count in counts),
                added_channels=sum(counts) - len(counts),
                most_copies=max(counts),
            )
            for tensor, counts in plan.lowered.channel_copies.items()
        ),
        copies_cost_percent=plan.copies_percent,
        folded_excitations=tuple(layer_name(tensor) for tensor in plan.folded),
        refitted_layers=tuple(_refitted_layers(chosen.network, weights)),
        ranges=tuple(_ranges(chosen.network, chosen.quantizations, inputs.options.io)),
        phases_s=dict(phases_s),
    )


def _divided_channels(network: Network) -> dict[str, int]:
    divided = {name: np.array(scales) > 1 for name, scales in network.linear_scales.items()}
    for name, curves in network.fitted_channels.items():
        fitted = Curves(*(np.array(part) for part in curves)).fitted
        divided[name] = divided.get(name, np.zeros_like(fitted)) | fitted
    return {layer_name(name): int(channels.sum()) for name, channels in divided.items()}


def converter_report(inputs: QuantizationInputs, phases_s: Mapping[str, float]) -> RecipeReport:
    """Tells that TensorFlow's converter ran; nothing else is known of it."""
    return RecipeReport(
        recipe=inputs.config.name,
        engine=inputs.config.engine,
        images=len(inputs.images),
        measured_images=0,
        equalization_exponent=None,
        exponent_trials=(),
        hard_swishes=(),
        target="",
        forms_cost_percent=None,
        divided_channels={},
        channel_groups={},
        copied_layers=(),
        copies_cost_percent=0.0,
        folded_excitations=(),
        refitted_layers=(),
        ranges=(),
        phases_s=dict(phases_s),
    )


def _hard_swish_forms(plan: Plan) -> Iterator[HardSwishForm]:
    """Finds the form of each hard-swish of the float network, by its hard-sigmoids in the lowered network."""
    hard_sigmoids = Counter(
        (ungrouped(plan.lowered.values[node.output].name), node.kind) for node in plan.lowered.nodes
    )
    for node in plan.original.nodes:
        if node.kind != "hard_swish":
            continue
        tensor = plan.original.values[node.output].name
        tables = hard_sigmoids[f"{tensor}{HARD_SIGMOID_SUFFIX}", "hard_sigmoid"]
        form = "operator"
        if tables:
            form = "table_by_groups" if tables > 1 else "table"
        elif hard_sigmoids[f"{tensor}{HARD_SIGMOID_SUFFIX}", "depthwise"]:
            form = "per_channel"
        yield HardSwishForm(
            layer=layer_name(tensor),
            input_layer=layer_name(plan.original.values[node.inputs[0]].name),
            form=form,
            groups=max(tables, 1),
        )


def _refitted_layers(network: Network, weights: Mapping[int, QuantizedWeights]) -> Iterator[RefittedLayer]:
    """Lists the layers whose weights were refitted, with their ridges."""
    for node in network.nodes:
        fitted = weights.get(node.output)
        if not isinstance(fitted, RefittedWeights):
            continue
        moved = fitted.ridges[np.isfinite(fitted.ridges)]
        quantiles = np.quantile(moved, (0, 0.5, 1), method="lower") if len(moved) else None
        smallest, median, largest = [None] * 3 if quantiles is None else quantiles.tolist()
        yield RefittedLayer(
            layer=layer_name(network.values[node.output].name),
            channels=len(fitted.ridges),
            refitted_channels=len(moved),
            smallest_ridge=smallest,
            median_ridge=median,
            largest_ridge=largest,
        )


def _ranges(network: Network, quantizations: Mapping[int, Quantization], io: str) -> Iterator[TensorRange]:
    """Lists the ranges of the input and of each node's output, as the file stores them."""
    of_file = stored_images(network, quantizations, io)
    for value in (network.input, *(node.output for node in network.nodes)):
        tensor, stored = network.values[value].name, of_file[value]
        if value == network.input:
            tensor, stored = stored_input(quantizations[value], io)
        yield TensorRange(
            layer=layer_name(network.values[value].name),
            tensor=tensor,
            low=stored.scale * (_LOW - stored.zero_point),
            high=stored.scale * (_HIGH - stored.zero_point),
            scale=stored.scale,
            zero_point=stored.zero_point,
        )
