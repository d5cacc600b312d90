"""Factors per channel that make int8 steps fit every channel of a value: equalization over the whole graph.

One int8 step serves all channels of a value, so a channel of small numbers drowns beside one of large ones.
`scaling` says which values share their factors; hard-swish, once lowered, lets them through. For each group
of values the factors are taken from a family with few parameters, by the estimated noise at the output: the
rounding of the group's values, and of the weights that take them, whose rows the factors make less even.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_mnv3_quantization.activations import Histogram
from edge_mnv3_quantization.network import GATE_SHIFT, Array, Network, Node
from edge_mnv3_quantization.noise import STEPS, output_gains, positions
from edge_mnv3_quantization.rewrites import gated_values
from edge_mnv3_quantization.scaling import ties
from edge_mnv3_quantization.weight_quantization import LARGEST_STEP

_TAIL = 0.001  # share of a channel's numbers that may lie beyond its range on either side
_SMALLEST_RANGE = 1e-3  # of the largest channel's: dead channels get no more than that
_STRENGTHS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_NEGATIVE_SHARES = (0.15, 0.3, 0.6, 1.0)  # how far the negative side of a gated value counts
_OTHER_SHARES = (0.1, 0.3, 1.0)  # how far the other values of a group count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A value of a group: its range in each channel, and what an error in it weighs."""

    low: Array
    high: Array
    weight: Array
    gated: bool


def group_factors(network: Network, histograms: Mapping[int, Histogram]) -> dict[int, Array]:
    """Chooses the factors of every group of `ties`, (C,) each, the largest near 1.

    Args:
        network: Lowered, its products without factors.
        histograms: From `observe`, of this network.
    """
    gains = output_gains(network, histograms)
    gated = gated_values(network)
    groups: dict[int, list[int]] = {}
    for value, tie in ties(network).items():
        if tie.group is not None and value in histograms:
            groups.setdefault(tie.group, []).append(value)
    found = {}
    for group, values in groups.items():
        members = [
            _member(network, value, histograms[value], gains[value], value in gated) for value in values
        ]
        takers = [
            (node, histograms[node.inputs[0]].square, gains[node.output] * positions(network, node.output))
            for node in network.nodes
            if node.kind in ("conv", "dense") and node.inputs[0] in values
        ]
        found[group] = min(_candidates(members), key=lambda factors: _noise(factors, members, takers))
    return found


def _member(network: Network, value: int, histogram: Histogram, gains: Array, gated: bool) -> _Member:
    low, high = histogram.quantiles(_TAIL)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    return _Member(
        low=np.full_like(low, -GATE_SHIFT) if gated else low,
        high=high,
        weight=gains * positions(network, value),
        gated=gated,
    )


def _candidates(members: list[_Member]) -> list[Array]:
    negatives = _NEGATIVE_SHARES if any(member.gated for member in members) else (1.0,)
    others = _OTHER_SHARES if len(members) > 1 else (1.0,)
    found = []
    for negative, other in itertools.product(negatives, others):
        shares = []
        for member in members:
            size = np.maximum(-member.low * (negative if member.gated else 1.0), member.high)
            share = np.maximum(size / max(float(size.max()), 1e-30), _SMALLEST_RANGE)
            shares.append(share * (1.0 if member.gated else other))
        largest = np.maximum.reduce(shares)
        found += [largest**strength for strength in _STRENGTHS]
    return found


def _noise(factors: Array, members: list[_Member], takers: list[tuple[Node, Array, Array]]) -> float:
    """Variance at the output from rounding the members and the weights that take them, with these factors."""
    total = 0.0
    for member in members:
        step = float((member.high / factors).max() - (member.low / factors).min()) / STEPS
        total += step**2 / 12 * float((np.square(factors) * member.weight).sum())
    for node, squares, weight in takers:
        weights, _ = node.weights_and_bias()
        rows = np.abs(weights).reshape(len(weight), -1, weights.shape[-1]) * factors
        steps = rows.max(axis=(1, 2)) / LARGEST_STEP
        carried = rows.shape[1] * float((squares / np.square(factors)).sum())
        total += float((weight * np.square(steps)).sum()) / 12 * carried
    return total
