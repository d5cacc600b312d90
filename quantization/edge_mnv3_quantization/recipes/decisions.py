"""What `auto` and a budget decide: the forms of hard-swish, and channel copies, by modelled cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge_mnv3_quantization.algorithms.arm_forms import (
    Choice,
    all_offers,
    joined_forms,
    within_budget,
)
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.linear_channels import (
    choose_linear_scales,
    divide_channels,
    divided_sensitivities,
)
from edge_mnv3_quantization.algorithms.lowering import Forms, choose_forms, lower
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import value_scales
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.copies import Decided, with_copies

# The shares of a budget that are tried for forms; copies get what they leave.
_SHARES = (1.0, 0.7, 0.4)
_STEP = 1e-3  # of the cycles: by so much less, at least, is tried with where forms cost more than it


class ModelledCosts(NamedTuple):
    """What was spent, in percent of modelled cycles.

    Attributes:
        forms_percent: How much more the forms of hard-swish cost than a table for each.
        copies_percent: How much more the copies cost than the network without them.
    """

    forms_percent: float
    copies_percent: float


def decide(
    network: Decided, statistics: Mapping[int, ChannelStatistics], options: QuantizationOptions
) -> tuple[Decided, ModelledCosts]:
    """Decides the forms of hard-swish and the channel copies.

    Args:
        network: The network; its forms are not looked at.
        statistics: The statistics of its values.
        options: The caller's choices.
    """
    budget = options.budget_percent
    if options.hard_swish == "auto" and options.target == "phone" and budget is not None:
        if not options.synthetic:  # how low a channel's numbers go is told by photographs alone
            network = _with_linear_channels(network, statistics)
        return _for_phone(network, budget)
    original, measured, sensitivities, _ = network
    decided = network._replace(forms=choose_forms(original, measured, sensitivities, options.hard_swish))
    forms_percent = _percent_over(_cycles(decided), _cycles(network._replace(forms=Forms())))
    copies_percent = 0.0
    if budget:
        decided, copies_percent = with_copies(decided, budget)
    return decided, ModelledCosts(forms_percent, copies_percent)


def _for_phone(network: Decided, budget_percent: float) -> tuple[Decided, ModelledCosts]:
    """Spends a budget on forms, the best by modelled cost, and on copies."""
    original, measured, sensitivities, _ = network
    errors = FormErrors(measured, sensitivities)
    tables = lower_hard_swish(original, per_channel=())
    offers = all_offers(tables, hard_swish_inputs(measured), errors)
    cheapest = _cycles(network._replace(forms=Forms()))
    tried = [_spent(network, offers, cheapest, budget_percent, share) for share in _SHARES if offers]
    if not offers:
        tried = [_spent(network, offers, cheapest, budget_percent, 0.0)]
    best = min(tried, key=lambda one: one.error)
    return best.decided, best.costs


class _Spent(NamedTuple):
    decided: Decided
    costs: ModelledCosts
    error: float


def _spent(
    network: Decided, offers: Sequence[Sequence[Choice]], cheapest: float, budget_percent: float, share: float
) -> _Spent:
    """Spends up to a share of a budget on forms, and the rest on copies."""
    decided, cycles = _with_forms(network, offers, cheapest * (1 + share * budget_percent / 100), cheapest)
    forms_percent = _percent_over(cycles, cheapest)
    left = 100 * ((1 + budget_percent / 100) / (1 + forms_percent / 100) - 1)
    copies_percent = 0.0
    if left > 0:
        decided, copies_percent = with_copies(decided, left)
    return _Spent(decided, ModelledCosts(forms_percent, copies_percent), _estimated_error(decided))


def _with_forms(
    network: Decided, offers: Sequence[Sequence[Choice]], most_cycles: float, cheapest: float
) -> tuple[Decided, float]:
    """Takes the best forms with which the whole network costs so much at most, and tells its cycles.

    Offers are priced one by one; together they may cost a little more.
    """
    allowed = most_cycles - cheapest
    while True:
        decided = network._replace(forms=joined_forms(within_budget(offers, allowed)))
        cycles = _cycles(decided)
        if cycles <= most_cycles or allowed <= 0:
            return decided, cycles
        allowed = max(allowed - max(cycles - most_cycles, _STEP * (most_cycles - cheapest)), 0.0)


def _with_linear_channels(network: Decided, statistics: Mapping[int, ChannelStatistics]) -> Decided:
    original, measured, sensitivities, forms = network
    for x, scales in choose_linear_scales(measured, statistics, sensitivities).items():
        sensitivities = divided_sensitivities(measured, sensitivities, x, scales)
        original, measured = (divide_channels(one, x, scales) for one in (original, measured))
    return Decided(original, measured, sensitivities, forms)


def _cycles(decided: Decided) -> float:
    return network_cycles(lower(*decided)[0])


def _percent_over(cycles: float, cheapest: float) -> float:
    return 100 * (cycles / cheapest - 1) if cheapest else 0.0


def _estimated_error(decided: Decided) -> float:
    """Estimates the squared error of the logits with the best scales and ranges."""
    network, sensitivities = lower(*decided)
    scales = value_scales(network, group_scales(network, sensitivities))
    # XNNPACK makes one table of such a hard-sigmoid and its product: it never rounds the hard-sigmoid.
    unrounded = {node.output for node in network.nodes if node.kind == "hard_sigmoid"}
    joined = {value for node in network.nodes if node.kind == "concat" for value in node.inputs}
    return sum(
        best_range(known.divided(scales[value])).cost
        for value, known in sensitivities.items()
        if value not in unrounded | joined
    )
