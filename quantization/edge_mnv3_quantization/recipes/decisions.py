"""What `auto` and a budget decide: the forms of hard-swish, and channel copies, by modelled cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.algorithms.arm_forms import (
    Choice,
    all_offers,
    joined_choice,
    within_budget,
)
from edge_mnv3_quantization.algorithms.curves import fit_channels
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.fitted_channels import FittedChannels, Fitting
from edge_mnv3_quantization.algorithms.form_errors import FormErrors
from edge_mnv3_quantization.algorithms.linear_channels import (
    choose_linear_scales,
    divide_channels,
    divided_sensitivities,
)
from edge_mnv3_quantization.algorithms.lowering import Forms, choose_forms
from edge_mnv3_quantization.algorithms.modelled_cost import network_cycles, surrounding_cycles
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import value_scales
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES
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
    network: Decided,
    statistics: Mapping[int, ChannelStatistics],
    images: Images,
    options: QuantizationOptions,
    *,
    reporter: Reporter = SILENT,
) -> tuple[Decided, ModelledCosts]:
    """Decides the forms of hard-swish and the channel copies.

    Args:
        network: The network; its forms are not looked at.
        statistics: The statistics of its values.
        images: Calibration images, (N, H, W, C) uint8.
        options: The caller's choices.
        reporter: Its `progress` is told of (hard-swishes whose channels are fitted, hard-swishes in all).
    """
    budget = options.budget_percent
    if _is_for_phone(options) and budget is not None:
        if not options.synthetic:  # how low a channel's numbers go is told by photographs alone
            network = _with_linear_channels(network, statistics)
        fitted = None
        if fits_channels(options, len(images)):
            fitted = FittedChannels(
                network.measured,
                statistics,
                network.sensitivities,
                images,
                seed=options.seed,
                reporter=reporter,
            )
        return _for_phone(network, fitted, budget)
    original, measured, sensitivities, *_ = network
    decided = network._replace(forms=choose_forms(original, measured, sensitivities, options.hard_swish))
    forms_percent = _percent_over(_cycles(decided), _cycles(network._replace(forms=Forms())))
    copies_percent = 0.0
    if budget:
        decided, copies_percent = with_copies(decided, budget)
    return decided, ModelledCosts(forms_percent, copies_percent)


def _is_for_phone(options: QuantizationOptions) -> bool:
    return options.hard_swish == "auto" and options.target == "phone" and options.budget_percent is not None


def fits_channels(options: QuantizationOptions, images: int) -> bool:
    """Whether tables of hard-swish may have fitted channels (`algorithms.fitted_channels`).

    Few images and synthetic ones do not tell how far a channel reaches, or where most of it lies.
    """
    return _is_for_phone(options) and not options.synthetic and images >= 2 * TRIAL_IMAGES


def _for_phone(
    network: Decided, fitted: FittedChannels | None, budget_percent: float
) -> tuple[Decided, ModelledCosts]:
    """Spends a budget on forms, the best by modelled cost, and on copies."""
    original, measured, sensitivities, *_ = network
    errors = FormErrors(measured, sensitivities)
    tables = lower_hard_swish(original, per_channel=())
    offered = _Offered(
        network,
        fitted,
        all_offers(tables, hard_swish_inputs(measured), errors, fitted),
        _cycles(network._replace(forms=Forms())),
    )
    tried = [_spent(offered, budget_percent, share) for share in _SHARES if offered.offers]
    if not offered.offers:
        tried = [_spent(offered, budget_percent, 0.0)]
    best = min(tried, key=lambda one: one.error)
    return best.decided, best.costs


class _Offered(NamedTuple):
    """What a phone's budget can be spent on.

    Attributes:
        network: The network, its forms not chosen.
        fitted: The fitted channels that tables may have; None for none.
        offers: The forms.
        cheapest: The modelled cycles with a table for each hard-swish.
    """

    network: Decided
    fitted: FittedChannels | None
    offers: Sequence[Sequence[Choice]]
    cheapest: float


class _Spent(NamedTuple):
    decided: Decided
    costs: ModelledCosts
    error: float


def _spent(offered: _Offered, budget_percent: float, share: float) -> _Spent:
    """Spends up to a share of a budget on forms, and the rest on copies."""
    decided, cycles, curves = _with_forms(offered, offered.cheapest * (1 + share * budget_percent / 100))
    forms_percent = _percent_over(cycles, offered.cheapest)
    left = 100 * ((1 + budget_percent / 100) / (1 + forms_percent / 100) - 1)
    copies_percent = 0.0
    if left > 0:
        decided, copies_percent = with_copies(decided, left)
    return _Spent(decided, ModelledCosts(forms_percent, copies_percent), _estimated_error(decided) + curves)


def _with_forms(offered: _Offered, most_cycles: float) -> tuple[Decided, float, float]:
    """Takes the best forms with which the whole network costs so much at most.

    Offers are priced one by one; together they may cost a little more.

    Returns:
        The network, its cycles, and the error by the curves of fitted channels.
    """
    cheapest = offered.cheapest
    allowed = most_cycles - cheapest
    while True:
        chosen = joined_choice(within_budget(offered.offers, allowed))
        decided = offered.network._replace(forms=Forms(chosen.per_channel, chosen.groups))
        values = [decided.original.values[x] for x in sorted(chosen.surrounded)]
        cycles = _cycles(decided) + sum(surrounding_cycles(one.positions, one.channels) for one in values)
        if cycles <= most_cycles or allowed <= 0:
            fitted = {}
            if offered.fitted is not None:
                for x in sorted(chosen.fitted):
                    fitted[x] = offered.fitted.fitting(
                        x, chosen.groups.get(x, ()), surrounded=x in chosen.surrounded
                    )
            return _fitted(decided, fitted), cycles, sum(one.error for one in fitted.values())
        allowed = max(allowed - max(cycles - most_cycles, _STEP * (most_cycles - cheapest)), 0.0)


def _with_linear_channels(network: Decided, statistics: Mapping[int, ChannelStatistics]) -> Decided:
    original, measured, sensitivities, *_ = network
    for x, scales in choose_linear_scales(measured, statistics, sensitivities).items():
        sensitivities = divided_sensitivities(measured, sensitivities, x, scales)
        original, measured = (divide_channels(one, x, scales) for one in (original, measured))
    return network._replace(original=original, measured=measured, sensitivities=sensitivities)


def _fitted(network: Decided, fitted: Mapping[int, Fitting]) -> Decided:
    original, measured, sensitivities, *_ = network
    for x, one in fitted.items():
        sensitivities = {**sensitivities, **one.sensitivities}
        original, measured = (fit_channels(each, x, one.curves) for each in (original, measured))
    return network._replace(
        original=original,
        measured=measured,
        sensitivities=sensitivities,
        unfitted=network.original if fitted else None,
    )


def _cycles(decided: Decided) -> float:
    return network_cycles(decided.lowered()[0])


def _percent_over(cycles: float, cheapest: float) -> float:
    return 100 * (cycles / cheapest - 1) if cheapest else 0.0


def _estimated_error(decided: Decided) -> float:
    """Estimates the squared error of the logits with the best scales and ranges."""
    network, sensitivities = decided.lowered()
    scales = value_scales(network, group_scales(network, sensitivities))
    # XNNPACK makes one table of such a hard-sigmoid and its product: it never rounds the hard-sigmoid.
    unrounded = {node.output for node in network.nodes if node.kind == "hard_sigmoid"}
    joined = {value for node in network.nodes if node.kind == "concat" for value in node.inputs}
    return sum(
        best_range(known.divided(scales[value])).cost
        for value, known in sensitivities.items()
        if value not in unrounded | joined
    )
