"""Channels in which hard-swish is nearly a straight line, and which a table then takes at their own scale.

A table of hard-swish has one scale for all channels, so a channel of numbers between 2 and 3 is rounded as
coarsely as one that reaches 15. But over such a short range hard-swish is nearly the line slope · x + offset.
The convolution before it can give that line itself, divided by a gain so small that most of it lies beyond 3,
where hard-swish gives what it takes; the weights behind it take the gain. It costs nothing at run time. What
it loses is measured on the calibration images, and counts as an error like that of rounding.

The line has no constant behind the hard-swish, so that a border of zeros stays one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3_quantization.algorithms.channel_groups import Channels
from edge_mnv3_quantization.algorithms.linear_channels import divided_values
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images, run_float
from edge_mnv3_quantization.graph.network import (
    HARD_SIGMOID_CEILING,
    HARD_SIGMOID_SHIFT,
    Array,
    Network,
    Node,
)
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

_IMAGES, _NUMBERS = 64, 256  # so many numbers of a channel, from each of so many images
_ENDS = np.geomspace(3.0, 32.0, 30)  # the candidates for the largest number of a straight channel


class Lines(NamedTuple):
    """What a convolution gives in place of its result x: slope · x + offset, (C,) each.

    Attributes:
        slopes: 1 for channels that stay as they are.
        offsets: 0 for these.
        gains: What the weights behind the hard-swish are multiplied with; 1 for these.
    """

    slopes: Array
    offsets: Array
    gains: Array


class Straightening(NamedTuple):
    """The straight channels of the input of a hard-swish.

    Attributes:
        lines: What replaces each channel.
        sensitivities: What errors then cost, of each value that changes.
        error: The squared error of the logits by the lines themselves.
        saved: By how much the error of a table for all channels falls, less `error`.
    """

    lines: Lines
    sensitivities: Mapping[int, Sensitivity]
    error: float
    saved: float


def choose_straight_channels(
    network: Network,
    statistics: Mapping[int, ChannelStatistics],
    sensitivities: Mapping[int, Sensitivity],
    images: Images,
) -> dict[int, Straightening]:
    """Chooses the straight channels of each hard-swish, for a table of it, by measured cost.

    Args:
        network: A network lowered per channel, its linear channels divided.
        statistics: The statistics of its values before that.
        sensitivities: What errors in its values cost.
        images: Calibration images, (N, H, W, C) uint8.

    Returns:
        The input of a hard-swish to its straight channels; without hard-swishes that gain nothing.
    """
    candidates = {}
    for x in sorted(hard_swish_inputs(network)):
        known, values = statistics.get(x), divided_values(network, x)
        if known is None or values is None or not {x, _product(network, x)} <= sensitivities.keys():
            continue
        divided = np.array(network.linear_scales.get(network.values[x].name, np.ones(len(known.low))))
        channels = np.flatnonzero((known.low >= 0) & (known.high > known.low) & (divided == 1))
        if len(channels):
            candidates[x] = channels
    numbers = _numbers(network, list(candidates), images) if candidates else {}
    chosen = {}
    for x, channels in candidates.items():
        members = {
            v: sensitivities[v] for v in sorted(divided_values(network, x) or ()) if v in sensitivities
        }
        layer = _Layer(x, _product(network, x), members, statistics[x])
        best = layer.straightened(channels, numbers[x][:, channels])
        if best is not None:
            chosen[x] = best
    return chosen


def _product(network: Network, x: int) -> int:
    return next(node.output for node in network.consumers(x) if node.kind == "mul")


def _numbers(network: Network, values: Sequence[int], images: Images) -> dict[int, Array]:
    """Takes numbers of some values, (N, C), at even distances over the maps of the first images."""
    rows: dict[int, list[Array]] = {value: [] for value in values}
    for outputs in run_float(network, values, images[:_IMAGES]):
        for value, output in zip(values, outputs, strict=True):
            rows[value].append(output[:: max(1, len(output) // _NUMBERS)].astype(np.float64))
    return {value: np.concatenate(of_images) for value, of_images in rows.items()}


class _Fit(NamedTuple):
    """Lines of some channels, (K,) each, that end at one number.

    Attributes:
        lines: The lines.
        fits: Whether a channel may have its line.
        squares: The mean square of what a line misses of the hard-swish.
        slopes: By how much an error in the line moves the result, as a share of what one in x did.
    """

    lines: Lines
    fits: npt.NDArray[np.bool_]
    squares: Array
    slopes: Array


def _fitted(numbers: Array, low: Array, high: Array, end: float) -> _Fit:
    """Fits lines to the hard-swish of numbers (N, K), the largest at `end`."""
    wanted = _hard_swish(numbers)
    mean, spread = numbers.mean(axis=0), np.maximum(numbers.var(axis=0), 1e-12)
    slopes = ((numbers - mean) * wanted).mean(axis=0) / spread
    offsets = wanted.mean(axis=0) - slopes * mean
    gains = np.maximum(slopes * high + offsets, 1e-6) / end
    lines = Lines(slopes / gains, offsets / gains, gains)
    given = numbers * lines.slopes + lines.offsets
    missed = gains * _hard_swish(given) - wanted
    before, after = (np.square(_derivative(one)).mean(axis=0) for one in (numbers, given))
    # Only finer steps are wanted, and never a number on the other side of 0.
    fits = (slopes > 0) & (gains < 1) & (slopes * low + offsets >= 0)
    return _Fit(
        lines, fits, np.square(missed).mean(axis=0), gains * np.sqrt(after / np.maximum(before, 1e-12))
    )


def _hard_swish(numbers: Array) -> Array:
    return numbers * np.clip(numbers + HARD_SIGMOID_SHIFT, 0.0, HARD_SIGMOID_CEILING) / HARD_SIGMOID_CEILING


def _derivative(numbers: Array) -> Array:
    inside = (2 * numbers + HARD_SIGMOID_SHIFT) / HARD_SIGMOID_CEILING
    linear = (numbers >= HARD_SIGMOID_SHIFT).astype(np.float64)
    return np.where(np.abs(numbers) < HARD_SIGMOID_SHIFT, inside, linear)


class _Layer:
    """One hard-swish, with what errors in its values cost."""

    def __init__(
        self, x: int, product: int, members: Mapping[int, Sensitivity], known: ChannelStatistics
    ) -> None:
        self._x, self._product, self._members, self._known = x, product, members, known

    def straightened(self, channels: Channels, numbers: Array) -> Straightening | None:
        """Finds the lines with which a table costs least; None where it costs least without.

        Args:
            channels: The channels that may be straight, (K,).
            numbers: Numbers of them, (N, K).
        """
        low, high = self._known.low[channels], self._known.high[channels]
        fits = [_fitted(numbers, low, high, float(end)) for end in _ENDS]
        plain = sum(best_range(member).cost for member in self._members.values())
        best = None
        for count, end in enumerate(_ENDS, start=1):
            found = self._within(channels, fits[:count], float(end), plain)
            if found is not None and (best is None or found.saved > best.saved):
                best = found
        return best

    def _within(
        self, channels: Channels, fits: Sequence[_Fit], end: float, plain: float
    ) -> Straightening | None:
        """Gives channels the lines that cost least in a range up to `end`; None where none saves."""
        x, product = (self._members[value].of_channels(channels) for value in (self._x, self._product))
        of_results = HARD_SIGMOID_CEILING**2 * product.rounding  # the product is six times the hard-swish
        step = (end / STEPS) ** 2 / 12
        ends = np.full((len(channels), 1), end)
        clipped = x.high.at(ends)[:, 0] + product.high.at(HARD_SIGMOID_CEILING * ends)[:, 0]
        least = clipped + step * (x.rounding + of_results)
        size = len(self._known.low)
        lines, ratios, errors = (
            Lines(np.ones(size), np.zeros(size), np.ones(size)),
            np.ones(size),
            np.zeros(size),
        )
        for fit in fits:
            missed = of_results * fit.squares
            costs = missed + step * (x.rounding * fit.slopes**2 + of_results * fit.lines.gains**2)
            taken = fit.fits & (costs < least)
            least = np.where(taken, costs, least)
            changed = channels[taken]
            for whole, part in zip((*lines, ratios, errors), (*fit.lines, fit.slopes, missed), strict=True):
                whole[changed] = part[taken]
        if (lines.gains == 1).all():
            return None
        after, error = self._sensitivities(lines, ratios), float(errors.sum())
        saved = plain - error - sum(best_range(member).cost for member in after.values())
        return Straightening(lines, after, error, saved) if saved > 0 else None

    def _sensitivities(self, lines: Lines, ratios: Array) -> dict[int, Sensitivity]:
        after = {value: member.divided(lines.gains) for value, member in self._members.items()}
        x = self._members[self._x]
        after[self._x] = Sensitivity(
            rounding=x.rounding * ratios**2, high=_moved(x.high, lines, self._known.high), low=x.low
        )
        return after


def _moved(tail: Tail, lines: Lines, high: Array) -> Tail:
    """Moves the tail of x to lines of it; beyond the largest number nothing is clipped."""
    straight = lines.gains != 1
    last = np.where(straight, np.minimum(tail.last(), high), tail.last())
    unit = (lines.slopes * last + lines.offsets) / tail.ends[-1]
    before = (tail.ends * unit[:, None] - lines.offsets[:, None]) / lines.slopes[:, None]
    before[:, -1] = last
    # Costs are known at some ends only: between them, those of numbers that never came must not count.
    moved = np.where(before < high[:, None], tail.at(np.maximum(before, 0.0)), 0.0)
    costs = np.where(straight[:, None], moved, tail.costs)
    return Tail(unit=unit, ends=tail.ends, costs=costs)


def straighten(network: Network, x: int, lines: Lines) -> Network:
    """Gives lines in place of channels of the input of a hard-swish.

    Args:
        network: A network in which the hard-swish is one node or lowered per channel.
        x: The input of the hard-swish.
        lines: The lines, of all channels.

    Returns:
        The network, which remembers the lines.

    Raises:
        ValueError: There are not as many lines as channels, or these channels cannot be divided.
    """
    name = network.values[x].name
    values = divided_values(network, x)
    if any(len(one) != network.values[x].channels for one in lines):
        raise ValueError(f"'{name}' has {network.values[x].channels} channels, and {len(lines.slopes)} lines")
    if values is None:
        raise ValueError(f"the channels of '{name}' cannot be divided")
    nodes = [_straightened(node, x, values, lines) for node in network.nodes]
    known = {**network.straight_channels, name: tuple(tuple(map(float, row)) for row in lines)}
    return dataclasses.replace(network.with_nodes(nodes), straight_channels=known)


def _straightened(node: Node, x: int, values: frozenset[int], lines: Lines) -> Node:
    if node.weights is None or node.kind == "hard_sigmoid":
        return node
    weights, bias = node.weights_and_bias()
    if node.output == x:
        shape = (-1,) if node.kind == "depthwise" else (-1, *[1] * (weights.ndim - 1))
        weights, bias = weights * lines.slopes.reshape(shape), bias * lines.slopes + lines.offsets
    elif values & set(node.inputs) and not _is_gate(node, x):
        weights = weights * lines.gains
    return dataclasses.replace(node, weights=weights, bias=bias)


def _is_gate(node: Node, x: int) -> bool:
    return node.kind == "depthwise" and node.inputs[0] == x
