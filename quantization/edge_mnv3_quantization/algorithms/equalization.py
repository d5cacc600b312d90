"""Factors per channel that make int8 steps fit every channel of a value: equalization over the whole graph.

One int8 step serves all channels of a value, so a channel of small numbers drowns beside one of large ones.
`scaling` says which values share their factors; hard-swish, once lowered to a gate per channel, lets them
through. For given ranges of a group's values, each channel has a best factor of its own: a larger one clips
less, a smaller one rounds less. For given factors, each value has a best range. The two are chosen in turn.

Source of the idea: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction" (arXiv 1906.04721), section 4.1, where factors equalize the ranges
of two weight tensors across a ReLU.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from edge_mnv3_quantization.algorithms.ranges import Range, best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.scale_sharing import ties

_SMALLEST_FACTOR = 1e-3  # of the largest: dead channels get no less than that
_ROUNDS = 8  # of choosing factors and ranges in turn
# Candidates, of a channel's present factor: the nearest first, which a channel without any cost keeps.
_FACTORS = np.array([1.0, *(1.05**step for number in range(1, 23) for step in (number, -number))])
_STEPS = (0.7, 0.85, 1.18, 1.43)  # candidates for an end of a range, of the present end
_MOST_SWEEPS = 6  # over all ends of a group's ranges


def group_factors(network: Network, sensitivities: Mapping[int, Sensitivity]) -> dict[int, Array]:
    """Chooses the factors of every group of `ties`, (C,) each, the largest 1.

    Args:
        network: Lowered, its products without factors.
        sensitivities: Of this network's values.
    """
    groups: dict[int, list[Sensitivity]] = {}
    for value, tie in ties(network).items():
        # What is concatenated has the result's range.
        if tie.group is not None and tie.channels is None and value in sensitivities:
            groups.setdefault(tie.group, []).append(sensitivities[value])
    return {group: _factors(members) for group, members in groups.items()}


def _factors(members: Sequence[Sensitivity]) -> Array:
    factors = np.max([_size(member) for member in members], axis=0)
    best, lowest = factors, np.inf
    for _ in range(_ROUNDS):
        ranges = [best_range(member.divided(factors)) for member in members]
        cost = sum(chosen.cost for chosen in ranges)
        if cost < lowest:
            best, lowest = factors, cost
        factors, _ = _best_factors(members, ranges, factors)
    factors = best
    ranges = [best_range(member.divided(factors)) for member in members]
    factors, lowest = _best_factors(members, ranges, factors)
    # In turn, neither can give up an end that the other still uses: here one end moves, all factors follow.
    for _ in range(_MOST_SWEEPS):
        before = lowest
        for index, end, step in itertools.product(range(len(members)), ("low", "high"), _STEPS):
            moved = list(ranges)
            moved[index] = ranges[index]._replace(**{end: getattr(ranges[index], end) * step})
            candidate, cost = _best_factors(members, moved, factors)
            if cost < lowest:
                ranges, factors, lowest = moved, candidate, cost
        if lowest > 0.995 * before:
            break
    return np.asarray(np.maximum(factors / factors.max(), _SMALLEST_FACTOR))


def _best_factors(
    members: Sequence[Sensitivity], ranges: Sequence[Range], factors: Array
) -> tuple[Array, float]:
    """Each channel's best factor for given ranges, near the present ones, and what they cost together."""
    candidates = factors[:, None] * _FACTORS
    costs = sum(_cost(member, candidates, chosen) for member, chosen in zip(members, ranges, strict=True))
    best = np.argmin(costs, axis=1)
    channels = np.arange(len(factors))
    return np.asarray(candidates[channels, best]), float(np.asarray(costs)[channels, best].sum())


def _size(member: Sensitivity) -> Array:
    """The outermost number of each channel, of the outermost of all."""
    last = np.maximum(member.high.last(), member.low.last() if member.low else 0.0)
    return np.asarray(np.maximum(last / last.max(), _SMALLEST_FACTOR))


def _cost(member: Sensitivity, factors: Array, chosen: Range) -> Array:
    """Cost (C, K) of each channel with factors (C, K), when its value keeps a range."""
    step = (chosen.high - chosen.low) / STEPS
    cost = member.rounding[:, None] * np.square(factors * step) / 12 + member.high.at(factors * chosen.high)
    if member.low:
        cost = cost + member.low.at(factors * -chosen.low)
    return np.asarray(cost)
