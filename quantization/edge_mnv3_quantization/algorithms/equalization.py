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

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3_quantization.algorithms.ranges import Range, best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
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
    scales = map_in_threads(_scales, groups.values(), available_cores())
    return dict(zip(groups, scales, strict=True))


def _scales(members: Sequence[Sensitivity]) -> Array:
    scales = np.max([_size(member) for member in members], axis=0)
    best, lowest = scales, np.inf
    for _ in range(_ROUNDS):
        ranges = [best_range(member.divided(scales)) for member in members]
        cost = sum(chosen.cost for chosen in ranges)
        if cost < lowest:
            best, lowest = scales, cost
        scales, _ = _Candidates(members, scales).best(ranges)
    ranges = [best_range(member.divided(best)) for member in members]
    scales, lowest = _Candidates(members, best).best(ranges)
    candidates = _Candidates(members, scales)
    # Chosen in turn, neither scales nor ranges can give up an end of a range that the other still uses. So
    # here one end moves at a time, and all scales follow.
    for _ in range(_MOST_SWEEPS):
        before = lowest
        for index, end, change in itertools.product(range(len(members)), ("low", "high"), _END_CHANGES):
            moved = list(ranges)
            moved[index] = ranges[index]._replace(**{end: getattr(ranges[index], end) * change})
            changed, cost = candidates.best(moved)
            if cost < lowest:
                ranges, scales, lowest = moved, changed, cost
                candidates = _Candidates(members, scales)
        if lowest > 0.995 * before:
            break
    return np.asarray(np.maximum(scales / scales.max(), _SMALLEST_SCALE))


class _Candidates:
    """The candidates for the scales of a group, near the present ones, and what they cost."""

    def __init__(self, members: Sequence[Sensitivity], scales: Array) -> None:
        self._members = members
        self._scales = scales[:, None] * _CANDIDATES
        self._known: dict[tuple[int, float, float], Array] = {}
        self._known_tails: dict[tuple[int, bool, float], Array] = {}

    def best(self, ranges: Sequence[Range]) -> tuple[Array, float]:
        """Finds each channel's best scale for given ranges.

        Returns:
            The scales, (C,), and the cost of all channels together.
        """
        costs = np.asarray(sum(self._cost(index, chosen) for index, chosen in enumerate(ranges)))
        best = np.argmin(costs, axis=1)
        channels = np.arange(len(self._scales))
        return np.asarray(self._scales[channels, best]), float(costs[channels, best].sum())

    def _cost(self, index: int, chosen: Range) -> Array:
        """Computes the cost (C, K) of each channel with each candidate while a member keeps a range."""
        key = (index, chosen.low, chosen.high)
        if key not in self._known:
            member, step = self._members[index], (chosen.high - chosen.low) / STEPS
            cost = member.rounding[:, None] * np.square(self._scales * step) / 12
            cost = cost + self._clipping(index, member.high, chosen.high, high=True)
            if member.low:
                cost = cost + self._clipping(index, member.low, -chosen.low, high=False)
            self._known[key] = cost
        return self._known[key]

    def _clipping(self, index: int, tail: Tail, end: float, *, high: bool) -> Array:
        key = (index, high, end)
        if key not in self._known_tails:
            self._known_tails[key] = tail.at(self._scales * end)
        return self._known_tails[key]


def _size(member: Sensitivity) -> Array:
    """Returns the outermost number of each channel as a share of the outermost of all channels, (C,)."""
    last = np.maximum(member.high.last(), member.low.last() if member.low else 0.0)
    return np.asarray(np.maximum(last / last.max(), _SMALLEST_SCALE))
