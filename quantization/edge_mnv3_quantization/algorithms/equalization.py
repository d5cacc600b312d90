"""Equalization scales that make int8 steps fit every channel of a value, chosen over the whole graph.

One quantization step serves all channels of a value, so a channel of small numbers keeps few bits beside one
of large numbers. `scale_sharing` says which values share their equalization scales; hard-swish, once lowered
to a hard-sigmoid per channel, lets them through. For given ranges of a group's values, each channel has a
best scale: a larger one clips less, a smaller one rounds less. For given scales, each value has a best range.
The scales and the ranges are chosen in turn.

The idea is from Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv 1906.04721), section 4.1, where scales equalize the ranges of two weight tensors across a ReLU.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from edge_mnv3_quantization.algorithms.ranges import Range, best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.scale_sharing import shared_scales

_SMALLEST_SCALE = 1e-3  # a share of the largest scale: dead channels get no less than that
_ROUNDS = 8  # how often scales and ranges are chosen in turn
# The candidates for a scale are multiples of the channel's present scale. The nearest come first, so that a
# channel without any cost keeps its scale.
_CANDIDATES = np.array([1.0, *(1.05**power for number in range(1, 23) for power in (number, -number))])
_END_CHANGES = (
    0.7,
    0.85,
    1.18,
    1.43,
)  # the candidates for an end of a range, as multiples of the present end
_MOST_SWEEPS = 6  # the most sweeps over all ends of a group's ranges


def group_scales(network: Network, sensitivities: Mapping[int, Sensitivity]) -> dict[int, Array]:
    """Chooses the equalization scales of every scale-sharing group, (C,) each, the largest 1.

    Args:
        network: A lowered network whose products have no constant factors.
        sensitivities: What errors in this network's values cost.
    """
    groups: dict[int, list[Sensitivity]] = {}
    for value, shared in shared_scales(network).items():
        # The inputs of a concatenation have the range of its output.
        if shared.group is not None and shared.channels is None and value in sensitivities:
            groups.setdefault(shared.group, []).append(sensitivities[value])
    return {group: _scales(members) for group, members in groups.items()}


def _scales(members: Sequence[Sensitivity]) -> Array:
    scales = np.max([_size(member) for member in members], axis=0)
    best, lowest = scales, np.inf
    for _ in range(_ROUNDS):
        ranges = [best_range(member.divided(scales)) for member in members]
        cost = sum(chosen.cost for chosen in ranges)
        if cost < lowest:
            best, lowest = scales, cost
        scales, _ = _best_scales(members, ranges, scales)
    scales = best
    ranges = [best_range(member.divided(scales)) for member in members]
    scales, lowest = _best_scales(members, ranges, scales)
    # Chosen in turn, neither scales nor ranges can give up an end of a range that the other still uses. So
    # here one end moves at a time, and all scales follow.
    for _ in range(_MOST_SWEEPS):
        before = lowest
        for index, end, change in itertools.product(range(len(members)), ("low", "high"), _END_CHANGES):
            moved = list(ranges)
            moved[index] = ranges[index]._replace(**{end: getattr(ranges[index], end) * change})
            candidate, cost = _best_scales(members, moved, scales)
            if cost < lowest:
                ranges, scales, lowest = moved, candidate, cost
        if lowest > 0.995 * before:
            break
    return np.asarray(np.maximum(scales / scales.max(), _SMALLEST_SCALE))


def _best_scales(
    members: Sequence[Sensitivity], ranges: Sequence[Range], scales: Array
) -> tuple[Array, float]:
    """Finds each channel's best scale near the present one for given ranges.

    Returns:
        The scales, (C,), and the cost of all channels together.
    """
    candidates = scales[:, None] * _CANDIDATES
    costs = sum(_cost(member, candidates, chosen) for member, chosen in zip(members, ranges, strict=True))
    best = np.argmin(costs, axis=1)
    channels = np.arange(len(scales))
    return np.asarray(candidates[channels, best]), float(np.asarray(costs)[channels, best].sum())


def _size(member: Sensitivity) -> Array:
    """Returns the outermost number of each channel as a share of the outermost of all channels, (C,)."""
    last = np.maximum(member.high.last(), member.low.last() if member.low else 0.0)
    return np.asarray(np.maximum(last / last.max(), _SMALLEST_SCALE))


def _cost(member: Sensitivity, scales: Array, chosen: Range) -> Array:
    """Computes the cost (C, K) of each channel with scales (C, K) while its value keeps a range."""
    step = (chosen.high - chosen.low) / STEPS
    cost = member.rounding[:, None] * np.square(scales * step) / 12 + member.high.at(scales * chosen.high)
    if member.low:
        cost = cost + member.low.at(scales * -chosen.low)
    return np.asarray(cost)
