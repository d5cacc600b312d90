"""Channels that go through a table of hard-swish at their own scale, by a stretched part of its curve.

A table of hard-swish has one scale for all channels, so a channel of numbers between -0.8 and 0.3 is rounded
as coarsely as one that reaches 15. But a channel meets only a part of the curve, and other parts of the same
curve, stretched, are much like it: from 3 on it is a straight line, below it bends like a parabola. So the
convolution before gives slope · x + offset in place of x, and the layers behind take the result times a gain,
plus a constant where their biases can have one:

    gain · hard_swish(slope · x + offset) + constant, in place of hard_swish(x)

A gain below 1 gives the channel finer steps. One above 1 lets a channel of large numbers end earlier, which
gives finer steps to all others. What the curve misses is measured at the logits for each channel, as the
errors of rounding and clipping are, and the curve with the smallest sum is taken; none where the hard-swish
itself is best. It costs nothing at run time.

A constant is not added where a map is surrounded by zeros. That too is in what is measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.algorithms.channel_groups import MULTIPLE, Channels
from edge_mnv3_quantization.algorithms.curve_costs import Channel, Ranges, hard_swish
from edge_mnv3_quantization.algorithms.curves import Curves, fit_channels
from edge_mnv3_quantization.algorithms.linear_channels import divided_values
from edge_mnv3_quantization.algorithms.number_effects import (
    NumberEffects,
    number_effects,
    true_errors,
)
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import STEPS, Sensitivity, Tail
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images
from edge_mnv3_quantization.graph.borders import reaches_beyond
from edge_mnv3_quantization.graph.network import (
    HARD_SIGMOID_CEILING,
    HARD_SIGMOID_SHIFT,
    Array,
    Network,
)
from edge_mnv3_quantization.graph.rewrites import hard_swish_inputs

# Candidates: where a table's range may end, from and to shares of where it would end by itself, and far
# enough for lines; where it may begin, or as it does by itself; slopes; and where a channel's middle may lie.
_ENDS, _NEAREST, _FURTHEST, _BEYOND_LINES = 20, 0.1, 1.1, 6.0
_LOWEST = (0.5 * HARD_SIGMOID_SHIFT, HARD_SIGMOID_SHIFT)
_SLOPES = np.geomspace(1 / 4, 8.0, 26)
_MIDDLES = np.concatenate([np.linspace(-1.5, 4.0, 23), np.geomspace(4.3, 12.0, 8)])
_LIKELY = 4  # ranges that are looked at with all that shares their scales
_SMALLEST = 1e-12
_MISJUDGED = 3.0  # constants must not cost so many times what was estimated
_WORTH_A_LOOK = 0.01  # of the error of all tables: hard-swishes that cost less are left as they are
_MATTERS = 0.25  # channels that cost less than this share of the mean stay as they are


class Fitting(NamedTuple):
    """The fitted channels of the input of a hard-swish.

    Attributes:
        curves: What replaces each channel's hard-swish.
        sensitivities: What errors then cost, of each value that changes.
        error: The squared error of the logits by the curves themselves.
    """

    curves: Curves
    sensitivities: Mapping[int, Sensitivity]
    error: float


class FittedChannels:
    """The fitted channels that each hard-swish of a network may have, for tables of it, by measured cost."""

    def __init__(
        self,
        network: Network,
        statistics: Mapping[int, ChannelStatistics],
        sensitivities: Mapping[int, Sensitivity],
        images: Images,
        *,
        seed: int,
        reporter: Reporter = SILENT,
    ) -> None:
        """Measures what curves would cost.

        Args:
            network: A network lowered per channel, its linear channels divided.
            statistics: The statistics of its values before that.
            sensitivities: What errors in its values cost.
            images: Calibration images, (N, H, W, C) uint8.
            seed: The seed of what is drawn.
            reporter: Its `progress` is told of (hard-swishes done, hard-swishes in all).
        """
        ranges, members = {}, {}
        for x in sorted(hard_swish_inputs(network)):
            known, values = statistics.get(x), divided_values(network, x)
            if known is None or values is None or not {x, _product(network, x)} <= sensitivities.keys():
                continue
            divided = np.array(network.linear_scales.get(network.values[x].name, np.ones(len(known.low))))
            ranges[x] = known.low / divided, known.high / divided
            members[x] = {value: sensitivities[value] for value in sorted(values) if value in sensitivities}
        plain = {x: sum(best_range(one).cost for one in of_x.values()) for x, of_x in members.items()}
        least = _WORTH_A_LOOK * sum(plain.values())
        ranges = {x: ends for x, ends in ranges.items() if plain[x] > least}
        effects = number_effects(network, statistics, ranges, images, seed=seed) if ranges else {}

        def layer(x: int, of_x: NumberEffects, *, surrounded: bool = False) -> _Layer:
            return _Layer(x, _product(network, x), members[x], of_x, surrounded=surrounded)

        layers = [layer(x, of_x) for x, of_x in effects.items()]
        layers += [
            layer(x, of_x, surrounded=True)
            for x, of_x in effects.items()
            if of_x.constants is not None and _needs_border(network, x)
        ]
        done = itertools.count(1)

        def choose(one: _Layer) -> None:
            one.choose()
            reporter.progress(min(next(done), len(layers)), len(layers))

        def check(some: Sequence[_Layer]) -> None:
            map_in_threads(choose, some, available_cores())
            self._check(network, statistics, images, some, seed)

        check(layers)
        right = [one for one in layers if not one.is_misjudged]
        again = [
            layer(one.x, effects[one.x]._replace(constants=None))
            for one in layers
            if one.is_misjudged and not one.is_surrounded
        ]
        check(again)
        self._layers = {(one.x, one.is_surrounded): one for one in [*right, *again]}

    @staticmethod
    def _check(
        network: Network,
        statistics: Mapping[int, ChannelStatistics],
        images: Images,
        layers: Sequence[_Layer],
        seed: int,
    ) -> None:
        """Measures what the curves of layers really cost, beside what the gradients told.

        A constant may add much where zeros surround a map. What lies behind may stop what is there, so that
        there is no gradient, and yet let more through.
        """
        fittings = [one.fitting(()) for one in layers]
        networks = [
            fit_channels(network, one.x, fitting.curves)
            for one, fitting in zip(layers, fittings, strict=True)
        ]
        errors = true_errors(network, networks, statistics, images, seed=seed)
        for one, fitting, error in zip(layers, fittings, errors, strict=True):
            one.excess = max(error - fitting.error, 0.0)
            one.is_misjudged = bool(fitting.curves.constants.any()) and error > _MISJUDGED * fitting.error

    def saved(self, x: int, groups: Sequence[Channels] = (), *, surrounded: bool = False) -> float:
        """Estimates how much less tables of a hard-swish cost with fitted channels; 0 where none fit.

        Args:
            x: The input of the hard-swish.
            groups: Its channel groups; none for one table.
            surrounded: The map is surrounded by constants in the place of zeros.
        """
        layer = self._layers.get((x, surrounded))
        return 0.0 if layer is None else layer.saved(groups)

    def fitting(self, x: int, groups: Sequence[Channels] = (), *, surrounded: bool = False) -> Fitting:
        """Returns the fitted channels with which tables cost least; see `saved`."""
        return self._layers[x, surrounded].fitting(groups)


def _needs_border(network: Network, x: int) -> bool:
    """Whether zeros surround what a hard-swish gives, and its channels are too few for groups."""
    product = _product(network, x)
    shape = network.values[product].shape
    return shape[-1] < 2 * MULTIPLE and any(
        reaches_beyond(node, shape, network.values[node.output].shape) for node in network.consumers(product)
    )


def _product(network: Network, x: int) -> int:
    return next(node.output for node in network.consumers(x) if node.kind == "mul")


class _Layer:
    """One hard-swish, with what errors in its values cost.

    What a channel's best curve is depends on the range of its table alone, so it is chosen once for each of
    many ranges. A table's best range is then the one with the smallest sum over its channels.

    Attributes:
        excess: How much more the curves of one table really cost than the gradients tell.
        is_misjudged: Whether that is so much that constants are not to be had.
    """

    def __init__(
        self,
        x: int,
        product: int,
        members: Mapping[int, Sensitivity],
        effects: NumberEffects,
        *,
        surrounded: bool,
    ) -> None:
        self.x, self._product, self._members = x, product, members
        self.is_surrounded = surrounded
        self.excess, self.is_misjudged = 0.0, False
        others = np.zeros(len(members[x].rounding))
        for value, member in members.items():
            if value not in (x, product):
                low, high, _ = best_range(member)
                others += member.rounding * ((high - low) / STEPS) ** 2 / 12
        self._has_others = len(members) > 2
        self._channels = [
            Channel(
                effects,
                channel,
                members[x],
                members[product],
                of_others=float(others[channel]),
                surrounded=surrounded,
            )
            for channel in range(len(others))
        ]
        alone = best_range(members[x])
        lows = [-alone.low, *(low for low in _LOWEST if low > -alone.low)]
        highs = np.geomspace(_NEAREST * alone.high, max(_FURTHEST * alone.high, _BEYOND_LINES), _ENDS)
        self._ranges = [Ranges.between(low, highs) for low in lows]
        count, channels = len(lows) * _ENDS, len(self._channels)
        self._costs = np.zeros((count, channels))
        self._curves = [Curves.none(channels) for _ in range(count)]

    def choose(self) -> None:
        """Chooses each channel's curve for each range of a table."""
        least = _MATTERS * sum(best_range(one).cost for one in self._members.values()) / len(self._channels)
        slopes, middles = (each.reshape(-1) for each in np.meshgrid(_SLOPES, _MIDDLES))
        one, zero, highs = np.ones(1), np.zeros(1), self._ranges[0].highs
        for number, channel in enumerate(self._channels):
            clipped = channel.clipped(one, zero, highs)[:, 0]
            plain = np.concatenate([channel.as_it_is(ranges, clipped) for ranges in self._ranges])
            self._costs[:, number] = plain
            if plain.max() < least:
                continue
            lines = channel.lines()
            each = (
                np.concatenate([slopes, lines[0]]),
                np.concatenate([middles - slopes * channel.middle, lines[1]]),
            )
            clipped = channel.clipped(*each, highs)
            found = [channel.candidates(*each, ranges, clipped).best() for ranges in self._ranges]
            for at, (curve, cost) in enumerate(itertools.chain(*found)):
                if cost < self._costs[at, number]:
                    self._costs[at, number] = cost
                    for whole, part in zip(self._curves[at], curve, strict=True):
                        whole[number] = part

    def saved(self, groups: Sequence[Channels]) -> float:
        """Estimates how much less tables cost with curves; 0 where no channel has one."""
        if not self._best(groups).fitted.any():
            return 0.0
        if self._has_others:
            return self._plain(self._members, groups) - self._with_curves(self._best(groups)) - self.excess
        own = {value: self._members[value] for value in (self.x, self._product)}
        costs = sum(float(self._costs[:, group].sum(axis=1).min()) for group in self._groups(groups))
        return self._plain(own, groups) - costs - self.excess

    def _plain(self, members: Mapping[int, Sensitivity], groups: Sequence[Channels]) -> float:
        """What tables cost without curves."""
        return sum(
            best_range(member.of_channels(np.asarray(group))).cost
            for member in members.values()
            for group in self._groups(groups)
        )

    def _with_curves(self, curves: Curves) -> float:
        """What a table costs with curves."""
        after, error = self._sensitivities(curves)
        return error + sum(best_range(member).cost for member in after.values())

    def fitting(self, groups: Sequence[Channels]) -> Fitting:
        """Takes the curves of each table's best range."""
        curves = self._best(groups)
        after, error = self._sensitivities(curves)
        return Fitting(curves, after, error + self.excess)

    def _best(self, groups: Sequence[Channels]) -> Curves:
        if self._has_others:
            # What follows the product shares its scales: the best of some ranges is found by all of them.
            likely = np.argsort(self._costs.sum(axis=1), kind="stable")[:_LIKELY]
            candidates: list[Curves] = [self._curves[place] for place in likely]
            return min(candidates, key=self._with_curves)
        curves = Curves.none(len(self._channels))
        for group in self._groups(groups):
            best = int(self._costs[:, group].sum(axis=1).argmin())
            for whole, part in zip(curves, self._curves[best], strict=True):
                whole[group] = part[group]
        return curves

    def _groups(self, groups: Sequence[Channels]) -> Sequence[Channels]:
        return groups or [np.arange(len(self._channels))]

    def _sensitivities(self, curves: Curves) -> tuple[dict[int, Sensitivity], float]:
        """What errors cost with curves, and what the curves cost by themselves."""
        after = {value: member.divided(curves.gains) for value, member in self._members.items()}
        of_input, of_product = _Sides(self._members[self.x]), _Sides(after[self._product])
        rounding, error = self._members[self.x].rounding.copy(), 0.0
        for number in map(int, np.flatnonzero(curves.fitted)):
            curve = [float(each[number]) for each in curves]
            slope, offset, gain, *_ = curve
            channel = self._channels[number]
            error += channel.missed(curve)
            given = channel.given(slope, offset)
            results = hard_swish(given)
            rounding[number] *= (gain * channel.steepness(given)) ** 2
            low, high = channel.reach(slope, offset)
            ends = of_input.high.ends_up_to(number, high)
            of_input.high.costs[number] = channel.clipped_inputs(slope, offset, gain, ends)
            ends = of_input.low.ends_up_to(number, min(-low, HARD_SIGMOID_SHIFT))
            cut = hard_swish(np.maximum(given, -ends[:, None]))
            of_input.low.costs[number] = channel.changed(gain, results, cut)
            ends = of_product.high.ends_up_to(
                number, HARD_SIGMOID_CEILING * float(hard_swish(np.array(high)))
            )
            of_product.high.costs[number] = channel.clipped_products(slope, offset, gain, ends)
            ends = of_product.low.ends_up_to(number, -HARD_SIGMOID_CEILING * float(results.min()))
            cut = np.maximum(results, -ends[:, None] / HARD_SIGMOID_CEILING)
            of_product.low.costs[number] = channel.changed(gain, results, cut)
        after[self.x] = of_input.sensitivity(rounding)
        after[self._product] = of_product.sensitivity(after[self._product].rounding)
        return after, error


class _Side:
    """A tail, some channels of which get other costs."""

    def __init__(self, tail: Tail) -> None:
        self._unit, self._ends, self.costs = tail.unit.copy(), tail.ends, tail.costs.copy()

    def ends_up_to(self, channel: int, last: float) -> Array:
        """Moves the ends of a channel so that nothing lies beyond the last one; returns them, (J,)."""
        self._unit[channel] = max(last, _SMALLEST) / self._ends[-1]
        return np.asarray(self._unit[channel] * self._ends)

    def tail(self) -> Tail:
        return Tail(unit=self._unit, ends=self._ends, costs=self.costs)


class _Sides:
    """Both tails of a value; where nothing was below 0, something may be now."""

    def __init__(self, known: Sensitivity) -> None:
        self.high = _Side(known.high)
        none = Tail(
            unit=np.full(len(known.rounding), _SMALLEST),
            ends=known.high.ends,
            costs=np.zeros_like(known.high.costs),
        )
        self.low = _Side(known.low or none)

    def sensitivity(self, rounding: Array) -> Sensitivity:
        return Sensitivity(rounding=rounding, high=self.high.tail(), low=self.low.tail())
