"""Why a tensor loses so much in int8, in words, by rules with fixed thresholds.

Every rule that applies is reported, in the order of this module: first what keeps the file from loading, then
what is worst for the numbers. `docs/diagnosis.md` explains the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.diagnose import TensorCause
from edge_mnv3_quantization.algorithms.weight_quantization import LARGEST_STEP
from edge_mnv3_quantization.diagnosis.equalization_scales import SATURATED_BIAS
from edge_mnv3_quantization.diagnosis.pair import PairedWeights
from edge_mnv3_quantization.graph.network import HARD_SIGMOID_SHIFT, Array

LOW_STEP, HIGH_STEP = -128, 127
STEP_COUNT = 256
TAIL_PERCENT = 0.1  # the tails of a channel are this share of its numbers on either side
OUTLIER_RATIO = 2.0  # the range over what all channels need without their tails: one bit is lost
IMBALANCE_PERCENTILE = 25  # the channel at this percentile, by the steps its numbers span without tails, ...
IMBALANCE_STEPS = 32  # ... spans fewer steps than these: three of eight bits are lost
IMBALANCE_RATIO = 4.0  # ... and the widest channel spans more than so many times as many
CLIPPED_SHARE = 0.5  # the share of a value's squared error that is due to clipping
TOO_NARROW_SHARE = 0.95  # a larger share of it than with any range that was weighed against these numbers
DEAD_SHARE = 0.5  # the share of dead channels: with fewer dead channels rounding is named as well
BELOW_SHARE = 0.25  # the share of the steps that hold numbers below -3
UNEVEN_ROW_STEPS = 8  # the median weight of the median channel, of 127 steps: four of seven bits are lost

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledValue:
    """Numbers of one value and how int8 holds them.

    Attributes:
        sample: Some numbers of the float value, (numbers, C).
        equalization_scales: The scales in float value = equalization scale * int8 value, (C,).
        low: The smallest number that was seen in each channel, (C,).
        high: The largest number that was seen in each channel, (C,).
        dead: Whether each channel is constant, (C,).
        before_hard_swish: Whether only a hard-swish takes the value.
    """

    sample: Matrix
    equalization_scales: Array
    scale: float
    zero_point: int
    low: Array
    high: Array
    dead: npt.NDArray[np.bool_]
    before_hard_swish: bool

    def steps(self, numbers: Array | Matrix) -> Array:
        """Converts numbers (…, C) to what would be stored if nothing were rounded or clipped."""
        steps: Array = (
            np.asarray(numbers, np.float64) / (self.equalization_scales * self.scale) + self.zero_point
        )
        return steps

    def harmless_low(self) -> Array:
        """Returns the stored number (C,) below which all numbers give the same result."""
        if not self.before_hard_swish:
            return np.full(len(self.equalization_scales), -np.inf)
        return self.steps(np.full(len(self.equalization_scales), -HARD_SIGMOID_SHIFT))

    def clipped(self) -> tuple[float, float]:
        """Returns the share of the numbers beyond the range, and the share of the squared error they make."""
        steps = np.maximum(self.steps(self.sample), self.harmless_low())
        beyond = steps - np.clip(steps, LOW_STEP - 0.5, HIGH_STEP + 0.5)
        weight = np.square(self.equalization_scales)
        clipping = float((np.square(beyond).mean(axis=0) * weight).sum())
        rounding = float(weight.sum()) / 12
        return float((beyond != 0).mean()), clipping / (clipping + rounding)


def value_causes(value: SampledValue, refusal: str | None = None) -> tuple[TensorCause, ...]:
    """Names what is wrong with a value's range and channels.

    Args:
        value: A value with at least one sampled number.
        refusal: What XNNPACK refuses about the operator that gives the value.
    """
    causes = []
    if refusal:
        causes.append(TensorCause(kind="xnnpack_ratio", text=f"scale ratio that XNNPACK refuses: {refusal}"))
    causes += _clipping(value)
    alive = ~value.dead
    if alive.any():
        causes += _spans(value, alive)
        causes += _below(value)
    if value.dead.mean() < DEAD_SHARE and not causes:
        causes.append(_rounding(value))
    return (*causes, _dead(value)) if value.dead.any() else tuple(causes)


def weights_causes(weights: PairedWeights) -> tuple[TensorCause, ...]:
    """Names what is wrong with an operator's weights and bias."""
    causes = []
    saturated = np.flatnonzero(np.abs(weights.bias) >= SATURATED_BIAS)
    rows = np.moveaxis(weights.stored, -1, 0) if weights.depthwise else weights.stored
    rows = rows.reshape(len(weights.bias), -1)
    if len(saturated):
        first = saturated[0]
        causes.append(
            TensorCause(
                kind="saturated_bias",
                text=f"saturated bias in {len(saturated)} of {len(rows)} channels: channel {first}'s is at "
                f"{weights.bias[first]:.0f} of int32's {2**31 - 1}, so its weights keep "
                f"{np.abs(rows[first]).max():.0f} of {LARGEST_STEP} steps",
            )
        )
    used = rows.any(axis=1)
    if used.any():
        plain = np.moveaxis(weights.float_weights, -1, 0) if weights.depthwise else weights.float_weights
        sizes = np.where(plain.reshape(rows.shape) != 0, np.abs(rows), np.nan)[used]
        typical = float(np.median(np.nanmedian(sizes, axis=1)))
        if typical < UNEVEN_ROW_STEPS:
            causes.append(
                TensorCause(
                    kind="uneven_rows",
                    text="a channel's largest weight dwarfs the rest: in half of the channels half of the "
                    f"weights lie within {typical:.2g} of {LARGEST_STEP} steps",
                )
            )
    if not used.all():
        causes.append(
            TensorCause(
                kind="dead_channels",
                text=f"dead channels: {(~used).sum()} of {len(rows)} channels have no weights but 0",
            )
        )
    if causes:
        return tuple(causes)
    return (
        TensorCause(
            kind="rounding", text=f"no single cause: {rows.shape[1]} weights a channel, rounded to 8 bits"
        ),
    )


