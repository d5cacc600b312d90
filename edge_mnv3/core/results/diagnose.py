"""The frozen results of `diagnose`; `json_format` writes and reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.recipe import RecipeReport

_MOST_BINS, _MOST_COUNTED = 64, 2**63 - 1
_ALL_PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNoise:
    """The noise in one channel of a value.

    Attributes:
        channel: Number of the channel, from 0 on.
        noise_share_percent: Its share of the value's squared error.
        snr_db: The channel's signal to noise; None where it is constant or without noise.
    """

    channel: int
    noise_share_percent: float
    snr_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueHistogram:
    """How the numbers of a value lie in the int8 range, over the images, all positions and channels.

    All numbers are the float file's, divided by the equalization scale of their channel, which is 1 where
    channels are not equalized: so all channels have the same range.

    Attributes:
        smallest: The smallest number.
        largest: The largest.
        range_low: What the lowest step of int8 stands for.
        range_high: What the highest step stands for.
        bin_low: Where the first bin begins; the range begins and ends with a bin.
        bin_width: Width of each bin.
        counts: Numbers in each bin, of at most 64.
        below: Numbers below the first bin.
        above: Numbers above the last bin.
        clipped_percent: Share of the numbers that int8 moves to an end of the range.
        harmless_percent: Share of the numbers that are among these, and do no harm: those below -3 in front
            of a hard-swish, which gives 0 of all of them.
    """

    smallest: float
    largest: float
    range_low: float
    range_high: float
    bin_low: float
    bin_width: float
    counts: tuple[int, ...]
    below: int
    above: int
    clipped_percent: float
    harmless_percent: float

    def __post_init__(self) -> None:
        """Refuses what is no histogram.

        Raises:
            ValueError: A number is not finite or out of its range, or edges are out of order; the text says
                which.
        """
        bins = len(self.counts)
        end = self.bin_low + bins * self.bin_width
        numbers = (self.smallest, self.largest, self.range_high - self.range_low, end - self.bin_low)
        counts = (*self.counts, self.below, self.above)
        rules = (
            (all(map(math.isfinite, numbers)), "a number is not finite"),
            (self.bin_width > 0, f"bin_width is {self.bin_width:g}, and must be more than 0"),
            (1 <= bins <= _MOST_BINS, f"{bins} counts, of 1 to {_MOST_BINS}"),
            (all(0 <= each <= _MOST_COUNTED for each in counts), "a count is negative or too large"),
            (self.smallest <= self.largest, "smallest is more than largest"),
            (self.range_low < self.range_high, "range_low is not less than range_high"),
            (self.bin_low <= self.range_low and self.range_high <= end, "the range is not within the bins"),
            (0 <= self.clipped_percent <= _ALL_PERCENT, "clipped_percent is not from 0 to 100"),
            (0 <= self.harmless_percent <= _ALL_PERCENT, "harmless_percent is not from 0 to 100"),
        )
        for holds, broken in rules:
            if not holds:
                raise ValueError(f"damaged: {broken}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNoise:
    """A value of the int8 file as it runs, all errors before it included, against the float file's.

    Attributes:
        tensor: Name in the float file.
        layer: Short name.
        block: The inverted residual that it is part of, or the layer that begins its part of the network.
        op: The float file's operator that gives it.
        shape: Dimensions of the value.
        snr_db: Signal, about its mean in each channel, to noise; None where it is constant or without noise.
        dead_channels: Channels that are constant over the images.
        worst_channels: Channels with the largest shares of the noise, largest first.
        histogram: How its numbers lie in the int8 range; None where a number is not finite, and in results
            of older releases.
    """

    tensor: str
    layer: str
    block: str
    op: str
    shape: tuple[int, ...]
    snr_db: float | None
    dead_channels: int
    worst_channels: tuple[ChannelNoise, ...]
    histogram: ValueHistogram | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorCause:
    """Why a tensor loses.

    Attributes:
        kind: `xnnpack_ratio`, `too_narrow`, `clipping`, `channel_imbalance`, `outlier_range`,
            `below_minus_3`, `dead_channels`, `saturated_bias`, `uneven_rows`, or `rounding` where no rule
            holds.
        text: The cause in words, with its numbers.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorCost:
    """What the quantization of one tensor costs at the logits.

    Attributes:
        rank: Place in the order of cost, from 1 on, the most expensive first.
        kind: `value`, or `weights` of the operator that gives it.
        tensor: Name of the tensor in the float file.
        layer: Short name of the layer.
        op: The float file's operator that gives it.
        noise_percent: Squared error of the logits with this tensor alone quantized, in percent of their
            signal.
        share_percent: Its share of the sum of that over all tensors.
        snr_db: Signal to noise of the logits with this tensor alone quantized; None without noise.
        cumulative_snr_db: Signal to noise of the logits with this tensor and all more expensive ones
            quantized.
        causes: What is wrong with it, the gravest first.
        recipe_did: What the recipe did here, as the int8 file notes, or else as inferred.
        suggestion: What to do; empty where nothing is known.
    """

    rank: int
    kind: str
    tensor: str
    layer: str
    op: str
    noise_percent: float
    share_percent: float
    snr_db: float | None
    cumulative_snr_db: float | None
    causes: tuple[TensorCause, ...]
    recipe_did: tuple[str, ...]
    suggestion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedOperator:
    """An operator whose scales XNNPACK refuses, so that the file does not load on phones.

    Attributes:
        tensor: Name of the tensor in the float file.
        layer: Short name of the layer.
        op: The float file's operator that gives it.
        causes: Why its scales are refused.
    """

    tensor: str
    layer: str
    op: str
    causes: tuple[TensorCause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFindings:
    """What was done to the whole graph: as the int8 file notes, or else inferred from it and the float file.

    Attributes:
        hard_swishes: Hard-swishes in the float file.
        hard_swishes_as_table: Those written as an addition and a product.
        hard_swishes_in_groups: How many of those have a table for each channel group.
        hard_swishes_as_convolution: Those written as a depthwise 1×1 convolution and a product.
        folded_squeeze_excites: Products with squeeze-excite excitations that moved into weights.
        values: Values that were compared.
        equalized_values: Values whose channels were divided by equalization scales.
        largest_factor_ratio: Largest equalization scale over the smallest of one value.
        weighted_operators: Operators with weights that were compared.
        corrected_operators: Those whose biases were moved or refitted; `recipe_report` tells whose weights
            were refitted too.
    """

    hard_swishes: int
    hard_swishes_as_table: int
    hard_swishes_in_groups: int
    hard_swishes_as_convolution: int
    folded_squeeze_excites: int
    values: int
    equalized_values: int
    largest_factor_ratio: float
    weighted_operators: int
    corrected_operators: int


def _without_report(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1, which told nothing of what the int8 file notes of its recipe."""
    return {**data, "recipe_report": None}


def _without_divided_channels(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 2, which compared with the float file after its linear channels were divided."""
    return {**data, "divided_channels_snr_db": None}


def _without_histograms(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 3, which counted no numbers."""
    return {**data, "layers": [{**layer, "histogram": None} for layer in data["layers"]]}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnoseResult:
    """Where an int8 file loses what the float file knows.

    Attributes:
        float_path: The float file.
        float_sha256: SHA-256 of the float file.
        int8_path: The int8 file.
        int8_sha256: SHA-256 of the int8 file.
        n: Images.
        images: Where they came from.
        kernels: `xnnpack` or `builtin`: which ran the int8 file.
        xnnpack_problem: Why it does not load under XNNPACK; None if it does.
        runtime: Name and version of the TFLite runtime.
        snr_db: Signal to noise of the int8 file's logits as measured; None without noise.
        divided_channels_snr_db: Signal to noise of the float file's logits with its linear channels divided
            and its fitted ones with their curves, as in the int8 file: what such channels lose by that. None
            without such channels, or without loss.
        predicted_snr_db: Signal to noise of the float file's logits with everything quantized as in the int8
            file.
        agreement_percent: Images on which both files have the same highest class, or the same labels; None
            for features.
        layers: Noise of each value, in the order of execution.
        costs: The most expensive tensors.
        other_noise_percent: Sum of `noise_percent` of all tensors that are not among `costs`.
        refused: Operators that XNNPACK refuses; empty where the file loads under it.
        recipe: What was done to the whole graph.
        recipe_report: What the int8 file notes of its recipe; None for files of others and of older
            releases, of which `recipe` and `recipe_did` tell what can be inferred.
        warnings: What the user must know.
    """

    FORMAT: ClassVar[Format] = Format(
        "diagnose", (_without_report, _without_divided_channels, _without_histograms)
    )
    schema_version: int = FORMAT.version
    float_path: str
    float_sha256: str
    int8_path: str
    int8_sha256: str
    n: int
    images: str
    kernels: str
    xnnpack_problem: str | None
    runtime: str
    snr_db: float | None
    divided_channels_snr_db: float | None
    predicted_snr_db: float | None
    agreement_percent: float | None
    layers: tuple[LayerNoise, ...]
    costs: tuple[TensorCost, ...]
    other_noise_percent: float
    refused: tuple[RefusedOperator, ...]
    recipe: RecipeFindings
    recipe_report: RecipeReport | None
    warnings: tuple[str, ...]