def _clipping(value: SampledValue) -> Sequence[TensorCause]:
    share, energy = value.clipped()
    if energy < CLIPPED_SHARE:
        return []
    kind, name = ("too_narrow", "range too narrow") if energy > TOO_NARROW_SHARE else ("clipping", "clipping")
    numbers = (
        f"{100 * share:.2g} % of the numbers lie beyond the range and make {100 * energy:.0f} % of the error"
    )
    return [TensorCause(kind=kind, text=f"{name}: {numbers}")]


def _ends(value: SampledValue) -> tuple[Array, Array]:
    """Returns the stored numbers, (C,) and (C,), between which each channel lies without its tails."""
    low, high = np.percentile(value.sample, (TAIL_PERCENT, 100 - TAIL_PERCENT), axis=0)
    one, other = value.steps(low), value.steps(high)
    floor = value.harmless_low()
    return np.maximum(np.minimum(one, other), floor), np.maximum(np.maximum(one, other), floor)


def _spans(value: SampledValue, alive: npt.NDArray[np.bool_]) -> Sequence[TensorCause]:
    low, high = _ends(value)
    widths = np.clip(high, LOW_STEP, HIGH_STEP) - np.clip(low, LOW_STEP, HIGH_STEP)
    widest = int(np.argmax(np.where(alive, widths, -1.0)))
    narrow = float(np.percentile(widths[alive], IMBALANCE_PERCENTILE))
    causes = []
    if narrow < IMBALANCE_STEPS and widths[widest] > IMBALANCE_RATIO * narrow:
        causes.append(
            TensorCause(
                kind="channel_imbalance",
                text=f"channel imbalance: a quarter of the channels spans {narrow:.2g} of {STEP_COUNT} "
                f"steps or fewer, channel {widest} spans {widths[widest]:.0f}",
            )
        )
    needed = max(float(high[alive].max()), value.zero_point) - min(float(low[alive].min()), value.zero_point)
    if OUTLIER_RATIO * needed <= STEP_COUNT - 1:
        reached = np.maximum(np.abs(value.low), np.abs(value.high)) / (
            value.equalization_scales * value.scale
        )
        channel = int(np.argmax(reached))
        extreme = value.high[channel] if value.high[channel] > -value.low[channel] else value.low[channel]
        causes.append(
            TensorCause(
                kind="outlier_range",
                text=f"outlier range: {needed:.0f} of {STEP_COUNT} steps hold all channels' numbers but "
                f"{TAIL_PERCENT} % on each side; channel {channel} reaches {extreme:.3g}",
            )
        )
    return causes


def _below(value: SampledValue) -> Sequence[TensorCause]:
    if not value.before_hard_swish:
        return []
    unused = float(np.clip(value.harmless_low() - LOW_STEP, 0, STEP_COUNT - 1).min()) / (STEP_COUNT - 1)
    if unused < BELOW_SHARE:
        return []
    return [
        TensorCause(
            kind="below_minus_3",
            text=f"numbers below -3, which hard-swish turns into 0, take {100 * unused:.0f} % of the range",
        )
    ]


def _dead(value: SampledValue) -> TensorCause:
    text = f"dead channels: {value.dead.sum()} of {len(value.dead)} are constant over the images"
    if value.dead.all():
        low, high = float(value.low.min()), float(value.high.max())
        text += f", all numbers between {low:.3g} and {high:.3g}"
    return TensorCause(kind="dead_channels", text=text)


def _rounding(value: SampledValue) -> TensorCause:
    low, high = _ends(value)
    typical = float(np.median(high - low))
    return TensorCause(
        kind="rounding",
        text=f"no single cause: the median channel's numbers span {typical:.0f} of {STEP_COUNT} steps",
    )
